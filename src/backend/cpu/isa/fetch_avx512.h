/* fetch_avx512.h - parts of 16 rows of blocks, a row to a lane. */
#ifndef CPU_FETCH_H
#define CPU_FETCH_H

#include <immintrin.h>

#include "backend/cpu/isa/vec_math.h"
#include "backend/cpu/isa/look_up_avx.h"

ALWAYS __m128i bytes16(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i_u *)p);
}

/* 16 bytes of rows i, i + 4, i + 8 and i + 12. */
ALWAYS __m512i four_rows(const uint8_t *p, int64_t stride) {
    __m512i x = _mm512_castsi128_si512(bytes16(p));
    x = _mm512_inserti32x4(x, bytes16(p + 4 * stride), 1);
    x = _mm512_inserti32x4(x, bytes16(p + 8 * stride), 2);
    return _mm512_inserti32x4(x, bytes16(p + 12 * stride), 3);
}

/* q[i] = bytes 4 i .. 4 i + 3 of every row. */
ALWAYS void fetch16(const uint8_t *p, int64_t stride, word *q) {
    const __m512i a = four_rows(p, stride), b = four_rows(p + stride, stride);
    const __m512i c = four_rows(p + 2 * stride, stride),
                  d = four_rows(p + 3 * stride, stride);
    const __m512i e = _mm512_unpacklo_epi32(a, b),
                  f = _mm512_unpackhi_epi32(a, b),
                  g = _mm512_unpacklo_epi32(c, d),
                  h = _mm512_unpackhi_epi32(c, d);
    q[0] = (word)_mm512_unpacklo_epi64(e, g);
    q[1] = (word)_mm512_unpackhi_epi64(e, g);
    q[2] = (word)_mm512_unpacklo_epi64(f, h);
    q[3] = (word)_mm512_unpackhi_epi64(f, h);
}

ALWAYS __m128i four_words(const uint8_t *p, int64_t stride) {
    __m128i x = _mm_loadu_si32(p);
    int32_t w;
    memcpy(&w, p + stride, sizeof w);
    x = _mm_insert_epi32(x, w, 1);
    memcpy(&w, p + 2 * stride, sizeof w);
    x = _mm_insert_epi32(x, w, 2);
    memcpy(&w, p + 3 * stride, sizeof w);
    return _mm_insert_epi32(x, w, 3);
}

/* Four bytes of every row. */
ALWAYS word fetch4(const uint8_t *p, int64_t stride) {
    __m512i x = _mm512_castsi128_si512(four_words(p, stride));
    x = _mm512_inserti32x4(x, four_words(p + 4 * stride, stride), 1);
    x = _mm512_inserti32x4(x, four_words(p + 8 * stride, stride), 2);
    x = _mm512_inserti32x4(x, four_words(p + 12 * stride, stride), 3);
    return (word)x;
}

/* The low 16 bits as f16. */
ALWAYS vec low_half(word x) {
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)x));
}

/* VEC numbers of f16. */
ALWAYS vec load_halves(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)p));
}

/* Bytes 0 .. 3 are 255 where bits 4 i .. 4 i + 3 are set; i is a constant. */
ALWAYS word spread_signs(word x, const int i) {
    const __m512i spread = _mm512_setr_epi32(
        0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff,
        0x00ffff00, 0x00ffffff, (int)0xff000000, (int)0xff0000ff,
        (int)0xff00ff00, (int)0xff00ffff, (int)0xffff0000, (int)0xffff00ff,
        (int)0xffffff00, -1);
    return (word)_mm512_permutexvar_epi32((__m512i)(x >> 4 * i), spread);
}

/* Bits 4 i .. 4 i + 3 to bit 4 of bytes 0 .. 3; i is a constant. */
ALWAYS word fifth_bits(word x, const int i) {
    const __m512i spread = _mm512_setr_epi32(
        0x00000000, 0x00000010, 0x00001000, 0x00001010, 0x00100000, 0x00100010,
        0x00101000, 0x00101010, 0x10000000, 0x10000010, 0x10001000, 0x10001010,
        0x10100000, 0x10100010, 0x10101000, 0x10101010);
    return (word)_mm512_permutexvar_epi32((__m512i)(x >> 4 * i), spread);
}

/* Each byte, 0 .. 15, is looked up. */
ALWAYS word look_up(const uint8_t *table, word index) {
    return (word)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(bytes16(table)),
                                     (__m512i)index);
}

/* Of each 128 bits, entries at[0] and at[1], of the next at[4] and at[5]... */
ALWAYS __m512 eight_of(const uint64_t *table, const uint32_t *at) {
    return _mm512_castsi512_ps(_mm512_inserti64x4(
        _mm512_castsi256_si512(four_of(table, at)), four_of(table, at + 8), 1));
}

/* q[0] and q[1] = the two halves of what each lane is looked up as: loads of
 * single entries, which Zen 4 does faster than it gathers. */
ALWAYS void look_up8(const uint64_t *table, word index, word *q) {
    uint32_t at[VEC];
    memcpy(at, &index, sizeof at);
    __asm__("" : "+m"(at)); /* else gcc takes them out of the vector */
    const __m512 a = eight_of(table, at), b = eight_of(table, at + 2);
    q[0] = (word)_mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88));
    q[1] = (word)_mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xdd));
}

/* Each lane is looked up, by single loads too: emulators that CI uses do not
 * take what compilers make of the gather of 512 bits. */
ALWAYS word look_up4(const uint32_t *table, word index) {
    uint32_t at[VEC], q[VEC];
    memcpy(at, &index, sizeof at);
    for (int i = 0; i < VEC; i++) q[i] = table[at[i]];
    return (word)_mm512_loadu_si512(q);
}

#endif
