#include "internal.h"

tensor_status shape_count(int ndim, const size_t *shape, size_t *count) {
    if (ndim < 0 || ndim > TENSOR_MAX_DIMS || (ndim > 0 && !shape)) {
        return TENSOR_BAD_ARGUMENT;
    }
    /* Pointer differences have to fit too, hence half the address space. The product without the zeros is what must
     * not overflow, because axis views multiply only some of the dimensions. */
    const size_t limit = PTRDIFF_MAX / sizeof(float);
    size_t product = 1;
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 0) {
            empty = true;
        } else if (product > limit / shape[i]) {
            return TENSOR_BAD_SHAPE;
        } else {
            product *= shape[i];
        }
    }
    *count = empty ? 0 : product;
    return TENSOR_OK;
}

tensor_status shape_broadcast(const tensor *a, const tensor *b, int *ndim, size_t *out) {
    *ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 1; i <= *ndim; i++) {
        size_t da = i <= a->ndim ? a->shape[a->ndim - i] : 1;
        size_t db = i <= b->ndim ? b->shape[b->ndim - i] : 1;
        if (da != db && da != 1 && db != 1) {
            return TENSOR_BAD_SHAPE;
        }
        out[*ndim - i] = da == 1 ? db : da;
    }
    return TENSOR_OK;
}

bool shape_axis(const tensor *t, int axis, int *out) {
    int from_zero = axis < 0 ? axis + t->ndim : axis;
    if (from_zero < 0 || from_zero >= t->ndim) {
        return false;
    }
    *out = from_zero;
    return true;
}

struct axis_view shape_view(const tensor *t, int axis) {
    if (axis == TENSOR_ALL_AXES) {
        return (struct axis_view){.outer = 1, .length = t->count, .inner = 1};
    }
    struct axis_view v = {.outer = 1, .length = t->shape[axis], .inner = 1};
    for (int i = 0; i < axis; i++) {
        v.outer *= t->shape[i];
    }
    for (int i = axis + 1; i < t->ndim; i++) {
        v.inner *= t->shape[i];
    }
    return v;
}
