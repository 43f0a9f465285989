/* test_across.c - products by weights whose blocks lie along the result's
 * columns: the bits of the product by their decoded numbers. */
#include "backend/cpu/kernels.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/backend.h"
#include "core/grad.h"
#include "quant/quant.h"
#include "tests/test.h"

enum { X, W, BIAS, Y, SLOTS, MOST = 1 << 17 };

/* y [B, M, N] = x [B, M, K] w [B, K, N] + bias [N], w dense; with `back`
 * x is the gradient of a product by wᵀ, and y that of its input; with
 * `experts` too, of rows [M, N] that chose one of the B matrices, or none. */
typedef struct product {
    int64_t B, M, K, N;
    struct matmul_attr attr;
    bool bias, back, experts;
} product;

static float x[MOST], w[MOST], bias[MOST];
static double wide[MOST];
static unsigned char blocks[4 * MOST];

static void fill(float *to, uint64_t stream) {
    for (int64_t i = 0; i < MOST; i++)
        to[i] = (float)(2 * rng_uniform(5, stream, (uint64_t)i) - 1);
}

/* Blocks of any bytes whose scales are numbers of middling size: as f16, as
 * e8m0, as f8 and as f32 every byte of 0x20 .. 0x3f is one. */
static void fill_blocks(ar_type t, int64_t n) {
    for (size_t i = 0; i < ar_type_size(t, n); i++)
        blocks[i] = (unsigned char)(0x20 + (rng_bits(7, 1, i) >> 5) % 32);
    assert_true(quant_decode(t, blocks, w, n));
}

static shape matrix(const product *p, int64_t rows, int64_t columns) {
    return p->B > 1 ? shape3(p->B, rows, columns) : shape2(rows, columns);
}

static void experts_gradient(graph *g, const product *p, ar_type real,
                             ar_type t) {
    int32_t chosen[64];
    ref d = 0;
    assert_true(p->M <= 64);
    for (int i = 0; i < p->M; i++) chosen[i] = i * 5 % (int)(p->B + 1);
    const ref dy = graph_input(g, "x", real, shape3(p->M, 1, p->K), X, 0);
    const ref in = graph_input(g, "in", real, shape2(p->M, p->N), BIAS, 0);
    const ref b = graph_param(g, "w", t, shape3(p->B, p->K, p->N), W, 0);
    const ref ids = graph_const(g, AR_I32, shape2(p->M, 1), chosen);
    const ref y = graph_experts(g, in, b, ids, &p->attr);
    graph_grad(g, y, dy, &in, 1, false, &d);
    graph_store(g, graph_state(g, "y", real, shape2(p->M, p->N), Y, 0), d);
}

static int64_t count_y(const product *p) {
    return (p->experts ? 1 : p->B) * p->M * p->N;
}

static void build(graph *g, const product *p, ar_type real, ar_type t) {
    if (p->experts) {
        experts_gradient(g, p, real, t);
        assert_ok(graph_status(g, err));
        return;
    }
    const ref a = graph_input(g, "x", real, matrix(p, p->M, p->K), X, 0);
    const ref b = graph_param(g, "w", t, matrix(p, p->K, p->N), W, 0);
    ref c = p->bias ? graph_input(g, "bias", real, shape1(p->N), BIAS, 0) : 0;
    const shape s = matrix(p, p->M, p->N);
    ref y;
    if (p->back) {
        const ref in = graph_input(g, "in", real, s, BIAS, 0);
        const ref out = graph_matmul(g, in, graph_transpose(g, b), &p->attr);
        graph_grad(g, out, a, &in, 1, false, &y);
    } else {
        op_attr attr = {.matmul = p->attr};
        y = graph_op(g, OP_MATMUL, &attr, (const ref[]){a, b, c}, 3);
    }
    graph_store(g, graph_state(g, "y", real, s, Y, 0), y);
    assert_ok(graph_status(g, err));
}

