/* fetch_avx2.h - parts of 8 rows of blocks, a row to a lane. */
#ifndef CPU_FETCH_H
#define CPU_FETCH_H

#include <immintrin.h>

#include "backend/cpu/isa/vec_math.h"
#include "backend/cpu/isa/look_up_avx.h"

ALWAYS __m128i bytes16(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i_u *)p);
}

/* 16 bytes of rows i and i + 4. */
ALWAYS __m256i two_rows(const uint8_t *p, int64_t stride) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(bytes16(p)),
                                   bytes16(p + 4 * stride), 1);
}

/* q[i] = bytes 4 i .. 4 i + 3 of every row. */
ALWAYS void fetch16(const uint8_t *p, int64_t stride, word *q) {
    const __m256i a = two_rows(p, stride), b = two_rows(p + stride, stride);
    const __m256i c = two_rows(p + 2 * stride, stride),
                  d = two_rows(p + 3 * stride, stride);
    const __m256i e = _mm256_unpacklo_epi32(a, b),
                  f = _mm256_unpackhi_epi32(a, b),
                  g = _mm256_unpacklo_epi32(c, d),
                  h = _mm256_unpackhi_epi32(c, d);
    q[0] = (word)_mm256_unpacklo_epi64(e, g);
    q[1] = (word)_mm256_unpackhi_epi64(e, g);
    q[2] = (word)_mm256_unpacklo_epi64(f, h);
    q[3] = (word)_mm256_unpackhi_epi64(f, h);
}

ALWAYS __m128i four_words(const uint8_t *p, int64_t stride) {
    int32_t w[4];
    for (int i = 0; i < 4; i++) memcpy(&w[i], p + i * stride, sizeof w[i]);
    return _mm_setr_epi32(w[0], w[1], w[2], w[3]);
}

/* Four bytes of every row. */
ALWAYS word fetch4(const uint8_t *p, int64_t stride) {
    return (word)_mm256_inserti128_si256(
        _mm256_castsi128_si256(four_words(p, stride)),
        four_words(p + 4 * stride, stride), 1);
}

/* The low 16 bits as f16. */
ALWAYS vec low_half(word x) {
    const __m256i low = (__m256i)(x & 0xffffu);
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(low),
                                            _mm256_extracti128_si256(low, 1)));
}

/* VEC numbers of f16. */
ALWAYS vec load_halves(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)p));
}

/* Bytes 0 .. 3 are 255 where bits 4 i .. 4 i + 3 are set; i is a constant. */
ALWAYS word spread_signs(word x, const int i) {
    const __m256i all =
        _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0,
                         0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    const __m256i from = _mm256_add_epi8(all, _mm256_set1_epi8((char)(i / 2)));
    const __m256i bit = _mm256_set1_epi32(i % 2 ? (int)0x80402010 : 0x08040201);
    const __m256i is =
        _mm256_and_si256(_mm256_shuffle_epi8((__m256i)x, from), bit);
    return (word)_mm256_cmpeq_epi8(is, bit);
}

/* Bits 4 i .. 4 i + 3 to bit 4 of bytes 0 .. 3. */
ALWAYS word fifth_bits(word x, const int i) {
    return spread_signs(x, i) & 0x10101010u;
}

/* Each byte, 0 .. 15, is looked up. */
ALWAYS word look_up(const uint8_t *table, word index) {
    return (word)_mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(bytes16(table)), (__m256i)index);
}

/* q[0] and q[1] = the two halves of what each lane is looked up as: loads of
 * single entries, which Zen 4 does faster than it gathers. */
ALWAYS void look_up8(const uint64_t *table, word index, word *q) {
    uint32_t at[VEC];
    memcpy(at, &index, sizeof at);
    __asm__("" : "+m"(at)); /* else gcc takes them out of the vector */
    const __m256 a = _mm256_castsi256_ps(four_of(table, at));
    const __m256 b = _mm256_castsi256_ps(four_of(table, at + 2));
    q[0] = (word)_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
    q[1] = (word)_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
}

/* Each lane is looked up. */
ALWAYS word look_up4(const uint32_t *table, word index) {
    return (word)_mm256_i32gather_epi32((const int *)(const void *)table,
                                        (__m256i)index, 4);
}

#endif
