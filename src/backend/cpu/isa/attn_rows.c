/* attn_rows.c - the softmax parts of attention and of the cross-entropy.
 *
 * Scores of training attention lie [keys][nr queries], as gemm_tile writes and
 * reads them, so a lane is a query: maxima and sums over keys need no
 * exchange between lanes.  Inference has rows of scores, [keys].
 *
 * A weight is exp as in vec_math.h for x <= 88 only, and 0 where that would be
 * subnormal: such weights change nothing, and many CPUs are slow with them. */
#include <float.h>

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

enum {
    NR = ISA_NAME(NR),
    WIDE = NR / VEC,   /* vectors in a row of scores: 2 or 3 */
    MANY = DOT_M == 4, /* registers: 32 */
};

typedef uint32_t unsigned_bits __attribute__((vector_size(sizeof(vec))));

/* a where a > b, else b. */
ALWAYS vec larger(vec a, vec b) { return choose((bits)(a > b), a, b); }

ALWAYS vec weight(vec x) {
    const vec magic = vec_set1(0x1.8p23f);
    const bits dead = (bits)(x < vec_set1(-87.33654f));
    const vec t = vec_mul_add(x, vec_set1(1.44269504f), magic);
    const vec n = t - magic;
    vec r = vec_mul_add(n, vec_set1(-0.693359375f), x);
    r = vec_mul_add(n, vec_set1(2.12194440e-4f), r);
    vec y =
        vec_mul_add(vec_set1(1.9875691500e-4f), r, vec_set1(1.3981999507e-3f));
    y = vec_mul_add(y, r, vec_set1(8.3334519073e-3f));
    y = vec_mul_add(y, r, vec_set1(4.1665795894e-2f));
    y = vec_mul_add(y, r, vec_set1(1.6666665459e-1f));
    y = vec_mul_add(y, r, vec_set1(5.0000001201e-1f));
    y = vec_mul_add(y, r * r, r) + vec_set1(1);
    /* The low bits of t are n; lanes that are dead may wrap. */
    const unsigned_bits n_bits = (unsigned_bits)bits_of(t) << 23;
    return vec_of((bits)((unsigned_bits)bits_of(y) + n_bits) & ~dead);
}

/* ---- columns: training ---- */

void ISA_NAME(softmax_cols)(int64_t rows, float *s, float scale, float *max,
                            float *sum, float *shrink) {
    const vec a = vec_set1(scale);
    for (int w = 0; w < WIDE; w++) {
        float *x = s + w * VEC;
        const vec old = vec_load(max + w * VEC);
        vec m0 = old, m1 = old, total = vec_zero();
        int64_t i = 0;
        for (; i + 2 <= rows; i += 2) {
            m0 = larger(a * vec_load(x + i * NR), m0);
            m1 = larger(a * vec_load(x + i * NR + NR), m1);
        }
        if (i < rows) m0 = larger(a * vec_load(x + i * NR), m0);
        m0 = larger(m0, m1);
        vec_store(max + w * VEC, m0);
        /* Columns that have seen nothing: exp(-inf - m) is 0. */
        m0 = larger(m0, vec_set1(-FLT_MAX));
        for (i = 0; i < rows; i++) {
            const vec p = weight(a * vec_load(x + i * NR) - m0);
            vec_store(x + i * NR, p);
            total = total + p;
        }
        const vec f = weight(old - m0);
        vec_store(shrink + w * VEC, f);
        vec_store(sum + w * VEC, vec_load(sum + w * VEC) * f + total);
    }
}

void ISA_NAME(mul_cols)(int64_t rows, float *x, const float *f) {
    for (int64_t i = 0; i < rows; i++)
        for (int w = 0; w < WIDE; w++) {
            float *at = x + i * NR + w * VEC;
            vec_store(at, vec_load(at) * vec_load(f + w * VEC));
        }
}

