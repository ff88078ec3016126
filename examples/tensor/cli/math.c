/* The commands that compute: matmul, sum. */
#include <unistd.h>

#include "cli.h"

int cmd_matmul(int argc, char **argv) {
    if (argc != 4) {
        return misused("matmul: three files are needed");
    }
    tensor *a = NULL, *b = NULL, *product = NULL;
    int status = load(argv[1], &a);
    if (status == 0) {
        status = load(argv[2], &b);
    }
    if (status == 0) {
        tensor_status computed = tensor_matmul(a, b, &product);
        if (computed == TENSOR_BAD_SHAPE) {
            fprintf(stderr, "tensor: cannot multiply ");
            print_shape(a, stderr);
            fprintf(stderr, " by ");
            print_shape(b, stderr);
            fputc('\n', stderr);
            status = STATUS_FAILED;
        } else if (computed != TENSOR_OK) {
            status = failed_status("matmul", computed);
        }
    }
    if (status == 0) {
        status = save(product, argv[3], FORMAT_BY_NAME);
    }
    tensor_free(a);
    tensor_free(b);
    tensor_free(product);
    return status;
}

static int sum(const char *from, int axis, const char *to) {
    tensor *t, *result;
    int status = load(from, &t);
    if (status != 0) {
        return status;
    }
    tensor_status computed = tensor_sum(t, axis, 0, &result);
    if (computed == TENSOR_BAD_ARGUMENT) {
        status = failed("%s has no axis %d, only %d dimensions", from, axis, tensor_ndim(t));
    } else if (computed != TENSOR_OK) {
        status = failed_status("sum", computed);
    }
    tensor_free(t);
    if (status != 0) {
        return status;
    }
    if (axis == TENSOR_ALL_AXES && !to) {
        printf("%.9g\n", (double)tensor_const_data(result)[0]);
    } else {
        status = save(result, to ? to : "-", FORMAT_BY_NAME);
    }
    tensor_free(result);
    return status;
}

int cmd_sum(int argc, char **argv) {
    const char *to = NULL;
    long long axis = TENSOR_ALL_AXES;
    int option;
    while ((option = getopt(argc, argv, "a:o:")) != -1) {
        switch (option) {
        case 'a':
            if (!parse_number(optarg, -TENSOR_MAX_DIMS, TENSOR_MAX_DIMS - 1, &axis)) {
                return misused("sum: '%s' is no axis", optarg);
            }
            break;
        case 'o':
            to = optarg;
            break;
        default:
            return STATUS_USAGE;
        }
    }
    if (argc - optind != 1) {
        return misused("sum: one file is needed");
    }
    return sum(argv[optind], (int)axis, to);
}
