#include "internal.h"

/* One row of n elements; a step of 0 repeats a single element, else the step is 1. */
typedef void row_function(float *restrict out, const float *a, size_t step_a, const float *b, size_t step_b,
                          size_t n);

/* The three loops differ only in what stands still; apart from each other they can be vectorised. */
#define ROW_FUNCTION(name, operator)                                                                               \
    static void name(float *restrict out, const float *a, size_t step_a, const float *b, size_t step_b,            \
                     size_t n) {                                                                                   \
        if (step_a && step_b) {                                                                                    \
            for (size_t i = 0; i < n; i++) {                                                                       \
                out[i] = a[i] operator b[i];                                                                       \
            }                                                                                                      \
        } else if (step_a) {                                                                                       \
            const float right = *b;                                                                                \
            for (size_t i = 0; i < n; i++) {                                                                       \
                out[i] = a[i] operator right;                                                                      \
            }                                                                                                      \
        } else {                                                                                                   \
            const float left = *a;                                                                                 \
            for (size_t i = 0; i < n; i++) {                                                                       \
                out[i] = left operator b[i * step_b];                                                              \
            }                                                                                                      \
        }                                                                                                          \
    }

ROW_FUNCTION(row_add, +)
ROW_FUNCTION(row_sub, -)
ROW_FUNCTION(row_mul, *)
ROW_FUNCTION(row_div, /)

/* Strides of t within a broadcast result of ndim dimensions, 0 where t is repeated. */
static void broadcast_strides(const tensor *t, int ndim, size_t *strides) {
    size_t stride = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        int own = i - (ndim - t->ndim);
        size_t length = own >= 0 ? t->shape[own] : 1;
        strides[i] = length == 1 ? 0 : stride;
        stride *= length;
    }
}

static bool same_shape(const tensor *a, const tensor *b) {
    if (a->ndim != b->ndim) {
        return false;
    }
    for (int i = 0; i < a->ndim; i++) {
        if (a->shape[i] != b->shape[i]) {
            return false;
        }
    }
    return true;
}

/* Walks the rows of the result like an odometer whose wheels are all dimensions but the last. */
static void apply_rows(tensor *result, const tensor *a, const tensor *b, row_function *row) {
    const int last = result->ndim - 1;
    const size_t width = result->shape[last];
    size_t strides_a[TENSOR_MAX_DIMS], strides_b[TENSOR_MAX_DIMS], index[TENSOR_MAX_DIMS] = {0};
    broadcast_strides(a, result->ndim, strides_a);
    broadcast_strides(b, result->ndim, strides_b);
    size_t at_a = 0, at_b = 0;
    for (size_t done = 0; done < result->count; done += width) {
        row(result->data + done, a->data + at_a, strides_a[last], b->data + at_b, strides_b[last], width);
        for (int i = last - 1; i >= 0; i--) {
            at_a += strides_a[i];
            at_b += strides_b[i];
            if (++index[i] < result->shape[i]) {
                break;
            }
            at_a -= strides_a[i] * result->shape[i];
            at_b -= strides_b[i] * result->shape[i];
            index[i] = 0;
        }
    }
}

static tensor_status apply(const tensor *a, const tensor *b, row_function *row, tensor **out) {
    int ndim;
    size_t shape[TENSOR_MAX_DIMS];
    tensor *result;
    tensor_status status = shape_broadcast(a, b, &ndim, shape);
    if (status == TENSOR_OK) {
        status = tensor_create_raw(ndim, shape, &result);
    }
    if (status != TENSOR_OK) {
        return status;
    }
    if (same_shape(a, b)) {
        row(result->data, a->data, 1, b->data, 1, result->count);
    } else {
        apply_rows(result, a, b, row); /* shapes that differ have at least one dimension */
    }
    *out = result;
    return TENSOR_OK;
}

tensor_status tensor_add(const tensor *a, const tensor *b, tensor **out) { return apply(a, b, row_add, out); }

tensor_status tensor_sub(const tensor *a, const tensor *b, tensor **out) { return apply(a, b, row_sub, out); }

tensor_status tensor_mul(const tensor *a, const tensor *b, tensor **out) { return apply(a, b, row_mul, out); }

tensor_status tensor_div(const tensor *a, const tensor *b, tensor **out) { return apply(a, b, row_div, out); }
