/* layout_kinds.h - what layout.c and layout_check.c share. */
#ifndef QUANT_LAYOUT_KINDS_H
#define QUANT_LAYOUT_KINDS_H

#include "quant/layout.h"

/* Rows of a layout that has been checked. */
typedef void layout_rows_fn(const layout *l, int64_t first, int64_t n,
                            float *dst);

#define LAYOUT(NAME, name, text) layout_rows_fn layout_##name;
#include "quant/layouts.def"
#undef LAYOUT

static inline int64_t layout_groups(int64_t n, int64_t group) {
    return n / group + (n % group != 0);
}

/* 32-bit word i of a part. */
static inline uint32_t layout_word(const layout_part *p, int64_t i) {
    const uint8_t *b = (const uint8_t *)p->data + 4 * i;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

float layout_float(const layout_part *p, int64_t i); /* element i of floats */

/* The number in bits at..at + bits - 1 of a row of `size` bytes. */
static inline uint32_t layout_bits(const uint8_t *row, int64_t size, int64_t at,
                                   int bits) {
    const int64_t byte = at / 8;
    uint32_t two = row[byte];
    if (byte + 1 < size) two |= (uint32_t)row[byte + 1] << 8;
    return two >> at % 8 & ((1u << bits) - 1);
}

/* The nibble of output r in the words of a row of outputs. */
static inline uint32_t layout_awq_nibble(const layout_part *p, int64_t row,
                                         int64_t words, int64_t r) {
    static const int place[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    return layout_word(p, row * words + r / 8) >> 4 * place[r % 8] & 15;
}

#endif
