/* test_attention.c - fast attention of every kernel table against double. */
#include <stdlib.h>

#include "backend/cpu/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "quant/quant.h"
#include "tests/test.h"

extern const cpu_fast fast_attention, fast_attention_back, fast_paged;

enum { ROOM = 64 << 20, N_THREADS = 5 };

static const int thread_counts[] = {1, 2, 3, 5};

/* Memory handed out one piece after the other, and scratch for workers. */
typedef struct room {
    char *mem;
    size_t used;
    unsigned char *scratch;
} room;

static room room_open(void) {
    return (room){mem_block_alloc(ROOM), 0,
                  mem_block_alloc(N_THREADS * CPU_SCRATCH_SIZE)};
}

static void room_close(room *r) {
    mem_block_free(r->mem, ROOM);
    mem_block_free(r->scratch, N_THREADS * CPU_SCRATCH_SIZE);
}

static void *take(room *r, size_t size) {
    void *p = r->mem + r->used;
    r->used += (size + 63) / 64 * 64;
    assert_true(r->used <= ROOM);
    return p;
}

static tensor make(room *r, ar_type type, shape s) {
    tensor t = {.type = type, .rank = s.rank};
    int64_t n = 1;
    for (int i = s.rank - 1; i >= 0; i--) {
        t.dim[i] = s.dim[i];
        t.stride[i] = n;
        n *= s.dim[i];
    }
    t.data = take(r, ar_type_size(type, n));
    return t;
}

static void fill(tensor *t, uint64_t seed, double size) {
    float *x = t->data;
    for (int64_t i = 0, n = tensor_count(t); i < n; i++)
        x[i] = (float)(size * rng_normal(seed, 1, (uint64_t)i));
}

static int64_t offset_of(const tensor *t, int64_t i) {
    int64_t offset = 0;
    for (int k = t->rank - 1; k >= 0; k--) {
        offset += i % t->dim[k] * t->stride[k];
        i /= t->dim[k];
    }
    return offset;
}

/* The same numbers, contiguous, as F64. */
static tensor widen(room *r, const tensor *t) {
    if (!type_is_float(t->type)) return *t;
    shape s = {.rank = t->rank};
    memcpy(s.dim, t->dim, sizeof s.dim);
    tensor wide = make(r, AR_F64, s);
    for (int64_t i = 0, n = tensor_count(t); i < n; i++)
        type_decode_f64(t->type,
                        (const char *)t->data +
                            offset_of(t, i) * (int64_t)ar_type_size(t->type, 1),
                        (double *)wide.data + i, 1);
    return wide;
}

/* Largest distance, and the size of the numbers. */
static void compare(const char *what, const op_call *c, const tensor *got,
                    const tensor *want, double tolerance) {
    double size = 1;
    for (int64_t i = 0, n = tensor_count(want); i < n; i++)
        size = fmax(size, fmin(1e3, fabs(((const double *)want->data)[i])));
    for (int64_t i = 0, n = tensor_count(want); i < n; i++) {
        const double a = ((const float *)got->data)[offset_of(got, i)];
        const double b = ((const double *)want->data)[i];
        if (a == b) continue;
        if (!(fabs(a - b) <= tolerance * size))
            fail_msg("%s (%s): element %d is %.9g, wanted %.9g", what,
                     c->k->isa, (int)i, a, b);
    }
}

/* What the plain kernel makes of the same call in double. */
static void reference(room *r, const op_call *c, tensor *out) {
    op_call wide = *c;
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i].data) wide.in[i] = widen(r, &c->in[i]);
    for (int i = 0; i < c->n_out; i++) {
        shape s = {.rank = c->out[i].rank};
        memcpy(s.dim, c->out[i].dim, sizeof s.dim);
        out[i] = wide.out[i] = make(r, AR_F64, s);
    }
    wide.work = take(r, cpu_ref_work_size(c->op, &wide));
    cpu_ref_f64[c->op](&wide);
}

static void spoil(const op_call *c) {
    for (int i = 0; i < c->n_out; i++)
        memset(c->out[i].data, 0x7f,
               (size_t)tensor_count(&c->out[i]) * sizeof(float));
}

