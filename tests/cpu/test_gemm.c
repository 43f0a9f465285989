/* test_gemm.c - matrix products of every kernel table against double. */
#include <stdlib.h>

#include "backend/cpu/blas.h"
#include "backend/cpu/fast_matmul.h"
#include "base/mem.h"
#include "base/rng.h"
#include "quant/quant.h"
#include "tests/test.h"

extern const cpu_fast fast_matmul, fast_matmul_exact, fast_matmul_blas;

enum { MOST = 1 << 18 }; /* elements of an operand here */

static const int thread_counts[] = {1, 2, 3, 5};

/* Memory of one test; values in [-1, 1). */
typedef struct room {
    float *a, *b, *c, *d, *bias;
    uint16_t *half_a, *half_b;
    void *work, *scratch;
    size_t work_size;
} room;

static void fill(float *x, int64_t n, uint64_t stream) {
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(2 * rng_uniform(7, stream, (uint64_t)i) - 1);
}

static room room_open(void) {
    room r = {.a = mem_new(float, MOST),
              .b = mem_new(float, MOST),
              .c = mem_new(float, MOST),
              .d = mem_new(float, MOST),
              .bias = mem_new(float, 4096),
              .half_a = mem_new(uint16_t, MOST),
              .half_b = mem_new(uint16_t, MOST),
              .work_size = 32 << 20};
    r.work = mem_block_alloc(r.work_size);
    r.scratch = mem_block_alloc(5 * CPU_SCRATCH_SIZE);
    fill(r.a, MOST, 1);
    fill(r.b, MOST, 2);
    fill(r.bias, 4096, 3);
    return r;
}

static void room_close(room *r) {
    mem_free(r->a), mem_free(r->b), mem_free(r->c), mem_free(r->d);
    mem_free(r->bias), mem_free(r->half_a), mem_free(r->half_b);
    mem_block_free(r->work, r->work_size);
    mem_block_free(r->scratch, 5 * CPU_SCRATCH_SIZE);
}

static double element(const gemm_view *v, int64_t i, int64_t j,
                      ar_type compute) {
    const int64_t at = i * v->rs + j * v->cs;
    float x;
    uint16_t half;
    type_decode_f32(
        v->type, (const char *)v->data + at * (int64_t)ar_type_size(v->type, 1),
        &x, 1);
    if (compute == AR_BF16 || compute == AR_F16) {
        type_encode_f32(compute, &x, &half, 1);
        type_decode_f32(compute, &half, &x, 1);
    }
    return x;
}

/* `old` is C as it was before. */
static void check(const gemm_args *g, const float *old, const char *what) {
    const double tolerance = 1e-6 * (double)(g->k + 8);
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            double want = 0;
            for (int64_t k = 0; k < g->k; k++)
                want += element(&g->a, i, k, g->compute) *
                        element(&g->b, k, j, g->compute);
            if (g->alpha != 0) want *= g->alpha;
            if (g->bias) want += g->bias[j];
            if (g->add) want += old[i * g->ldc + j];
            const double got = g->c[i * g->ldc + j];
            if (!(fabs(got - want) <= tolerance))
                fail_msg("%s: %d x %d x %d: c[%d, %d] = %g, wanted %g", what,
                         (int)g->m, (int)g->n, (int)g->k, (int)i, (int)j, got,
                         want);
        }
}

static int random_to(int n, uint64_t *at) {
    return (int)(rng_bits(11, 0, (*at)++) % (unsigned)n);
}

/* Stored row by row, column by column, or with gaps. */
static gemm_view view(const float *x, int64_t rows, int64_t cols, int layout) {
    const gemm_view v = {x, AR_F32, cols, 1};
    if (layout == 0) return v;
    if (layout == 1) return (gemm_view){x, AR_F32, 1, rows};
    return (gemm_view){x, AR_F32, 2 * cols + 3, 2};
}

