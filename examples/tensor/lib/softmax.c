#include <math.h>

#include "internal.h"

/* One slice of length elements that lie step apart. exp(x - max) / sum is the same as exp(x) / sum, and never
 * overflows. */
static void softmax_slice(const float *in, float *out, size_t length, size_t step) {
    float max = -INFINITY;
    for (size_t i = 0; i < length; i++) {
        max = in[i * step] > max ? in[i * step] : max;
    }
    double sum = 0;
    for (size_t i = 0; i < length; i++) {
        float e = expf(in[i * step] - max);
        out[i * step] = e;
        sum += (double)e;
    }
    for (size_t i = 0; i < length; i++) {
        out[i * step] = (float)((double)out[i * step] / sum);
    }
}

tensor_status tensor_softmax(const tensor *t, int axis, tensor **out) {
    if (axis == TENSOR_ALL_AXES || !shape_axis(t, axis, &axis)) {
        return TENSOR_BAD_ARGUMENT;
    }
    tensor *result;
    tensor_status status = tensor_create_raw(t->ndim, t->shape, &result);
    if (status != TENSOR_OK) {
        return status;
    }
    struct axis_view view = shape_view(t, axis);
    for (size_t o = 0; o < view.outer; o++) {
        for (size_t i = 0; i < view.inner; i++) {
            size_t at = o * view.length * view.inner + i;
            softmax_slice(t->data + at, result->data + at, view.length, view.inner);
        }
    }
    *out = result;
    return TENSOR_OK;
}