static void call(const cpu_fast *f, room *r, op_call *c) {
    const size_t used = r->used;
    assert_true(f->fits(c));
    c->scratch = r->scratch;
    const size_t size = f->work_size ? f->work_size(c) : 0;
    c->work = take(r, size);
    memset(c->work, 0x7f, size);
    spoil(c);
    f->run(c);
    r->used = used;
}

/* Runs with several numbers of threads; the bits may not change. */
static void call_threads(const cpu_fast *f, room *r, op_call *c) {
    const size_t used = r->used;
    call(f, r, c);
    void *first[MAX_OUTPUTS];
    for (int i = 0; i < c->n_out; i++) {
        const size_t size = (size_t)tensor_count(&c->out[i]) * sizeof(float);
        first[i] = take(r, size);
        memcpy(first[i], c->out[i].data, size);
    }
    for (int t = 0; t < 4; t++) {
        assert_ok(pool_open(&c->threads, thread_counts[t], err));
        call(f, r, c);
        pool_close(c->threads);
        c->threads = NULL;
        for (int i = 0; i < c->n_out; i++)
            assert_memory_equal(first[i], c->out[i].data,
                                (size_t)tensor_count(&c->out[i]) *
                                    sizeof(float));
    }
    r->used = used;
}

/* ---- training ---- */

typedef struct attention_case {
    int B, T, H, D, S, G, E, causal, window;
    double softcap;
    int packed;  /* q, k, v are slices of one tensor [B, T, H D + ..] */
    double size; /* of q, k and so of rounding; 0 = 1 */
} attention_case;

static const attention_case attention_cases[] = {
    {1, 1, 1, 16, 1, 1, 16, 1, 0, 0, 0, 0},
    {2, 7, 2, 16, 7, 2, 16, 1, 0, 0, 0, 0},
    {1, 33, 4, 64, 70, 2, 64, 1, 0, 0, 0, 0},
    {1, 70, 3, 64, 33, 1, 64, 0, 0, 0, 0, 0},
    {2, 64, 3, 64, 64, 3, 64, 1, 0, 0, 1, 0},
    {1, 200, 4, 32, 200, 1, 32, 1, 0, 0, 0, 0},
    {1, 150, 2, 64, 150, 2, 64, 1, 40, 0, 0, 0},
    {1, 150, 2, 24, 150, 2, 40, 1, 1, 0, 0, 0},
    {1, 130, 2, 128, 130, 2, 128, 0, 0, 0, 1, 0},
    {1, 130, 2, 80, 131, 1, 48, 0, 77, 0, 0, 0},
    {1, 130, 2, 20, 130, 2, 20, 1, 0, 2.5, 1, 0},
    {1, 260, 2, 16, 300, 1, 8, 1, 100, 1.5, 0, 0},
    {1, 40, 2, 1, 40, 2, 3, 1, 0, 0, 0, 0},
    {1, 40, 1, 256, 40, 1, 192, 1, 0, 0, 0, 0},
    {1, 100, 2, 32, 100, 2, 32, 1, 0, 0, 0, 12},
    {9, 20, 2, 16, 20, 1, 16, 1, 0, 0, 0, 0},
    {1, 0, 2, 16, 5, 1, 16, 0, 0, 0, 0, 0},
    {1, 5, 2, 16, 0, 1, 16, 0, 0, 0, 0, 0},
};

/* q, k, v of a case; slices of one tensor where T = S allows it. */
static void make_qkv(room *r, const attention_case *x, tensor *in) {
    const double size = x->size > 0 ? x->size : 1;
    in[0] = make(r, AR_F32, shape4(x->B, x->T, x->H, x->D));
    in[1] = make(r, AR_F32, shape4(x->B, x->S, x->G, x->D));
    in[2] = make(r, AR_F32, shape4(x->B, x->S, x->G, x->E));
    if (x->packed) {
        const int64_t hd = x->H * x->D, gd = x->G * x->D;
        tensor all =
            make(r, AR_F32, shape3(x->B, x->T, hd + gd + x->G * x->E + 5));
        fill(&all, 1, size);
        float *p = all.data;
        for (int i = 0; i < 3; i++) {
            in[i].data = p;
            in[i].stride[0] = all.stride[0];
            in[i].stride[1] = all.stride[1];
            p += i ? gd : hd;
        }
        return;
    }
    fill(&in[0], 1, size);
    fill(&in[1], 2, size);
    fill(&in[2], 3, 1);
}

