/* test_vec.c - the vector kernels of every table of this CPU: errors in units
 * in the last place over the whole range, special values, tails and unaligned
 * ends, and sums that are the same on every instruction set. */
#include "backend/cpu/kernels.h"
#include "base/rng.h"
#include "core/op.h"
#include "quant/quant.h"
#include "tests/test.h"

enum { MOST = 200, GUARD = 32 };

static float from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* ---- unary functions ---- */

/* What a gate lets through, in double. */
static double cdf(double x) { return 0.5 * erfc(-x * sqrt(0.5)); }
static double gate_tanh(double x) {
    return 1 / (1 + exp(-2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static double exact(int kind, double x) {
    switch (kind) {
    case UNARY_EXP: return exp(x);
    case UNARY_LOG: return log(x);
    case UNARY_TANH: return tanh(x);
    case UNARY_SIGMOID: return 1 / (1 + exp(-x));
    case UNARY_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case UNARY_SILU: return x / (1 + exp(-x));
    case UNARY_GELU: return x * cdf(x);
    case UNARY_GELU_TANH: return x * gate_tanh(x);
    case UNARY_SQRT: return sqrt(x);
    case UNARY_RSQRT: return 1 / sqrt(x);
    default: return NAN;
    }
}

static double ulps(float y, double want) {
    if (isnan(want) || isnan(y)) return isnan(want) && isnan(y) ? 0 : INFINITY;
    if (isinf((float)want)) return y == (float)want ? 0 : INFINITY;
    int e;
    frexp(want, &e);
    return fabs(y - want) / ldexp(1, (e < -125 ? -125 : e) - 24);
}

/* Of the floats with every stride-th bit pattern between low and high. */
static double worst_ulps(const cpu_kernels *k, int kind, double low,
                         double high) {
    enum { N = 256 };
    float x[N], y[N];
    double worst = 0;
    int n = 0;
    for (uint64_t u = 0; u <= UINT32_MAX; u += 9973) {
        x[n] = from_bits((uint32_t)u);
        if (x[n] >= low && x[n] <= high) n++;
        if (n < N && u + 9973 <= UINT32_MAX) continue;
        assert_true(k->unary(kind, n, x, y));
        for (int i = 0; i < n; i++) {
            const double e = ulps(y[i], exact(kind, x[i]));
            worst = e > worst ? e : worst;
        }
        n = 0;
    }
    return worst;
}

void test_vec_accuracy(void **state) {
    (void)state;
    static const struct range {
        int kind;
        double low, high, ulps;
    } ranges[] = {
        {UNARY_EXP, -INFINITY, INFINITY, 1.1},
        {UNARY_LOG, -INFINITY, INFINITY, 1},
        {UNARY_TANH, -INFINITY, INFINITY, 1.5},
        {UNARY_SIGMOID, -87, INFINITY, 2.5},
        {UNARY_SOFTPLUS, -87, INFINITY, 3},
        {UNARY_SILU, -80, 1e38, 3},
        {UNARY_GELU, -3, 1e18, 10},
        {UNARY_GELU_TANH, -3, 1e12, 12},
        {UNARY_SQRT, 0, INFINITY, 0.5001},
        {UNARY_RSQRT, 1e-30, INFINITY, 1.5},
    };
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
            const struct range *r = &ranges[i];
            const double worst = worst_ulps(*k, r->kind, r->low, r->high);
            if (!(worst <= r->ulps))
                fail_msg("%s, kind %d: %g ulps, at most %g", (*k)->isa, r->kind,
                         worst, r->ulps);
        }
}

static float one(const cpu_kernels *k, int kind, float x) {
    float y;
    assert_true(k->unary(kind, 1, &x, &y));
    return y;
}

static void check_limits(const cpu_kernels *k) {
    const float inf = INFINITY;
    assert_true(one(k, UNARY_EXP, -inf) == 0);
    assert_true(one(k, UNARY_EXP, inf) == inf);
    assert_true(one(k, UNARY_EXP, 0) == 1);
    assert_true(one(k, UNARY_EXP, 89) == inf);
    assert_true(one(k, UNARY_EXP, -104) == 0);
    assert_true(one(k, UNARY_LOG, 0) == -inf);
    assert_true(one(k, UNARY_LOG, inf) == inf);
    assert_true(one(k, UNARY_LOG, 1) == 0);
    assert_true(isnan(one(k, UNARY_LOG, -1)));
    assert_true(one(k, UNARY_TANH, -inf) == -1);
    assert_true(one(k, UNARY_TANH, 1e-30f) == 1e-30f);
    assert_true(one(k, UNARY_SIGMOID, -200) == 0);
    assert_true(one(k, UNARY_SIGMOID, 200) == 1);
    assert_true(one(k, UNARY_SOFTPLUS, 200) == 200);
    assert_true(one(k, UNARY_RELU, -3) == 0);
    assert_true(one(k, UNARY_GELU, 30) == 30);
    assert_true(one(k, UNARY_GELU, -30) == 0);
    assert_true(one(k, UNARY_GELU_TANH, -30) == 0);
    for (int kind = 0; kind < UNARY_COUNT; kind++) {
        const bool step =
            kind == UNARY_SIGN || kind == UNARY_RELU || kind == UNARY_RELU_SQR;
        const float y = one(k, kind, NAN);
        if (isnan(y) == step)
            fail_msg("%s, kind %d: a NaN gives %g", k->isa, kind, (double)y);
    }
}

void test_vec_limits(void **state) {
    (void)state;
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        check_limits(*k);
}

/* ---- tails: n elements at an odd address; no other is touched ---- */

typedef struct row {
    float mem[GUARD + MOST + GUARD];
    float *at;
} row;

static void fill_row(row *r, int64_t seed) {
    for (int i = 0; i < GUARD + MOST + GUARD; i++)
        r->mem[i] =
            (float)(rng_uniform(7, (uint64_t)seed, (uint64_t)i) * 4 - 2);
    r->at = r->mem + GUARD + 1;
}

/* Only elements [0, n) of r are new. */
static void check_guards(const cpu_kernels *k, const row *r, int64_t n,
                         int64_t seed, const char *what) {
    row old;
    fill_row(&old, seed);
    for (int64_t i = 0; i < GUARD + MOST + GUARD; i++) {
        const int64_t j = i - (r->at - r->mem);
        if ((j < 0 || j >= n) && r->mem[i] != old.mem[i])
            fail_msg("%s, %s of %d writes element %d", k->isa, what, (int)n,
                     (int)j);
    }
}

static void check_near(const cpu_kernels *k, const char *what, int64_t n,
                       double y, double want) {
    if (!(fabs(y - want) <= 2e-5 * (1 + fabs(want))))
        fail_msg("%s, %s of %d: %.9g, not %.9g", k->isa, what, (int)n, y, want);
}

static void check_tails(const cpu_kernels *k, int64_t n) {
    row x, y, z;
    fill_row(&x, 1), fill_row(&y, 2), fill_row(&z, 3);
    k->add(n, x.at, 2, y.at, -3, z.at);
    check_guards(k, &z, n, 3, "add");
    for (int i = 0; i < n; i++)
        check_near(k, "add", n, z.at[i], 2 * x.at[i] - 3 * y.at[i]);
    k->mul(n, x.at, y.at, z.at);
    check_guards(k, &z, n, 3, "mul");
    for (int i = 0; i < n; i++)
        check_near(k, "mul", n, z.at[i], x.at[i] * y.at[i]);
    k->scale(n, x.at, 0.5f, 3, z.at);
    check_guards(k, &z, n, 3, "scale");
    for (int i = 0; i < n; i++)
        check_near(k, "scale", n, z.at[i], 0.5 * x.at[i] + 3);
    k->softcap(n, x.at, 1.5f, z.at);
    check_guards(k, &z, n, 3, "softcap");
    for (int i = 0; i < n; i++)
        check_near(k, "softcap", n, z.at[i], 1.5 * tanh(x.at[i] / 1.5));
    k->unary(UNARY_SILU, n, x.at, z.at);
    check_guards(k, &z, n, 3, "unary");
    k->binary(BINARY_MAX, n, x.at, y.at, z.at);
    check_guards(k, &z, n, 3, "binary");
    const float sum = k->exp_sub_sum(n, x.at, 2, z.at);
    double wide = 0;
    check_guards(k, &z, n, 3, "exp_sub_sum");
    for (int i = 0; i < n; i++) {
        check_near(k, "exp_sub_sum", n, z.at[i], exp(x.at[i] - 2.0));
        wide += exp(x.at[i] - 2.0);
    }
    check_near(k, "exp_sub_sum", n, sum, wide);
}

static void check_sums(const cpu_kernels *k, int64_t n) {
    row x, y;
    double sum = 0, sqr = 0, dot = 0, max = -INFINITY;
    fill_row(&x, 1), fill_row(&y, 2);
    for (int i = 0; i < n; i++) {
        sum += x.at[i];
        sqr += (double)x.at[i] * x.at[i];
        dot += (double)x.at[i] * y.at[i];
        max = x.at[i] > max ? x.at[i] : max;
    }
    check_near(k, "sum", n, k->sum(n, x.at), sum);
    check_near(k, "dot", n, k->dot(n, x.at, y.at), dot);
    assert_near(k->sum_sqr(n, x.at), sqr, 1e-13 * (1 + sqr));
    if (n > 0) assert_true(k->max(n, x.at) == max);
    const cpu_kernels *plain = cpu_kernels_find("portable");
    assert_true(k->sum(n, x.at) == plain->sum(n, x.at));
    assert_true(k->dot(n, x.at, y.at) == plain->dot(n, x.at, y.at));
    assert_true(k->sum_sqr(n, x.at) == plain->sum_sqr(n, x.at));
    if (n == 0) return;
    x.at[n / 2] = NAN;
    assert_true(isnan(k->max(n, x.at)));
}

void test_vec_tails(void **state) {
    (void)state;
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++)
        for (int64_t n = 0; n < 150; n++) {
            check_tails(*k, n);
            check_sums(*k, n);
        }
    assert_true(cpu_kernels_find("portable")->max(0, NULL) == -INFINITY);
}

/* ---- conversions: bit for bit as quant.h ---- */

static void check_halves(const cpu_kernels *k) {
    enum { N = 1021 };
    uint16_t h[N], back[N];
    float f[N];
    for (uint32_t u = 0; u <= 0xffff; u += N) {
        const int n = 0x10000 - u < N ? (int)(0x10000 - u) : N;
        for (int i = 0; i < n; i++) h[i] = (uint16_t)(u + (uint32_t)i);
        k->from_f16(n, h, f);
        for (int i = 0; i < n; i++) {
            /* a NaN may become a quiet one, as hardware makes it */
            const float want = f16_to_f32(h[i]);
            if (isnan(want) && isnan(f[i])) continue;
            assert_memory_equal(&f[i], &want, sizeof want);
        }
        k->from_bf16(n, h, f);
        for (int i = 0; i < n; i++) {
            const float want = bf16_to_f32(h[i]);
            assert_memory_equal(&f[i], &want, sizeof want);
        }
    }
    for (uint64_t u = 0; u <= UINT32_MAX; u += 8191 * N) {
        for (int i = 0; i < N; i++)
            f[i] = from_bits((uint32_t)(u + 8191 * (uint64_t)i));
        k->to_f16(N, f, h);
        k->to_bf16(N, f, back);
        for (int i = 0; i < N; i++) {
            assert_int_equal(h[i], f32_to_f16(f[i]));
            assert_int_equal(back[i], f32_to_bf16(f[i]));
        }
    }
}

/* Numbers half way between two f16, and those next to them. */
static void check_ties(const cpu_kernels *k) {
    for (uint32_t u = 0; u < 0x7c00; u++) {
        const float tie =
            (f16_to_f32((uint16_t)u) + f16_to_f32((uint16_t)(u + 1))) / 2;
        const float x[3] = {nextafterf(tie, 0), tie, nextafterf(tie, INFINITY)};
        uint16_t h[3];
        if (u == 0x7bff) continue; /* the next one is infinity */
        k->to_f16(3, x, h);
        for (int i = 0; i < 3; i++) assert_int_equal(h[i], f32_to_f16(x[i]));
    }
}

void test_vec_convert(void **state) {
    (void)state;
    for (const cpu_kernels *const *k = cpu_kernels_usable(); *k; k++) {
        check_halves(*k);
        check_ties(*k);
    }
}
