/* test_op_values.c - every case of op_cases.def: the plain kernels in float
 * against those in double, then every kernel table of this CPU against the
 * plain kernels, with the same bits for 1 and 3 threads. */
#include "backend/cpu/kernels.h"
#include "base/mem.h"
#include "tests/op_cases.h"
#include "tests/test.h"

static case_device open_device(const char *kernels, int n_threads) {
    const device_options opt = {.kernels = kernels, .n_threads = n_threads};
    case_device on = {.b = backend_find("cpu")};
    assert_non_null(on.b);
    assert_ok(on.b->open(0, &opt, &on.d, err));
    return on;
}

static void close_device(case_device on) { on.b->close(on.d); }

static void start(op_case_program *p, const op_case *c, case_device on,
                  ar_type real) {
    char text[CASE_TEXT];
    ar_error err = {0};
    ar_status s = op_case_open(p, c, on, real, false, &err);
    if (s == AR_OK) s = op_case_run(p, &err);
    if (s != AR_OK) fail_msg("%s: %s", op_case_text(c, text), err.message);
}

static int count_other_bits(const op_case_program *p,
                            const op_case_program *want, const char *kernels) {
    char text[CASE_TEXT];
    int other = 0;
    for (int k = 0; k < p->n_out; k++) {
        size_t n, m;
        const void *a = op_case_bytes(p, p->out[k], &n);
        const void *b = op_case_bytes(want, want->out[k], &m);
        if (n == m && !memcmp(a, b, n)) continue;
        other++;
        print_error("%s, %s: output %d differs between 1 and 3 threads\n",
                    op_case_text(p->row, text), kernels, k);
    }
    return other;
}

void test_op_values_reference(void **state) {
    (void)state;
    const case_device on = open_device("reference", 1);
    int far = 0;
    for (int i = 0; i < n_op_cases; i++) {
        op_case_program narrow, wide;
        start(&narrow, &op_cases[i], on, AR_F32);
        start(&wide, &op_cases[i], on, AR_F64);
        far += op_case_count_far(&narrow, &wide, 1, "reference") > 0;
        op_case_close(&narrow);
        op_case_close(&wide);
    }
    close_device(on);
    assert_int_equal(far, 0);
}

static int compare_table(const char *kernels) {
    const case_device plain = open_device("reference", 1);
    const case_device one = open_device(kernels, 1);
    const case_device three = open_device(kernels, 3);
    int wrong = 0;
    for (int i = 0; i < n_op_cases; i++) {
        op_case_program want, a, b;
        start(&want, &op_cases[i], plain, AR_F32);
        start(&a, &op_cases[i], one, AR_F32);
        start(&b, &op_cases[i], three, AR_F32);
        wrong += op_case_count_far(&a, &want, 1, kernels) > 0;
        wrong += count_other_bits(&b, &a, kernels) > 0;
        op_case_close(&want);
        op_case_close(&a);
        op_case_close(&b);
    }
    close_device(plain);
    close_device(one);
    close_device(three);
    return wrong;
}

void test_op_values_tables(void **state) {
    (void)state;
    int wrong = 0;
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        wrong += compare_table((*k)->isa);
    assert_int_equal(wrong, 0);
}

/* An op without a row is an op that nothing checks. */
void test_every_op_has_a_case(void **state) {
    (void)state;
    int n[OP_COUNT] = {0}, missing = 0;
    for (int i = 0; i < n_op_cases; i++) n[op_cases[i].op]++;
    for (int op = 0; op < OP_COUNT; op++) {
        if ((op_table[op].flags & OP_LEAF) || n[op] >= 2) continue;
        print_error("%s has %d rows in op_cases.def\n", op_table[op].name,
                    n[op]);
        missing++;
    }
    assert_int_equal(missing, 0);
}

/* And a differentiable op has rows whose gradient is checked. */
void test_every_gradient_has_a_case(void **state) {
    (void)state;
    bool checked[OP_COUNT] = {false};
    for (int i = 0; i < n_op_cases; i++)
        checked[op_cases[i].op] |= op_cases[i].grad != 0;
    for (int op = 0; op < OP_COUNT; op++)
        if (!op_table[op].grad == checked[op])
            fail_msg("%s %s a gradient", op_table[op].name,
                     checked[op] ? "has no" : "has");
}
