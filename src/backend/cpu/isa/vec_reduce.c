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

float ISA_NAME(sum)(int64_t n, const float *x) {
    vec total[GROUPS];
    clear(total);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int g = 0; g < GROUPS; g++)
            total[g] = total[g] + vec_load(x + i + g * VEC);
    for (int g = 0; i < n; i += VEC, g++)
        total[g] = total[g] + vec_load_n(x + i, n - i);
    return join_sum(total);
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

/* Half a vector of floats is a register of doubles. */
enum { HALF = VEC / 2, WIDE = LANES / HALF };
typedef float half_vec __attribute__((vector_size(HALF * sizeof(float))));
typedef double wide_vec __attribute__((vector_size(HALF * sizeof(double))));

double ISA_NAME(sum_sqr)(int64_t n, const float *x) {
    wide_vec total[WIDE];
    double l[LANES];
    int64_t i = 0;
    memset(total, 0, sizeof total);
    for (; i + LANES <= n; i += LANES)
        for (int g = 0; g < WIDE; g++) {
            half_vec h;
            memcpy(&h, x + i + g * HALF, sizeof h);
            const wide_vec w = __builtin_convertvector(h, wide_vec);
            total[g] = total[g] + w * w;
        }
    memcpy(l, total, sizeof l);
    for (int64_t j = 0; i + j < n; j++) l[j] += (double)x[i + j] * x[i + j];
    for (int m = LANES / 2; m > 0; m /= 2)
        for (int j = 0; j < m; j++) l[j] += l[j + m];
    return l[0];
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

float ISA_NAME(exp_sub_sum)(int64_t n, const float *x, float max, float *y) {
    const vec m = vec_set1(max);
    vec total[GROUPS];
    clear(total);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int g = 0; g < GROUPS; g++) {
            const vec e = vec_exp(vec_load(x + i + g * VEC) - m);
            vec_store(y + i + g * VEC, e);
            total[g] = total[g] + e;
        }
    for (int g = 0; i < n; i += VEC, g++) {
        const int64_t some = n - i < VEC ? n - i : VEC;
        store_n(y + i, vec_exp(load_or(x + i, some, max) - m), some);
        total[g] = total[g] + vec_load_n(y + i, some);
    }
    return join_sum(total);
}
