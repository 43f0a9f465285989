/* int8_avx2.h - sums of products of bytes by vpmaddubsw.
 *
 * Pairs of products are added in 16 bits, so levels must not pass 127, and as
 * many pairs as fit below 2^15 are added before they are widened.  Levels up
 * to 255 have offset 128: taken off, their sign goes to the activations. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_avx2.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 4, BOUNDED = 1 };

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows; without start if
 * top is 255. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    const int most = top <= 15 ? 8 : top <= 31 ? 4 : top <= 63 ? 2 : 1;
    const int run = most < steps ? most : steps;
    const __m256i ones = _mm256_set1_epi16(1), high = _mm256_set1_epi8(-128);
    __m256i sum[DOT8_M][PARTS], pairs[DOT8_M][PARTS];
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
        sum[i][0] = sum[i][1] =
            _mm256_set1_epi32(top == 255 ? 0 : start[i * ld_start]);
#pragma GCC unroll 8
    for (int t = 0; t < steps; t++) {
        __m256i w[PARTS], size[PARTS];
#pragma GCC unroll 2
        for (int p = 0; p < PARTS; p++) {
            w[p] = _mm256_loadu_si256(
                (const __m256i_u *)(u + t * 4 * PANEL8 + p * 4 * VEC));
            if (top == 255) w[p] = _mm256_xor_si256(w[p], high);
            size[p] = top == 255 ? _mm256_abs_epi8(w[p]) : w[p];
        }
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            int32_t four;
            memcpy(&four, x + i * ld_x + 4 * t, sizeof four);
            const __m256i a = _mm256_set1_epi32(four);
#pragma GCC unroll 2
            for (int p = 0; p < PARTS; p++) {
                const __m256i b = top == 255 ? _mm256_sign_epi8(a, w[p]) : a;
                const __m256i now = _mm256_maddubs_epi16(size[p], b);
                pairs[i][p] =
                    t % run ? _mm256_add_epi16(pairs[i][p], now) : now;
                /* else gcc adds as a tree, which takes all registers */
                __asm__("" : "+x"(pairs[i][p]));
                if (t % run == run - 1)
                    sum[i][p] = _mm256_add_epi32(
                        sum[i][p], _mm256_madd_epi16(pairs[i][p], ones));
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int p = 0; p < PARTS; p++) s[i][p] = (bits)sum[i][p];
}

#endif
