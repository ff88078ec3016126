#include "test.h"

typedef tensor_status reduction(const tensor *, int, int, tensor **);

struct example {
    reduction *run;
    const char *in;
    int axis, keep_dims;
    const char *expected;
};

static void check_examples(const struct example *examples, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct example *e = &examples[i];
        tensor *out;
        CHECK(e->run(make(e->in), e->axis, e->keep_dims, &out) == TENSOR_OK);
        CHECK_TENSOR(keep(out), e->expected);
    }
}

static void every_axis(void) {
    const char *t = "tensor 2 2 3\n1 2 3 4 5 6 7 8 9 10 11 12";
    const struct example examples[] = {
        {tensor_sum, t, TENSOR_ALL_AXES, 0, "tensor\n78"},
        {tensor_sum, t, TENSOR_ALL_AXES, 1, "tensor 1 1 1\n78"},
        {tensor_sum, t, 0, 0, "tensor 2 3\n8 10 12 14 16 18"},
        {tensor_sum, t, 1, 0, "tensor 2 3\n5 7 9 17 19 21"},
        {tensor_sum, t, 1, 1, "tensor 2 1 3\n5 7 9 17 19 21"},
        {tensor_sum, t, -1, 0, "tensor 2 2\n6 15 24 33"},
        {tensor_mean, t, -1, 1, "tensor 2 2 1\n2 5 8 11"},
        {tensor_min, t, 0, 0, "tensor 2 3\n1 2 3 4 5 6"},
        {tensor_max, t, 1, 0, "tensor 2 3\n4 5 6 10 11 12"},
        {tensor_max, "tensor 3\n-3 -1 -2", 0, 0, "tensor\n-1"},
        {tensor_sum, "tensor\n5", TENSOR_ALL_AXES, 0, "tensor\n5"},
    };
    check_examples(examples, sizeof examples / sizeof examples[0]);
}

static void special_values(void) {
    const struct example examples[] = {
        {tensor_min, "tensor 3\n1 nan 0", 0, 0, "tensor\nnan"},
        {tensor_max, "tensor 3\nnan 1 2", 0, 0, "tensor\nnan"},
        {tensor_max, "tensor 2 2\nnan 1 2 0", 0, 0, "tensor 2\nnan 1"},
        {tensor_max, "tensor 2\n-inf -inf", 0, 0, "tensor\n-inf"},
        {tensor_sum, "tensor 2 0\n", 1, 0, "tensor 2\n0 0"},
        {tensor_mean, "tensor 0\n", 0, 0, "tensor\nnan"},
        {tensor_max, "tensor 0 2\n", 1, 0, "tensor 0\n"},
    };
    check_examples(examples, sizeof examples / sizeof examples[0]);
    tensor *out = NULL;
    CHECK(tensor_min(make("tensor 0\n"), 0, 0, &out) == TENSOR_BAD_SHAPE);
    CHECK(tensor_max(make("tensor 2 0\n"), 1, 0, &out) == TENSOR_BAD_SHAPE);
    CHECK(out == NULL);
}

/* In float, 2^24 + 1 is 2^24: a sum kept in float would stay there. */
static void precision(void) {
    const size_t n = ((size_t)1 << 24) + 2;
    tensor *t, *out;
    CHECK(tensor_create(1, &n, &t) == TENSOR_OK);
    tensor_fill(keep(t), 1);
    CHECK(tensor_sum(t, 0, 0, &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor\n16777218");
}

/* Longer rows than there are accumulators. */
static void long_rows(void) {
    enum { WIDTH = 1000 };
    tensor *t, *out;
    CHECK(tensor_create(2, (const size_t[]){3, WIDTH}, &t) == TENSOR_OK);
    keep(t);
    for (size_t i = 0; i < 3 * WIDTH; i++) {
        tensor_data(t)[i] = (float)(i % WIDTH);
    }
    CHECK(tensor_sum(t, 0, 0, &out) == TENSOR_OK);
    keep(out);
    for (size_t i = 0; i < WIDTH; i++) {
        CHECK(tensor_data(out)[i] == (float)(3 * i));
    }
}

static void bad_axes(void) {
    tensor *out = NULL;
    CHECK(tensor_sum(make("tensor 2\n1 2"), 1, 0, &out) == TENSOR_BAD_ARGUMENT);
    CHECK(tensor_sum(make("tensor 2\n1 2"), -2, 0, &out) == TENSOR_BAD_ARGUMENT);
    CHECK(tensor_softmax(make("tensor 2\n1 2"), 1, &out) == TENSOR_BAD_ARGUMENT);
    CHECK(tensor_softmax(make("tensor 2\n1 2"), TENSOR_ALL_AXES, &out) == TENSOR_BAD_ARGUMENT);
    CHECK(out == NULL);
}

static void softmax(void) {
    tensor *out;
    CHECK(tensor_softmax(make("tensor 2 2\n0 0 1 3"), -1, &out) == TENSOR_OK);
    CHECK_NEAR(keep(out), "tensor 2 2\n0.5 0.5 0.11920292 0.88079708", 1e-6);
    CHECK(tensor_softmax(make("tensor 2 2\n0 1 0 3"), 0, &out) == TENSOR_OK);
    CHECK_NEAR(keep(out), "tensor 2 2\n0.5 0.11920292 0.5 0.88079708", 1e-6);
}

static void softmax_of_large_numbers(void) {
    tensor *out;
    CHECK(tensor_softmax(make("tensor 3\n3e38 3e38 -3e38"), 0, &out) == TENSOR_OK);
    CHECK_TENSOR(keep(out), "tensor 3\n0.5 0.5 0");
}

const struct test reduce_tests[] = {
    {"every operation along every axis", every_axis},
    {"NaN, infinities and nothing", special_values},
    {"a sum is kept in double", precision},
    {"rows may be longer than a piece", long_rows},
    {"an axis that is not there is refused", bad_axes},
    {"softmax along both axes", softmax},
    {"softmax does not overflow", softmax_of_large_numbers},
    {0},
};