/* `capped` is a constant in both calls. */
ALWAYS void columns_dx(const bool capped, int64_t rows, float *s, float *dp,
                       const float *lse, const float *delta, float scale,
                       float ds_scale, float cap) {
    const vec a = vec_set1(scale), b = vec_set1(ds_scale), one = vec_set1(1);
    const vec inverse = vec_set1(capped ? 1 / cap : 0);
    for (int w = 0; w < WIDE; w++) {
        const vec l = vec_load(lse + w * VEC), d = vec_load(delta + w * VEC);
        for (int64_t i = 0; i < rows; i++) {
            float *at = s + i * NR + w * VEC, *grad = dp + i * NR + w * VEC;
            const vec z = a * vec_load(at);
            const vec p = weight(z - l);
            vec ds = p * (vec_load(grad) - d) * b;
            if (capped) {
                const vec x = z * inverse;
                /* A masked score is -inf: 0 times infinity. */
                const bits dead = (bits)(p == vec_zero());
                ds = vec_of(bits_of(ds * (one - x * x)) & ~dead);
            }
            vec_store(at, p);
            vec_store(grad, ds);
        }
    }
}

void ISA_NAME(softmax_cols_dx)(int64_t rows, float *s, float *dp,
                               const float *lse, const float *delta,
                               float scale, float ds_scale, float cap) {
    if (cap > 0)
        columns_dx(true, rows, s, dp, lse, delta, scale, ds_scale, cap);
    else
        columns_dx(false, rows, s, dp, lse, delta, scale, ds_scale, cap);
}

/* ---- rows: inference ---- */

enum { MOST = 16 }; /* rows of softmax_rows */

/* The largest of max and scale x, lane by lane. */
ALWAYS void row_maxima(int64_t n, const float *x, vec scale, float max,
                       float *lanes) {
    vec m = vec_set1(max);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) m = larger(scale * vec_load(x + i), m);
    if (i < n) {
        const vec last = scale * load_or(x + i, n - i, 0);
        float some[VEC];
        vec_store(some, last);
        m = larger(load_or(some, n - i, max), m);
    }
    vec_store(lanes, m);
}

static inline float largest(float *l) {
    for (int half = VEC / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            l[j] = l[j] > l[j + half] ? l[j] : l[j + half];
    return l[0];
}

/* x = exp(scale x - max); the sums of its lanes. */
ALWAYS void row_weights(int64_t n, float *x, vec scale, float max,
                        float *lanes) {
    const vec m = vec_set1(max);
    vec total[GROUPS];
    for (int g = 0; g < GROUPS; g++) total[g] = vec_zero();
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int g = 0; g < GROUPS; g++) {
            const vec p = weight(scale * vec_load(x + i + g * VEC) - m);
            vec_store(x + i + g * VEC, p);
            total[g] = total[g] + p;
        }
    for (int g = 0; i < n; i += VEC, g++) {
        const int64_t some = n - i < VEC ? n - i : VEC;
        float last[VEC];
        vec_store(last, weight(scale * load_or(x + i, some, 0) - m));
        const vec p = load_or(last, some, 0);
        store_n(x + i, p, some);
        total[g] = total[g] + p;
    }
    for (int g = 0; g < GROUPS; g++) vec_store(lanes + g * VEC, total[g]);
}

/* In stages, as the steps of one row wait for each other and those of
 * different rows do not. */
void ISA_NAME(softmax_rows)(int m, int64_t n, float *s, int64_t lds,
                            float scale, float *max, float *sum,
                            float *shrink) {
    _Alignas(64) float lanes[MOST][LANES], now[MOST] = {0}, old[MOST] = {0};
    const vec a = vec_set1(scale);
    for (int i = 0; i < m; i++) row_maxima(n, s + i * lds, a, max[i], lanes[i]);
    for (int i = 0; i < m; i++) {
        const float most = largest(lanes[i]);
        old[i] = max[i];
        max[i] = most;
        now[i] = most > -FLT_MAX ? most : -FLT_MAX;
    }
    for (int i = 0; i < m; i += VEC)
        vec_store(old + i, weight(vec_load(old + i) - vec_load(now + i)));
    for (int i = 0; i < m; i++)
        row_weights(n, s + i * lds, a, now[i], lanes[i]);
    for (int i = 0; i < m; i++) {
        shrink[i] = old[i];
        sum[i] = sum[i] * shrink[i] + join_lanes(lanes[i]);
    }
}

