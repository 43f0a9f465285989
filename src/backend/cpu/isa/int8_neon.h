/* int8_neon.h - sums of products of bytes by smull: levels are below 128, or
 * have offset 128 and are signed without it. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_any.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 2, BOUNDED = 1 };

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows; without start if
 * top is 255. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    /* products added in 16 bits before pairs are */
    const int most = top <= 31 ? 8 : top <= 63 ? 4 : top <= 127 ? 2 : 1;
    const int run = most < steps ? most : steps;
    for (int p = 0; p < PARTS; p++) {
        int32x4_t sum[DOT8_M];
        int16x8_t low[DOT8_M], high[DOT8_M];
#pragma GCC unroll 2
        for (int i = 0; i < m; i++)
            sum[i] = vdupq_n_s32(top == 255 ? 0 : start[i * ld_start]);
#pragma GCC unroll 8
        for (int t = 0; t < steps; t++) {
            uint8x16_t level = vld1q_u8(u + t * 4 * PANEL8 + p * 4 * VEC);
            if (top == 255) level = veorq_u8(level, vdupq_n_u8(0x80));
            const int8x16_t w = vreinterpretq_s8_u8(level);
#pragma GCC unroll 2
            for (int i = 0; i < m; i++) {
                int32_t four;
                memcpy(&four, x + i * ld_x + 4 * t, sizeof four);
                const int8x8_t a = vreinterpret_s8_s32(vdup_n_s32(four));
                if (t % run) {
                    low[i] = vmlal_s8(low[i], vget_low_s8(w), a);
                    high[i] = vmlal_s8(high[i], vget_high_s8(w), a);
                } else {
                    low[i] = vmull_s8(vget_low_s8(w), a);
                    high[i] = vmull_s8(vget_high_s8(w), a);
                }
                if (t % run == run - 1)
                    sum[i] =
                        vaddq_s32(sum[i], vpaddq_s32(vpaddlq_s16(low[i]),
                                                     vpaddlq_s16(high[i])));
            }
        }
#pragma GCC unroll 2
        for (int i = 0; i < m; i++) memcpy(&s[i][p], &sum[i], sizeof sum[i]);
    }
}

#endif
