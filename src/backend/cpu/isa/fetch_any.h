/* fetch_any.h - parts of rows of blocks, a row to a lane, for any CPU. */
#ifndef CPU_FETCH_H
#define CPU_FETCH_H

#include "backend/cpu/isa/vec_math.h"

/* Four bytes of every row. */
ALWAYS word fetch4(const uint8_t *p, int64_t stride) {
    uint32_t w[VEC];
    for (int i = 0; i < VEC; i++) memcpy(&w[i], p + i * stride, sizeof w[i]);
    word x;
    memcpy(&x, w, sizeof x);
    return x;
}

/* q[i] = bytes 4 i .. 4 i + 3 of every row. */
ALWAYS void fetch16(const uint8_t *p, int64_t stride, word *q) {
    for (int i = 0; i < 4; i++) q[i] = fetch4(p + 4 * i, stride);
}

/* The low 16 bits as f16: the exponent is moved by a product with 2^112, which
 * is exact for subnormals too. */
ALWAYS vec low_half(word x) {
    const word size = (x & 0x7fffu) << 13;
    const word special = (word)(size >= (0x7c00u << 13));
    const vec f = vec_of((bits)size) * vec_set1(0x1p112f);
    const word u =
        ((word)bits_of(f) & ~special) | ((size | 0x7f800000u) & special);
    return vec_of((bits)(u | (x & 0x8000u) << 16));
}

/* VEC numbers of f16. */
ALWAYS vec load_halves(const uint16_t *p) {
    typedef uint16_t half __attribute__((vector_size(VEC * sizeof(uint16_t))));
    half h;
    memcpy(&h, p, sizeof h);
    return low_half(__builtin_convertvector(h, word));
}

/* Bytes 0 .. 3 are 255 where bits 4 i .. 4 i + 3 are set; i is a constant. */
ALWAYS word spread_signs(word x, const int i) {
    return ((x >> 4 * i & 15u) * 0x204081u & 0x01010101u) * 255u;
}

/* Bits 4 i .. 4 i + 3 to bit 4 of bytes 0 .. 3; i is a constant. */
ALWAYS word fifth_bits(word x, const int i) {
    return ((x >> 4 * i & 15u) * 0x204081u & 0x01010101u) << 4;
}

/* Each byte, 0 .. 15, is looked up. */
ALWAYS word look_up(const uint8_t *table, word index) {
    uint8_t b[4 * VEC];
    memcpy(b, &index, sizeof b);
    for (int i = 0; i < 4 * VEC; i++) b[i] = table[b[i]];
    memcpy(&index, b, sizeof b);
    return index;
}

/* q[0] and q[1] = the two halves of what each lane is looked up as. */
ALWAYS void look_up8(const uint64_t *table, word index, word *q) {
    uint32_t at[VEC], low[VEC], high[VEC];
    memcpy(at, &index, sizeof at);
    for (int i = 0; i < VEC; i++) {
        low[i] = (uint32_t)table[at[i]];
        high[i] = (uint32_t)(table[at[i]] >> 32);
    }
    memcpy(&q[0], low, sizeof low);
    memcpy(&q[1], high, sizeof high);
}

/* Each lane is looked up. */
ALWAYS word look_up4(const uint32_t *table, word index) {
    uint32_t at[VEC];
    memcpy(at, &index, sizeof at);
    for (int i = 0; i < VEC; i++) at[i] = table[at[i]];
    memcpy(&index, at, sizeof index);
    return index;
}

#endif
