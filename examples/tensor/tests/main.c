#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static const struct topic {
    const char *name;
    const struct test *tests;
} topics[] = {
    {"checksum", checksum_tests}, {"elementwise", elementwise_tests},
    {"files", files_tests},       {"linalg", linalg_tests},
    {"reduce", reduce_tests},     {"rng", rng_tests},
    {"shape", shape_tests},       {"text", text_tests},
};

enum { TOPICS = sizeof topics / sizeof topics[0], KEPT = 256 };

/* What the running test has noted: the harness runs one test after the other. */
static struct {
    bool failed;
    int kept;
    tensor *tensors[KEPT];
} current;

void test_failed(const char *file, int line, const char *what) {
    printf("%s:%d: %s\n", file, line, what);
    current.failed = true;
}

tensor *keep(tensor *t) {
    if (current.kept == KEPT) {
        fputs("a test keeps too many tensors\n", stderr);
        abort();
    }
    return current.tensors[current.kept++] = t;
}

FILE *scratch(void) {
    FILE *file = tmpfile();
    if (!file) {
        perror("temporary file");
        exit(1);
    }
    return file;
}

tensor *make(const char *text) {
    FILE *file = scratch();
    fputs(text, file);
    rewind(file);
    tensor *t;
    tensor_status status = tensor_read_text(file, &t, NULL);
    fclose(file);
    if (status != TENSOR_OK) {
        fprintf(stderr, "a test's own tensor is wrong: %s\n", text);
        abort();
    }
    return keep(t);
}

bool test_compare(const tensor *t, const char *text, double tolerance) {
    const tensor *expected = make(text);
    bool same = t->ndim == expected->ndim && t->count == expected->count;
    for (int i = 0; same && i < t->ndim; i++) {
        same = t->shape[i] == expected->shape[i];
    }
    for (size_t i = 0; same && i < t->count; i++) {
        double a = (double)t->data[i], b = (double)expected->data[i];
        same = a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance;
    }
    if (!same) {
        printf("expected: %s\ngot:      ", text);
        tensor_write_text(t, stdout);
    }
    return same;
}

static bool passes(const struct topic *topic, const struct test *test) {
    memset(&current, 0, sizeof current);
    test->run();
    for (int i = 0; i < current.kept; i++) {
        tensor_free(current.tensors[i]);
    }
    printf("%s  %s: %s\n", current.failed ? "FAILED" : "ok    ", topic->name, test->name);
    return !current.failed;
}

static int run_topic(const struct topic *topic) {
    int failures = 0;
    for (const struct test *test = topic->tests; test->name; test++) {
        failures += !passes(topic, test);
    }
    return failures;
}

/* Runs the topics named, or all. */
int main(int argc, char **argv) {
    int failures = 0, found = 0;
    for (int i = 0; i < TOPICS; i++) {
        bool wanted = argc == 1;
        for (int k = 1; k < argc; k++) {
            wanted = wanted || strcmp(argv[k], topics[i].name) == 0;
        }
        if (wanted) {
            found++;
            failures += run_topic(&topics[i]);
        }
    }
    if (argc > 1 && found != argc - 1) {
        fputs("an unknown topic was named\n", stderr);
        return 2;
    }
    return failures ? 1 : 0;
}
