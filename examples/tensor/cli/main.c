#include <errno.h>
#include <string.h>

#include "cli.h"

static const struct command {
    const char *name, *arguments, *summary;
    command_function *run;
} commands[] = {
    {"info", "FILE...", "shape and range of tensors", cmd_info},
    {"gen", "[-d DISTRIBUTION] [-s SEED] SHAPE FILE", "make a tensor, such as 2x3", cmd_gen},
    {"convert", "[-f text|binary] FROM TO", "change between text and binary", cmd_convert},
    {"matmul", "A B PRODUCT", "multiply two matrices", cmd_matmul},
    {"sum", "[-a AXIS] [-o TO] FILE", "add up all elements, or those along an axis", cmd_sum},
    {"bench", "[-n SIZE] [-r ROUNDS]", "measure the library on this machine", cmd_bench},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *out) {
    fputs("usage: tensor COMMAND [ARGUMENT...]\n\n", out);
    for (int i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %-8s %-40s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
    }
    fputs("\nA FILE is binary or text (*.txt); - is standard input or output, as text.\n"
          "DISTRIBUTION is uniform (the default), normal, range, ones or zeros.\n"
          "Exit status: 0 done, 1 failed, 2 not understood.\n",
          out);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("tensor %s\n", tensor_version());
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            int status = commands[i].run(argc - 1, argv + 1);
            if (status == STATUS_USAGE) {
                fprintf(stderr, "usage: tensor %s %s\n", commands[i].name, commands[i].arguments);
            }
            return status;
        }
    }
    return misused("unknown command '%s', see tensor --help", argv[1]);
}

int main(int argc, char **argv) {
    int status = dispatch(argc, argv);
    /* A full disk may show only when the last of the output is written. */
    if (fclose(stdout) != 0 && status == 0) {
        return failed("standard output: %s", strerror(errno));
    }
    return status;
}
