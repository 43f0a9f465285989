/* test_gpu_ops.c - every case of op_cases.def on the host driver, and on the
 * OpenCL and CUDA devices that are there, against the plain kernels of the
 * CPU. */
#include <time.h>

#include "backend/backends.h"
#include "backend/gpu/host_driver.h"
#include "quant/quant.h"
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

/* 1 if a row is far from the reference, or not computed at all. */
static int compare(const op_case *c, const char *name, case_device on,
                   case_device plain, double wider) {
    op_case_program got, want;
    char text[CASE_TEXT];
    ar_error e = {0};
    ar_status s = op_case_open(&got, c, on, AR_F32, false, &e);
    if (s == AR_OK) s = op_case_run(&got, &e);
    if (s != AR_OK) {
        print_error("%s: %s\n", op_case_text(c, text), e.message);
        return 1;
    }
    assert_ok(op_case_open(&want, c, plain, AR_F32, false, err));
    assert_ok(op_case_run(&want, err));
    const int far = op_case_count_far(&got, &want, wider, name);
    op_case_close(&got);
    op_case_close(&want);
    return far > 0;
}

/* Every step-th case from `first` on. */
static void compare_some(const char *name, int variant, int first, int step,
                         double wider) {
    const case_device plain = open_device("cpu", 0, "reference");
    const case_device on = open_device(name, variant, NULL);
    int wrong = 0;
    for (int i = first; i < n_op_cases; i += step)
        wrong += compare(&op_cases[i], name, on, plain, wider);
    on.b->close(on.d);
    plain.b->close(plain.d);
    assert_int_equal(wrong, 0);
}

void test_gpu_op_values(void **state) {
    (void)state;
    compare_some("gpu-host", 0, 0, 1, 1);
}

/* Memory of its own, and the lanes of a group in another order. */
void test_gpu_op_values_discrete(void **state) {
    (void)state;
    compare_some("gpu-host", HOST_DISCRETE | HOST_BACKWARD, 0, 1, 1);
}

/* Pairs of floats instead of doubles. */
void test_gpu_op_values_narrow(void **state) {
    (void)state;
    compare_some("gpu-host", HOST_NARROW, 0, 1, 1);
}

/* Lanes as threads, for the thread sanitizer: another share of the cases each
 * day, as they are slow. */
void test_gpu_op_values_threads(void **state) {
    (void)state;
    enum { SHARES = 16, DAY = 86400 };
    const int share = (int)(time(NULL) / DAY % SHARES);
    print_message("share %d of %d\n", share, SHARES);
    compare_some("gpu-host", HOST_THREADS, share, SHARES, 1);
}

/* Every op that computes is supported, whatever the type of its weights. */
void test_gpu_supports(void **state) {
    (void)state;
    const case_device on = open_device("gpu-host", 0, NULL);
    for (ar_type t = AR_F32; t < AR_TYPE_COUNT; t++) {
        if (!quant_is_block(t)) continue;
        const char *reason = "";
        graph g;
        graph_open(&g);
        const ref w = graph_param(&g, "w", t, shape2(3, 256), 0, 0);
        const ref x = graph_input(&g, "x", AR_F32, shape2(5, 256), 1, 0);
        const ref ids = graph_input(&g, "i", AR_I32, shape1(5), 2, 0);
        const struct matmul_attr attr = {.compute = AR_F32, .act8 = 1};
        const ref y = graph_linear(&g, x, w, 0, &attr);
        const ref z = graph_embed(&g, w, ids);
        assert_ok(graph_status(&g, err));
        assert_true(on.b->supports(on.d, &g, graph_node(&g, y), &reason));
        assert_true(on.b->supports(on.d, &g, graph_node(&g, z), &reason));
        graph_close(&g);
    }
    on.b->close(on.d);
}

void test_gpu_refuses(void **state) {
    (void)state;
    const case_device on = open_device("gpu-host", 0, NULL);
    const char *reason = "";
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F64, shape1(5), 0, 0);
    const ref y = graph_unary(&g, UNARY_EXP, x);
    assert_false(on.b->supports(on.d, &g, graph_node(&g, y), &reason));
    assert_non_null(strstr(reason, "double"));
    graph_store(&g, graph_state(&g, "y", AR_F64, shape1(5), 0, 64), y);
    program *p;
    assert_fails(AR_UNSUPPORTED, "UNARY", on.b->compile(on.d, &g, &p, err));
    graph_close(&g);
    on.b->close(on.d);
    device *d;
    assert_fails(AR_RANGE, "no such device",
                 on.b->open(HOST_VARIANTS, NULL, &d, err));
}

/* On the first device of a backend; nothing where there is none. */
static void compare_if_there(const char *name) {
    const backend *b = backend_find(name);
    assert_non_null(b);
    if (b->count() < 1) skip();
    /* OpenCL allows erf an error of 16 units in the last place. */
    compare_some(name, 0, 0, 1, 8);
}

void test_gpu_op_values_opencl(void **state) {
    (void)state;
    compare_if_there("opencl");
}

void test_gpu_op_values_cuda(void **state) {
    (void)state;
    compare_if_there("cuda");
}
