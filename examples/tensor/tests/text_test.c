#include <math.h>
#include <string.h>

#include "test.h"

static void round_trip(void) {
    tensor *t = make("tensor 2 3\n0.1 -0 1e-45 3.4028235e38 -inf nan"), *back;
    FILE *file = scratch();
    tensor_status written = tensor_write_text(t, file);
    rewind(file);
    tensor_status read = tensor_read_text(file, &back, NULL);
    fclose(file);
    CHECK(written == TENSOR_OK && read == TENSOR_OK);
    keep(back);
    CHECK(back->ndim == 2 && memcmp(back->data, t->data, 5 * sizeof(float)) == 0 && isnan(back->data[5]));
}

static void layout(void) {
    FILE *file = scratch();
    tensor_status status = tensor_write_text(make("tensor 2 2\n1 2.5 3 -4"), file);
    rewind(file);
    char content[64] = {0};
    size_t n = fread(content, 1, sizeof content - 1, file);
    fclose(file);
    CHECK(status == TENSOR_OK && n > 0 && strcmp(content, "tensor 2 2\n1 2.5\n3 -4\n") == 0);
}

static void free_form(void) {
    CHECK_TENSOR(make("# a comment\n\n tensor\t2 2 # shape\n1 2 3\n# between\n\n4"), "tensor 2 2\n1 2\n3 4\n");
    CHECK_TENSOR(make("tensor\r\n0x1p3\r\n"), "tensor\n8");
}

static void wrong_texts(void) {
    static const struct {
        const char *text;
        size_t line;
    } wrong[] = {
        {"", 0},
        {"matrix 2 2\n1 2 3 4\n", 1},
        {"tensor 2 two\n", 1},
        {"tensor -1\n", 1},
        {"tensor 2.5\n", 1},
        {"tensor 1 1 1 1 1 1 1 1 1\n1\n", 1},
        {"tensor 99999999999999999999999\n1\n", 1},
        {"tensor 2\n1\n", 2},
        {"tensor 2\n1 2\n\n3\n", 4},
        {"tensor 2\n1\nx\n", 3},
        {"tensor 2\n1\n2x\n", 3},
        {"tensor 1\n1e39\n", 2},
        {"tensor 1\n0000000000000000000000000000000000000000000000000000000000000000000001\n", 2},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        FILE *file = scratch();
        fputs(wrong[i].text, file);
        rewind(file);
        tensor *t = NULL;
        size_t line = 99;
        tensor_status status = tensor_read_text(file, &t, &line);
        fclose(file);
        if (status != TENSOR_BAD_FORMAT || line != wrong[i].line) {
            printf("%s: status %d, line %zu\n", wrong[i].text, (int)status, line);
        }
        CHECK(status == TENSOR_BAD_FORMAT && line == wrong[i].line && t == NULL);
    }
}

/* A promise of more elements than there is memory must not be believed. */
static void promised_size(void) {
    FILE *file = scratch();
    fputs("tensor 500000000\n1 2 3\n", file);
    rewind(file);
    tensor *t = NULL;
    tensor_status status = tensor_read_text(file, &t, NULL);
    fclose(file);
    CHECK(status == TENSOR_BAD_FORMAT && t == NULL);
}

static void nul_bytes(void) {
    FILE *file = scratch();
    fwrite("tensor 1\n1\0002\n", 1, 13, file);
    rewind(file);
    tensor *t = NULL;
    tensor_status status = tensor_read_text(file, &t, NULL);
    fclose(file);
    CHECK(status == TENSOR_BAD_FORMAT && t == NULL);
}

const struct test text_tests[] = {
    {"what is written is read again, to the last bit", round_trip},
    {"a row is a line", layout},
    {"white space and comments are free", free_form},
    {"wrong texts are refused with their line", wrong_texts},
    {"a promised size is not believed", promised_size},
    {"a zero byte does not hide what follows it", nul_bytes},
    {0},
};
