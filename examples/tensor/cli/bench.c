/* The command bench: what the kernels reach on this machine, and what blocking gains over three plain loops. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static tensor_status plain_matmul(const tensor *a, const tensor *b, tensor **out) {
    const size_t n = tensor_shape(a)[0];
    tensor_status status = tensor_create(2, tensor_shape(a), out);
    if (status != TENSOR_OK) {
        return status;
    }
    const float *pa = tensor_const_data(a), *pb = tensor_const_data(b);
    float *pc = tensor_data(*out);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            float sum = 0;
            for (size_t k = 0; k < n; k++) {
                sum += pa[i * n + k] * pb[k * n + j];
            }
            pc[i * n + j] = sum;
        }
    }
    return TENSOR_OK;
}

static tensor_status transpose(const tensor *a, const tensor *b, tensor **out) {
    (void)b;
    return tensor_transpose(a, NULL, out);
}

static tensor_status sum_rows(const tensor *a, const tensor *b, tensor **out) {
    (void)b;
    return tensor_sum(a, 1, 0, out);
}

static tensor_status softmax(const tensor *a, const tensor *b, tensor **out) {
    (void)b;
    return tensor_softmax(a, 1, out);
}

/* work: what one element of an n x n matrix costs, in floating point operations or bytes moved; "per_row" times n.
 */
static const struct subject {
    const char *name, *unit;
    double work;
    bool per_row;
    tensor_status (*run)(const tensor *a, const tensor *b, tensor **out);
} subjects[] = {
    {"matmul, plain loops", "GFLOP/s", 2, true, plain_matmul},
    {"matmul, blocked", "GFLOP/s", 2, true, tensor_matmul},
    {"add", "GB/s", 12, false, tensor_add},
    {"transpose", "GB/s", 8, false, transpose},
    {"sum of rows", "GB/s", 4, false, sum_rows},
    {"softmax of rows", "GB/s", 8, false, softmax},
};

/* The best time of some rounds, in seconds; the others were disturbed. */
static tensor_status measure(const struct subject *s, const tensor *a, const tensor *b, int rounds, double *best) {
    for (int i = 0; i < rounds; i++) {
        tensor *result;
        double start = seconds();
        tensor_status status = s->run(a, b, &result);
        double took = seconds() - start;
        if (status != TENSOR_OK) {
            return status;
        }
        tensor_free(result);
        *best = i == 0 || took < *best ? took : *best;
    }
    return TENSOR_OK;
}

static int bench(size_t n, int rounds) {
    tensor *a = NULL, *b = NULL;
    tensor_rng rng = tensor_rng_seed(1);
    tensor_status status = tensor_create(2, (const size_t[]){n, n}, &a);
    if (status == TENSOR_OK) {
        status = tensor_create(2, (const size_t[]){n, n}, &b);
    }
    if (status == TENSOR_OK) {
        tensor_fill_uniform(a, &rng, -1, 1);
        tensor_fill_uniform(b, &rng, -1, 1);
        printf("%zux%zu, best of %d\n", n, n, rounds);
    }
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0] && status == TENSOR_OK; i++) {
        const struct subject *s = &subjects[i];
        double best = 0, work = s->work * (double)n * (double)n * (s->per_row ? (double)n : 1);
        status = measure(s, a, b, rounds, &best);
        if (status == TENSOR_OK) {
            printf("  %-20s %9.3f ms  %7.2f %s\n", s->name, best * 1e3, work / best * 1e-9, s->unit);
        }
    }
    tensor_free(a);
    tensor_free(b);
    return status == TENSOR_OK ? 0 : failed_status("bench", status);
}

int cmd_bench(int argc, char **argv) {
    long long size = 512, rounds = 5;
    int option;
    while ((option = getopt(argc, argv, "n:r:")) != -1) {
        switch (option) {
        case 'n':
            if (!parse_number(optarg, 1, 8192, &size)) {
                return misused("bench: the size is a number from 1 to 8192, not '%s'", optarg);
            }
            break;
        case 'r':
            if (!parse_number(optarg, 1, 1000, &rounds)) {
                return misused("bench: rounds are a number from 1 to 1000, not '%s'", optarg);
            }
            break;
        default:
            return STATUS_USAGE;
        }
    }
    if (argc != optind) {
        return misused("bench: '%s' is too much", argv[optind]);
    }
    return bench((size_t)size, (int)rounds);
}
