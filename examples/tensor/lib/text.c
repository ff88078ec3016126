/* The text format; the header describes it. */
#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

tensor_status tensor_write_text(const tensor *t, FILE *out) {
    bool good = fputs("tensor", out) >= 0;
    for (int i = 0; i < t->ndim; i++) {
        good = fprintf(out, " %zu", t->shape[i]) > 0 && good;
    }
    good = putc('\n', out) != EOF && good;
    const size_t width = t->ndim > 0 ? t->shape[t->ndim - 1] : 1;
    for (size_t i = 0; i < t->count && good; i++) {
        char end = (i + 1) % width == 0 ? '\n' : ' ';
        good = fprintf(out, "%.*g%c", FLT_DECIMAL_DIG, (double)t->data[i], end) > 0;
    }
    return good ? TENSOR_OK : TENSOR_IO_ERROR;
}

/* Splits a stream into words and counts its lines. */
struct scanner {
    FILE *file;
    size_t line;   /* of the word that was read last, from 1 */
    bool new_line; /* a line begins before the next character */
    char word[64]; /* longer ones are no numbers */
};

enum word { WORD, WORD_END_OF_LINE, WORD_END_OF_FILE, WORD_UNUSABLE };

static int next_char(struct scanner *s) {
    int c = getc(s->file);
    if (c != EOF) {
        s->line += s->new_line;
    }
    if (c == '#') {
        while (c != '\n' && c != EOF) {
            c = getc(s->file);
        }
    }
    s->new_line = c == '\n';
    return c;
}

/* Reads the next word; with stop_at_line_end, only as far as the line goes. */
static enum word next_word(struct scanner *s, bool stop_at_line_end) {
    int c = next_char(s);
    while (c != EOF && isspace(c)) {
        if (c == '\n' && stop_at_line_end) {
            return WORD_END_OF_LINE;
        }
        c = next_char(s);
    }
    if (c == EOF) {
        return WORD_END_OF_FILE;
    }
    size_t n = 0;
    while (c != EOF && !isspace(c)) {
        if (n == sizeof s->word - 1 || c == '\0') {
            return WORD_UNUSABLE;
        }
        s->word[n++] = (char)c;
        c = next_char(s);
    }
    s->word[n] = '\0';
    if (c != EOF) {
        ungetc(c, s->file); /* the end of the line is still to be seen */
        s->new_line = false;
    }
    return WORD;
}

static bool parse_dimension(const char *word, size_t *out) {
    if (!isdigit((unsigned char)*word)) {
        return false; /* strtoull() takes signs */
    }
    char *end;
    errno = 0;
    unsigned long long v = strtoull(word, &end, 10);
    *out = (size_t)v;
    return *end == '\0' && errno == 0 && v <= SIZE_MAX;
}

static bool parse_float(const char *word, float *out) {
    char *end;
    errno = 0;
    *out = strtof(word, &end);
    /* ERANGE is also a number so small that it became 0 or lost digits, which is fine. */
    return *end == '\0' && !(errno == ERANGE && isinf(*out));
}

static tensor_status scan_shape(struct scanner *s, int *ndim, size_t *shape) {
    if (next_word(s, false) != WORD || strcmp(s->word, "tensor") != 0) {
        return TENSOR_BAD_FORMAT;
    }
    for (*ndim = 0;;) {
        switch (next_word(s, true)) {
        case WORD:
            if (*ndim == TENSOR_MAX_DIMS || !parse_dimension(s->word, &shape[*ndim])) {
                return TENSOR_BAD_FORMAT;
            }
            ++*ndim;
            break;
        case WORD_UNUSABLE:
            return TENSOR_BAD_FORMAT;
        case WORD_END_OF_LINE:
        case WORD_END_OF_FILE:
            return TENSOR_OK;
        }
    }
}

static tensor_status scan_elements(struct scanner *s, size_t count, struct float_buffer *b) {
    for (;;) {
        enum word word = next_word(s, false);
        if (word == WORD_END_OF_FILE) {
            return b->count == count ? TENSOR_OK : TENSOR_BAD_FORMAT;
        }
        float value;
        if (word != WORD || b->count == count || !parse_float(s->word, &value)) {
            return TENSOR_BAD_FORMAT;
        }
        if (!buffer_reserve(b, 1, count)) {
            return TENSOR_NO_MEMORY;
        }
        b->data[b->count++] = value;
    }
}

tensor_status tensor_read_text(FILE *in, tensor **out, size_t *line) {
    struct scanner s = {.file = in, .new_line = true};
    int ndim = 0;
    size_t shape[TENSOR_MAX_DIMS], count = 0;
    struct float_buffer b = {0};
    tensor_status status = scan_shape(&s, &ndim, shape);
    if (status == TENSOR_OK) {
        status = shape_count(ndim, shape, &count);
    }
    if (status == TENSOR_OK) {
        status = scan_elements(&s, count, &b);
    }
    if (status == TENSOR_OK && !buffer_reserve(&b, 0, count)) {
        status = TENSOR_NO_MEMORY;
    }
    if (ferror(in)) {
        status = TENSOR_IO_ERROR;
    }
    if (line) {
        *line = s.line;
    }
    if (status != TENSOR_OK) {
        free(b.data);
        return status;
    }
    return tensor_adopt(ndim, shape, b.data, out);
}