static void try_attention(room *r, const attention_case *x,
                          const cpu_kernels *k) {
    const op_attr attr = {
        .attention = {1 / sqrt(x->D), x->softcap, x->window, x->causal, 0}};
    op_call c = {
        .op = OP_ATTENTION, .attr = &attr, .n_in = 3, .n_out = 2, .k = k};
    make_qkv(r, x, c.in);
    c.out[0] = make(r, AR_F32, shape4(x->B, x->T, x->H, x->E));
    c.out[1] = make(r, AR_F32, shape3(x->B, x->H, x->T));
    char what[96];
    snprintf(what, sizeof what, "B%d T%d H%d D%d S%d G%d E%d c%d w%d cap%g",
             x->B, x->T, x->H, x->D, x->S, x->G, x->E, x->causal, x->window,
             x->softcap);
    call_threads(&fast_attention, r, &c);
    tensor want[3];
    reference(r, &c, want);
    const double rough = x->size > 1 ? x->size * x->size : 1;
    compare(what, &c, &c.out[0], &want[0], 2e-6 * rough);
    compare(what, &c, &c.out[1], &want[1], 2e-6);

    op_call d = {
        .op = OP_ATTENTION_DQKV, .attr = &attr, .n_in = 6, .n_out = 3, .k = k};
    memcpy(d.in, c.in, 3 * sizeof *d.in);
    d.in[3] = c.out[0];
    d.in[4] = c.out[1];
    d.in[5] = make(r, AR_F32, shape4(x->B, x->T, x->H, x->E));
    fill(&d.in[5], 4, 1);
    d.out[0] = make(r, AR_F32, shape4(x->B, x->T, x->H, x->D));
    d.out[1] = make(r, AR_F32, shape4(x->B, x->S, x->G, x->D));
    d.out[2] = make(r, AR_F32, shape4(x->B, x->S, x->G, x->E));
    call_threads(&fast_attention_back, r, &d);
    reference(r, &d, want);
    for (int i = 0; i < 3; i++)
        compare(what, &d, &d.out[i], &want[i], 5e-6 * rough);
}

void test_attention_values(void **state) {
    (void)state;
    room r = room_open();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (size_t i = 0; i < sizeof attention_cases / sizeof *attention_cases;
             i++) {
            r.used = 0;
            try_attention(&r, &attention_cases[i], *k);
        }
    room_close(&r);
}

/* Layouts and types that are left to the plain kernel. */
void test_attention_fits(void **state) {
    (void)state;
    const op_attr attr = {.attention = {.scale = 1}};
    op_call c = {.op = OP_ATTENTION,
                 .attr = &attr,
                 .n_in = 3,
                 .n_out = 2,
                 .k = cpu_kernels_find(NULL)};
    room r = room_open();
    make_qkv(&r, &attention_cases[1], c.in);
    c.out[0] = make(&r, AR_F32, shape4(2, 7, 2, 16));
    c.out[1] = make(&r, AR_F32, shape3(2, 2, 7));
    assert_true(fast_attention.fits(&c));
    c.in[1].stride[3] = 2;
    assert_false(fast_attention.fits(&c));
    c.in[1].stride[3] = 1;
    c.in[2].type = AR_BF16;
    assert_false(fast_attention.fits(&c));
    room_close(&r);
}

/* ---- paged ---- */

typedef struct paged_case {
    int H, D, G, E, page, pages, window;
    double softcap;
    ar_type type;
} paged_case;

