#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void print_message(const char *format, va_list args) {
    fputs("tensor: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int failed(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_message(format, args);
    va_end(args);
    return STATUS_FAILED;
}

int misused(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_message(format, args);
    va_end(args);
    return STATUS_USAGE;
}

int failed_status(const char *thing, tensor_status status) {
    if (status == TENSOR_IO_ERROR && errno != 0) {
        return failed("%s: %s", thing, strerror(errno));
    }
    return failed("%s: %s", thing, tensor_status_text(status));
}

bool parse_number(const char *word, long long least, long long most, long long *out) {
    char *end;
    errno = 0;
    *out = strtoll(word, &end, 10);
    return end != word && *end == '\0' && errno == 0 && *out >= least && *out <= most;
}

bool parse_shape(const char *word, int *ndim, size_t *shape) {
    *ndim = 0;
    if (strcmp(word, "scalar") == 0) {
        return true;
    }
    for (;;) {
        if (*ndim == TENSOR_MAX_DIMS || !isdigit((unsigned char)*word)) {
            return false; /* strtoull() would take signs and spaces */
        }
        char *end;
        errno = 0;
        unsigned long long dimension = strtoull(word, &end, 10);
        if (errno != 0 || dimension > SIZE_MAX) {
            return false;
        }
        shape[(*ndim)++] = (size_t)dimension;
        if (*end != 'x') {
            return *end == '\0';
        }
        word = end + 1;
    }
}

void print_shape(const tensor *t, FILE *out) {
    if (tensor_ndim(t) == 0) {
        fputs("scalar", out);
    }
    for (int i = 0; i < tensor_ndim(t); i++) {
        fprintf(out, i ? "x%zu" : "%zu", tensor_shape(t)[i]);
    }
}

/* The first byte tells the formats apart: the binary one begins with a byte that no text has. */
static int load_stream(FILE *in, const char *name, tensor **out) {
    int first = getc(in);
    if (first != EOF) {
        ungetc(first, in);
    }
    if (first == 0x89) {
        tensor *t;
        tensor_status status = tensor_read(in, &t);
        if (status != TENSOR_OK) {
            return failed_status(name, status);
        }
        if (getc(in) != EOF) {
            tensor_free(t);
            return failed("%s: something follows the tensor", name);
        }
        *out = t;
        return 0;
    }
    size_t line;
    tensor_status status = tensor_read_text(in, out, &line);
    if (status == TENSOR_BAD_FORMAT) {
        return failed("%s:%zu: not a tensor in text form, or not as many numbers as its shape says", name, line);
    }
    return status == TENSOR_OK ? 0 : failed_status(name, status);
}

int load(const char *path, tensor **out) {
    if (strcmp(path, "-") == 0) {
        return load_stream(stdin, "standard input", out);
    }
    FILE *in = fopen(path, "rb");
    if (!in) {
        return failed("%s: %s", path, strerror(errno));
    }
    int status = load_stream(in, path, out);
    fclose(in); /* only read: nothing can be lost */
    return status;
}

static bool is_text(const char *path, enum file_format format) {
    if (format != FORMAT_BY_NAME) {
        return format == FORMAT_TEXT;
    }
    size_t length = strlen(path);
    return strcmp(path, "-") == 0 || (length >= 4 && strcmp(path + length - 4, ".txt") == 0);
}

int save(const tensor *t, const char *path, enum file_format format) {
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "wb");
    if (!out) {
        return failed("%s: %s", path, strerror(errno));
    }
    tensor_status status = is_text(path, format) ? tensor_write_text(t, out) : tensor_write(t, out);
    int saved = errno;
    if (!standard && fclose(out) != 0 && status == TENSOR_OK) {
        saved = errno;
        status = TENSOR_IO_ERROR;
    }
    errno = saved;
    return status == TENSOR_OK ? 0 : failed_status(standard ? "standard output" : path, status);
}