static gemm_args random_product(const room *r, uint64_t *at) {
    gemm_args g = {.m = 1 + random_to(70, at),
                   .n = 1 + random_to(70, at),
                   .k = random_to(8, at) ? 1 + random_to(70, at) : 0};
    if (!random_to(6, at)) g.k = 300 + random_to(400, at);
    g.a = view(r->a, g.m, g.k, random_to(3, at));
    g.b = view(r->b, g.k, g.n, random_to(3, at));
    g.c = r->c;
    g.ldc = g.n + random_to(3, at);
    g.add = random_to(2, at);
    if (!g.add && random_to(2, at)) g.bias = r->bias;
    if (!random_to(3, at)) g.alpha = 0.25f;
    return g;
}

static void try_both(const room *r, const gemm_args *g, const cpu_kernels *k) {
    const size_t n = (size_t)(g->m * g->ldc);
    gemm_args h = *g;
    fill(r->c, (int64_t)n, 5);
    fill(r->d, (int64_t)n, 5);
    float *old = mem_new(float, n);
    memcpy(old, r->c, n * sizeof *old);
    assert_true(gemm_work_size(g, k) <= r->work_size);
    gemm_run(g, k, NULL, r->work);
    check(g, old, k->isa);
    h.c = r->d;
    gemm_serial(&h, k, r->scratch);
    assert_memory_equal(r->c, r->d, n * sizeof(float));
    mem_free(old);
}

void test_gemm_values(void **state) {
    (void)state;
    room r = room_open();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (uint64_t at = 0, i = 0; i < 150; i++) {
            const gemm_args g = random_product(&r, &at);
            try_both(&r, &g, *k);
        }
    room_close(&r);
}

void test_gemm_edges(void **state) {
    (void)state;
    room r = room_open();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (int m = 1; m <= 2 * (*k)->gemm.mr + 1; m++)
            for (int n = 1; n <= 2 * (*k)->gemm.nr + 1; n += m % 3 + 1) {
                const gemm_args g = {.m = m,
                                     .n = n,
                                     .k = 19,
                                     .a = {r.a, AR_F32, 19, 1},
                                     .b = {r.b, AR_F32, 1, 19},
                                     .c = r.c,
                                     .ldc = n};
                try_both(&r, &g, *k);
            }
    room_close(&r);
}

void test_gemm_halves(void **state) {
    (void)state;
    static const ar_type types[] = {AR_F32, AR_BF16, AR_F16};
    room r = room_open();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (uint64_t at = 100, i = 0; i < 60; i++) {
            gemm_args g = random_product(&r, &at);
            g.compute = types[random_to(3, &at)];
            g.a.type = types[random_to(3, &at)];
            g.b.type = types[random_to(3, &at)];
            if (g.a.type != AR_F32) {
                type_encode_f32(g.a.type, r.a, r.half_a, MOST);
                g.a.data = r.half_a;
            }
            if (g.b.type != AR_F32) {
                type_encode_f32(g.b.type, r.b, r.half_b, MOST);
                g.b.data = r.half_b;
            }
            try_both(&r, &g, *k);
        }
    room_close(&r);
}

/* Several blocks of C and several steps along k, whatever the table. */
void test_gemm_threads(void **state) {
    (void)state;
    static const int shapes[][3] = {
        {5, 9000, 20}, {9000, 5, 20}, {257, 300, 700}, {64, 64, 1500}};
    room r = room_open();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            gemm_args g = {
                .m = shapes[i][0], .n = shapes[i][1], .k = shapes[i][2]};
            g.a = view(r.a, g.m, g.k, 1);
            g.b = view(r.b, g.k, g.n, 0);
            g.ldc = g.n;
            for (int t = 0; t < 4; t++) {
                pool *threads;
                assert_ok(pool_open(&threads, thread_counts[t], err));
                g.c = t ? r.d : r.c;
                gemm_run(&g, *k, threads, r.work);
                pool_close(threads);
                if (t == 0)
                    check(&g, NULL, (*k)->isa);
                else
                    assert_memory_equal(r.c, r.d,
                                        (size_t)(g.m * g.n) * sizeof(float));
            }
        }
    room_close(&r);
}

