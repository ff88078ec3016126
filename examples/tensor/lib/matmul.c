#include <stdlib.h>

#include "internal.h"

/*
 * Blocked product. The kernel computes a TILE_M x TILE_N piece of the result in registers; for it, a block of each
 * matrix is packed into strips of just that width, so that the kernel reads both from front to back. A block of a
 * (64 KiB) fits a second-level cache, one of b (512 KiB) a shared one.
 */
enum { TILE_M = 4, TILE_N = 8, BLOCK_M = 64, BLOCK_K = 256, BLOCK_N = 512 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Packs rows x depth elements of a, whose rows are stride apart, column by column in strips of TILE_M rows. Missing
 * rows are zeros. */
static void pack_a(const float *a, size_t stride, size_t rows, size_t depth, float *restrict packed) {
    for (size_t i = 0; i < rows; i += TILE_M) {
        for (size_t k = 0; k < depth; k++) {
            for (size_t t = 0; t < TILE_M; t++) {
                *packed++ = i + t < rows ? a[(i + t) * stride + k] : 0.0f;
            }
        }
    }
}

/* Packs depth x columns elements of b row by row in strips of TILE_N columns. Missing columns are zeros. */
static void pack_b(const float *b, size_t stride, size_t depth, size_t columns, float *restrict packed) {
    for (size_t j = 0; j < columns; j += TILE_N) {
        for (size_t k = 0; k < depth; k++) {
            for (size_t t = 0; t < TILE_N; t++) {
                *packed++ = j + t < columns ? b[k * stride + j + t] : 0.0f;
            }
        }
    }
}

/* Adds the product of two strips to a rows x columns corner of c. */
static void multiply_strips(const float *restrict a, const float *restrict b, size_t depth, float *restrict c,
                            size_t stride, size_t rows, size_t columns) {
    float acc[TILE_M][TILE_N] = {{0}};
    for (size_t k = 0; k < depth; k++, a += TILE_M, b += TILE_N) {
        for (size_t i = 0; i < TILE_M; i++) {
            for (size_t j = 0; j < TILE_N; j++) {
                acc[i][j] += a[i] * b[j];
            }
        }
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            c[i * stride + j] += acc[i][j];
        }
    }
}

static void multiply_blocks(const float *a, const float *b, size_t rows, size_t depth, size_t columns, float *c,
                            size_t stride) {
    for (size_t i = 0; i < rows; i += TILE_M) {
        for (size_t j = 0; j < columns; j += TILE_N) {
            multiply_strips(a + i * depth, b + j * depth, depth, c + i * stride + j, stride,
                            least(TILE_M, rows - i), least(TILE_N, columns - j));
        }
    }
}

tensor_status tensor_matmul(const tensor *a, const tensor *b, tensor **out) {
    if (a->ndim != 2 || b->ndim != 2 || a->shape[1] != b->shape[0]) {
        return TENSOR_BAD_SHAPE;
    }
    const size_t m = a->shape[0], depth = a->shape[1], n = b->shape[1];
    tensor *c;
    tensor_status status = tensor_create(2, (const size_t[]){m, n}, &c);
    if (status != TENSOR_OK) {
        return status;
    }
    float *packed_a = malloc(sizeof(float) * BLOCK_K * (BLOCK_M + BLOCK_N));
    if (!packed_a) {
        tensor_free(c);
        return TENSOR_NO_MEMORY;
    }
    float *packed_b = packed_a + BLOCK_M * BLOCK_K;
    for (size_t j = 0; j < n; j += BLOCK_N) {
        const size_t columns = least(BLOCK_N, n - j);
        for (size_t k = 0; k < depth; k += BLOCK_K) {
            const size_t deep = least(BLOCK_K, depth - k);
            pack_b(b->data + k * n + j, n, deep, columns, packed_b);
            for (size_t i = 0; i < m; i += BLOCK_M) {
                const size_t rows = least(BLOCK_M, m - i);
                pack_a(a->data + i * depth + k, depth, rows, deep, packed_a);
                multiply_blocks(packed_a, packed_b, rows, deep, columns, c->data + i * n + j, n);
            }
        }
    }
    free(packed_a);
    *out = c;
    return TENSOR_OK;
}
