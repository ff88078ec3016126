#include <errno.h>
#include <string.h>

#include "test.h"

/* The file of a 1 x 2 tensor of 1 and -2, byte by byte as FORMAT.md has it. */
static const unsigned char reference[] = {
    0x89, 'T', 'N', 'S', 'R', '\r', '\n', 0x1a, 1, 0, 0, 0, 2,    0,    0, 0, 1, 0,    0, 0, 0, 0,
    0,    0,   2,   0,   0,   0,    0,    0,    0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0,
};

enum { REFERENCE_BODY = sizeof reference - 4 };

/* The reference with its checksum set. */
static void copy_reference(unsigned char *bytes) {
    memcpy(bytes, reference, sizeof reference);
    uint32_t crc = checksum_update(0, reference, REFERENCE_BODY);
    for (int i = 0; i < 4; i++) {
        bytes[REFERENCE_BODY + i] = (unsigned char)(crc >> (8 * i));
    }
}

static tensor_status read_bytes(const unsigned char *bytes, size_t size, tensor **out) {
    FILE *file = scratch();
    fwrite(bytes, 1, size, file);
    rewind(file);
    tensor_status status = tensor_read(file, out);
    fclose(file);
    return status;
}

static void reference_bytes(void) {
    unsigned char expected[sizeof reference], written[sizeof reference + 1];
    copy_reference(expected);
    FILE *file = scratch();
    tensor_status status = tensor_write(make("tensor 1 2\n1 -2"), file);
    rewind(file);
    size_t n = fread(written, 1, sizeof written, file);
    fclose(file);
    CHECK(status == TENSOR_OK && n == sizeof expected && memcmp(written, expected, n) == 0);
    tensor *t;
    CHECK(read_bytes(expected, sizeof expected, &t) == TENSOR_OK);
    CHECK_TENSOR(keep(t), "tensor 1 2\n1 -2");
}

/* More than one piece of the reader and writer, and the ends of the shapes. */
static void round_trips(void) {
    static const size_t shapes[][3] = {{1, 1, 1}, {0, 5, 2}, {3, 1000, 7}, {1, 1, 4096}, {1, 1, 4097}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        tensor *t, *back;
        tensor_rng rng = tensor_rng_seed(s);
        CHECK(tensor_create(3, shapes[s], &t) == TENSOR_OK);
        tensor_fill_normal(keep(t), &rng, 0, 1);
        FILE *file = scratch();
        tensor_status written = tensor_write(t, file);
        rewind(file);
        tensor_status read = tensor_read(file, &back);
        fclose(file);
        CHECK(written == TENSOR_OK && read == TENSOR_OK);
        keep(back);
        CHECK(back->count == t->count && memcmp(back->shape, t->shape, sizeof t->shape) == 0);
        CHECK(memcmp(back->data, t->data, t->count * sizeof(float)) == 0);
    }
}

static void tensors_in_a_row(void) {
    FILE *file = scratch();
    tensor *first, *second, *third = NULL;
    tensor_status status = tensor_write(make("tensor\n1"), file);
    status = status == TENSOR_OK ? tensor_write(make("tensor 2\n2 3"), file) : status;
    rewind(file);
    tensor_status a = tensor_read(file, &first), b = tensor_read(file, &second), c = tensor_read(file, &third);
    fclose(file);
    CHECK(status == TENSOR_OK && a == TENSOR_OK && b == TENSOR_OK);
    CHECK_TENSOR(keep(first), "tensor\n1");
    CHECK_TENSOR(keep(second), "tensor 2\n2 3");
    CHECK(c == TENSOR_BAD_FORMAT && third == NULL);
}

static void every_change_is_seen(void) {
    for (size_t i = 0; i < sizeof reference; i++) {
        unsigned char bytes[sizeof reference];
        tensor *t = NULL;
        copy_reference(bytes);
        bytes[i] ^= 1;
        CHECK(read_bytes(bytes, sizeof bytes, &t) != TENSOR_OK && t == NULL);
    }
    unsigned char bytes[sizeof reference];
    tensor *t = NULL;
    copy_reference(bytes);
    bytes[33] ^= 1; /* within an element */
    CHECK(read_bytes(bytes, sizeof bytes, &t) == TENSOR_BAD_CHECKSUM);
}

static void every_cut_is_seen(void) {
    unsigned char bytes[sizeof reference];
    copy_reference(bytes);
    for (size_t size = 0; size < sizeof bytes; size++) {
        tensor *t = NULL;
        CHECK(read_bytes(bytes, size, &t) == TENSOR_BAD_FORMAT && t == NULL);
    }
}

/* The header promises 2^52 elements (2^20 where size_t has 32 bits); the file is 44 bytes long. */
static void promised_size(void) {
    unsigned char bytes[sizeof reference];
    tensor *t = NULL;
    copy_reference(bytes);
    bytes[24 + sizeof(size_t) - 2] = 0x10;
    CHECK(read_bytes(bytes, sizeof bytes, &t) == TENSOR_BAD_FORMAT && t == NULL);
    bytes[24 + 7] = 0xff;
    CHECK(read_bytes(bytes, sizeof bytes, &t) == TENSOR_BAD_SHAPE && t == NULL);
}

static void other_versions(void) {
    unsigned char bytes[sizeof reference];
    tensor *t = NULL;
    copy_reference(bytes);
    bytes[8] = 2;
    CHECK(read_bytes(bytes, sizeof bytes, &t) == TENSOR_BAD_FORMAT);
    copy_reference(bytes);
    bytes[12] = TENSOR_MAX_DIMS + 1;
    CHECK(read_bytes(bytes, sizeof bytes, &t) == TENSOR_BAD_FORMAT && t == NULL);
}

static void paths(void) {
    const char *path = "files_test.tensor"; /* in the folder where ctest runs: the build's */
    tensor *t = make("tensor 2\n1 2"), *back = NULL;
    tensor_status saved = tensor_save(t, path), loaded = tensor_load(path, &back);
    FILE *file = fopen(path, "ab");
    bool appended = file && putc('x', file) != EOF && fclose(file) == 0;
    tensor *longer = NULL;
    tensor_status refused = tensor_load(path, &longer);
    remove(path);
    CHECK(saved == TENSOR_OK && loaded == TENSOR_OK);
    CHECK_TENSOR(keep(back), "tensor 2\n1 2");
    CHECK(appended && refused == TENSOR_BAD_FORMAT && longer == NULL);
}

static void failures_of_the_system(void) {
    tensor *t = NULL;
    errno = 0;
    CHECK(tensor_load("no/such/file", &t) == TENSOR_IO_ERROR && errno == ENOENT && t == NULL);
    CHECK(tensor_save(make("tensor\n1"), "no/such/file") == TENSOR_IO_ERROR && errno == ENOENT);
    CHECK(tensor_save(make("tensor\n1"), "/dev/full") == TENSOR_IO_ERROR && errno == ENOSPC);
    CHECK(tensor_load(".", &t) == TENSOR_IO_ERROR && errno == EISDIR && t == NULL);
}

const struct test files_tests[] = {
    {"a file has the bytes that its description says", reference_bytes},
    {"what is written is read again", round_trips},
    {"tensors can follow each other in a stream", tensors_in_a_row},
    {"a change of any byte is seen", every_change_is_seen},
    {"a cut at any place is seen", every_cut_is_seen},
    {"a promised size is not believed", promised_size},
    {"other versions and too many dimensions are refused", other_versions},
    {"saving, loading, and a file that is too long", paths},
    {"failures say why", failures_of_the_system},
    {0},
};
