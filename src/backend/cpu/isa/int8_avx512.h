/* int8_avx512.h - int8_avx2.h with vectors of 64 bytes. */
#ifndef CPU_INT8_H
#define CPU_INT8_H

#include "backend/cpu/isa/fetch_avx512.h"

enum { PARTS = PANEL8 / VEC, DOT8_M = 8, BOUNDED = 1 };

/* s[i] = start[i] + sums over 4 * steps levels of 16 rows; without start if
 * top is 255. */
ALWAYS void group_sums(const int m, const int steps, const int top,
                       const uint8_t *u, const int8_t *x, int64_t ld_x,
                       const int32_t *start, int64_t ld_start,
                       bits (*s)[PARTS]) {
    const int most = top <= 15 ? 8 : top <= 31 ? 4 : top <= 63 ? 2 : 1;
    const int run = most < steps ? most : steps;
    const __m512i ones = _mm512_set1_epi16(1), high = _mm512_set1_epi8(-128);
    __m512i sum[DOT8_M], pairs[DOT8_M];
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
        sum[i] = _mm512_set1_epi32(top == 255 ? 0 : start[i * ld_start]);
#pragma GCC unroll 8
    for (int t = 0; t < steps; t++) {
        const __m512i u8 = _mm512_loadu_si512(u + t * 4 * PANEL8);
        const __m512i w = top == 255 ? _mm512_xor_si512(u8, high) : u8;
        const __m512i size = top == 255 ? _mm512_abs_epi8(w) : w;
        const __mmask64 minus = top == 255 ? _mm512_movepi8_mask(w) : 0;
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            int32_t four;
            memcpy(&four, x + i * ld_x + 4 * t, sizeof four);
            __m512i a = _mm512_set1_epi32(four);
            if (top == 255)
                a = _mm512_mask_sub_epi8(a, minus, _mm512_setzero_si512(), a);
            const __m512i now = _mm512_maddubs_epi16(size, a);
            pairs[i] = t % run ? _mm512_add_epi16(pairs[i], now) : now;
            /* else gcc adds as a tree, which takes all registers */
            if (run == 8) __asm__("" : "+v"(pairs[i]));
            if (t % run == run - 1)
                sum[i] =
                    _mm512_add_epi32(sum[i], _mm512_madd_epi16(pairs[i], ones));
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) s[i][0] = (bits)sum[i];
}

#endif