/* A times its own transpose, of which half is computed: the bits of the product
 * with a copy of it, of which everything is. */
static void try_symmetric(const room *r, gemm_args g, const cpu_kernels *k,
                          bool serial, pool *threads) {
    g.n = g.m;
    g.a.type = g.compute == AR_F16 ? AR_F16 : AR_F32;
    if (g.a.type == AR_F16) g.a.data = r->half_a;
    g.b = g.a;
    g.b.rs = g.a.cs, g.b.cs = g.a.rs;
    const size_t n = (size_t)(g.m * g.ldc) * sizeof(float);
    for (int copied = 0; copied < 2; copied++) {
        g.c = copied ? r->d : r->c;
        memset(g.c, 0xff, n);
        if (copied) g.b.data = g.a.type == AR_F32 ? (void *)r->b : r->half_b;
        if (serial)
            gemm_serial(&g, k, r->scratch);
        else
            gemm_run(&g, k, threads, r->work);
    }
    assert_memory_equal(r->c, r->d, n);
    for (int64_t i = 0; i < g.m; i++)
        for (int64_t j = 0; j < i; j++)
            assert_true(r->c[i * g.ldc + j] == r->c[j * g.ldc + i]);
}

void test_gemm_symmetric(void **state) {
    (void)state;
    static const int shapes[][2] = {{1, 5},    {7, 0},    {65, 33},
                                    {70, 700}, {200, 90}, {4100, 3}};
    static const ar_type types[] = {AR_F32, AR_BF16, AR_F16};
    room r = room_open();
    mem_free(r.c), mem_free(r.d);
    r.c = mem_new(float, 4100 * 4100);
    r.d = mem_new(float, 4100 * 4100);
    memcpy(r.b, r.a, MOST * sizeof *r.a);
    type_encode_f32(AR_F16, r.a, r.half_a, MOST);
    memcpy(r.half_b, r.half_a, MOST * sizeof *r.half_a);
    pool *threads;
    assert_ok(pool_open(&threads, 3, err));
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (int i = 0; i < 6; i++)
            for (int layout = 0; layout < 3; layout++) {
                gemm_args g = {.m = shapes[i][0],
                               .k = shapes[i][1],
                               .compute = types[(i + layout) % 3]};
                if (i == 5 && (layout || k != cpu_kernels_usable())) continue;
                g.a = view(r.a, g.m, g.k, layout);
                g.ldc = g.m + (i < 5 ? layout : 0);
                try_symmetric(&r, g, *k, false, threads);
                if (i < 5) try_symmetric(&r, g, *k, true, NULL);
            }
    pool_close(threads);
    room_close(&r);
}

/* Packed operands used by hand: the same bits as the whole. */
void test_gemm_panels(void **state) {
    (void)state;
    room r = room_open();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++) {
        const gemm_args g = {.m = 37,
                             .n = 45,
                             .k = 64,
                             .a = {r.a, AR_F32, 64, 1},
                             .b = {r.b, AR_F32, 45, 1},
                             .c = r.c,
                             .ldc = 45};
        float *a = mem_alloc(gemm_a_size(*k, g.m, g.k));
        float *b = mem_alloc(gemm_b_size(*k, g.k, g.n));
        gemm_pack_a(*k, g.a, g.m, g.k, 1, AR_F32, a);
        gemm_pack_b(*k, g.b, g.k, g.n, AR_F32, b);
        gemm_panels(*k, g.m, g.n, g.k, a, b, r.d, g.ldc, false);
        gemm_run(&g, *k, NULL, r.work);
        assert_memory_equal(r.c, r.d, (size_t)(g.m * g.n) * sizeof(float));
        mem_free(a);
        mem_free(b);
    }
    room_close(&r);
}

/* ---- the op ---- */

static tensor matrix(const void *data, ar_type t, int64_t batch, int64_t rows,
                     int64_t cols, bool transposed) {
    tensor x = {.data = (void *)data,
                .type = t,
                .rank = 3,
                .dim = {batch, rows, cols},
                .stride = {rows * cols, cols, 1}};
    if (transposed) x.stride[1] = 1, x.stride[2] = rows;
    return x;
}

