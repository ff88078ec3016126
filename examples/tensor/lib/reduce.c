#include <math.h>

#include "internal.h"

/*
 * A reduction folds rows of neighbouring elements into as many accumulators, or, when the axis is the last one, a
 * run of elements into a single accumulator.
 */
struct reduction {
    double start;
    void (*fold_rows)(double *acc, const float *row, size_t n);
    double (*fold_run)(double acc, const float *run, size_t n);
    bool needs_elements; /* has no result for an axis of length 0 */
    bool divide;         /* by the length, at the end */
};

#define FOLD(name, step)                                                                                           \
    static void name##_rows(double *acc, const float *row, size_t n) {                                             \
        for (size_t i = 0; i < n; i++) {                                                                           \
            acc[i] = step(acc[i], (double)row[i]);                                                                 \
        }                                                                                                          \
    }                                                                                                              \
    static double name##_run(double acc, const float *run, size_t n) {                                             \
        for (size_t i = 0; i < n; i++) {                                                                           \
            acc = step(acc, (double)run[i]);                                                                       \
        }                                                                                                          \
        return acc;                                                                                                \
    }

static inline double plus(double acc, double x) { return acc + x; }

/* Once NaN, acc stays NaN: no comparison with it is true. fmin() would drop it. */
static inline double least(double acc, double x) { return x < acc || isnan(x) ? x : acc; }

static inline double greatest(double acc, double x) { return x > acc || isnan(x) ? x : acc; }

FOLD(sum, plus)
FOLD(min, least)
FOLD(max, greatest)

/* Accumulators on the stack: a piece of a row that stays in the first-level cache. */
enum { PIECE = 256 };

static void reduce_rows(const struct reduction *r, struct axis_view view, const float *in, float *out) {
    const double divisor = r->divide ? (double)view.length : 1.0;
    for (size_t o = 0; o < view.outer; o++, in += view.length * view.inner, out += view.inner) {
        for (size_t from = 0; from < view.inner; from += PIECE) {
            double acc[PIECE];
            size_t n = view.inner - from < PIECE ? view.inner - from : PIECE;
            for (size_t i = 0; i < n; i++) {
                acc[i] = r->start;
            }
            for (size_t k = 0; k < view.length; k++) {
                r->fold_rows(acc, in + k * view.inner + from, n);
            }
            for (size_t i = 0; i < n; i++) {
                out[from + i] = (float)(acc[i] / divisor);
            }
        }
    }
}

static void reduce_runs(const struct reduction *r, struct axis_view view, const float *in, float *out) {
    const double divisor = r->divide ? (double)view.length : 1.0;
    for (size_t o = 0; o < view.outer; o++, in += view.length) {
        out[o] = (float)(r->fold_run(r->start, in, view.length) / divisor);
    }
}

/* The shape without the axis, or with its length set to 1. Returns the number of dimensions. */
static int reduced_shape(const tensor *t, int axis, bool keep_dims, size_t *shape) {
    int ndim = 0;
    for (int i = 0; i < t->ndim; i++) {
        bool reduced = axis == TENSOR_ALL_AXES || i == axis;
        if (!reduced || keep_dims) {
            shape[ndim++] = reduced ? 1 : t->shape[i];
        }
    }
    return ndim;
}

static tensor_status reduce(const struct reduction *r, const tensor *t, int axis, bool keep_dims, tensor **out) {
    if (axis != TENSOR_ALL_AXES && !shape_axis(t, axis, &axis)) {
        return TENSOR_BAD_ARGUMENT;
    }
    struct axis_view view = shape_view(t, axis);
    if (view.length == 0 && r->needs_elements) {
        return TENSOR_BAD_SHAPE;
    }
    size_t shape[TENSOR_MAX_DIMS];
    tensor *result;
    tensor_status status = tensor_create_raw(reduced_shape(t, axis, keep_dims, shape), shape, &result);
    if (status != TENSOR_OK) {
        return status;
    }
    if (view.inner == 1) {
        reduce_runs(r, view, t->data, result->data);
    } else {
        reduce_rows(r, view, t->data, result->data);
    }
    *out = result;
    return TENSOR_OK;
}

tensor_status tensor_sum(const tensor *t, int axis, int keep_dims, tensor **out) {
    static const struct reduction r = {.start = 0, .fold_rows = sum_rows, .fold_run = sum_run};
    return reduce(&r, t, axis, keep_dims, out);
}

tensor_status tensor_mean(const tensor *t, int axis, int keep_dims, tensor **out) {
    static const struct reduction r = {.start = 0, .fold_rows = sum_rows, .fold_run = sum_run, .divide = true};
    return reduce(&r, t, axis, keep_dims, out);
}

tensor_status tensor_min(const tensor *t, int axis, int keep_dims, tensor **out) {
    static const struct reduction r = {
        .start = (double)INFINITY, .fold_rows = min_rows, .fold_run = min_run, .needs_elements = true};
    return reduce(&r, t, axis, keep_dims, out);
}

tensor_status tensor_max(const tensor *t, int axis, int keep_dims, tensor **out) {
    static const struct reduction r = {
        .start = (double)-INFINITY, .fold_rows = max_rows, .fold_run = max_run, .needs_elements = true};
    return reduce(&r, t, axis, keep_dims, out);
}
