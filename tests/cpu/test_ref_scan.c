/* test_ref_scan.c - scans and convolutions with numbers worked out by hand,
 * and their forms by row against those of whole texts. */
#include "backend/cpu/cpu.h"
#include "base/rng.h"
#include "tests/test.h"

static tensor dense(double *x, int rank, const int64_t *dim) {
    tensor t = {.data = x, .type = AR_F64, .rank = rank};
    int64_t step = 1;
    for (int i = rank; i-- > 0; step *= dim[i]) {
        t.dim[i] = dim[i];
        t.stride[i] = step;
    }
    return t;
}
#define D(x, ...)                                                              \
    dense(x, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),               \
          (const int64_t[]){__VA_ARGS__})

static tensor ids(int32_t *x, int64_t n) {
    return (tensor){
        .data = x, .type = AR_I32, .rank = 1, .dim = {n}, .stride = {1}};
}

static double work[4096];

static void call(enum op_id op, const tensor *in, int n_in, const tensor *out,
                 int n_out) {
    const op_attr attr = {0};
    op_call c = {.op = op, .attr = &attr, .n_in = n_in, .n_out = n_out};
    c.work = work;
    for (int i = 0; i < n_in; i++) c.in[i] = in[i];
    for (int i = 0; i < n_out; i++) c.out[i] = out[i];
    assert_true(cpu_ref_work_size(op, &c) <= sizeof work);
    cpu_ref_f64[op](&c);
}

/* One head, K = 2, V = 1: the state halves, then takes what is new. */
void test_ref_scan_by_hand(void **state) {
    (void)state;
    double q[] = {1, 0, 1, 1, 0, 1}, k[] = {1, 2, 0, 1, 3, 0};
    double v[] = {4, 5, 6}, half = log(0.5), g[] = {0, half, half}, y[3];
    tensor in[] = {D(q, 1, 3, 1, 2), D(k, 1, 3, 1, 2), D(v, 1, 3, 1, 1),
                   D(g, 1, 3, 1)};
    const tensor out = D(y, 1, 3, 1, 1);
    call(OP_SCAN, in, 4, &out, 1);
    /* S: (4, 8); (2, 4) + (0, 5); (1, 4.5) + (18, 0) */
    assert_near(y[0], 4, 1e-12);
    assert_near(y[1], 11, 1e-12);
    assert_near(y[2], 4.5, 1e-12);
}

/* The delta rule with beta 1 and a key of length 1: what is read back of the
 * key is the new value, whatever was there. */
void test_ref_scan_delta(void **state) {
    (void)state;
    double k[] = {1, 0, 0.6, 0.8, 0.6, 0.8}, v[] = {4, 5, 6};
    double g[] = {0, 0, 0}, beta[] = {1, 1, 0.5}, y[3];
    tensor in[] = {D(k, 1, 3, 1, 2), D(k, 1, 3, 1, 2), D(v, 1, 3, 1, 1),
                   D(g, 1, 3, 1), D(beta, 1, 3, 1)};
    const tensor out = D(y, 1, 3, 1, 1);
    call(OP_SCAN, in, 5, &out, 1);
    assert_near(y[0], 4, 1e-12);
    assert_near(y[1], 5, 1e-12);
    assert_near(y[2], 5.5, 1e-12); /* half way */
}

void test_ref_conv1d_by_hand(void **state) {
    (void)state;
    double x[] = {1, 2, 3, 4}, w[] = {10, 1, 100}, bias[] = {0.5}, y[4];
    const tensor in[] = {D(x, 1, 4, 1), D(w, 1, 3), D(bias, 1)};
    const tensor out = D(y, 1, 4, 1);
    call(OP_CONV1D, in, 3, &out, 1);
    const double want[] = {100.5, 201.5, 312.5, 423.5};
    for (int i = 0; i < 4; i++) assert_near(y[i], want[i], 1e-12);
}

enum { T = 11, H = 4, G = 2, K = 3, V = 5, C = 6, W = 4 };

