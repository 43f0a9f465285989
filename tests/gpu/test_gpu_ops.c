/* test_gpu_ops.c - every case of op_cases.def on the host driver, and on the
 * OpenCL and CUDA devices that are there, against the plain kernels of the
 * CPU. */
#include "backend/backends.h"
#include "backend/gpu/host_driver.h"
#include "tests/op_cases.h"
#include "tests/test.h"

static case_device open_device(const char *name, int index,
                               const char *kernels) {
    const device_options opt = {.kernels = kernels, .n_threads = 1};
    case_device on = {.b = backend_find(name)};
    assert_non_null(on.b);
    assert_ok(on.b->open(index, &opt, &on.d, err));
    return on;
}

/* 1 if a row is far from the reference.  What the device does not support has
 * no value to compare. */
static int compare(const op_case *c, const char *name, case_device on,
                   case_device plain) {
    op_case_program got, want;
    char text[CASE_TEXT];
    ar_error e = {0};
    ar_status s = op_case_open(&got, c, on, AR_F32, false, &e);
    if (s == AR_UNSUPPORTED) return 0;
    if (s == AR_OK) s = op_case_run(&got, &e);
    if (s != AR_OK) {
        print_error("%s: %s\n", op_case_text(c, text), e.message);
        return 1;
    }
    assert_ok(op_case_open(&want, c, plain, AR_F32, false, err));
    assert_ok(op_case_run(&want, err));
    const int far = op_case_count_far(&got, &want, 1, name);
    op_case_close(&got);
    op_case_close(&want);
    return far > 0;
}

static void compare_all(const char *name, int index, int first, int step) {
    const case_device plain = open_device("cpu", 0, "reference");
    const case_device on = open_device(name, index, NULL);
    int wrong = 0;
    for (int i = first; i < n_op_cases; i += step)
        wrong += compare(&op_cases[i], name, on, plain);
    on.b->close(on.d);
    plain.b->close(plain.d);
    assert_int_equal(wrong, 0);
}

void test_gpu_op_values(void **state) {
    (void)state;
    compare_all("gpu-host", 0, 0, 1);
}

void test_gpu_op_values_discrete(void **state) {
    (void)state;
    compare_all("gpu-host", HOST_DISCRETE | HOST_BACKWARD, 0, 1);
}

/* On the first device of a backend; nothing where there is none. */
static void compare_if_there(const char *name) {
    const backend *b = backend_find(name);
    assert_non_null(b);
    if (b->count() < 1) skip();
    compare_all(name, 0, 0, 1);
}

void test_gpu_op_values_opencl(void **state) {
    (void)state;
    compare_if_there("opencl");
}

void test_gpu_op_values_cuda(void **state) {
    (void)state;
    compare_if_there("cuda");
}
