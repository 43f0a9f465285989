/* int8_svei8mm.h - int8_neoni8mm.h with the vectors of SVE: usmmla multiplies
 * within each 16 bytes, so two rows of activations are repeated there. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_any.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 4, BOUNDED = 0 };

ALWAYS void one_row(const int steps, const uint8_t *u, const int8_t *x,
                    int32_t start, bits *s) {
#pragma GCC unroll 2
    for (int p = 0; p < PARTS; p++) s[p] = svdup_s32(start);
#pragma GCC unroll 8
    for (int t = 0; t < steps; t++)
#pragma GCC unroll 2
        for (int p = 0; p < PARTS; p++) {
            int32_t four;
            memcpy(&four, x + 4 * t, sizeof four);
            const svuint8_t w =
                svld1_u8(svptrue_b8(), u + t * 4 * PANEL8 + p * 4 * VEC);
            s[p] = svusdot_s32(s[p], w, svreinterpret_s8_s32(svdup_s32(four)));
        }
}

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    bits sum[DOT8_M / 2][PARTS][2]; /* w0 x0, w0 x1, w1 x0, w1 x1; ... */
    (void)top;
    if (m == 1) {
        one_row(steps, u, x, *start, *s);
        return;
    }
#pragma GCC unroll 2
    for (int i = 0; i < m / 2; i++)
#pragma GCC unroll 2
        for (int p = 0; p < PARTS; p++) {
            const int32_t a = start[2 * i * ld_start];
            const int32_t b = start[(2 * i + 1) * ld_start];
            sum[i][p][0] = sum[i][p][1] = svdupq_n_s32(a, b, a, b);
        }
#pragma GCC unroll 4
    for (int t = 0; t < steps; t += 2)
#pragma GCC unroll 2
        for (int p = 0; p < PARTS; p++) {
            const uint8_t *at = u + t * 4 * PANEL8 + p * 4 * VEC;
            const svuint32_t w0 =
                svreinterpret_u32_u8(svld1_u8(svptrue_b8(), at));
            const svuint32_t w1 =
                svreinterpret_u32_u8(svld1_u8(svptrue_b8(), at + 4 * PANEL8));
            const svuint8_t low = svreinterpret_u8_u32(svzip1_u32(w0, w1));
            const svuint8_t high = svreinterpret_u8_u32(svzip2_u32(w0, w1));
#pragma GCC unroll 2
            for (int i = 0; i < m / 2; i++) {
                int64_t eight[2];
                memcpy(eight, x + 2 * i * ld_x + 4 * t, sizeof *eight);
                memcpy(eight + 1, x + (2 * i + 1) * ld_x + 4 * t,
                       sizeof *eight);
                const svint8_t both =
                    svreinterpret_s8_s64(svdupq_n_s64(eight[0], eight[1]));
                sum[i][p][0] = svusmmla_s32(sum[i][p][0], low, both);
                sum[i][p][1] = svusmmla_s32(sum[i][p][1], high, both);
            }
        }
#pragma GCC unroll 2
    for (int i = 0; i < m / 2; i++)
#pragma GCC unroll 2
        for (int p = 0; p < PARTS; p++) {
            s[2 * i][p] = svuzp1_s32(sum[i][p][0], sum[i][p][1]);
            s[2 * i + 1][p] = svuzp2_s32(sum[i][p][0], sum[i][p][1]);
        }
}

#endif
