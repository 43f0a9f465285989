/* int8_avx2vnni.h - sums of products of bytes by vpdpbusd of 32 bytes, as CPUs
 * with AVX-VNNI have it that lack AVX-512. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_avx2.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 4, BOUNDED = 0 };

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    __m256i sum[DOT8_M][PARTS];
    (void)top;
#pragma GCC unroll 4
    for (int i = 0; i < m; i++)
        sum[i][0] = sum[i][1] = _mm256_set1_epi32(start[i * ld_start]);
#pragma GCC unroll 8
    for (int t = 0; t < steps; t++) {
        const __m256i *w = (const __m256i *)(const void *)(u + t * 4 * PANEL8);
        const __m256i low = _mm256_loadu_si256(w);
        const __m256i high = _mm256_loadu_si256(w + 1);
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            int32_t four;
            memcpy(&four, x + i * ld_x + 4 * t, sizeof four);
            const __m256i a = _mm256_set1_epi32(four);
            sum[i][0] = _mm256_dpbusd_avx_epi32(sum[i][0], low, a);
            sum[i][1] = _mm256_dpbusd_avx_epi32(sum[i][1], high, a);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int p = 0; p < PARTS; p++) s[i][p] = (bits)sum[i][p];
}

#endif
