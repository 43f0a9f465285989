/* cuda_levels.h - 32 elements of a block type as whole numbers, for the matrix
 * units: what one lane has of them.
 *
 * Lane t of the four that share a row has elements 4 t to 4 t + 3 and 16 more;
 * levels are less their offset (quant/levels.h), four in a word.  p is a row's
 * blocks in shared memory from element 0 on, on any even address; j counts the
 * groups of 32. */
#ifndef GPU_KERNELS_CUDA_CUDA_LEVELS_H
#define GPU_KERNELS_CUDA_CUDA_LEVELS_H

#include "backend/gpu/kernels/blocks.h"

typedef struct level_group {
    U32 first, second;     /* levels: of 16 elements, of 16 more */
    F32 scale, next_scale; /* of both; where groups are of 16, of each */
    F32 minimum, next_minimum;
} level_group;

FN U32 pair_at(const U8 *p) { return *(const U16 *)p; }
FN U32 word_at(const U8 *p) { return pair_at(p) | pair_at(p + 2) << 16; }
FN F32 scale_at(const U8 *p) {
    F32 x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(*(const U16 *)p));
    return x;
}

/* Bytes of a less those of b, none of which is over 127 then. */
FN U32 less(U32 a, U32 b) { return __vsub4(a, b); }

FN U32 nibbles(U32 word, I32 high) { return word >> 4 * high & 0x0f0f0f0fu; }

/* A byte of high bits for four elements: bit i of `bits` to 16 in byte i. */
FN U32 fifth_bits(U32 bits) {
    return (bits & 1) << 4 | (bits & 2) << 11 | (bits & 4) << 18 |
           (bits & 8) << 25;
}

FN level_group with_scale(U32 first, U32 second, F32 scale, F32 minimum) {
    level_group v = {first, second, scale, scale, minimum, minimum};
    return v;
}

FN level_group group_q8_0(const U8 *p, I32 j, I32 t) {
    p += 34 * j;
    return with_scale(word_at(p + 2 + 4 * t), word_at(p + 18 + 4 * t),
                      scale_at(p), 0);
}

FN level_group group_q4_0(const U8 *p, I32 j, I32 t) {
    p += 18 * j;
    const U32 word = word_at(p + 2 + 4 * t);
    return with_scale(less(nibbles(word, 0), 0x08080808u),
                      less(nibbles(word, 1), 0x08080808u), scale_at(p), 0);
}

FN level_group group_q4_1(const U8 *p, I32 j, I32 t) {
    p += 20 * j;
    const U32 word = word_at(p + 4 + 4 * t);
    return with_scale(nibbles(word, 0), nibbles(word, 1), scale_at(p),
                      scale_at(p + 2));
}

FN level_group group_q5_0(const U8 *p, I32 j, I32 t) {
    p += 22 * j;
    const U32 word = word_at(p + 6 + 4 * t), high = word_at(p + 2) >> 4 * t;
    return with_scale(
        less(nibbles(word, 0) | fifth_bits(high & 15), 0x10101010u),
        less(nibbles(word, 1) | fifth_bits(high >> 16 & 15), 0x10101010u),
        scale_at(p), 0);
}

FN level_group group_q5_1(const U8 *p, I32 j, I32 t) {
    p += 24 * j;
    const U32 word = word_at(p + 8 + 4 * t), high = word_at(p + 4) >> 4 * t;
    return with_scale(nibbles(word, 0) | fifth_bits(high & 15),
                      nibbles(word, 1) | fifth_bits(high >> 16 & 15),
                      scale_at(p), scale_at(p + 2));
}

/* k_part of blocks.h, by the unit's own conversion. */
FN void k_scales(const U8 *p, I32 j, F32 *scale, F32 *minimum) {
    const U8 *s = p + 4;
    const I32 low = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 2 & 48);
    const I32 m = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 2 & 48);
    *scale = scale_at(p) * (F32)low;
    *minimum = -(scale_at(p + 2) * (F32)m);
}

FN level_group group_q4_k(const U8 *p, I32 j, I32 t) {
    p += 144 * (j / 8), j %= 8;
    F32 scale, minimum;
    k_scales(p, j, &scale, &minimum);
    const U8 *q = p + 16 + 32 * (j / 2) + 4 * t;
    return with_scale(nibbles(word_at(q), j % 2),
                      nibbles(word_at(q + 16), j % 2), scale, minimum);
}

FN level_group group_q5_k(const U8 *p, I32 j, I32 t) {
    p += 176 * (j / 8), j %= 8;
    F32 scale, minimum;
    k_scales(p, j, &scale, &minimum);
    const U8 *q = p + 48 + 32 * (j / 2) + 4 * t, *high = p + 16 + 4 * t;
    return with_scale(nibbles(word_at(q), j % 2) |
                          (word_at(high) >> j & 0x01010101u) << 4,
                      nibbles(word_at(q + 16), j % 2) |
                          (word_at(high + 16) >> j & 0x01010101u) << 4,
                      scale, minimum);
}

FN level_group group_q6_k(const U8 *p, I32 j, I32 t) {
    p += 210 * (j / 8), j %= 8;
    const U8 *low = p + 64 * (j / 4) + 32 * (j % 2) + 4 * t;
    const U8 *high = p + 128 + 32 * (j / 4) + 4 * t;
    const I32 turn = 2 * (j % 4);
    const F32 d = scale_at(p + 208);
    level_group v;
    v.first = less(nibbles(word_at(low), j % 4 / 2) |
                       (word_at(high) >> turn & 0x03030303u) << 4,
                   0x20202020u);
    v.second = less(nibbles(word_at(low + 16), j % 4 / 2) |
                        (word_at(high + 16) >> turn & 0x03030303u) << 4,
                    0x20202020u);
    v.scale = d * (F32)(I8)p[192 + 2 * j];
    v.next_scale = d * (F32)(I8)p[193 + 2 * j];
    v.minimum = v.next_minimum = 0;
    return v;
}

/* Any type, element by element. */
FN level_group group_any(I32 type, const U8 *p, I32 j, I32 t) {
    const I32 n = block_elements(type), bytes = block_bytes(type);
    level_group v = {0, 0, 0, 0, 0, 0};
    for (I32 half = 0; half < 2; half++) {
        U32 word = 0;
        block_value e = block_of(0, 0, 0);
        for (I32 i = 0; i < 4; i++) {
            const I32 at = 32 * j + 16 * half + 4 * t + i;
            e = block_at(type, p + at / n * bytes, at % n);
            word |= ((U32)e.level & 255) << 8 * i;
        }
        if (half) {
            v.second = word, v.next_scale = e.scale;
            v.next_minimum = e.minimum;
        } else {
            v.first = word, v.scale = e.scale, v.minimum = e.minimum;
        }
    }
    return v;
}

template <I32 type> FN level_group group_of(const U8 *p, I32 j, I32 t) {
    switch (type) {
    case T_Q8_0: return group_q8_0(p, j, t);
    case T_Q4_0: return group_q4_0(p, j, t);
    case T_Q4_1: return group_q4_1(p, j, t);
    case T_Q5_0: return group_q5_0(p, j, t);
    case T_Q5_1: return group_q5_1(p, j, t);
    case T_Q4_K: return group_q4_k(p, j, t);
    case T_Q5_K: return group_q5_k(p, j, t);
    case T_Q6_K: return group_q6_k(p, j, t);
    default: return group_any(type, p, j, t);
    }
}

#endif
