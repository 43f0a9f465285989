/* int8_neoni8mm.h - sums of products of bytes by usmmla, which multiplies 8
 * bytes of two rows of weights with 8 bytes of two rows of activations: half
 * the instructions of a dot product.  One row alone takes usdot. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_any.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 4, BOUNDED = 0 };

/* Four bytes of row i. */
ALWAYS int8x16_t four_of(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

ALWAYS void one_row(const int steps, const uint8_t *u, const int8_t *x,
                    int32_t start, bits *s) {
    int32x4_t sum[PARTS];
#pragma GCC unroll 4
    for (int p = 0; p < PARTS; p++) sum[p] = vdupq_n_s32(start);
#pragma GCC unroll 8
    for (int t = 0; t < steps; t++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++)
            sum[p] =
                vusdotq_s32(sum[p], vld1q_u8(u + t * 4 * PANEL8 + p * 4 * VEC),
                            four_of(x + 4 * t));
    memcpy(s, sum, sizeof sum);
}

/* Steps t and t + 1 of rows 0, 1 and 2, 3 of part p. */
ALWAYS uint8x16x2_t row_pairs(const uint8_t *u, int p) {
    const uint32x4_t a = vreinterpretq_u32_u8(vld1q_u8(u + p * 4 * VEC));
    const uint32x4_t b =
        vreinterpretq_u32_u8(vld1q_u8(u + 4 * PANEL8 + p * 4 * VEC));
    return (uint8x16x2_t){{vreinterpretq_u8_u32(vzip1q_u32(a, b)),
                           vreinterpretq_u8_u32(vzip2q_u32(a, b))}};
}

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    int32x4_t sum[DOT8_M / 2][PARTS][2]; /* w0 x0, w0 x1, w1 x0, w1 x1 */
    (void)top;
    if (m == 1) {
        one_row(steps, u, x, *start, *s);
        return;
    }
#pragma GCC unroll 2
    for (int i = 0; i < m / 2; i++) {
        const int32_t from[4] = {
            start[2 * i * ld_start], start[(2 * i + 1) * ld_start],
            start[2 * i * ld_start], start[(2 * i + 1) * ld_start]};
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++)
            sum[i][p][0] = sum[i][p][1] = vld1q_s32(from);
    }
#pragma GCC unroll 4
    for (int t = 0; t < steps; t += 2)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) {
            const uint8x16x2_t w = row_pairs(u + t * 4 * PANEL8, p);
#pragma GCC unroll 2
            for (int i = 0; i < m / 2; i++) {
                const int8_t *a = x + 2 * i * ld_x + 4 * t;
                const int8x16_t both =
                    vcombine_s8(vld1_s8(a), vld1_s8(a + ld_x));
                sum[i][p][0] = vusmmlaq_s32(sum[i][p][0], w.val[0], both);
                sum[i][p][1] = vusmmlaq_s32(sum[i][p][1], w.val[1], both);
            }
        }
#pragma GCC unroll 2
    for (int i = 0; i < m / 2; i++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) {
            const int32x4_t even = vuzp1q_s32(sum[i][p][0], sum[i][p][1]);
            const int32x4_t odd = vuzp2q_s32(sum[i][p][0], sum[i][p][1]);
            memcpy(&s[2 * i][p], &even, sizeof even);
            memcpy(&s[2 * i + 1][p], &odd, sizeof odd);
        }
}

#endif
