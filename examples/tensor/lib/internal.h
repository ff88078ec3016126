/* What the parts of the library share and nobody else sees. */
#ifndef TENSOR_INTERNAL_H
#define TENSOR_INTERNAL_H

#include <stdbool.h>

#include "tensor/tensor.h"

struct tensor {
    int ndim;
    size_t shape[TENSOR_MAX_DIMS]; /* entries from ndim on are 0 */
    size_t count;
    float *data; /* never NULL, from malloc */
};

/* ---- shape.c ---- */

/* Multiplies the dimensions; TENSOR_BAD_SHAPE when so many floats cannot be addressed. */
tensor_status shape_count(int ndim, const size_t *shape, size_t *count);

/* The shape of a binary operation's result; out has room for TENSOR_MAX_DIMS. */
tensor_status shape_broadcast(const tensor *a, const tensor *b, int *ndim, size_t *out);

/* Turns a negative axis into one from 0 on; false when t has no such axis. */
bool shape_axis(const tensor *t, int axis, int *out);

/*
 * A tensor seen from one axis: outer blocks of length rows of inner neighbouring elements. Along TENSOR_ALL_AXES it
 * is one block of count single elements.
 */
struct axis_view {
    size_t outer, length, inner;
};

struct axis_view shape_view(const tensor *t, int axis);

/* ---- tensor.c ---- */

/* Makes a tensor whose elements are not set yet. */
tensor_status tensor_create_raw(int ndim, const size_t *shape, tensor **out);

/* Makes a tensor around data from malloc that fits the shape, and owns it from then on. Frees data on failure. */
tensor_status tensor_adopt(int ndim, const size_t *shape, float *data, tensor **out);

/* ---- buffer.c ---- */

/* A growing array of floats for a tensor whose size is only promised. Zero it before use. */
struct float_buffer {
    float *data;
    size_t count, capacity;
};

/* Makes room for count more floats, but never for more than limit in all. */
bool buffer_reserve(struct float_buffer *b, size_t count, size_t limit);

/* ---- checksum.c ---- */

/* CRC-32 as in ISO 3309 and zlib; start with 0 and pass the result on to continue. */
uint32_t checksum_update(uint32_t crc, const void *bytes, size_t size);

#endif
