#include <string.h>

#include "test.h"

static void zeros(void) {
    tensor *t;
    CHECK(tensor_create(2, (const size_t[]){2, 3}, &t) == TENSOR_OK);
    CHECK_TENSOR(keep(t), "tensor 2 3\n0 0 0 0 0 0");
}

static void scalar(void) {
    tensor *t;
    CHECK(tensor_create(0, NULL, &t) == TENSOR_OK);
    keep(t);
    CHECK(tensor_ndim(t) == 0 && tensor_count(t) == 1);
    tensor_fill(t, 7);
    CHECK_TENSOR(t, "tensor\n7");
}

static void empty(void) {
    tensor *t;
    CHECK(tensor_create(2, (const size_t[]){3, 0}, &t) == TENSOR_OK);
    keep(t);
    CHECK(tensor_count(t) == 0 && tensor_data(t) != NULL);
    tensor_fill(t, 1);
    CHECK_TENSOR(t, "tensor 3 0\n");
}

static void bad_shapes(void) {
    tensor *t = NULL;
    const size_t half = (size_t)1 << (sizeof(size_t) * 4);
    CHECK(tensor_create(2, (const size_t[]){half, half}, &t) == TENSOR_BAD_SHAPE);
    CHECK(tensor_create(1, (const size_t[]){PTRDIFF_MAX / sizeof(float) + 1}, &t) == TENSOR_BAD_SHAPE);
    CHECK(tensor_create(3, (const size_t[]){0, half, half}, &t) == TENSOR_BAD_SHAPE);
    CHECK(tensor_create(-1, NULL, &t) == TENSOR_BAD_ARGUMENT);
    CHECK(tensor_create(TENSOR_MAX_DIMS + 1, (const size_t[TENSOR_MAX_DIMS + 1]){0}, &t) == TENSOR_BAD_ARGUMENT);
    CHECK(tensor_create(1, NULL, &t) == TENSOR_BAD_ARGUMENT);
    CHECK(t == NULL);
}

static void reshape(void) {
    tensor *t = make("tensor 2 3\n1 2 3 4 5 6");
    CHECK(tensor_reshape(t, 3, (const size_t[]){3, 1, 2}) == TENSOR_OK);
    CHECK_TENSOR(t, "tensor 3 1 2\n1 2 3 4 5 6");
    CHECK(tensor_reshape(t, 1, (const size_t[]){5}) == TENSOR_BAD_SHAPE);
    CHECK_TENSOR(t, "tensor 3 1 2\n1 2 3 4 5 6");
    CHECK(tensor_reshape(t, 2, tensor_shape(t)) == TENSOR_BAD_SHAPE);
    CHECK(tensor_reshape(t, 3, tensor_shape(t)) == TENSOR_OK);
    CHECK_TENSOR(t, "tensor 3 1 2\n1 2 3 4 5 6");
}

static void copies_are_independent(void) {
    tensor *t = make("tensor 2\n1 2"), *copy;
    CHECK(tensor_copy(t, &copy) == TENSOR_OK);
    tensor_fill(t, 0);
    CHECK_TENSOR(keep(copy), "tensor 2\n1 2");
}

static void axes(void) {
    const tensor *t = make("tensor 2 1 2\n1 2 3 4");
    int axis = -1;
    CHECK(shape_axis(t, 2, &axis) && axis == 2);
    CHECK(shape_axis(t, -3, &axis) && axis == 0);
    CHECK(!shape_axis(t, 3, &axis) && !shape_axis(t, -4, &axis));
    CHECK(!shape_axis(make("tensor\n1"), 0, &axis));
}

static void views(void) {
    const tensor *t = make("tensor 2 3 2\n1 2 3 4 5 6 7 8 9 10 11 12");
    struct axis_view v = shape_view(t, 1);
    CHECK(v.outer == 2 && v.length == 3 && v.inner == 2);
    v = shape_view(t, TENSOR_ALL_AXES);
    CHECK(v.outer == 1 && v.length == 12 && v.inner == 1);
}

static void status_texts(void) {
    for (int i = TENSOR_OK; i < TENSOR_BAD_CHECKSUM; i++) {
        CHECK(strcmp(tensor_status_text((tensor_status)i), tensor_status_text((tensor_status)(i + 1))) != 0);
    }
    CHECK(strcmp(tensor_status_text((tensor_status)99), "unknown status") == 0);
}

static void buffers_keep_their_limit(void) {
    struct float_buffer b = {0};
    CHECK(buffer_reserve(&b, 3, 4));
    b.count = 3;
    CHECK(buffer_reserve(&b, 1, 4) && b.capacity == 4);
    bool past = buffer_reserve(&b, 2, 4) || buffer_reserve(&b, SIZE_MAX, 4);
    tensor *owner;
    b.count = 4;
    for (size_t i = 0; i < b.count; i++) {
        b.data[i] = 1;
    }
    CHECK(tensor_adopt(1, (const size_t[]){4}, b.data, &owner) == TENSOR_OK);
    keep(owner);
    CHECK(!past);
}

const struct test shape_tests[] = {
    {"a new tensor holds zeros", zeros},
    {"no dimensions are one number", scalar},
    {"a dimension may be 0", empty},
    {"sizes that overflow are refused", bad_shapes},
    {"reshape keeps the elements and refuses another count", reshape},
    {"a copy is independent", copies_are_independent},
    {"negative axes count from the end", axes},
    {"an axis splits a tensor into blocks", views},
    {"every status has words of its own", status_texts},
    {"a buffer grows to its limit and no further", buffers_keep_their_limit},
    {0},
};
