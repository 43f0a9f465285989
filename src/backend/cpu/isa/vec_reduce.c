/* vec_reduce.c - sums and the like over one row.
 *
 * Element i belongs to lane i mod 16; each lane is one chain in the order of
 * i, and lanes are joined l and l + 8, l and l + 4, and so on, so sums have
 * the same bits on every instruction set.  Sums of squares are exact products
 * of floats added in double. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

ALWAYS void clear(vec *total) {
    for (int g = 0; g < GROUPS; g++) total[g] = vec_zero();
}

float ISA_NAME(dot)(int64_t n, const float *x, const float *y) {
    vec total[GROUPS];
    clear(total);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int g = 0; g < GROUPS; g++)
            total[g] = vec_fma(vec_load(x + i + g * VEC),
                               vec_load(y + i + g * VEC), total[g]);
    for (int g = 0; i < n; i += VEC, g++)
        total[g] = vec_fma(vec_load_n(x + i, n - i), vec_load_n(y + i, n - i),
                           total[g]);
    return join_sum(total);
}

/* ---- in double: 16 chains, joined as above ---- */

enum { WIDE = LANES / DOUBLES };

/* The lanes of `total` and the n elements behind them, squared or not. */
ALWAYS double join_wide(const bool squares, const wide_vec *total, int64_t n,
                        const float *x) {
    double l[LANES];
    memcpy(l, total, sizeof l);
    for (int64_t j = 0; j < n; j++)
        l[j] += squares ? (double)x[j] * x[j] : (double)x[j];
    for (int m = LANES / 2; m > 0; m /= 2)
        for (int j = 0; j < m; j++) l[j] += l[j + m];
    return l[0];
}

ALWAYS double wide_sum(const bool squares, int64_t n, const float *x) {
    wide_vec total[WIDE];
    int64_t i = 0;
    memset(total, 0, sizeof total);
    for (; i + LANES <= n; i += LANES)
        for (int g = 0; g < WIDE; g++) {
            const wide_vec w = wide_load(x + i + g * DOUBLES);
            total[g] = total[g] + (squares ? w * w : w);
        }
    return join_wide(squares, total, n - i, x + i);
}

double ISA_NAME(sum)(int64_t n, const float *x) {
    return wide_sum(false, n, x);
}

double ISA_NAME(sum_sqr)(int64_t n, const float *x) {
    return wide_sum(true, n, x);
}

/* A NaN is larger than every number, so one in the data shows. */
ALWAYS vec larger(vec x, vec max) {
    return choose((bits)(x > max) | (bits)(x != x), x, max);
}

float ISA_NAME(max)(int64_t n, const float *x) {
    enum { CHAINS = 4 };
    vec m[CHAINS];
    float l[VEC], max = -INFINITY;
    int64_t i = 0;
    for (int g = 0; g < CHAINS; g++) m[g] = vec_set1(-INFINITY);
    for (; i + CHAINS * VEC <= n; i += CHAINS * VEC)
        for (int g = 0; g < CHAINS; g++)
            m[g] = larger(vec_load(x + i + g * VEC), m[g]);
    for (; i + VEC <= n; i += VEC) m[0] = larger(vec_load(x + i), m[0]);
    if (i < n) m[0] = larger(load_or(x + i, n - i, -INFINITY), m[0]);
    for (int g = 1; g < CHAINS; g++) m[0] = larger(m[g], m[0]);
    vec_store(l, m[0]);
    for (int j = 0; j < VEC; j++) max = l[j] > max || l[j] != l[j] ? l[j] : max;
    return max;
}

/* y += x_0 + x_1 + ..., four rows at a time. */
void ISA_NAME(add_rows)(int64_t rows, int64_t n, const float *x, int64_t ldx,
                        float *y) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const float *a = x + r * ldx, *b = a + ldx, *c = b + ldx, *d = c + ldx;
        int64_t i = 0;
        for (; i + VEC <= n; i += VEC)
            vec_store(y + i,
                      vec_load(y + i) + ((vec_load(a + i) + vec_load(b + i)) +
                                         (vec_load(c + i) + vec_load(d + i))));
        for (; i < n; i++) y[i] += (a[i] + b[i]) + (c[i] + d[i]);
    }
    for (; r < rows; r++)
        for (int64_t i = 0; i < n; i++) y[i] += x[r * ldx + i];
}

float ISA_NAME(exp_sub_sum)(int64_t n, const float *x, float max, float *y) {
    const vec m = vec_set1(max);
    vec total[GROUPS];
    clear(total);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int g = 0; g < GROUPS; g++) {
            const vec e = vec_exp_step(vec_load(x + i + g * VEC) - m);
            vec_store(y + i + g * VEC, e);
            total[g] = total[g] + e;
        }
    for (int g = 0; i < n; i += VEC, g++) {
        const int64_t some = n - i < VEC ? n - i : VEC;
        store_n(y + i, vec_exp_step(load_or(x + i, some, max) - m), some);
        total[g] = total[g] + vec_load_n(y + i, some);
    }
    return join_sum(total);
}
