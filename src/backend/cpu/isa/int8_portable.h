/* int8_portable.h - sums of products of bytes in floats, which hold them
 * exactly. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_any.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 2, BOUNDED = 0 };

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    (void)top;
    for (int p = 0; p < PARTS; p++) {
        vec sum[DOT8_M];
        for (int i = 0; i < m; i++)
            sum[i] = vec_set1((float)start[i * ld_start]);
        for (int t = 0; t < steps; t++) {
            word w;
            memcpy(&w, u + t * 4 * PANEL8 + p * 4 * VEC, sizeof w);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                const vec level =
                    __builtin_convertvector((bits)(w >> 8 * j & 255u), vec);
                for (int i = 0; i < m; i++)
                    sum[i] += level * vec_set1((float)x[i * ld_x + 4 * t + j]);
            }
        }
        for (int i = 0; i < m; i++)
            s[i][p] = __builtin_convertvector(sum[i], bits);
    }
}

#endif
