/* dot_tile.c - products of rows with rows, the chain of inference.
 *
 * y[i, j] = sum over k of x[i, k] w[j, k] in 16 lanes: lane l adds the terms
 * of k = l, l + 16, ... by fused multiply-add from 0, the last ones padded
 * with zeros; then lanes l and l + 8 are added, the 8 results l and l + 4, and
 * so on.  Every instruction set and every m and n give the same bits. */
#include "backend/cpu/isa/isa.h"

#include ISA_SIMD

enum { LANES = 16, GROUPS = LANES / VEC }; /* vectors that make up the lanes */

typedef struct rows {
    int64_t k; /* a multiple of LANES */
    const float *x;
    int64_t ldx;
    const float *w;
    int64_t ldw;
} rows;

/* Lanes [first, first + groups) of m x n sums to out[i * 4 + j][16], or added
 * to what is there. */
static inline __attribute__((always_inline)) void lanes(
    const int m, const int n, const int groups, const rows *r, int first,
    bool add, float (*out)[LANES]) {
    vec sum[DOT_M][DOT_N][GROUPS];
    const float *x = r->x + first * VEC, *w = r->w + first * VEC;
#pragma GCC unroll 16
    for (int i = 0; i < m; i++)
#pragma GCC unroll 16
        for (int j = 0; j < n; j++)
#pragma GCC unroll 16
            for (int g = 0; g < groups; g++)
                sum[i][j][g] =
                    add ? vec_load(out[i * 4 + j] + (first + g) * VEC)
                        : vec_zero();
    for (int64_t k = 0; k < r->k; k += LANES) {
#pragma GCC unroll 16
        for (int g = 0; g < groups; g++) {
            vec a[DOT_M];
#pragma GCC unroll 16
            for (int i = 0; i < m; i++)
                a[i] = vec_load(x + i * r->ldx + k + g * VEC);
#pragma GCC unroll 16
            for (int j = 0; j < n; j++) {
                const vec b = vec_keep(vec_load(w + j * r->ldw + k + g * VEC));
#pragma GCC unroll 16
                for (int i = 0; i < m; i++)
                    sum[i][j][g] = vec_fma(a[i], b, sum[i][j][g]);
            }
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < m; i++)
#pragma GCC unroll 16
        for (int j = 0; j < n; j++)
#pragma GCC unroll 16
            for (int g = 0; g < groups; g++)
                vec_store(out[i * 4 + j] + (first + g) * VEC, sum[i][j][g]);
}

/* The last `left` < 16 terms, zeros behind them. */
static void tail(const rows *r, int64_t left, int m, int n,
                 float (*out)[LANES]) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int g = 0; g < GROUPS; g++) {
                float *at = out[i * 4 + j] + g * VEC;
                const int64_t some = left - g * VEC;
                const vec a = vec_load_n(r->x + i * r->ldx + g * VEC, some);
                const vec b = vec_load_n(r->w + j * r->ldw + g * VEC, some);
                vec_store(at, vec_fma(a, b, vec_load(at)));
            }
}

typedef float quad __attribute__((vector_size(16)));

static inline quad quad_load(const float *p) {
    quad x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
}

static inline float join(const float *l) {
    const quad s = (quad_load(l) + quad_load(l + 8)) +
                   (quad_load(l + 4) + quad_load(l + 12));
    return (s[0] + s[2]) + (s[1] + s[3]);
}

static void part_any(int m, int n, const rows *r, bool add,
                     float (*out)[LANES]) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            const rows one = {r->k, r->x + i * r->ldx, r->ldx,
                              r->w + j * r->ldw, r->ldw};
            lanes(1, 1, GROUPS, &one, 0, add, out + i * 4 + j);
        }
}

/* Some steps of the whole tile, in parts that fit the registers. */
static void steps(const rows *r, int m, int n, bool add, float (*out)[LANES]) {
    for (int i = 0; i < m; i += DOT_M)
        for (int j = 0; j < n; j += DOT_N) {
            const rows part = {r->k, r->x + i * r->ldx, r->ldx,
                               r->w + j * r->ldw, r->ldw};
            const int mi = m - i < DOT_M ? m - i : DOT_M;
            const int nj = n - j < DOT_N ? n - j : DOT_N;
            float(*to)[LANES] = out + i * 4 + j;
            if (mi == DOT_M && nj == DOT_N)
                for (int g = 0; g < GROUPS; g++)
                    lanes(DOT_M, DOT_N, 1, &part, g, add, to);
            else if (mi == 1 && nj == DOT_N)
                lanes(1, DOT_N, GROUPS, &part, 0, add, to);
            else
                part_any(mi, nj, &part, add, to);
        }
}

void ISA_NAME(dot_tile)(int64_t k, const float *x, int64_t ldx, const float *w,
                        int64_t ldw, float *y, int64_t ldy, int m, int n) {
    _Alignas(64) float out[16][LANES];
    const int64_t left = k % LANES, whole = k - left;
    rows r = {0, x, ldx, w, ldw};
    int64_t at = 0;
    do {
        r.k = whole - at < DOT_STEPS ? whole - at : DOT_STEPS;
        r.x = x + at;
        r.w = w + at;
        steps(&r, m, n, at > 0, out);
        at += r.k;
    } while (at < whole);
    r.x = x + whole;
    r.w = w + whole;
    if (left) tail(&r, left, m, n, out);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) y[i * ldy + j] = join(out[i * 4 + j]);
}