/* m rows of o, columns [0, wide VEC). */
ALWAYS void mix(const int m, const int wide, int64_t n, const float *p,
                int64_t ldp, const float *v, int64_t ldv, float *o,
                int64_t ldo) {
    vec sum[4][4];
#pragma GCC unroll 4
    for (int i = 0; i < m; i++)
#pragma GCC unroll 4
        for (int w = 0; w < wide; w++)
            sum[i][w] = vec_load(o + i * ldo + w * VEC);
    for (int64_t j = 0; j < n; j++) {
        vec x[4];
#pragma GCC unroll 4
        for (int w = 0; w < wide; w++) x[w] = vec_load(v + j * ldv + w * VEC);
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            const vec f = vec_set1(p[i * ldp + j]);
#pragma GCC unroll 4
            for (int w = 0; w < wide; w++)
                sum[i][w] = vec_mul_add(f, x[w], sum[i][w]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++)
#pragma GCC unroll 4
        for (int w = 0; w < wide; w++)
            vec_store(o + i * ldo + w * VEC, sum[i][w]);
}

/* The last some < VEC columns of one row. */
static void mix_tail(int64_t n, int64_t some, const float *p, const float *v,
                     int64_t ldv, float *o) {
    vec sum = load_or(o, some, 0);
    for (int64_t j = 0; j < n; j++)
        sum = vec_mul_add(vec_set1(p[j]), vec_load_n(v + j * ldv, some), sum);
    store_n(o, sum, some);
}

void ISA_NAME(mix_rows)(int64_t n, int64_t e, const float *p, int64_t ldp,
                        const float *v, int64_t ldv, float *o, int64_t ldo,
                        int m) {
    int64_t c = 0;
    if (m == 4) {
        for (; MANY && c + 4 * VEC <= e; c += 4 * VEC)
            mix(4, 4, n, p, ldp, v + c, ldv, o + c, ldo);
        for (; c + 2 * VEC <= e; c += 2 * VEC)
            mix(4, 2, n, p, ldp, v + c, ldv, o + c, ldo);
    }
    for (int i = 0; i < m; i++) {
        const float *pi = p + i * ldp;
        float *oi = o + i * ldo;
        int64_t at = c;
        for (; at + 4 * VEC <= e; at += 4 * VEC)
            mix(1, 4, n, pi, ldp, v + at, ldv, oi + at, ldo);
        for (; at + VEC <= e; at += VEC)
            mix(1, 1, n, pi, ldp, v + at, ldv, oi + at, ldo);
        if (at < e) mix_tail(n, e - at, pi, v + at, ldv, oi + at);
    }
}

/* ---- rows: cross-entropy ---- */

float ISA_NAME(exp_sum)(int64_t n, const float *x, float max) {
    const vec m = vec_set1(max > -FLT_MAX ? max : -FLT_MAX);
    vec total[GROUPS];
    for (int g = 0; g < GROUPS; g++) total[g] = vec_zero();
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int g = 0; g < GROUPS; g++)
            total[g] = total[g] + weight(vec_load(x + i + g * VEC) - m);
    for (int g = 0; i < n; i += VEC, g++) {
        const int64_t some = n - i < VEC ? n - i : VEC;
        total[g] = total[g] + weight(load_or(x + i, some, -INFINITY) - m);
    }
    return join_sum(total);
}

ALWAYS vec dz_of(const bool capped, vec z, vec lse, vec g, vec inverse) {
    const vec p = weight(z - lse) * g;
    if (!capped) return p;
    const vec x = z * inverse;
    return p * (vec_set1(1) - x * x);
}

ALWAYS void row_dz(const bool capped, int64_t n, float *z, float lse, float g,
                   float cap) {
    const vec l = vec_set1(lse), minus = vec_set1(-g);
    const vec inverse = vec_set1(capped ? 1 / cap : 0);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        vec_store(z + i, dz_of(capped, vec_load(z + i), l, minus, inverse));
    if (i < n)
        store_n(z + i,
                dz_of(capped, load_or(z + i, n - i, 0), l, minus, inverse),
                n - i);
}

void ISA_NAME(xent_dz)(int64_t n, float *z, float lse, float g, float cap) {
    if (cap > 0)
        row_dz(true, n, z, lse, g, cap);
    else
        row_dz(false, n, z, lse, g, cap);
}