/* y of weights of type t at `data`. */
static void multiply(const product *p, const device_options *opt, ar_type real,
                     ar_type t, void *data, void *y) {
    const backend *be = backend_find("cpu");
    const int64_t n_y = count_y(p);
    buffer buffers[SLOTS] = {0};
    device *d;
    graph g, rewritten;
    program *run;
    ticket at;
    graph_open(&g);
    build(&g, p, real, t);
    assert_ok(graph_rewrite(&g, &rewritten, err));
    assert_ok(be->open(0, opt, &d, err));
    assert_ok(be->compile(d, &rewritten, &run, err));
    const bool f64 = real == AR_F64;
    const size_t size = ar_type_size(real, MOST);
    assert_ok(be->import(d, f64 ? (void *)wide : x, size, &buffers[X], err));
    assert_ok(be->import(d, data, 4 * MOST, &buffers[W], err));
    assert_ok(be->alloc(d, size, &buffers[BIAS], err));
    assert_ok(
        be->write(d, &buffers[BIAS], 0, f64 ? (void *)wide : bias, size, err));
    assert_ok(be->alloc(d, ar_type_size(real, n_y), &buffers[Y], err));
    assert_ok(be->run(run, buffers, SLOTS, &at, err));
    assert_ok(be->wait(d, at, err));
    assert_ok(be->read(d, &buffers[Y], 0, y, ar_type_size(real, n_y), err));
    be->release(run);
    for (int i = 0; i < SLOTS; i++) be->free(d, &buffers[i]);
    be->close(d);
    graph_close(&rewritten);
    graph_close(&g);
}

static void check_bits(const product *p, ar_type t, const char *kernels) {
    static float want[MOST], got[MOST];
    const size_t size = ar_type_size(AR_F32, count_y(p));
    for (int n = 1; n < 4; n += 2) {
        const device_options opt = {.kernels = kernels, .n_threads = n};
        if (n == 1) multiply(p, &opt, AR_F32, AR_F32, w, want);
        multiply(p, &opt, AR_F32, t, blocks, got);
        if (memcmp(got, want, size))
            fail_msg("%s, %s, %d threads, %d x %d x %d", ar_type_name(t),
                     kernels, n, (int)p->M, (int)p->K, (int)p->N);
    }
}

static void prepare(void) {
    fill(x, 1);
    fill(bias, 2);
    for (int64_t i = 0; i < MOST; i++) wide[i] = (double)x[i];
}

/* Every type; products for training, for inference, and for inference that
 * would have its activations in 8 bits if the blocks lay along the sums. */
void test_across_bits(void **state) {
    (void)state;
    static const product some[] = {
        {.B = 1, .M = 1, .K = 1, .N = 1},
        {.B = 1, .M = 3, .K = 37, .N = 2, .bias = true},
        {.B = 2, .M = 5, .K = 7, .N = 1},
        {.B = 1, .M = 6, .K = 19, .N = 2, .attr = {0, 1, 0}, .bias = true},
        {.B = 3, .M = 2, .K = 16, .N = 1, .attr = {0, 1, 1}},
        {.B = 1, .M = 3, .K = 9, .N = 1, .attr = {AR_BF16, 0, 0}},
    };
    prepare();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (int t = 0; t < AR_TYPE_COUNT; t++) {
            if (!quant_is_block((ar_type)t)) continue;
            for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
                product p = some[i];
                p.N *= quant_block((ar_type)t);
                fill_blocks((ar_type)t, p.B * p.K * p.N);
                check_bits(&p, (ar_type)t, (*k)->isa);
            }
        }
}

/* More than a panel and a share of everything; the plain kernels too. */
void test_across_large(void **state) {
    (void)state;
    static const product some[] = {
        {.B = 1, .M = 70, .K = 61, .N = 1280, .bias = true},
        {.B = 1, .M = 33, .K = 401, .N = 256},
        {.B = 1, .M = 37, .K = 61, .N = 1280, .attr = {0, 1, 0}},
        {.B = 2, .M = 9, .K = 131, .N = 256, .attr = {0, 1, 1}, .bias = true},
    };
    static const ar_type types[] = {AR_Q4_K, AR_Q8_0, AR_IQ2_S};
    prepare();
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            fill_blocks(types[t], some[i].B * some[i].K * some[i].N);
            check_bits(&some[i], types[t], "reference");
            for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
                check_bits(&some[i], types[t], (*k)->isa);
        }
}

