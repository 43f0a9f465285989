/* test_act8_experts.c - MATMUL_EXPERTS with activations rounded to 8 bits. */
#include "backend/cpu/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "quant/levels.h"
#include "tests/test.h"

extern const cpu_fast fast_experts;

enum { E = 6, F = 53, MOST_N = 40, MOST_CHOSEN = 4, K = 1280 };

static const ar_type types[] = {AR_Q4_0, AR_Q8_0, AR_Q4_K,
                                AR_Q6_K, AR_Q2_K, AR_MXFP4};
enum { N_TYPES = sizeof types / sizeof *types };

enum { ROWS = MOST_N * MOST_CHOSEN, W_SIZE = E * F * K * 2 };

typedef struct room {
    unsigned char *w, *scratch, *work;
    float *x, *y, *want;
    int32_t ids[ROWS];
    size_t work_size;
} room;

/* Ids from -1 to E, so some rows have no expert; many of a row are equal. */
static room room_open(void) {
    room r = {.work_size = (size_t)ROWS * (4 * K + 4 * F + 64) + 72 * K};
    r.w = mem_block_alloc(W_SIZE);
    r.scratch = mem_block_alloc((size_t)3 * CPU_SCRATCH_SIZE);
    r.work = mem_block_alloc(r.work_size);
    r.x = mem_block_alloc(sizeof(float) * ROWS * K);
    r.y = mem_block_alloc(sizeof(float) * ROWS * F);
    r.want = mem_block_alloc(sizeof(float) * ROWS * F);
    for (int64_t i = 0; i < (int64_t)ROWS * K; i++)
        r.x[i] = (float)(2 * rng_uniform(5, 1, (uint64_t)i) - 1);
    for (int i = 0; i < ROWS; i++)
        r.ids[i] = (int32_t)(rng_bits(5, 2, (uint64_t)i) % (E + 2)) - 1;
    /* numbers of middling size as f16, as e8m0 and as f8 */
    for (size_t i = 0; i < W_SIZE; i++)
        r.w[i] = (unsigned char)(0x20 + (rng_bits(5, 3, i) >> 5) % 32);
    return r;
}

static void room_close(room *r) {
    mem_block_free(r->w, W_SIZE);
    mem_block_free(r->scratch, (size_t)3 * CPU_SCRATCH_SIZE);
    mem_block_free(r->work, r->work_size);
    mem_block_free(r->x, sizeof(float) * ROWS * K);
    mem_block_free(r->y, sizeof(float) * ROWS * F);
    mem_block_free(r->want, sizeof(float) * ROWS * F);
}

/* n rows of `chosen` ids each, x [n, K], or [n, chosen, K] with `apart`. */
static op_call call_of(room *r, ar_type t, int64_t n, int64_t chosen,
                       bool apart, float *y) {
    static const op_attr attr = {.experts = {{AR_F32, 1, 1}, E}};
    op_call c = {.op = OP_MATMUL_EXPERTS,
                 .attr = &attr,
                 .n_in = 3,
                 .n_out = 1,
                 .work = r->work,
                 .k = cpu_kernels_find(NULL),
                 .scratch = r->scratch};
    c.in[0] = (tensor){r->x, AR_F32, 2, {n, K}, {K, 1}};
    if (apart)
        c.in[0] = (tensor){r->x, AR_F32, 3, {n, chosen, K}, {chosen * K, K, 1}};
    c.in[1] = (tensor){r->w, t, 3, {E, K, F}, {F * K, 1, K}};
    c.in[2] = (tensor){r->ids, AR_I32, 2, {n, chosen}, {chosen, 1}};
    c.out[0] = (tensor){y, AR_F32, 3, {n, chosen, F}, {chosen * F, F, 1}};
    return c;
}