static const paged_case paged_cases[] = {
    {4, 16, 2, 16, 16, 12, 0, 0, AR_F32},
    {2, 64, 2, 64, 64, 6, 0, 0, AR_F32},
    {6, 20, 1, 12, 5, 30, 0, 3, AR_F32},
    {3, 32, 3, 24, 128, 6, 60, 0, AR_F32},
    {40, 16, 1, 16, 1024, 2, 0, 0, AR_F32},
    {2, 16, 1, 16, 16, 70, 0, 0, AR_BF16},
    {2, 19, 1, 17, 32, 40, 300, 0, AR_F16},
    {4, 64, 2, 32, 16, 40, 0, 0, AR_Q8_0},
    {3, 32, 1, 96, 32, 20, 90, 2, AR_Q8_0},
};

enum { N_SEQUENCES = 3 };

/* Two layers of memory: pools and tables of one case. */
typedef struct paged {
    const paged_case *x;
    op_attr attr;
    tensor k, v, table;
} paged;

static tensor make_pool(room *r, const paged_case *x, int width,
                        uint64_t seed) {
    const shape s = shape4(N_SEQUENCES * x->pages + 1, x->page, x->G, width);
    tensor t = make(r, AR_F32, s);
    fill(&t, seed, 1);
    if (x->type == AR_F32) return t;
    tensor half = make(r, x->type, s);
    type_encode_f32(x->type, t.data, half.data, tensor_count(&t));
    return half;
}

static paged make_paged(room *r, const paged_case *x) {
    paged p = {.x = x};
    p.attr.paged =
        (struct paged_attr){1 / sqrt(x->D), x->softcap, x->window, x->page};
    p.k = make_pool(r, x, x->D, 11);
    p.v = make_pool(r, x, x->E, 12);
    p.table = make(r, AR_I32, shape2(N_SEQUENCES, x->pages));
    int32_t *at = p.table.data;
    /* Pages lie in no order; one is missing. */
    for (int i = 0; i < N_SEQUENCES * x->pages; i++)
        at[i] = (i * 7 + 3) % (N_SEQUENCES * x->pages + 1);
    if (x->pages > 2) at[1] = -1;
    return p;
}

/* Row i of the test: its sequence and position. */
static void row_of(const paged *p, int i, int32_t *sequence,
                   int32_t *position) {
    const int most = p->x->pages * p->x->page;
    *sequence = i % 29 == 28 ? -1 : i / 10 % N_SEQUENCES;
    *position =
        i < 20
            ? i
            : (int)(rng_bits(5, 1, (uint64_t)i / 3) % (unsigned)most) + i % 3;
    if (*position >= most) *position = most - 1;
}

/* Rows [first, first + n) together. */
static op_call paged_call(room *r, const paged *p, const cpu_kernels *k,
                          int first, int n) {
    op_call c = {.op = OP_ATTENTION_PAGED,
                 .attr = &p->attr,
                 .n_in = 6,
                 .n_out = 1,
                 .k = k};
    tensor all = make(r, AR_F32, shape3(first + n, p->x->H, p->x->D));
    fill(&all, 13, 1);
    c.in[0] = all;
    c.in[0].dim[0] = n;
    c.in[0].data = (float *)all.data + first * all.stride[0];
    c.in[1] = p->k;
    c.in[2] = p->v;
    c.in[3] = p->table;
    c.in[4] = make(r, AR_I32, shape1(n));
    c.in[5] = make(r, AR_I32, shape1(n));
    for (int i = 0; i < n; i++)
        row_of(p, first + i, (int32_t *)c.in[4].data + i,
               (int32_t *)c.in[5].data + i);
    c.out[0] = make(r, AR_F32, shape3(n, p->x->H, p->x->E));
    return c;
}

static void try_paged(room *r, const paged_case *x, const cpu_kernels *k) {
    enum { N = 61 };
    const paged p = make_paged(r, x);
    op_call all = paged_call(r, &p, k, 0, N);
    call_threads(&fast_paged, r, &all);
    tensor want;
    reference(r, &all, &want);
    char what[64];
    snprintf(what, sizeof what, "paged H%d D%d page %d", x->H, x->D, x->page);
    compare(what, &all, &all.out[0], &want, 2e-6);
    /* Alone, in threes, in sevens: the same bits. */
    for (int n = 1; n < 10; n += n == 1 ? 2 : 4)
        for (int i = 0; i < N; i += n) {
            const size_t used = r->used;
            const int rows = i + n < N ? n : N - i;
            op_call some = paged_call(r, &p, k, i, rows);
            call(&fast_paged, r, &some);
            const int64_t size = all.out[0].stride[0];
            assert_memory_equal(some.out[0].data,
                                (float *)all.out[0].data + i * size,
                                (size_t)(rows * size) * sizeof(float));
            r->used = used;
        }
}

