/* The binary format; FORMAT.md describes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { VERSION = 1, HEADER_SIZE = 16, CHUNK = 4096 /* elements read or written at once */ };

static const unsigned char magic[8] = {0x89, 'T', 'N', 'S', 'R', '\r', '\n', 0x1a};

static void put_u32(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(v >> (8 * i));
    }
}

static uint32_t get_u32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_u64(unsigned char *p, uint64_t v) {
    put_u32(p, (uint32_t)v);
    put_u32(p + 4, (uint32_t)(v >> 32));
}

static uint64_t get_u64(const unsigned char *p) { return get_u32(p) | (uint64_t)get_u32(p + 4) << 32; }

static void put_float(unsigned char *p, float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    put_u32(p, bits);
}

static float get_float(const unsigned char *p) {
    uint32_t bits = get_u32(p);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* A stream and the checksum of what has passed through it. */
struct channel {
    FILE *file;
    uint32_t crc;
};

static tensor_status put(struct channel *c, const void *bytes, size_t size) {
    c->crc = checksum_update(c->crc, bytes, size);
    return fwrite(bytes, 1, size, c->file) == size ? TENSOR_OK : TENSOR_IO_ERROR;
}

static tensor_status get(struct channel *c, void *bytes, size_t size) {
    if (fread(bytes, 1, size, c->file) != size) {
        return ferror(c->file) ? TENSOR_IO_ERROR : TENSOR_BAD_FORMAT;
    }
    c->crc = checksum_update(c->crc, bytes, size);
    return TENSOR_OK;
}

tensor_status tensor_write(const tensor *t, FILE *out) {
    struct channel c = {.file = out};
    unsigned char header[HEADER_SIZE + 8 * TENSOR_MAX_DIMS];
    memcpy(header, magic, sizeof magic);
    put_u32(header + 8, VERSION);
    put_u32(header + 12, (uint32_t)t->ndim);
    for (int i = 0; i < t->ndim; i++) {
        put_u64(header + HEADER_SIZE + 8 * i, t->shape[i]);
    }
    tensor_status status = put(&c, header, HEADER_SIZE + 8 * (size_t)t->ndim);
    unsigned char bytes[4 * CHUNK];
    for (size_t done = 0; done < t->count && status == TENSOR_OK; done += CHUNK) {
        size_t n = t->count - done < CHUNK ? t->count - done : CHUNK;
        for (size_t i = 0; i < n; i++) {
            put_float(bytes + 4 * i, t->data[done + i]);
        }
        status = put(&c, bytes, 4 * n);
    }
    if (status == TENSOR_OK) {
        put_u32(bytes, c.crc);
        status = put(&c, bytes, 4);
    }
    return status;
}

static tensor_status get_header(struct channel *c, int *ndim, size_t *shape) {
    unsigned char header[HEADER_SIZE], dimension[8];
    tensor_status status = get(c, header, sizeof header);
    if (status != TENSOR_OK) {
        return status;
    }
    uint32_t n = get_u32(header + 12);
    if (memcmp(header, magic, sizeof magic) != 0 || get_u32(header + 8) != VERSION || n > TENSOR_MAX_DIMS) {
        return TENSOR_BAD_FORMAT;
    }
    for (uint32_t i = 0; i < n; i++) {
        status = get(c, dimension, sizeof dimension);
        if (status != TENSOR_OK) {
            return status;
        }
        if (get_u64(dimension) > SIZE_MAX) {
            return TENSOR_BAD_SHAPE;
        }
        shape[i] = (size_t)get_u64(dimension);
    }
    *ndim = (int)n;
    return TENSOR_OK;
}

static tensor_status get_elements(struct channel *c, size_t count, struct float_buffer *b) {
    unsigned char bytes[4 * CHUNK];
    while (b->count < count) {
        size_t n = count - b->count < CHUNK ? count - b->count : CHUNK;
        tensor_status status = get(c, bytes, 4 * n);
        if (status != TENSOR_OK) {
            return status;
        }
        if (!buffer_reserve(b, n, count)) {
            return TENSOR_NO_MEMORY;
        }
        for (size_t i = 0; i < n; i++) {
            b->data[b->count + i] = get_float(bytes + 4 * i);
        }
        b->count += n;
    }
    return buffer_reserve(b, 0, count) ? TENSOR_OK : TENSOR_NO_MEMORY;
}

tensor_status tensor_read(FILE *in, tensor **out) {
    struct channel c = {.file = in};
    int ndim = 0;
    size_t shape[TENSOR_MAX_DIMS], count;
    tensor_status status = get_header(&c, &ndim, shape);
    if (status == TENSOR_OK) {
        status = shape_count(ndim, shape, &count);
    }
    if (status != TENSOR_OK) {
        return status;
    }
    struct float_buffer b = {0};
    status = get_elements(&c, count, &b);
    uint32_t expected = c.crc;
    unsigned char checksum[4];
    if (status == TENSOR_OK) {
        status = get(&c, checksum, sizeof checksum);
    }
    if (status == TENSOR_OK && get_u32(checksum) != expected) {
        status = TENSOR_BAD_CHECKSUM;
    }
    if (status != TENSOR_OK) {
        free(b.data);
        return status;
    }
    return tensor_adopt(ndim, shape, b.data, out);
}

/* Closes a file and keeps the errno of what went wrong first. */
static tensor_status close_file(FILE *file, tensor_status status) {
    int saved = errno;
    if (fclose(file) != 0 && status == TENSOR_OK) {
        return TENSOR_IO_ERROR;
    }
    errno = saved;
    return status;
}

tensor_status tensor_save(const tensor *t, const char *path) {
    FILE *file = fopen(path, "wb");
    return file ? close_file(file, tensor_write(t, file)) : TENSOR_IO_ERROR;
}

tensor_status tensor_load(const char *path, tensor **out) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        return TENSOR_IO_ERROR;
    }
    tensor *t = NULL;
    tensor_status status = tensor_read(file, &t);
    if (status == TENSOR_OK && getc(file) != EOF) {
        status = TENSOR_BAD_FORMAT;
    }
    status = close_file(file, status);
    if (status != TENSOR_OK) {
        tensor_free(t);
        return status;
    }
    *out = t;
    return TENSOR_OK;
}