/* Behind the work that it asks for nothing is written. */
static void run_fast(const room *r, op_call *c) {
    enum { GUARD = 64 };
    unsigned char guard[GUARD];
    assert_true(fast_experts.fits(c));
    const size_t size = fast_experts.work_size(c);
    assert_true(size + GUARD <= r->work_size);
    memset(guard, 0xa5, GUARD);
    memcpy(r->work + size, guard, GUARD);
    memset(c->out[0].data, 0x55,
           (size_t)tensor_count(&c->out[0]) * sizeof(float));
    fast_experts.run(c);
    assert_memory_equal(r->work + size, guard, GUARD);
}

static int check_tables(room *r, ar_type t, int64_t n, int64_t chosen,
                        bool apart, pool *threads) {
    int wrong = 0;
    op_call plain = call_of(r, t, n, chosen, apart, r->want);
    cpu_ref_f32[OP_MATMUL_EXPERTS](&plain);
    for (int64_t i = 0; i < n * chosen * F; i++)
        assert_true(isfinite(r->want[i]));
    for (const cpu_kernels *const *table = cpu_kernels_usable(); *table;
         table++)
        for (int many = 0; many < 2; many++) {
            op_call c = call_of(r, t, n, chosen, apart, r->y);
            c.k = *table;
            c.threads = many ? threads : NULL;
            run_fast(r, &c);
            if (!memcmp(r->y, r->want,
                        (size_t)(n * chosen * F) * sizeof(float)))
                continue;
            print_error("%s, %s: %d rows of %d experts differ\n", (*table)->isa,
                        ar_type_name(t), (int)n, (int)chosen);
            wrong++;
        }
    return wrong;
}

/* The same bits as the reference: types, tables, rows, choices, threads. */
void test_act8_experts_bits(void **state) {
    (void)state;
    static const int64_t rows[] = {1, 7, MOST_N};
    room r = room_open();
    pool *threads;
    int wrong = 0;
    assert_ok(pool_open(&threads, 3, err));
    for (int i = 0; i < N_TYPES; i++)
        for (int n = 0; n < 3; n++)
            for (int64_t chosen = 1; chosen <= MOST_CHOSEN; chosen++)
                wrong += check_tables(&r, types[i], rows[n], chosen,
                                      (n + chosen) % 2, threads);
    pool_close(threads);
    room_close(&r);
    assert_int_equal(wrong, 0);
}

/* A row alone, and each of its choices as a MATMUL of its own, give what they
 * give among others; without an expert there are zeros. */
void test_act8_experts_alone(void **state) {
    (void)state;
    room r = room_open();
    const op_attr attr = {.matmul = {AR_F32, 1, 1}};
    int without = 0;
    for (int i = 0; i < N_TYPES; i++) {
        op_call all = call_of(&r, types[i], MOST_N, MOST_CHOSEN, false, r.want);
        run_fast(&r, &all);
        for (int64_t n = 0; n < MOST_N; n++) {
            op_call one = call_of(&r, types[i], 1, MOST_CHOSEN, false, r.y);
            one.in[0].data = r.x + n * K;
            one.in[2].data = r.ids + n * MOST_CHOSEN;
            run_fast(&r, &one);
            assert_memory_equal(r.y, r.want + n * MOST_CHOSEN * F,
                                sizeof(float) * MOST_CHOSEN * F);
        }
        for (int64_t row = 0; row < ROWS; row++) {
            const int32_t id = r.ids[row];
            const bool none = id < 0 || id >= E;
            memset(r.y, 0, sizeof(float) * F);
            op_call c = {.op = OP_MATMUL,
                         .attr = &attr,
                         .n_in = 2,
                         .n_out = 1,
                         .work = r.work};
            c.in[0] = (tensor){
                r.x + row / MOST_CHOSEN * K, AR_F32, 2, {1, K}, {K, 1}};
            c.in[1] =
                (tensor){r.w + ar_type_size(types[i], none ? 0 : id * F * K),
                         types[i],
                         2,
                         {K, F},
                         {1, K}};
            c.out[0] = (tensor){r.y, AR_F32, 2, {1, F}, {F, 1}};
            if (!none) cpu_ref_f32[OP_MATMUL](&c);
            assert_memory_equal(r.y, r.want + row * F, sizeof(float) * F);
            without += none;
        }
    }
    assert_true(without > 0);
    room_close(&r);
}
