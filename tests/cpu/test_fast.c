/* test_fast.c - the fast ops on sizes that are cut into many shares: every
 * case must have a fast kernel, agree with the plain one, and give the same
 * bits with 1 and 3 threads. */
#include "backend/cpu/backend_cpu.h"
#include "tests/op_cases.h"
#include "tests/test.h"

#define RANK(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define AS(layout, type, low, high, ...)                                       \
    { layout, AR_##type, {RANK(__VA_ARGS__), {__VA_ARGS__}}, low, high, NULL }
#define X(...) AS(DENSE, F32, -1, 1, __VA_ARGS__)
#define POSITIVE(...) AS(DENSE, F32, 0, 1, __VA_ARGS__)
#define ID(high, ...) AS(DENSE, I32, -1, high, __VA_ARGS__)
#define CASE(op, attr, tolerance, ...)                                         \
    {                                                                          \
        OP_##op, {attr}, 0, tolerance, { __VA_ARGS__ }                         \
    }
#define NO_ATTR .data = {NULL}
#define PLACES(axis, start, n, step) .view = {axis, 0, {start, n, step}}
#define ROTATED(interleaved, inverse) .rope = {interleaved, inverse}
#define ANGLES(scale, type) .rope_table = {scale, type}
#define RED(kind, axis, type) .reduce = {REDUCE_##kind, axis, type}

/* lr, beta1, beta2, eps, decay, 1 - beta1^t, 1 - beta2^t, scale; as others
 * read them, small numbers too */
static const double hyper[8] = {0.01, 0.9, 0.95, 1e-8, 0.1, 0.4, 0.2, 0.5};
#define HYPER                                                                  \
    { DENSE, AR_F64, {1, {8}}, 0, 0, hyper }

static const op_case cases[] = {
    CASE(REDUCE, RED(SUM, -1, 0), 1e-4, POSITIVE(1000, 207)),
    CASE(REDUCE, RED(MEAN, -1, 0), 1e-4, POSITIVE(207001)),
    CASE(REDUCE, RED(SUM_SQR, -1, AR_F64), 1e-12, X(300, 1001)),
    CASE(REDUCE, RED(SUM_SQR, -1, AR_F32), 1e-4, X(300, 1001)),
    CASE(REDUCE, RED(MAX, -1, 0), 0, X(500, 301)),
    CASE(REDUCE, RED(ARGMAX, 0, 0), 0, X(200003)),
    CASE(REDUCE, RED(ARGMAX, 1, 0), 0, X(7, 70001)),
    CASE(REDUCE, RED(SUM, 1, 0), 1e-4, POSITIVE(33, 1030)),
    CASE(REDUCE, RED(SUM, 0, 0), 1e-4, POSITIVE(5000, 70)),
    CASE(REDUCE, RED(MEAN, 0, 0), 1e-4, POSITIVE(301, 1100)),
    CASE(REDUCE, RED(SUM, 1, 0), 1e-4, POSITIVE(3, 200, 50)),
    CASE(REDUCE, RED(SUM, 0, 0), 1e-4, POSITIVE(4, 70, 51, 3)),
    CASE(REDUCE, RED(SUM, 0, 0), 1e-4, AS(SLICED, F32, 0, 1, 300, 67)),
    CASE(SOFTMAX, NO_ATTR, 1e-5, AS(DENSE, F32, -9, 9, 50, 3001)),
    CASE(SOFTMAX, NO_ATTR, 1e-5, AS(SLICED, F32, -9, 9, 5, 70, 31)),
    CASE(SOFTMAX_DX, NO_ATTR, 1e-5, POSITIVE(150, 101), X(150, 101)),
#define EPS .norm = {1e-5, 0}
    CASE(RMS_NORM, EPS, 1e-5, X(300, 101), X(101)),
    CASE(RMS_NORM_DX, EPS, 1e-5, X(300, 101), X(101), X(300, 101)),
    CASE(RMS_NORM_DW, EPS, 3e-5, X(5000, 40), X(5000, 40)),
    CASE(RMS_NORM_DW, EPS, 3e-5, AS(SLICED, F32, -1, 1, 3, 70, 301),
         X(3, 70, 301)),
    CASE(LAYER_NORM, EPS, 1e-5, AS(SLICED, F32, -1, 1, 3, 70, 301), X(301)),
    CASE(LAYER_NORM_DX, EPS, 1e-5, X(300, 101), X(101), X(300, 101)),
    CASE(LAYER_NORM_DW, EPS, 3e-5, X(5000, 40), X(5000, 40)),
    CASE(LAYER_NORM_DW, EPS, 3e-5, X(130, 600), X(130, 600)),

#define BI(kind, alpha, beta) .binary = {BINARY_##kind, 0, alpha, beta}
#define UN(kind, a, b) .unary = {UNARY_##kind, 0, a, b}
    CASE(BINARY, BI(ADD, 1, 1), 0, X(301, 1003),
         AS(REPEATED, F32, -1, 1, 301, 1003)),
    CASE(BINARY, BI(SUB, 2, 0.5), 0, X(70001), AS(STEPPED, F32, -1, 1, 70001)),
    CASE(BINARY, BI(DIV, 2, 0.5), 0, X(70001), AS(DENSE, F32, 1, 2, 70001)),
    CASE(BINARY, BI(MUL, 3, 1), 0, AS(TURNED, F32, -1, 1, 130, 200),
         X(130, 200)),
    CASE(UNARY, UN(IDENTITY, 0.3, 2), 0, AS(SLICED, F32, -1, 1, 500, 103)),
    CASE(UNARY, UN(GELU, 1, 0), 4e-6, AS(DENSE, F32, -5, 5, 100003)),
    CASE(UNARY_DX, UN(GELU_TANH, 2, 0.1), 4e-6, AS(DENSE, F32, -3, 3, 300, 103),
         AS(REPEATED, F32, -1, 1, 300, 103)),
    CASE(GATED, .gated = {UNARY_SILU}, 4e-6, AS(SLICED, F32, -9, 9, 300, 103),
         AS(SLICED, F32, -1, 1, 300, 103)),
    CASE(GATED_DX, .gated = {UNARY_SILU}, 4e-6,
         AS(SLICED, F32, -9, 9, 300, 103), AS(STEPPED, F32, -1, 1, 300, 103),
         X(300, 103)),
    CASE(SELECT, NO_ATTR, 0, AS(DENSE, F32, -1, 1, 300, 103), X(300, 103),
         AS(TURNED, F32, -1, 1, 300, 103)),
    CASE(SELECT, NO_ATTR, 0, AS(REPEATED, U8, 0, 1, 300, 103),
         AS(DENSE, I32, -9, 9, 300, 103), AS(REPEATED, I32, -9, 9, 300, 103)),

    CASE(COPY, NO_ATTR, 0, AS(TURNED, F32, -1, 1, 301, 130)),
    CASE(COPY, NO_ATTR, 0, AS(TURNED, F32, -1, 1, 3, 67, 5, 130)),
    CASE(COPY, NO_ATTR, 0, AS(TURNED, U8, 0, 255, 301, 130)),
    CASE(COPY, NO_ATTR, 0, AS(TURNED, BF16, -1, 1, 3, 301, 70)),
    CASE(COPY, NO_ATTR, 0, AS(TURNED, I64, -9e9, 9e9, 301, 70)),
    CASE(COPY, NO_ATTR, 0, AS(STEPPED, F16, -1, 1, 301, 70)),
    CASE(COPY, NO_ATTR, 0, AS(REPEATED, F32, -1, 1, 301, 130)),
    CASE(CAST, .cast = {AR_BF16}, 0, AS(SLICED, F32, -1, 1, 301, 130)),
    CASE(CAST, .cast = {AR_F16}, 0, AS(STEPPED, F32, -1, 1, 301, 130)),
    CASE(CAST, .cast = {AR_F32}, 0, AS(TURNED, BF16, -1, 1, 301, 130)),
    CASE(CAST, .cast = {AR_F32}, 0, AS(DENSE, F16, -1, 1, 70001)),
    CASE(CONCAT, .axis = {1}, 0, X(301, 70), AS(TURNED, F32, -1, 1, 301, 130)),
    CASE(CONCAT, .axis = {0}, 0, X(301, 70), X(20, 70)),
    CASE(PAD, PLACES(0, 3, 400, 1), 0, X(301, 70)),
    CASE(PAD, PLACES(1, 1, 200, 2), 0, X(301, 70)),

    CASE(EMBED, NO_ATTR, 0, X(60, 300), ID(60, 7, 50)),
    CASE(EMBED_DW, .embed = {7}, 1e-5, ID(7, 3000), X(3000, 300)),
    CASE(EMBED_DW, .embed = {5000}, 1e-5, ID(5000, 3, 100),
         AS(SLICED, F32, -1, 1, 3, 100, 30), X(5000, 30)),
    CASE(ROPE, ROTATED(0, 0), 0, AS(PART, F32, -1, 1, 3, 64, 4, 64), X(64, 32),
         X(64, 32)),
    CASE(ROPE, ROTATED(1, 1), 0, X(200, 3, 70), X(200, 32), X(200, 32)),
    CASE(ROPE_TABLE, ANGLES(1, AR_F32), 0, ID(9000, 300),
         AS(DENSE, F64, 0, 1, 32)),
    CASE(STORE, NO_ATTR, 0, X(300, 70), AS(TURNED, F32, -1, 1, 300, 70)),
    CASE(ACCUMULATE, NO_ATTR, 0, X(300, 70), AS(TURNED, F32, -1, 1, 300, 70)),
    CASE(STORE_ROWS, NO_ATTR, 0, X(50, 3, 300), ID(50, 90), X(90, 3, 300)),
    CASE(OPT_ADAMW, NO_ATTR, 2e-6, X(300, 103), X(300, 103), X(300, 103),
         POSITIVE(300, 103), HYPER),
    CASE(OPT_LION, NO_ATTR, 2e-6, X(70001), X(70001), X(70001), HYPER),
    CASE(OPT_SGD, .sgd = {1}, 2e-6, X(70001), X(70001), X(70001), HYPER),
};
enum { N_CASES = sizeof cases / sizeof *cases };

static case_device open_device(const char *kernels, int n_threads) {
    const device_options opt = {.kernels = kernels, .n_threads = n_threads};
    case_device on = {.b = backend_find("cpu")};
    assert_non_null(on.b);
    assert_ok(on.b->open(0, &opt, &on.d, err));
    return on;
}

static void start(op_case_program *p, int i, case_device on) {
    ar_error err = {0};
    ar_status s = op_case_open(p, &cases[i], on, AR_F32, false, &err);
    if (s == AR_OK) s = op_case_run(p, &err);
    if (s != AR_OK) fail_msg("case %d: %s", i, err.message);
}

static void check_kernel(int i, const op_case_program *p) {
    const program *made = p->program;
    for (uint32_t s = 0; s < made->plan.n_steps; s++)
        if (made->steps[s].call.op == cases[i].op &&
            !strcmp(made->steps[s].kernel, "reference"))
            fail_msg("case %d, %s: no fast kernel", i,
                     op_table[cases[i].op].name);
}

static double mean_size(const op_case_program *p, ref out) {
    const int64_t n = op_case_count(p, out);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(op_case_get(p, out, i));
    return sum / (double)n;
}

static void check_output(int i, const char *kernels, const op_case_program *p,
                         const op_case_program *want, int k) {
    const double size = mean_size(want, want->out[k]);
    for (int64_t j = 0; j < op_case_count(p, p->out[k]); j++) {
        const double x = op_case_get(p, p->out[k], j);
        const double w = op_case_get(want, want->out[k], j);
        const double most = cases[i].tolerance * fmax(fabs(w), size);
        if (x != w && !(fabs(x - w) <= most))
            fail_msg("case %d, %s, %s: output %d, element %d is %.9g, not %.9g",
                     i, op_table[cases[i].op].name, kernels, k, (int)j, x, w);
    }
}

static void check_bits(int i, const char *kernels, const op_case_program *p,
                       const op_case_program *want, int k) {
    size_t n, m;
    const void *a = op_case_bytes(p, p->out[k], &n);
    const void *b = op_case_bytes(want, want->out[k], &m);
    if (n != m || memcmp(a, b, n))
        fail_msg("case %d, %s, %s: output %d differs between 1 and 3 threads",
                 i, op_table[cases[i].op].name, kernels, k);
}

void test_fast_ops(void **state) {
    (void)state;
    const case_device plain = open_device("reference", 1);
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++) {
        const case_device one = open_device((*k)->isa, 1);
        const case_device three = open_device((*k)->isa, 3);
        for (int i = 0; i < N_CASES; i++) {
            op_case_program want, a, b;
            start(&want, i, plain);
            start(&a, i, one);
            start(&b, i, three);
            check_kernel(i, &a);
            for (int out = 0; out < a.n_out; out++) {
                check_output(i, (*k)->isa, &a, &want, out);
                check_bits(i, (*k)->isa, &b, &a, out);
            }
            op_case_close(&want);
            op_case_close(&a);
            op_case_close(&b);
        }
        one.b->close(one.d);
        three.b->close(three.d);
    }
    plain.b->close(plain.d);
}

/* A NaN must show in a maximum, wherever it is. */
void test_fast_nan(void **state) {
    (void)state;
    const case_device on = open_device(NULL, 2);
    static const op_case row = CASE(REDUCE, RED(MAX, -1, 0), 0, X(500, 301));
    op_case_program p;
    assert_ok(op_case_open(&p, &row, on, AR_F32, false, err));
    op_case_set(&p, p.leaf[0], 140003, NAN);
    assert_ok(op_case_run(&p, err));
    assert_true(isnan(op_case_get(&p, p.out[0], 0)));
    op_case_close(&p);
    on.b->close(on.d);
}