/* In double, by the definition. */
void test_across_values(void **state) {
    (void)state;
    static double y[MOST];
    const product p = {.B = 2, .M = 3, .K = 21, .N = 512};
    const device_options opt = {.kernels = "reference", .n_threads = 1};
    prepare();
    fill_blocks(AR_Q5_K, p.B * p.K * p.N);
    multiply(&p, &opt, AR_F64, AR_Q5_K, blocks, y);
    for (int64_t i = 0; i < p.B * p.M * p.N; i++) {
        const int64_t n = i % p.N, row = i / p.N, b = row / p.M;
        double sum = 0;
        for (int64_t k = 0; k < p.K; k++)
            sum += wide[row * p.K + k] * (double)w[(b * p.K + k) * p.N + n];
        assert_near(y[i], sum, 1e-12 * fmax(1, fabs(sum)));
    }
}

/* The gradient of what a frozen weight in blocks multiplies. */
void test_across_gradient(void **state) {
    (void)state;
    static double a[MOST], b[MOST];
    product p = {.B = 1, .M = 29, .K = 45, .N = 512, .back = true};
    prepare();
    fill_blocks(AR_Q4_K, p.K * p.N);
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        check_bits(&p, AR_Q4_K, (*k)->isa);
    const device_options opt = {.kernels = "reference", .n_threads = 1};
    check_bits(&p, AR_Q4_K, opt.kernels);
    multiply(&p, &opt, AR_F64, AR_Q4_K, blocks, a);
    p.back = false;
    multiply(&p, &opt, AR_F64, AR_Q4_K, blocks, b);
    assert_memory_equal(a, b, (size_t)(p.M * p.N) * sizeof *a);
}

/* Of experts; where there are kernels, f32 and blocks have two chains. */
void test_across_experts(void **state) {
    (void)state;
    static float a[MOST], b[MOST];
    const product p = {
        .B = 3, .M = 50, .K = 37, .N = 512, .back = true, .experts = true};
    const device_options plain = {.kernels = "reference", .n_threads = 1};
    prepare();
    fill_blocks(AR_Q4_K, p.B * p.K * p.N);
    check_bits(&p, AR_Q4_K, plain.kernels);
    multiply(&p, &plain, AR_F32, AR_F32, w, a);
    double largest = 0;
    for (int64_t i = 0; i < count_y(&p); i++)
        largest = fmax(largest, fabs((double)a[i]));
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (int n = 1; n < 4; n += 2) {
            const device_options opt = {.kernels = (*k)->isa, .n_threads = n};
            multiply(&p, &opt, AR_F32, AR_Q4_K, blocks, b);
            for (int64_t i = 0; i < count_y(&p); i++)
                assert_near(b[i], a[i], 1e-6 * largest);
        }
}

/* A row's result is its own, whatever rows are beside it. */
void test_across_rows(void **state) {
    (void)state;
    static float all[MOST], one[MOST];
    const device_options opt = {.n_threads = 2};
    prepare();
    product p = {.B = 1, .M = 40, .K = 77, .N = 768};
    for (p.attr.exact = 0; p.attr.exact < 2; p.attr.exact++) {
        fill_blocks(AR_Q6_K, p.K * p.N);
        p.M = 40;
        multiply(&p, &opt, AR_F32, AR_Q6_K, blocks, all);
        for (p.M = 1; p.M < 12; p.M += 3) {
            multiply(&p, &opt, AR_F32, AR_Q6_K, blocks, one);
            assert_memory_equal(one, all, (size_t)(p.M * p.N) * sizeof *one);
        }
    }
}

/* Blocks along neither operand of the product are refused. */
void test_across_refused(void **state) {
    (void)state;
    const int turn[] = {2, 0, 1};
    ar_error err[1];
    graph g;
    graph_open(&g);
    const ref a = graph_input(&g, "x", AR_F32, shape3(256, 5, 3), X, 0);
    ref b = graph_param(&g, "w", AR_Q4_K, shape3(3, 7, 256), W, 0);
    assert_int_equal(graph_matmul(&g, a, graph_permute(&g, b, turn), NULL), 0);
    assert_int_equal(graph_status(&g, err), AR_SHAPE);
    assert_non_null(strstr(err[0].message, "q4_k"));
    graph_close(&g);
    /* the same with strides that are 1 because their dims are */
    graph_open(&g);
    const ref c = graph_input(&g, "x", AR_F32, shape3(256, 5, 1), X, 0);
    b = graph_param(&g, "w", AR_Q4_K, shape3(1, 1, 256), W, 0);
    assert_int_equal(graph_matmul(&g, c, graph_permute(&g, b, turn), NULL), 0);
    assert_int_equal(graph_status(&g, err), AR_SHAPE);
    graph_close(&g);
}