void test_paged_values(void **state) {
    (void)state;
    room r = room_open();
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (size_t i = 0; i < sizeof paged_cases / sizeof *paged_cases; i++) {
            r.used = 0;
            try_paged(&r, &paged_cases[i], *k);
        }
    room_close(&r);
}

/* One long sequence: few rows in ranges as many rows without. */
void test_paged_long(void **state) {
    (void)state;
    static const paged_case x = {8, 32, 8, 32, 64, 40, 0, 0, AR_F32};
    room r = room_open();
    const cpu_kernels *k = cpu_kernels_find(NULL);
    const paged p = make_paged(&r, &x);
    op_call all = paged_call(&r, &p, k, 0, 260);
    int32_t *position = all.in[5].data, *sequence = all.in[4].data;
    for (int i = 0; i < 260; i++) {
        sequence[i] = 2;
        position[i] = 2240 + i;
    }
    call_threads(&fast_paged, &r, &all);
    assert_int_equal(fast_paged.work_size(&all), 0);
    for (int i = 0; i < 260; i += 29) {
        op_call one = paged_call(&r, &p, k, i, 1);
        *(int32_t *)one.in[4].data = 2;
        *(int32_t *)one.in[5].data = 2240 + i;
        assert_true(fast_paged.work_size(&one) > 0);
        call_threads(&fast_paged, &r, &one);
        assert_memory_equal(one.out[0].data,
                            (float *)all.out[0].data + i * 8 * 32,
                            8 * 32 * sizeof(float));
    }
    room_close(&r);
}

/* The last row of causal attention is the paged row at that position. */
void test_paged_is_attention(void **state) {
    (void)state;
    enum { S = 150, H = 4, G = 2, D = 32 };
    room r = room_open();
    const cpu_kernels *k = cpu_kernels_find(NULL);
    const op_attr train = {
        .attention = {.scale = 0.2, .causal = 1, .window = 90}};
    const op_attr infer = {.paged = {.scale = 0.2, .window = 90, .page = 50}};
    op_call c = {
        .op = OP_ATTENTION, .attr = &train, .n_in = 3, .n_out = 2, .k = k};
    make_qkv(&r, &(attention_case){1, S, H, D, S, G, D, 1, 0, 0, 0, 0}, c.in);
    c.out[0] = make(&r, AR_F32, shape4(1, S, H, D));
    c.out[1] = make(&r, AR_F32, shape3(1, H, S));
    call(&fast_attention, &r, &c);
    op_call d = {.op = OP_ATTENTION_PAGED,
                 .attr = &infer,
                 .n_in = 6,
                 .n_out = 1,
                 .k = k};
    d.in[0] = make(&r, AR_F32, shape3(S, H, D));
    memcpy(d.in[0].data, c.in[0].data, S * H * D * sizeof(float));
    for (int i = 1; i < 3; i++) {
        d.in[i] = make(&r, AR_F32, shape4(3, 50, G, D));
        memcpy(d.in[i].data, c.in[i].data, S * G * D * sizeof(float));
    }
    d.in[3] = make(&r, AR_I32, shape2(1, 3));
    d.in[4] = make(&r, AR_I32, shape1(S));
    d.in[5] = make(&r, AR_I32, shape1(S));
    for (int i = 0; i < 3; i++) ((int32_t *)d.in[3].data)[i] = i;
    for (int i = 0; i < S; i++) {
        ((int32_t *)d.in[4].data)[i] = 0;
        ((int32_t *)d.in[5].data)[i] = i;
    }
    d.out[0] = make(&r, AR_F32, shape3(S, H, D));
    call(&fast_paged, &r, &d);
    const float *a = c.out[0].data, *b = d.out[0].data;
    for (int i = 0; i < S * H * D; i++) assert_near(a[i], b[i], 2e-6);
    room_close(&r);
}
