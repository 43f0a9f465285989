/* test_xent.c - the fast cross-entropy of every kernel table against double. */
#include <stdlib.h>

#include "backend/cpu/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "quant/quant.h"
#include "tests/test.h"

extern const cpu_fast fast_xent, fast_xent_back;

enum { ROOM = 64 << 20, N_THREADS = 5 };

static const int thread_counts[] = {1, 2, 3, 5};

typedef struct xent_case {
    int N, V, C;
    double softcap, size; /* of x */
    ar_type w, compute;
    int tight; /* tolerance of f32 sums; else that of 16-bit rounding */
} xent_case;

static const xent_case cases[] = {
    {1, 5, 3, 0, 1, AR_F32, AR_F32, 1},
    {7, 65, 32, 0, 1, AR_F32, AR_F32, 1},
    {40, 2500, 24, 0, 1, AR_F32, AR_F32, 1},
    {300, 100, 16, 0, 1, AR_F32, AR_F32, 1},
    {33, 300, 48, 3, 1, AR_F32, AR_F32, 1},
    {33, 4100, 8, 0, 10, AR_F32, AR_F32, 1},
    {20, 90, 40, 0, 1, AR_BF16, AR_F32, 1},
    {20, 90, 40, 0, 1, AR_F16, AR_F32, 1},
    {20, 90, 40, 2, 1, AR_F32, AR_BF16, 0},
    {0, 9, 4, 0, 1, AR_F32, AR_F32, 1},
    {4, 0, 4, 0, 1, AR_F32, AR_F32, 1},
};

typedef struct room {
    char *mem;
    size_t used;
    unsigned char *scratch;
} room;

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

/* As `type`, from normal numbers; those of one seed are the same in F64. */
static tensor numbers(room *r, ar_type type, shape s, uint64_t seed,
                      double size) {
    tensor t = make(r, type, s);
    for (int64_t i = 0, n = tensor_count(&t); i < n; i++) {
        const double x = (float)(size * rng_normal(seed, 1, (uint64_t)i));
        type_encode_f64(type, &x, (char *)t.data + ar_type_size(type, i), 1);
    }
    return t;
}

static tensor widen(room *r, const tensor *t) {
    shape s = {.rank = t->rank};
    memcpy(s.dim, t->dim, sizeof s.dim);
    tensor wide = make(r, AR_F64, s);
    type_decode_f64(t->type, t->data, wide.data, tensor_count(t));
    return wide;
}

static void compare(const char *what, const op_call *c, const tensor *got,
                    const tensor *want, double tolerance) {
    double size = 1e-3;
    for (int64_t i = 0, n = tensor_count(want); i < n; i++)
        size = fmax(size, fabs(((const double *)want->data)[i]));
    for (int64_t i = 0, n = tensor_count(want); i < n; i++) {
        const double a = ((const float *)got->data)[i];
        const double b = ((const double *)want->data)[i];
        if (!(fabs(a - b) <= tolerance * size))
            fail_msg("%s (%s): element %d is %.9g, wanted %.9g", what,
                     c->k->isa, (int)i, a, b);
    }
}

static size_t size_of(const tensor *t) {
    return (size_t)tensor_count(t) * sizeof(float);
}

static void call(const cpu_fast *f, room *r, op_call *c) {
    const size_t used = r->used, size = f->work_size(c);
    assert_true(f->fits(c));
    c->scratch = r->scratch;
    c->work = take(r, size);
    memset(c->work, 0x7f, size);
    for (int i = 0; i < c->n_out; i++)
        memset(c->out[i].data, 0x7f, size_of(&c->out[i]));
    f->run(c);
    r->used = used;
}

static void call_threads(const cpu_fast *f, room *r, op_call *c) {
    const size_t used = r->used;
    void *first[MAX_OUTPUTS];
    call(f, r, c);
    for (int i = 0; i < c->n_out; i++) {
        first[i] = take(r, size_of(&c->out[i]));
        memcpy(first[i], c->out[i].data, size_of(&c->out[i]));
    }
    for (int t = 0; t < 4; t++) {
        assert_ok(pool_open(&c->threads, thread_counts[t], err));
        call(f, r, c);
        pool_close(c->threads);
        c->threads = NULL;
        for (int i = 0; i < c->n_out; i++)
            assert_memory_equal(first[i], c->out[i].data, size_of(&c->out[i]));
    }
    r->used = used;
}

