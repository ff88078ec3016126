#include "internal.h"

/* A square of this many floats a side takes two cache lines of each of its rows; source and result fit together. */
enum { SQUARE = 32 };

static void transpose_matrix(const float *in, size_t rows, size_t columns, float *restrict out) {
    for (size_t i0 = 0; i0 < rows; i0 += SQUARE) {
        const size_t i1 = rows - i0 < SQUARE ? rows : i0 + SQUARE;
        for (size_t j0 = 0; j0 < columns; j0 += SQUARE) {
            const size_t j1 = columns - j0 < SQUARE ? columns : j0 + SQUARE;
            for (size_t i = i0; i < i1; i++) {
                for (size_t j = j0; j < j1; j++) {
                    out[j * rows + i] = in[i * columns + j];
                }
            }
        }
    }
}

/* Fills result row by row; strides are those of in, in the order of the result's dimensions. */
static void permute(const float *in, const size_t *strides, tensor *result) {
    const int last = result->ndim - 1;
    const size_t width = result->shape[last];
    size_t index[TENSOR_MAX_DIMS] = {0}, at = 0;
    for (size_t done = 0; done < result->count; done += width) {
        for (size_t i = 0; i < width; i++) {
            result->data[done + i] = in[at + i * strides[last]];
        }
        for (int d = last - 1; d >= 0; d--) {
            at += strides[d];
            if (++index[d] < result->shape[d]) {
                break;
            }
            at -= strides[d] * result->shape[d];
            index[d] = 0;
        }
    }
}

/* Resolves axes to 0 … ndim-1; false unless each of them is there once. */
static bool resolve_axes(const tensor *t, const int *axes, int *resolved) {
    bool seen[TENSOR_MAX_DIMS] = {false};
    for (int i = 0; i < t->ndim; i++) {
        int axis = axes ? axes[i] : t->ndim - 1 - i;
        if (!shape_axis(t, axis, &resolved[i]) || seen[resolved[i]]) {
            return false;
        }
        seen[resolved[i]] = true;
    }
    return true;
}

tensor_status tensor_transpose(const tensor *t, const int *axes, tensor **out) {
    int order[TENSOR_MAX_DIMS];
    if (!resolve_axes(t, axes, order)) {
        return TENSOR_BAD_ARGUMENT;
    }
    if (t->ndim < 2) {
        return tensor_copy(t, out);
    }
    size_t shape[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS], own[TENSOR_MAX_DIMS], stride = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        own[i] = stride;
        stride *= t->shape[i];
    }
    for (int i = 0; i < t->ndim; i++) {
        shape[i] = t->shape[order[i]];
        strides[i] = own[order[i]];
    }
    tensor *result;
    tensor_status status = tensor_create_raw(t->ndim, shape, &result);
    if (status != TENSOR_OK) {
        return status;
    }
    if (t->ndim == 2 && order[0] == 1) {
        transpose_matrix(t->data, t->shape[0], t->shape[1], result->data);
    } else {
        permute(t->data, strides, result);
    }
    *out = result;
    return TENSOR_OK;
}
