/* test_act8.c - MATMUL with activations rounded to 8 bits: one chain. */
#include "backend/cpu/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "quant/levels.h"
#include "tests/test.h"

extern const cpu_fast fast_matmul_act8, fast_matmul_exact;

enum { N = 53, MOST_M = 70, MOST_K = 1280 };

typedef struct room {
    unsigned char *w, *scratch, *work;
    float *x, *y, *want, *bias;
    size_t work_size;
} room;

static room room_open(void) {
    room r = {.work_size = (size_t)72 * MOST_K + (size_t)MOST_M * 4 * MOST_K};
    r.w = mem_block_alloc((size_t)N * MOST_K * 2);
    r.scratch = mem_block_alloc((size_t)3 * CPU_SCRATCH_SIZE);
    r.work = mem_block_alloc(r.work_size);
    r.x = mem_block_alloc(sizeof(float) * MOST_M * MOST_K);
    r.y = mem_block_alloc(sizeof(float) * MOST_M * N);
    r.want = mem_block_alloc(sizeof(float) * MOST_M * N);
    r.bias = mem_block_alloc(sizeof(float) * N);
    for (int64_t i = 0; i < (int64_t)MOST_M * MOST_K; i++)
        r.x[i] = (float)(2 * rng_uniform(3, 1, (uint64_t)i) - 1);
    for (int64_t i = 0; i < N; i++)
        r.bias[i] = (float)(2 * rng_uniform(3, 2, (uint64_t)i) - 1);
    return r;
}

static void room_close(room *r) {
    mem_block_free(r->w, (size_t)N * MOST_K * 2);
    mem_block_free(r->scratch, (size_t)3 * CPU_SCRATCH_SIZE);
    mem_block_free(r->work, r->work_size);
    mem_block_free(r->x, sizeof(float) * MOST_M * MOST_K);
    mem_block_free(r->y, sizeof(float) * MOST_M * N);
    mem_block_free(r->want, sizeof(float) * MOST_M * N);
    mem_block_free(r->bias, sizeof(float) * N);
}

/* Blocks of any bytes whose scales are numbers of middling size: as f16, as
 * e8m0 and as f8 every byte of 0x20 .. 0x3f is one. */
static void fill_weights(const room *r, size_t size) {
    for (size_t i = 0; i < size; i++)
        r->w[i] = (unsigned char)(0x20 + (rng_bits(7, 1, i) >> 5) % 32);
}

static op_call call_of(const room *r, ar_type t, int64_t m, int64_t k,
                       const op_attr *attr, float *y) {
    op_call c = {.op = OP_MATMUL,
                 .attr = attr,
                 .n_in = 3,
                 .n_out = 1,
                 .work = r->work,
                 .scratch = r->scratch};
    c.in[0] = (tensor){r->x, AR_F32, 2, {m, k}, {k, 1}};
    c.in[1] = (tensor){r->w, t, 2, {k, N}, {1, k}};
    c.in[2] = (tensor){r->bias, AR_F32, 1, {N}, {1}};
    c.out[0] = (tensor){y, AR_F32, 2, {m, N}, {N, 1}};
    return c;
}

static int check_tables(const room *r, ar_type t, int64_t k,
                        const op_attr *attr, pool *threads) {
    static const int64_t rows[] = {1, 2, 3, 5, 7, 64, MOST_M};
    int wrong = 0;
    for (const cpu_kernels *const *table = cpu_kernels_usable(); *table;
         table++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            op_call c = call_of(r, t, rows[i], k, attr, r->y);
            c.k = *table;
            c.threads = i % 2 ? threads : NULL;
            assert_true(fast_matmul_act8.fits(&c));
            assert_false(fast_matmul_exact.fits(&c));
            assert_true(fast_matmul_act8.work_size(&c) <= r->work_size);
            memset(r->y, 0x55, sizeof(float) * MOST_M * N);
            fast_matmul_act8.run(&c);
            if (!memcmp(r->y, r->want, (size_t)(rows[i] * N) * sizeof(float)))
                continue;
            print_error("%s, %s: %d rows of %d differ\n", (*table)->isa,
                        ar_type_name(t), (int)rows[i], (int)k);
            wrong++;
        }
    return wrong;
}

/* The same bits as the reference: every type, table and number of rows. */
void test_act8_bits(void **state) {
    (void)state;
    static const int64_t depths[] = {32, 96, 256, 1056, 1280};
    const op_attr attr = {.matmul = {AR_F32, 1, 1}};
    room r = room_open();
    pool *threads;
    int wrong = 0;
    assert_ok(pool_open(&threads, 3, err));
    for (int t = 0; t < AR_TYPE_COUNT; t++) {
        quant_form f;
        if (!quant_form_of((ar_type)t, &f)) continue;
        for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
            const int64_t k = depths[i];
            if (!quant_holds((ar_type)t, k)) continue;
            fill_weights(&r, ar_type_size((ar_type)t, N * k));
            op_call c = call_of(&r, (ar_type)t, MOST_M, k, &attr, r.want);
            cpu_ref_f32[OP_MATMUL](&c);
            for (int64_t y = 0; y < MOST_M * N; y++)
                assert_true(isfinite(r.want[y]));
            wrong += check_tables(&r, (ar_type)t, k, &attr, threads);
        }
    }
    pool_close(threads);
    room_close(&r);
    assert_int_equal(wrong, 0);
}

/* Near the exact product: what rounding to 8 bits costs. */
void test_act8_error(void **state) {
    (void)state;
    const op_attr act8 = {.matmul = {AR_F32, 1, 1}};
    const op_attr plain = {.matmul = {AR_F32, 1, 0}};
    const int64_t k = MOST_K;
    room r = room_open();
    float *w = mem_new(float, N *k);
    for (int64_t i = 0; i < N * k; i++)
        w[i] = (float)rng_normal(4, 4, (uint64_t)i);
    for (int t = 0; t < AR_TYPE_COUNT; t++) {
        quant_form f;
        if (!quant_form_of((ar_type)t, &f) || !quant_can_encode((ar_type)t))
            continue;
        assert_true(quant_encode((ar_type)t, w, NULL, r.w, N, k));
        op_call c = call_of(&r, (ar_type)t, 8, k, &act8, r.y);
        op_call e = call_of(&r, (ar_type)t, 8, k, &plain, r.want);
        cpu_ref_f32[OP_MATMUL](&c);
        cpu_ref_f32[OP_MATMUL](&e);
        double error = 0, size = 0;
        for (int i = 0; i < 8 * N; i++) {
            error += pow((double)r.y[i] - (double)r.want[i], 2);
            size += pow((double)r.want[i], 2);
        }
        /* uniform rounding of x in [-1, 1] by 1/127: about 0.004 of it */
        assert_true(sqrt(error / size) < 0.008);
        assert_true(error > 0);
    }
    mem_free(w);
    room_close(&r);
}
