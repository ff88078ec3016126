#include <math.h>

#include "internal.h"

tensor_rng tensor_rng_seed(uint64_t seed) { return (tensor_rng){.state = seed}; }

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t next(tensor_rng *rng) {
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* From [0, 1), with the 53 bits that a double can hold. */
static double next_unit(tensor_rng *rng) { return (double)(next(rng) >> 11) * 0x1p-53; }

void tensor_fill_uniform(tensor *t, tensor_rng *rng, float low, float high) {
    const double from = (double)low, width = (double)high - (double)low;
    for (size_t i = 0; i < t->count; i++) {
        float x = (float)(from + width * next_unit(rng));
        /* Rounding to float may reach high, which the interval leaves out. */
        t->data[i] = x < high ? x : low;
    }
}

void tensor_fill_normal(tensor *t, tensor_rng *rng, float mean, float deviation) {
    const double two_pi = 6.283185307179586;
    for (size_t i = 0; i < t->count; i += 2) {
        /* Box and Muller: two uniform numbers make two normal ones. 1 - u is never 0. */
        double radius = (double)deviation * sqrt(-2.0 * log(1.0 - next_unit(rng)));
        double angle = two_pi * next_unit(rng);
        t->data[i] = (float)((double)mean + radius * cos(angle));
        if (i + 1 < t->count) {
            t->data[i + 1] = (float)((double)mean + radius * sin(angle));
        }
    }
}
