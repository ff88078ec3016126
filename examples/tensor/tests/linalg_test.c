#include <math.h>

#include "test.h"

static void small_product(void) {
    tensor *out;
    CHECK(tensor_matmul(make("tensor 2 3\n1 2 3 4 5 6"), make("tensor 3 2\n7 8 9 10 11 12"), &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 2 2\n58 64 139 154");
}

static tensor *random_matrix(size_t rows, size_t columns, uint64_t seed) {
    tensor *t;
    tensor_rng rng = tensor_rng_seed(seed);
    if (tensor_create(2, (const size_t[]){rows, columns}, &t) != TENSOR_OK) {
        return NULL;
    }
    tensor_fill_uniform(t, &rng, -1, 1);
    return keep(t);
}

/* Against the definition in double; the sizes lie around those of tiles and blocks. */
static void products_of_many_sizes(void) {
    const size_t sizes[][3] = {{1, 1, 1},    {4, 8, 8},  {5, 9, 7},     {63, 255, 9},
                               {64, 256, 8}, {65, 3, 1}, {3, 257, 513}, {66, 300, 520}};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const size_t m = sizes[s][0], depth = sizes[s][1], n = sizes[s][2];
        const tensor *a = random_matrix(m, depth, s), *b = random_matrix(depth, n, s + 100);
        tensor *c;
        CHECK(a && b && tensor_matmul(a, b, &c) == TENSOR_OK);
        keep(c);
        CHECK(tensor_shape(c)[0] == m && tensor_shape(c)[1] == n);
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++) {
                double expected = 0;
                for (size_t k = 0; k < depth; k++) {
                    expected += (double)a->data[i * depth + k] * (double)b->data[k * n + j];
                }
                CHECK(fabs((double)c->data[i * n + j] - expected) < 1e-4);
            }
        }
    }
}

static void product_over_nothing(void) {
    tensor *out;
    CHECK(tensor_matmul(make("tensor 2 0\n"), make("tensor 0 2\n"), &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 2 2\n0 0 0 0");
}

static void product_keeps_nan(void) {
    tensor *out;
    CHECK(tensor_matmul(make("tensor 1 2\n0 1"), make("tensor 2 2\nnan 1 2 3"), &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 1 2\nnan 3");
}

static void product_misfits(void) {
    tensor *out = NULL, *matrix = make("tensor 2 3\n1 2 3 4 5 6");
    CHECK(tensor_matmul(matrix, matrix, &out) == TENSOR_BAD_SHAPE);
    CHECK(tensor_matmul(matrix, make("tensor 3\n1 2 3"), &out) == TENSOR_BAD_SHAPE);
    CHECK(out == NULL);
}

static void matrix_transpose(void) {
    tensor *out;
    CHECK(tensor_transpose(make("tensor 2 3\n1 2 3 4 5 6"), NULL, &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 3 2\n1 4 2 5 3 6");
    CHECK(tensor_transpose(make("tensor 2 2\n1 2 3 4"), (const int[]){0, 1}, &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 2 2\n1 2 3 4");
    CHECK(tensor_transpose(make("tensor 2\n1 2"), NULL, &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 2\n1 2");
}

static void large_transpose(void) {
    const tensor *t = random_matrix(33, 70, 1);
    tensor *out;
    CHECK(t && tensor_transpose(t, NULL, &out) == TENSOR_OK);
    keep(out);
    for (size_t i = 0; i < 33; i++) {
        for (size_t j = 0; j < 70; j++) {
            CHECK(out->data[j * 33 + i] == t->data[i * 70 + j]);
        }
    }
}

static void permutation(void) {
    tensor *t = make("tensor 2 3 2\n1 2 3 4 5 6 7 8 9 10 11 12"), *out;
    CHECK(tensor_transpose(t, (const int[]){1, -1, 0}, &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 3 2 2\n1 7 2 8 3 9 4 10 5 11 6 12");
    CHECK(tensor_transpose(make("tensor 2 0 3\n"), NULL, &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 3 0 2\n");
}

static void bad_permutations(void) {
    tensor *t = make("tensor 2 2\n1 2 3 4"), *out = NULL;
    CHECK(tensor_transpose(t, (const int[]){0, 0}, &out) == TENSOR_BAD_ARGUMENT);
    CHECK(tensor_transpose(t, (const int[]){0, 2}, &out) == TENSOR_BAD_ARGUMENT);
    CHECK(tensor_transpose(t, (const int[]){1, -1}, &out) == TENSOR_BAD_ARGUMENT);
    CHECK(out == NULL);
}

const struct test linalg_tests[] = {
    {"a product by hand", small_product},
    {"products around the sizes of tiles and blocks", products_of_many_sizes},
    {"a product over nothing is zeros", product_over_nothing},
    {"a NaN is not lost behind a zero", product_keeps_nan},
    {"matrices that do not fit are refused", product_misfits},
    {"transposing matrices and vectors", matrix_transpose},
    {"transposing across squares", large_transpose},
    {"any order of dimensions", permutation},
    {"an order that repeats or lacks a dimension is refused", bad_permutations},
    {0},
};