static void reference(room *r, const op_call *c, tensor *out) {
    op_call wide = *c;
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i].type != AR_I32) wide.in[i] = widen(r, &c->in[i]);
    for (int i = 0; i < c->n_out; i++) {
        shape s = {.rank = c->out[i].rank};
        memcpy(s.dim, c->out[i].dim, sizeof s.dim);
        out[i] = wide.out[i] = make(r, AR_F64, s);
    }
    wide.work = take(r, cpu_ref_work_size(c->op, &wide));
    cpu_ref_f64[c->op](&wide);
}

static void try_case(room *r, const xent_case *x, const cpu_kernels *k) {
    const op_attr attr = {.xent = {x->softcap, x->compute, 0}};
    const double tolerance = x->tight ? 3e-6 : 2e-2;
    op_call c = {
        .op = OP_XENT_DXW, .attr = &attr, .n_in = 4, .n_out = 3, .k = k};
    c.in[0] = numbers(r, AR_F32, shape2(x->N, x->C), 1, x->size);
    c.in[1] = numbers(r, x->w, shape2(x->V, x->C), 2, 0.5);
    c.in[2] = make(r, AR_I32, shape1(x->N));
    for (int i = 0; i < x->N; i++)
        ((int32_t *)c.in[2].data)[i] = i % 5 == 3 ? -1
                                       : i % 11 == 6
                                           ? x->V
                                           : (i * 7919 + 1) % (x->V + 1);
    c.in[3] = numbers(r, AR_F32, shape1(x->N), 4, 1);
    c.out[0] = make(r, AR_F32, shape2(x->N, x->C));
    c.out[1] = make(r, AR_F32, shape2(x->V, x->C));
    c.out[2] = make(r, AR_F32, shape1(x->N));
    char what[64];
    snprintf(what, sizeof what, "N%d V%d C%d cap%g", x->N, x->V, x->C,
             x->softcap);
    call_threads(&fast_xent_back, r, &c);
    tensor want[3];
    reference(r, &c, want);
    for (int i = 0; i < 3; i++)
        compare(what, &c, &c.out[i], &want[i], tolerance);

    op_call d = c;
    d.op = OP_XENT;
    d.n_in = 3;
    d.n_out = 1;
    d.out[0] = make(r, AR_F32, shape1(x->N));
    call_threads(&fast_xent, r, &d);
    assert_memory_equal(d.out[0].data, c.out[2].data, size_of(&d.out[0]));
}

void test_xent_values(void **state) {
    (void)state;
    room r = {.mem = mem_block_alloc(ROOM),
              .scratch = mem_block_alloc(N_THREADS * CPU_SCRATCH_SIZE)};
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            r.used = 0;
            try_case(&r, &cases[i], *k);
        }
    mem_block_free(r.mem, ROOM);
    mem_block_free(r.scratch, N_THREADS * CPU_SCRATCH_SIZE);
}

/* Logits far above what exp can hold. */
void test_xent_stable(void **state) {
    (void)state;
    const op_attr attr = {0};
    static float x[1] = {1}, w[3] = {1000, 999, -2000}, y[1];
    static int32_t target[1] = {1};
    _Alignas(64) static unsigned char work[1 << 20];
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++) {
        op_call c = {.op = OP_XENT,
                     .attr = &attr,
                     .n_in = 3,
                     .n_out = 1,
                     .k = *k,
                     .work = work};
        c.in[0] = (tensor){x, AR_F32, 2, {1, 1}, {1, 1}};
        c.in[1] = (tensor){w, AR_F32, 2, {3, 1}, {1, 1}};
        c.in[2] = (tensor){target, AR_I32, 1, {1}, {1}};
        c.out[0] = (tensor){y, AR_F32, 1, {1}, {1}};
        assert_true(fast_xent.work_size(&c) <= sizeof work);
        fast_xent.run(&c);
        assert_near(y[0], -1.3132616875182228, 1e-4);
    }
}
