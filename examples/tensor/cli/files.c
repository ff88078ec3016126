/* The commands about files: info, gen, convert. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* A reduction to a single number; false when there is none, as for the least of nothing. */
static bool reduce_all(tensor_status (*reduce)(const tensor *, int, int, tensor **), const tensor *t, double *out) {
    tensor *result;
    if (reduce(t, TENSOR_ALL_AXES, 0, &result) != TENSOR_OK) {
        return false;
    }
    *out = (double)tensor_const_data(result)[0];
    tensor_free(result);
    return true;
}

int cmd_info(int argc, char **argv) {
    if (argc < 2) {
        return misused("info: no file");
    }
    int status = 0;
    for (int i = 1; i < argc; i++) {
        tensor *t;
        int one = load(argv[i], &t);
        if (one != 0) {
            status = one;
            continue;
        }
        double min, max, mean;
        printf("%s: ", argv[i]);
        print_shape(t, stdout);
        printf(", %zu element%s", tensor_count(t), tensor_count(t) == 1 ? "" : "s");
        if (reduce_all(tensor_min, t, &min) && reduce_all(tensor_max, t, &max) &&
            reduce_all(tensor_mean, t, &mean)) {
            printf(", %g to %g, mean %g", min, max, mean);
        }
        putchar('\n');
        tensor_free(t);
    }
    return status;
}

/* Fills t as the distribution's name says; false for an unknown name. */
static bool fill(tensor *t, const char *distribution, uint64_t seed) {
    tensor_rng rng = tensor_rng_seed(seed);
    if (strcmp(distribution, "uniform") == 0) {
        tensor_fill_uniform(t, &rng, 0, 1);
    } else if (strcmp(distribution, "normal") == 0) {
        tensor_fill_normal(t, &rng, 0, 1);
    } else if (strcmp(distribution, "range") == 0) {
        for (size_t i = 0; i < tensor_count(t); i++) {
            tensor_data(t)[i] = (float)i;
        }
    } else if (strcmp(distribution, "ones") == 0) {
        tensor_fill(t, 1);
    } else {
        return strcmp(distribution, "zeros") == 0;
    }
    return true;
}

int cmd_gen(int argc, char **argv) {
    const char *distribution = "uniform";
    long long seed = 0;
    int option;
    while ((option = getopt(argc, argv, "d:s:")) != -1) {
        switch (option) {
        case 'd':
            distribution = optarg;
            break;
        case 's':
            if (!parse_number(optarg, 0, LLONG_MAX, &seed)) {
                return misused("gen: the seed is a number from 0 on, not '%s'", optarg);
            }
            break;
        default:
            return STATUS_USAGE;
        }
    }
    if (argc - optind != 2) {
        return misused("gen: a shape and a file are needed");
    }
    int ndim;
    size_t shape[TENSOR_MAX_DIMS];
    if (!parse_shape(argv[optind], &ndim, shape)) {
        return misused("gen: '%s' is no shape like 2x3, of at most %d dimensions", argv[optind], TENSOR_MAX_DIMS);
    }
    tensor *t;
    tensor_status made = tensor_create(ndim, shape, &t);
    if (made != TENSOR_OK) {
        return failed("a tensor of shape %s is too large", argv[optind]);
    }
    int status = fill(t, distribution, (uint64_t)seed) ? save(t, argv[optind + 1], FORMAT_BY_NAME)
                                                       : misused("gen: no distribution '%s'", distribution);
    tensor_free(t);
    return status;
}

int cmd_convert(int argc, char **argv) {
    enum file_format format = FORMAT_BY_NAME;
    int option;
    while ((option = getopt(argc, argv, "f:")) != -1) {
        if (option != 'f') {
            return STATUS_USAGE;
        }
        if (strcmp(optarg, "text") == 0) {
            format = FORMAT_TEXT;
        } else if (strcmp(optarg, "binary") == 0) {
            format = FORMAT_BINARY;
        } else {
            return misused("convert: the format is text or binary, not '%s'", optarg);
        }
    }
    if (argc - optind != 2) {
        return misused("convert: two files are needed");
    }
    tensor *t;
    int status = load(argv[optind], &t);
    if (status == 0) {
        status = save(t, argv[optind + 1], format);
        tensor_free(t);
    }
    return status;
}
