/* test_store_blocks.c - STORE_ROWS into a state that has blocks. */
#include "backend/cpu/cpu.h"
#include "base/rng.h"
#include "quant/quant.h"
#include "tests/test.h"

extern const cpu_fast fast_store_rows;

enum { ROWS = 7, G = 3, D = 64, N = 5, BYTES = G * D / 32 * 34 };

static const int32_t slots[N] = {6, -1, 0, 7, 6};

static tensor dense(ar_type t, void *data, int64_t rows) {
    return (tensor){data, t, 3, {rows, G, D}, {G * D, D, 1}};
}

static void call(cpu_op_fn *fn, const tensor *x, void *state, pool *threads) {
    static float work[D];
    op_call c = {.op = OP_STORE_ROWS, .n_in = 3, .n_out = 1, .work = work};
    c.threads = threads;
    c.in[0] = c.out[0] = dense(AR_Q8_0, state, ROWS);
    c.in[1] = (tensor){(void *)slots, AR_I32, 1, {N}, {1}};
    c.in[2] = *x;
    if (fn == fast_store_rows.run) assert_true(fast_store_rows.fits(&c));
    fn(&c);
}

/* Of two rows for one slot the later one stays; others are not touched; the
 * bytes are those of the published encoder, whoever writes them. */
void test_store_blocks(void **state) {
    (void)state;
    static float x[N * G * D], turned[N * G * D];
    static double wide[N * G * D];
    uint8_t want[ROWS][BYTES], got[ROWS][BYTES];
    for (int i = 0; i < N * G * D; i++)
        wide[i] = x[i] = (float)rng_normal(1, 1, (uint64_t)i);
    memset(want, 0xaa, sizeof want);
    assert_true(type_encode_f32(AR_Q8_0, x + 4 * G * D, want[6], G * D));
    assert_true(type_encode_f32(AR_Q8_0, x + 2 * G * D, want[0], G * D));
    /* [N, G, D] whose last dimension is the outermost in memory */
    tensor strided = dense(AR_F32, turned, N);
    for (int i = 0; i < N * G * D; i++) turned[i % D * N * G + i / D] = x[i];
    strided.stride[0] = G;
    strided.stride[1] = 1;
    strided.stride[2] = N * G;
    const tensor plain = dense(AR_F32, x, N), real = dense(AR_F64, wide, N);
    const struct {
        cpu_op_fn *fn;
        const tensor *x;
    } ways[] = {{cpu_ref_f32[OP_STORE_ROWS], &plain},
                {cpu_ref_f32[OP_STORE_ROWS], &strided},
                {cpu_ref_f64[OP_STORE_ROWS], &real},
                {fast_store_rows.run, &plain}};
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
        for (int n = 0; n < 4; n += 3) {
            pool *threads = NULL;
            if (n) assert_ok(pool_open(&threads, n, err));
            memset(got, 0xaa, sizeof got);
            call(ways[k].fn, ways[k].x, got, threads);
            assert_memory_equal(got, want, sizeof want);
            if (threads) pool_close(threads);
        }
}
