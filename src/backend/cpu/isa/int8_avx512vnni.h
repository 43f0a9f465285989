/* int8_avx512vnni.h - sums of products of bytes by vpdpbusd. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_avx512.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 8, BOUNDED = 0 };

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    __m512i sum[DOT8_M];
    (void)top;
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) sum[i] = _mm512_set1_epi32(start[i * ld_start]);
#pragma GCC unroll 8
    for (int t = 0; t < steps; t++) {
        const __m512i w = _mm512_loadu_si512(u + t * 4 * PANEL8);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            int32_t four;
            memcpy(&four, x + i * ld_x + 4 * t, sizeof four);
            sum[i] = _mm512_dpbusd_epi32(sum[i], w, _mm512_set1_epi32(four));
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) s[i][0] = (bits)sum[i];
}

#endif