static void fill(double *x, int n, int stream, double low, double high) {
    for (int i = 0; i < n; i++)
        x[i] =
            low + (high - low) * rng_uniform(1, (uint64_t)stream, (uint64_t)i);
}

/* Two texts, their rows mixed, in two steps: as each text alone.  States hold
 * NaN before, which position 0 must not see. */
void test_ref_scan_rows(void **state) {
    (void)state;
    static double q[2 * T * G * K], k[2 * T * G * K], v[2 * T * H * V];
    static double g[2 * T * H], beta[2 * T * H], want[2 * T * H * V];
    static double y[2 * T * H * V], S[3 * H * K * V];
    int32_t sequence[2 * T], position[2 * T];
    fill(q, 2 * T * G * K, 1, -1, 1);
    fill(k, 2 * T * G * K, 2, -0.5, 0.5);
    fill(v, 2 * T * H * V, 3, -1, 1);
    fill(g, 2 * T * H, 4, -1, 0);
    fill(beta, 2 * T * H, 5, 0, 1);
    for (int i = 0; i < 3 * H * K * V; i++) S[i] = NAN;
    /* Even rows are text 2, odd ones text 0; as texts: strided views. */
    tensor in[] = {D(q, 2, T, G, K), D(k, 2, T, G, K), D(v, 2, T, H, V),
                   D(g, 2, T, H), D(beta, 2, T, H)};
    tensor out = D(want, 2, T, H, V);
    tensor *const all[] = {&in[0], &in[1], &in[2], &in[3], &in[4], &out};
    for (int i = 0; i < 6; i++) {
        all[i]->stride[0] = all[i]->stride[1];
        all[i]->stride[1] *= 2;
    }
    call(OP_SCAN, in, 5, &out, 1);
    for (int r = 0; r < 2 * T; r++) {
        sequence[r] = r % 2 ? 0 : 2;
        position[r] = r / 2;
    }
    for (int first = 0, n = 8; first < 2 * T; first += n, n = 2 * T - 8) {
        const tensor rows[] = {D(S, 3, H, K, V),
                               D(q + first * G * K, n, G, K),
                               D(k + first * G * K, n, G, K),
                               D(v + first * H * V, n, H, V),
                               D(g + first * H, n, H),
                               ids(sequence + first, n),
                               ids(position + first, n),
                               D(beta + first * H, n, H)};
        const tensor to[] = {rows[0], D(y + first * H * V, n, H, V)};
        call(OP_SCAN_ROWS, rows, 8, to, 2);
    }
    assert_memory_equal(y, want, sizeof y);
    for (int i = H * K * V; i < 2 * H * K * V; i++) assert_true(isnan(S[i]));
}

void test_ref_conv1d_rows(void **state) {
    (void)state;
    static double x[T * C], w[C * W], want[T * C], y[T * C], S[2 * (W - 1) * C];
    int32_t sequence[T], position[T];
    fill(x, T * C, 6, -1, 1);
    fill(w, C * W, 7, -1, 1);
    for (int i = 0; i < 2 * (W - 1) * C; i++) S[i] = NAN;
    const tensor in[] = {D(x, 1, T, C), D(w, C, W)};
    const tensor out = D(want, 1, T, C);
    call(OP_CONV1D, in, 2, &out, 1);
    for (int r = 0; r < T; r++) {
        sequence[r] = 1;
        position[r] = r;
    }
    for (int r = 0, n = 1; r < T; r += n, n = n < 3 ? n + 1 : T - r) {
        const tensor rows[] = {D(S, 2, W - 1, C), D(x + r * C, n, C),
                               D(w, C, W), ids(sequence + r, n),
                               ids(position + r, n)};
        const tensor to[] = {rows[0], D(y + r * C, n, C)};
        call(OP_CONV1D_ROWS, rows, 5, to, 2);
    }
    assert_memory_equal(y, want, sizeof y);
}
