/* What the commands of the command line share. */
#ifndef TENSOR_CLI_H
#define TENSOR_CLI_H

#include <stdbool.h>

#include "tensor/tensor.h"

enum { STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* A command gets its own words, argv[0] being its name, and returns the exit status. */
typedef int command_function(int argc, char **argv);

command_function cmd_info, cmd_gen, cmd_convert, cmd_matmul, cmd_sum, cmd_bench;

/* Both print "tensor: " and a message; they return STATUS_FAILED and STATUS_USAGE. */
int failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
int misused(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As failed(), for what the library said about a thing (a file, an operation). */
int failed_status(const char *thing, tensor_status status);

/* Whole decimal numbers; false when the word is anything else or out of range. */
bool parse_number(const char *word, long long least, long long most, long long *out);

/* "2x3x4"; false when the word is anything else. "scalar" has no dimensions. */
bool parse_shape(const char *word, int *ndim, size_t *shape);

void print_shape(const tensor *t, FILE *out);

/* Reads a tensor in either format from a file, or from standard input for "-". 0, or a status with a message. */
int load(const char *path, tensor **out);

enum file_format { FORMAT_BY_NAME, FORMAT_BINARY, FORMAT_TEXT };

/* Writes a tensor; by name, "-" (standard output) and *.txt are text. 0, or a status with a message. */
int save(const tensor *t, const char *path, enum file_format format);

#endif
