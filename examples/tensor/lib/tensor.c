#include <stdlib.h>
#include <string.h>

#include "internal.h"

const char *tensor_version(void) { return TENSOR_VERSION; }

const char *tensor_status_text(tensor_status status) {
    switch (status) {
    case TENSOR_OK:
        return "success";
    case TENSOR_NO_MEMORY:
        return "not enough memory";
    case TENSOR_BAD_ARGUMENT:
        return "argument out of range";
    case TENSOR_BAD_SHAPE:
        return "shapes do not fit";
    case TENSOR_IO_ERROR:
        return "reading or writing failed";
    case TENSOR_BAD_FORMAT:
        return "not a tensor file, or an incomplete one";
    case TENSOR_BAD_CHECKSUM:
        return "wrong checksum, the content has changed";
    }
    return "unknown status";
}

tensor_status tensor_adopt(int ndim, const size_t *shape, float *data, tensor **out) {
    tensor *t = calloc(1, sizeof *t);
    tensor_status status = t ? shape_count(ndim, shape, &t->count) : TENSOR_NO_MEMORY;
    if (status != TENSOR_OK) {
        free(t);
        free(data);
        return status;
    }
    t->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        t->shape[i] = shape[i];
    }
    t->data = data;
    *out = t;
    return TENSOR_OK;
}

tensor_status tensor_create_raw(int ndim, const size_t *shape, tensor **out) {
    size_t count;
    tensor_status status = shape_count(ndim, shape, &count);
    if (status != TENSOR_OK) {
        return status;
    }
    /* One float for an empty tensor, so that data is never NULL. */
    float *data = malloc((count ? count : 1) * sizeof *data);
    return data ? tensor_adopt(ndim, shape, data, out) : TENSOR_NO_MEMORY;
}

tensor_status tensor_create(int ndim, const size_t *shape, tensor **out) {
    size_t count;
    tensor_status status = shape_count(ndim, shape, &count);
    if (status != TENSOR_OK) {
        return status;
    }
    float *data = calloc(count ? count : 1, sizeof *data); /* all bits 0 is 0.0f */
    return data ? tensor_adopt(ndim, shape, data, out) : TENSOR_NO_MEMORY;
}

tensor_status tensor_copy(const tensor *t, tensor **out) {
    tensor *copy;
    tensor_status status = tensor_create_raw(t->ndim, t->shape, &copy);
    if (status != TENSOR_OK) {
        return status;
    }
    memcpy(copy->data, t->data, t->count * sizeof *t->data);
    *out = copy;
    return TENSOR_OK;
}

void tensor_free(tensor *t) {
    if (t) {
        free(t->data);
        free(t);
    }
}

int tensor_ndim(const tensor *t) { return t->ndim; }

const size_t *tensor_shape(const tensor *t) { return t->shape; }

size_t tensor_count(const tensor *t) { return t->count; }

float *tensor_data(tensor *t) { return t->data; }

const float *tensor_const_data(const tensor *t) { return t->data; }

tensor_status tensor_reshape(tensor *t, int ndim, const size_t *shape) {
    size_t count;
    tensor_status status = shape_count(ndim, shape, &count);
    if (status != TENSOR_OK) {
        return status;
    }
    if (count != t->count) {
        return TENSOR_BAD_SHAPE;
    }
    /* shape may be t's own, from tensor_shape(). */
    for (int i = 0; i < TENSOR_MAX_DIMS; i++) {
        t->shape[i] = i < ndim ? shape[i] : 0;
    }
    t->ndim = ndim;
    return TENSOR_OK;
}

void tensor_fill(tensor *t, float value) {
    for (size_t i = 0; i < t->count; i++) {
        t->data[i] = value;
    }
}
