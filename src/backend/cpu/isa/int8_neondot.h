/* int8_neondot.h - sums of products of bytes by sdot: levels are below 128, or
 * have offset 128 and are signed without it. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_any.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 4, BOUNDED = 1 };

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows; without start if
 * top is 255. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    int32x4_t sum[DOT8_M][PARTS];
#pragma GCC unroll 4
    for (int i = 0; i < m; i++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++)
            sum[i][p] = vdupq_n_s32(top == 255 ? 0 : start[i * ld_start]);
#pragma GCC unroll 8
    for (int t = 0; t < steps; t++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) {
            uint8x16_t level = vld1q_u8(u + t * 4 * PANEL8 + p * 4 * VEC);
            if (top == 255) level = veorq_u8(level, vdupq_n_u8(0x80));
#pragma GCC unroll 4
            for (int i = 0; i < m; i++) {
                int32_t four;
                memcpy(&four, x + i * ld_x + 4 * t, sizeof four);
                sum[i][p] = vdotq_s32(sum[i][p], vreinterpretq_s8_u8(level),
                                      vreinterpretq_s8_s32(vdupq_n_s32(four)));
            }
        }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) memcpy(s[i], sum[i], sizeof sum[i]);
}

#endif
