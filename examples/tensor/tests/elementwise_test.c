#include "test.h"

typedef tensor_status operation(const tensor *, const tensor *, tensor **);

/* One line of the table below: operands and result as text. */
struct example {
    operation *run;
    const char *a, *b, *expected;
};

static void check_examples(const struct example *examples, size_t n) {
    for (size_t i = 0; i < n; i++) {
        tensor *out;
        CHECK(examples[i].run(make(examples[i].a), make(examples[i].b), &out) == TENSOR_OK);
        CHECK_TENSOR(keep(out), examples[i].expected);
    }
}

static void same_shape(void) {
    const char *a = "tensor 2 2\n1 2 3 4", *b = "tensor 2 2\n4 2 8 16";
    const struct example examples[] = {
        {tensor_add, a, b, "tensor 2 2\n5 4 11 20"},         {tensor_sub, a, b, "tensor 2 2\n-3 0 -5 -12"},
        {tensor_mul, a, b, "tensor 2 2\n4 4 24 64"},         {tensor_div, a, b, "tensor 2 2\n0.25 1 0.375 0.25"},
        {tensor_add, "tensor\n1", "tensor\n2", "tensor\n3"},
    };
    check_examples(examples, sizeof examples / sizeof examples[0]);
}

static void broadcasting(void) {
    const char *matrix = "tensor 2 3\n1 2 3 4 5 6", *row = "tensor 3\n10 20 30", *column = "tensor 2 1\n100 200";
    const struct example examples[] = {
        {tensor_sub, matrix, row, "tensor 2 3\n-9 -18 -27 -6 -15 -24"},
        {tensor_sub, row, matrix, "tensor 2 3\n9 18 27 6 15 24"},
        {tensor_add, matrix, column, "tensor 2 3\n101 102 103 204 205 206"},
        {tensor_sub, column, matrix, "tensor 2 3\n99 98 97 196 195 194"},
        {tensor_add, row, column, "tensor 2 3\n110 120 130 210 220 230"},
        {tensor_mul, matrix, "tensor\n2", "tensor 2 3\n2 4 6 8 10 12"},
        {tensor_sub, "tensor\n2", row, "tensor 3\n-8 -18 -28"},
        {tensor_mul, "tensor 1 1 1\n2", "tensor\n3", "tensor 1 1 1\n6"},
    };
    check_examples(examples, sizeof examples / sizeof examples[0]);
}

/* Both operands are repeated, in the middle too: out[i][j][k] = a[i][0][k] + b[j][0]. */
static void three_dimensions(void) {
    const struct example examples[] = {
        {tensor_add, "tensor 2 1 2\n1 2 3 4", "tensor 3 1\n10 20 30",
         "tensor 2 3 2\n11 12 21 22 31 32 13 14 23 24 33 34"},
    };
    check_examples(examples, 1);
}

static void empty(void) {
    const struct example examples[] = {
        {tensor_add, "tensor 2 0\n", "tensor 2 1\n1 2", "tensor 2 0\n"},
        {tensor_add, "tensor 0 3\n", "tensor 3\n1 2 3", "tensor 0 3\n"},
        {tensor_add, "tensor 0\n", "tensor 0\n", "tensor 0\n"},
    };
    check_examples(examples, sizeof examples / sizeof examples[0]);
}

static void misfits(void) {
    tensor *out = NULL;
    CHECK(tensor_add(make("tensor 2\n1 2"), make("tensor 3\n1 2 3"), &out) == TENSOR_BAD_SHAPE);
    CHECK(tensor_add(make("tensor 2 1\n1 2"), make("tensor 3 1\n1 2 3"), &out) == TENSOR_BAD_SHAPE);
    CHECK(out == NULL);
}

const struct test elementwise_tests[] = {
    {"operands of one shape", same_shape},
    {"rows, columns and numbers are repeated", broadcasting},
    {"both operands are repeated at once", three_dimensions},
    {"nothing with something is nothing", empty},
    {"other shapes are refused", misfits},
    {0},
};