static void run_op(const cpu_fast *f, op_call *c, const room *r,
                   int n_threads) {
    assert_ok(pool_open(&c->threads, n_threads, err));
    c->work = r->work;
    c->scratch = r->scratch;
    assert_true(f->fits(c));
    assert_true(!f->work_size || f->work_size(c) <= r->work_size);
    f->run(c);
    pool_close(c->threads);
    c->threads = NULL;
}

/* y [m, n] of rows of r->a and of r->b (type t) by the exact kernel. */
static void exact(const room *r, const cpu_kernels *k, int64_t m, int64_t n,
                  int64_t depth, ar_type t, bool conv, float *y) {
    op_attr attr = {.matmul = {.compute = AR_F32, .exact = 1}};
    op_call c = {.op = OP_MATMUL, .attr = &attr, .n_in = 3, .n_out = 1, .k = k};
    c.in[0] = matrix(r->a, AR_F32, 1, m, depth, false);
    c.in[1] =
        matrix(t == AR_F32 ? (void *)r->b : r->half_b, t, 1, depth, n, !conv);
    c.in[2] = (tensor){
        .data = r->bias, .type = AR_F32, .rank = 1, .dim = {n}, .stride = {1}};
    c.out[0] = matrix(y, AR_F32, 1, m, n, false);
    run_op(&fast_matmul_exact, &c, r, 1 + (int)(m % 3));
}

/* 37 rows at once and one by one; every table against the first. */
static void exact_case(const room *r, int64_t depth, ar_type t, bool conv) {
    enum { M = 37, N = 83 };
    static float first[M * N];
    if (t != AR_F32) type_encode_f32(t, r->b, r->half_b, MOST);
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++) {
        exact(r, *k, M, N, depth, t, conv, r->c);
        if (k == cpu_kernels_usable()) memcpy(first, r->c, sizeof first);
        assert_memory_equal(r->c, first, sizeof first);
        for (int64_t i = 0; i < M; i++) {
            room row = *r;
            row.a = r->a + i * depth;
            exact(&row, *k, 1, N, depth, t, conv, r->d);
            assert_memory_equal(r->c + i * N, r->d, N * sizeof(float));
        }
        const gemm_args g = {.m = M,
                             .n = N,
                             .k = depth,
                             .a = {r->a, AR_F32, depth, 1},
                             .b = {t == AR_F32 ? (void *)r->b : r->half_b, t,
                                   conv ? N : 1, conv ? 1 : depth},
                             .c = r->c,
                             .ldc = N,
                             .bias = r->bias};
        check(&g, NULL, (*k)->isa);
    }
}

void test_gemm_exact(void **state) {
    (void)state;
    room r = room_open();
    exact_case(&r, 64, AR_F32, false);
    exact_case(&r, 101, AR_F32, false);
    exact_case(&r, 1, AR_F32, false);
    exact_case(&r, 101, AR_F32, true);
    exact_case(&r, 70, AR_BF16, false);
    exact_case(&r, 70, AR_F16, true);
    room_close(&r);
}

/* One lane at a time, in plain C. */
void test_gemm_exact_chain(void **state) {
    (void)state;
    enum { K = 77 };
    room r = room_open();
    float lane[16] = {0};
    for (int k = 0; k < 80; k++) {
        const float x = k < K ? r.a[k] : 0, w = k < K ? r.b[k] : 0;
        lane[k % 16] = fmaf(x, w, lane[k % 16]);
    }
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++) {
        float y;
        (*k)->dot_tile(K, r.a, K, r.b, K, &y, 1, 1, 1);
        assert_memory_equal(&y, lane, sizeof y);
    }
    room_close(&r);
}

/* The emulated fused multiply-add meets hard cases: cancellation, ties,
 * subnormals, overflow. */
