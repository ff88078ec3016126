#include <math.h>

#include "test.h"

enum { MANY = 200000 };

static tensor *many(void) {
    const size_t n = MANY;
    tensor *t;
    return tensor_create(1, &n, &t) == TENSOR_OK ? keep(t) : NULL;
}

/* What SplitMix64 gives first for seed 1234567, as fractions of 2^64. */
static void known_numbers(void) {
    const uint64_t expected[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                 UINT64_C(9817491932198370423)};
    tensor *t = make("tensor 3\n0 0 0");
    tensor_rng rng = tensor_rng_seed(1234567);
    tensor_fill_uniform(t, &rng, 0, 1);
    for (int i = 0; i < 3; i++) {
        CHECK(fabs((double)t->data[i] - (double)expected[i] / 0x1p64) < 1e-6);
    }
}

static void uniform_range(void) {
    tensor *t = many();
    CHECK(t);
    tensor_rng rng = tensor_rng_seed(3);
    tensor_fill_uniform(t, &rng, -2, 4);
    double sum = 0;
    for (size_t i = 0; i < MANY; i++) {
        CHECK(t->data[i] >= -2.0f && t->data[i] < 4.0f);
        sum += (double)t->data[i];
    }
    CHECK(fabs(sum / MANY - 1.0) < 0.02);
}

/* Between neighbouring floats, every number rounds to one of the two, and the upper one is outside. */
static void narrow_range(void) {
    tensor *t = many();
    CHECK(t);
    tensor_rng rng = tensor_rng_seed(4);
    tensor_fill_uniform(t, &rng, 1, nextafterf(1, 2));
    for (size_t i = 0; i < MANY; i++) {
        CHECK(t->data[i] == 1.0f);
    }
}

static void normal_moments(void) {
    tensor *t = many();
    CHECK(t);
    tensor_rng rng = tensor_rng_seed(5);
    tensor_fill_normal(t, &rng, 3, 2);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < MANY; i++) {
        double x = (double)t->data[i];
        CHECK(isfinite(x));
        sum += x;
        squares += (x - 3) * (x - 3);
    }
    CHECK(fabs(sum / MANY - 3) < 0.03);
    CHECK(fabs(squares / MANY - 4) < 0.1);
}

/* Normal numbers are made in pairs; the second of the last pair must not be written behind the end. */
static void odd_count(void) {
    tensor *t = make("tensor 3\n0 0 0");
    tensor_rng rng = tensor_rng_seed(6);
    tensor_fill_normal(t, &rng, 100, 1);
    for (int i = 0; i < 3; i++) {
        CHECK(t->data[i] > 90.0f && t->data[i] < 110.0f);
    }
}

const struct test rng_tests[] = {
    {"the generator gives its known numbers", known_numbers},
    {"uniform numbers keep to their range", uniform_range},
    {"the upper end is never reached", narrow_range},
    {"normal numbers have their mean and deviation", normal_moments},
    {"an odd count of normal numbers", odd_count},
    {0},
};
