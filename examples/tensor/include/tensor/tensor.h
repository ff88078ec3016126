/*
 * libtensor: dense arrays of float with up to TENSOR_MAX_DIMS dimensions, stored row by row.
 *
 * Start with tensor_create(), or tensor_load() for a file; every tensor you get through an "out" parameter is
 * yours and ends with tensor_free(). Functions never change a tensor that they take as const, and on failure they
 * leave *out alone. A tensor may be read by many threads at once, and written by one.
 *
 * Binary operators broadcast: shapes are aligned at their last dimension, and a dimension of 1 (or one that is
 * missing in front) is repeated. A dimension may be 0; such a tensor has no elements. A tensor of 0 dimensions is a
 * single number.
 */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TENSOR_API __attribute__((visibility("default")))

/* Most dimensions that a tensor can have. */
#define TENSOR_MAX_DIMS 8

/* As an axis of a reduction: over all elements. Any other negative axis counts from the last one, -1. */
#define TENSOR_ALL_AXES (-1000)

typedef struct tensor tensor;

typedef enum tensor_status {
    TENSOR_OK = 0,
    TENSOR_NO_MEMORY = 1,
    TENSOR_BAD_ARGUMENT = 2, /* an axis or a number that is out of range */
    TENSOR_BAD_SHAPE = 3,    /* shapes that do not fit each other or the operation */
    TENSOR_IO_ERROR = 4,     /* reading or writing failed; errno says why */
    TENSOR_BAD_FORMAT = 5,   /* not a tensor file, or one that ends too early or too late */
    TENSOR_BAD_CHECKSUM = 6  /* a tensor file whose content has changed */
} tensor_status;

/* The library's version, "1.0.0". */
TENSOR_API const char *tensor_version(void);

/* What a status means, in words for people; never NULL. */
TENSOR_API const char *tensor_status_text(tensor_status status);

/* ---- life ---- */

/* Makes a tensor of zeros. shape has ndim entries and may be NULL when ndim is 0. */
TENSOR_API tensor_status tensor_create(int ndim, const size_t *shape, tensor **out);

/* Makes a tensor with the same shape and elements. */
TENSOR_API tensor_status tensor_copy(const tensor *t, tensor **out);

/* Frees a tensor; NULL is allowed. */
TENSOR_API void tensor_free(tensor *t);

/* ---- shape and elements ---- */

TENSOR_API int tensor_ndim(const tensor *t);

/* The tensor_ndim() dimensions; valid until t is reshaped or freed. */
TENSOR_API const size_t *tensor_shape(const tensor *t);

/* Number of elements. */
TENSOR_API size_t tensor_count(const tensor *t);

/* The tensor_count() elements, row by row; valid until t is freed. */
TENSOR_API float *tensor_data(tensor *t);
TENSOR_API const float *tensor_const_data(const tensor *t);

/* Gives t another shape with the same number of elements, in place. */
TENSOR_API tensor_status tensor_reshape(tensor *t, int ndim, const size_t *shape);

TENSOR_API void tensor_fill(tensor *t, float value);

/* ---- random numbers ---- */

/*
 * A generator of random numbers; not for secrets. The same seed gives the same numbers on every platform, normally
 * distributed ones but for how the C library rounds its logarithms and sines.
 */
typedef struct tensor_rng {
    uint64_t state;
} tensor_rng;

TENSOR_API tensor_rng tensor_rng_seed(uint64_t seed);

/* Fills t with numbers from [low, high). */
TENSOR_API void tensor_fill_uniform(tensor *t, tensor_rng *rng, float low, float high);

/* Fills t with normally distributed numbers. */
TENSOR_API void tensor_fill_normal(tensor *t, tensor_rng *rng, float mean, float deviation);

/* ---- element by element, with broadcasting ---- */

TENSOR_API tensor_status tensor_add(const tensor *a, const tensor *b, tensor **out);
TENSOR_API tensor_status tensor_sub(const tensor *a, const tensor *b, tensor **out);
TENSOR_API tensor_status tensor_mul(const tensor *a, const tensor *b, tensor **out);
TENSOR_API tensor_status tensor_div(const tensor *a, const tensor *b, tensor **out);

/* ---- linear algebra ---- */

/* The matrix product of a (m x k) and b (k x n). */
TENSOR_API tensor_status tensor_matmul(const tensor *a, const tensor *b, tensor **out);

/* Reorders dimensions: dimension i of the result is dimension axes[i] of t. NULL reverses them all. */
TENSOR_API tensor_status tensor_transpose(const tensor *t, const int *axes, tensor **out);

/* ---- along an axis ---- */

/*
 * Reductions. The axis disappears from the result, or stays with length 1 when keep_dims is not 0. Sums are kept in
 * double. The sum of nothing is 0 and the mean of nothing is NaN; the least or greatest of nothing is
 * TENSOR_BAD_SHAPE. A NaN among the elements is the result.
 */
TENSOR_API tensor_status tensor_sum(const tensor *t, int axis, int keep_dims, tensor **out);
TENSOR_API tensor_status tensor_mean(const tensor *t, int axis, int keep_dims, tensor **out);
TENSOR_API tensor_status tensor_min(const tensor *t, int axis, int keep_dims, tensor **out);
TENSOR_API tensor_status tensor_max(const tensor *t, int axis, int keep_dims, tensor **out);

/* exp(x) divided by the sum of exp(x) along the axis, safe for large x. TENSOR_ALL_AXES is not an axis here. */
TENSOR_API tensor_status tensor_softmax(const tensor *t, int axis, tensor **out);

/* ---- files ---- */

/*
 * The binary format is described in FORMAT.md. Reading takes no more memory than the file really has content,
 * whatever its header says. tensor_read() leaves the stream behind the tensor, so that several can follow each
 * other; tensor_load() wants a file with nothing behind it.
 */
TENSOR_API tensor_status tensor_write(const tensor *t, FILE *out);
TENSOR_API tensor_status tensor_read(FILE *in, tensor **out);
TENSOR_API tensor_status tensor_save(const tensor *t, const char *path);
TENSOR_API tensor_status tensor_load(const char *path, tensor **out);

/*
 * The text format: a line "tensor 2 3" with the shape, then the elements, separated by white space; from # to the
 * end of a line is a comment. Numbers are written such that reading gives the same ones. The stream is read to its
 * end. On TENSOR_BAD_FORMAT *line is the line (from 1) where the trouble is; line may be NULL. LC_NUMERIC has to be
 * "C".
 */
TENSOR_API tensor_status tensor_write_text(const tensor *t, FILE *out);
TENSOR_API tensor_status tensor_read_text(FILE *in, tensor **out, size_t *line);

#ifdef __cplusplus
}
#endif

#endif
