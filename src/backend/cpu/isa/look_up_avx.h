/* look_up_avx.h - entries of a table side by side, for AVX2 and AVX-512. */
#ifndef CPU_LOOK_UP_AVX_H
#define CPU_LOOK_UP_AVX_H

#include <immintrin.h>
#include <stdint.h>

#include "backend/cpu/isa/vec_math.h"

/* Entries i and j of a table. */
ALWAYS __m128i two_of(const uint64_t *table, uint32_t i, uint32_t j) {
    const __m128 low = _mm_castsi128_ps(
        _mm_loadl_epi64((const __m128i_u *)(const void *)(table + i)));
    return _mm_castps_si128(
        _mm_loadh_pi(low, (const __m64 *)(const void *)(table + j)));
}

/* Entries at[0], at[1], at[4] and at[5]. */
ALWAYS __m256i four_of(const uint64_t *table, const uint32_t *at) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(two_of(table, at[0], at[1])),
        two_of(table, at[4], at[5]), 1);
}

#endif
