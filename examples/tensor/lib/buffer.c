#include <stdlib.h>

#include "internal.h"

bool buffer_reserve(struct float_buffer *b, size_t count, size_t limit) {
    if (count > limit || b->count > limit - count) {
        return false;
    }
    size_t needed = b->count + count;
    if (needed <= b->capacity && b->data) {
        return true;
    }
    size_t capacity = b->capacity > limit / 2 ? limit : b->capacity * 2;
    if (capacity < needed) {
        capacity = needed;
    }
    float *data = realloc(b->data, (capacity ? capacity : 1) * sizeof *data);
    if (!data) {
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}