void test_gemm_exact_rounding(void **state) {
    (void)state;
    static const float special[] = {
        0x1p-149f,     0x1.fffffep127f, 1,          -1,
        0x1.000002p0f, 0x1p-75f,        0x1.8p-74f, 0};
    float x[16], w[16];
    for (uint64_t at = 0, n = 0; n < 2000; n++) {
        for (int i = 0; i < 16; i++) {
            const int e = random_to(40, &at) - 20;
            x[i] = ldexpf((float)(1 + rng_uniform(3, 1, at++)), e);
            w[i] = random_to(3, &at) ? special[random_to(8, &at)]
                                     : -ldexpf(1.5f, random_to(20, &at) - 10);
        }
        const cpu_kernels *const *k = cpu_kernels_usable();
        float first, y;
        (*k)->dot_tile(16, x, 16, w, 16, &first, 1, 1, 1);
        for (; *k; k++) {
            (*k)->dot_tile(16, x, 16, w, 16, &y, 1, 1, 1);
            assert_memory_equal(&y, &first, sizeof y);
        }
    }
}

static void batch_call(const room *r, const cpu_kernels *k, int64_t m,
                       const op_attr *attr, op_call *c) {
    *c =
        (op_call){.op = OP_MATMUL, .attr = attr, .n_in = 2, .n_out = 1, .k = k};
    c->in[0] = matrix(r->a, AR_F32, 3, m, 50, false);
    c->in[1] = matrix(r->b, AR_F32, 3, 50, 41, true);
    c->out[0] = matrix(r->c, AR_F32, 3, m, 41, false);
}

void test_gemm_batched(void **state) {
    (void)state;
    const op_attr attr = {.matmul = {.compute = AR_F32}};
    room r = room_open();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (int t = 0; t < 4; t++) {
            op_call c;
            batch_call(&r, *k, 2 + 700 * (t & 1), &attr, &c);
            run_op(c.out[0].dim[1] > 4 ? &fast_matmul : &fast_matmul_exact, &c,
                   &r, thread_counts[t]);
            for (int64_t i = 0; i < 3; i++) {
                const gemm_args g = matmul_args(&c, i);
                check(&g, NULL, "batch");
            }
        }
    room_close(&r);
}

void test_gemm_blas(void **state) {
    (void)state;
    const op_attr attr = {.matmul = {.compute = AR_F32}};
    assert_false(blas_open("no such library"));
    if (!blas_open("openblas") && !blas_open("accelerate")) skip();
    room r = room_open();
    op_call c;
    batch_call(&r, *cpu_kernels_usable(), 700, &attr, &c);
    assert_false(fast_matmul_blas.fits(&c)); /* not asked for */
    c.blas = true;
    assert_false(fast_matmul_blas.fits(&c)); /* too small */
    for (int t = 0; t < 4; t++) {
        gemm_args g = {.m = 70, .n = 60, .k = 50, .c = r.c, .ldc = 60};
        g.a = view(r.a, g.m, g.k, t & 1);
        g.b = view(r.b, g.k, g.n, t >> 1);
        if (t) g.bias = r.bias;
        assert_true(blas_fits(&g));
        blas_run(&g, 1 + (t & 1));
        check(&g, NULL, "blas");
        g.a = view(r.a, g.m, g.k, 2);
        assert_false(blas_fits(&g));
    }
    room_close(&r);
}

void test_cpu_tables(void **state) {
    (void)state;
    const cpu_kernels *const *all = cpu_kernels_all();
    assert_non_null(*all);
    assert_ptr_equal(cpu_kernels_find(NULL), *cpu_kernels_usable());
    assert_null(cpu_kernels_find("no such table"));
    assert_string_equal(cpu_kernels_find("portable")->isa, "portable");
    for (; *all; all++) {
        const gemm_geometry *g = &(*all)->gemm;
        assert_true(g->mr > 0 && g->mr <= 8 && g->nr > 0 && g->nr <= 64);
        assert_true(g->kc * (g->mc + g->nc) * 4 <= 1 << 20);
    }
}
