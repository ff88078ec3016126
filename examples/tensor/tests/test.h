/* A small harness: tests in topics, one topic a file. */
#ifndef TENSOR_TEST_H
#define TENSOR_TEST_H

#include "internal.h"

struct test {
    const char *name; /* reads as a sentence */
    void (*run)(void);
};

/* Ends with an entry without a name. */
extern const struct test checksum_tests[], elementwise_tests[], files_tests[], linalg_tests[], reduce_tests[],
    rng_tests[], shape_tests[], text_tests[];

/* Notes a failure; the macros below call it. */
void test_failed(const char *file, int line, const char *what);

/* Ends the test when the condition is false. */
#define CHECK(condition)                                                                                           \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            test_failed(__FILE__, __LINE__, #condition);                                                           \
            return;                                                                                                \
        }                                                                                                          \
    } while (0)

/* As CHECK; the elements may differ from those of the text by at most tolerance. NaN equals NaN. */
#define CHECK_NEAR(t, text, tolerance) CHECK(test_compare((t), (text), (tolerance)))
#define CHECK_TENSOR(t, text) CHECK_NEAR(t, text, 0.0)

bool test_compare(const tensor *t, const char *text, double tolerance);

/* Frees t when the test ends. */
tensor *keep(tensor *t);

/* A tensor from its text form, kept. Ends the program when the text is wrong: the test itself is. */
tensor *make(const char *text);

/* An empty temporary file, removed when it is closed. */
FILE *scratch(void);

#endif
