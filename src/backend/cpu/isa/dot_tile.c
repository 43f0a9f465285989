/* dot_tile.c - products of rows with rows, the chain of inference.
 *
 * y[i, j] = sum over k of x[i, k] w[j, k] in 16 lanes: lane l adds the terms
 * of k = l, l + 16, ... by fused multiply-add from 0, the last ones padded
 * with zeros; then lanes l and l + 8 are added, the 8 results l and l + 4, and
 * so on.  Every instruction set and every m and n give the same bits.  Rows w
 * of 16 bits are widened as they are read, which is exact. */
#include "backend/cpu/isa/isa.h"

#include ISA_INT8

enum weight_kind { FULL, HALF, BRAIN }; /* f32, f16, bf16 */

typedef struct rows {
    int64_t k; /* a multiple of LANES */
    const float *x;
    int64_t ldx;
    const void *w;
    int64_t ldw;
} rows;

/* Row j of w from element k on. */
ALWAYS const void *row_of(const enum weight_kind kind, const rows *r, int j,
                          int64_t k) {
    return (const char *)r->w + (j * r->ldw + k) * (kind == FULL ? 4 : 2);
}

ALWAYS vec load_kind(const enum weight_kind kind, const void *p) {
    if (kind == HALF) return load_halves(p);
    if (kind == BRAIN) return load_brain(p);
    return vec_load(p);
}

/* The first n elements, then zeros; n <= 0 reads nothing. */
ALWAYS vec load_some(const enum weight_kind kind, const void *p, int64_t n) {
    uint16_t some[VEC] = {0};
    if (kind == FULL) return vec_load_n(p, n);
    if (n > 0) memcpy(some, p, (size_t)(n < VEC ? n : VEC) * sizeof *some);
    return load_kind(kind, some);
}

/* Lanes [first, first + groups) of m x n sums to out[i * 4 + j][16], or added
 * to what is there. */
static inline __attribute__((always_inline)) void lanes(
    const enum weight_kind kind, const int m, const int n, const int groups,
    const rows *r, int first, bool add, float (*out)[LANES]) {
    vec sum[DOT_M][DOT_N][GROUPS];
    const float *x = r->x + first * VEC;
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
                const vec b = vec_keep(
                    load_kind(kind, row_of(kind, r, j, k + (first + g) * VEC)));
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
ALWAYS void tail(const enum weight_kind kind, const rows *r, int64_t left,
                 int m, int n, float (*out)[LANES]) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int g = 0; g < GROUPS; g++) {
                float *at = out[i * 4 + j] + g * VEC;
                const int64_t some = left - g * VEC;
                const vec a = vec_load_n(r->x + i * r->ldx + g * VEC, some);
                const vec b =
                    load_some(kind, row_of(kind, r, j, g * VEC), some);
                vec_store(at, vec_fma(a, b, vec_load(at)));
            }
}

ALWAYS void part_any(const enum weight_kind kind, int m, int n, const rows *r,
                     bool add, float (*out)[LANES]) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            const rows one = {r->k, r->x + i * r->ldx, r->ldx,
                              row_of(kind, r, j, 0), r->ldw};
            lanes(kind, 1, 1, GROUPS, &one, 0, add, out + i * 4 + j);
        }
}

/* Some steps of the whole tile, in parts that fit the registers. */
ALWAYS void steps(const enum weight_kind kind, const rows *r, int m, int n,
                  bool add, float (*out)[LANES]) {
    for (int i = 0; i < m; i += DOT_M)
        for (int j = 0; j < n; j += DOT_N) {
            const rows part = {r->k, r->x + i * r->ldx, r->ldx,
                               row_of(kind, r, j, 0), r->ldw};
            const int mi = m - i < DOT_M ? m - i : DOT_M;
            const int nj = n - j < DOT_N ? n - j : DOT_N;
            float(*to)[LANES] = out + i * 4 + j;
            if (mi == DOT_M && nj == DOT_N)
                for (int g = 0; g < GROUPS; g++)
                    lanes(kind, DOT_M, DOT_N, 1, &part, g, add, to);
            else if (mi == 1 && nj == DOT_N)
                lanes(kind, 1, DOT_N, GROUPS, &part, 0, add, to);
            else if (mi == 2 && nj == DOT_N)
                for (int g = 0; g < GROUPS; g++)
                    lanes(kind, 2, DOT_N, 1, &part, g, add, to);
            else if (DOT_M > 3 && mi == 3 && nj == DOT_N)
                for (int g = 0; g < GROUPS; g++)
                    lanes(kind, 3, DOT_N, 1, &part, g, add, to);
            else
                part_any(kind, mi, nj, &part, add, to);
        }
}

/* The tile of all, whose k is that of the sums. */
ALWAYS void tile(const enum weight_kind kind, const rows *all, float *y,
                 int64_t ldy, int m, int n) {
    _Alignas(64) float out[16][LANES];
    const int64_t left = all->k % LANES, whole = all->k - left;
    rows r = *all;
    int64_t at = 0;
    do {
        r.k = whole - at < DOT_STEPS ? whole - at : DOT_STEPS;
        r.x = all->x + at;
        r.w = row_of(kind, all, 0, at);
        steps(kind, &r, m, n, at > 0, out);
        at += r.k;
    } while (at < whole);
    r.x = all->x + whole;
    r.w = row_of(kind, all, 0, whole);
    if (left) tail(kind, &r, left, m, n, out);
    for (int i = 0; i < m; i++) {
        if (n == 4) {
            const quad four = join_four(out + i * 4);
            memcpy(y + i * ldy, &four, sizeof four);
            continue;
        }
        for (int j = 0; j < n; j++) y[i * ldy + j] = join_lanes(out[i * 4 + j]);
    }
}

void ISA_NAME(dot_tile)(int64_t k, const float *x, int64_t ldx, const float *w,
                        int64_t ldw, float *y, int64_t ldy, int m, int n) {
    const rows r = {k, x, ldx, w, ldw};
    tile(FULL, &r, y, ldy, m, n);
}

void ISA_NAME(dot_tile16)(int64_t k, const float *x, int64_t ldx,
                          const uint16_t *w, int64_t ldw, bool brain, float *y,
                          int64_t ldy, int m, int n) {
    const rows r = {k, x, ldx, w, ldw};
    if (brain)
        tile(BRAIN, &r, y, ldy, m, n);
    else
        tile(HALF, &r, y, ldy, m, n);
}
