/* unpack8.c - rows of blocks as panels of levels.
 *
 * A lane is a row: 16 bytes of each of VEC rows are turned into four vectors
 * of four bytes of every row, and shifts and masks of those are steps of the
 * panel.  Scales are unpacked the same way.  The layouts of blocks are those
 * of src/quant/decode_*.c, the numbers those of quant/levels.h. */
#include "backend/cpu/isa/unpack.h"

/* ---- blocks of 32 ---- */

/* 16 bytes at `at`: low halves are steps 0 .. 3, high ones 4 .. 7. */
ALWAYS void nibbles(const part *b, int at) {
    word q[4];
    fetch(b, at, q);
    for (int i = 0; i < 4; i++) {
        put(b, i, low_nibbles(q[i]));
        put(b, i + 4, high_nibbles(q[i]));
    }
}

ALWAYS void nibbles_and_fifth(const part *b, int at, word fifth) {
    word q[4];
    fetch(b, at, q);
    for (int i = 0; i < 4; i++) {
        put(b, i, low_nibbles(q[i]) | fifth_bits(fifth, i));
        put(b, i + 4, high_nibbles(q[i]) | fifth_bits(fifth, i + 4));
    }
}

/* 16 bytes at `at` looked up, to the steps from `step` on. */
ALWAYS void looked_up(const part *b, int at, const uint8_t *table, int step) {
    word q[4];
    fetch(b, at, q);
    for (int i = 0; i < 4; i++) {
        put(b, step + i, look_up(table, low_nibbles(q[i])));
        put(b, step + i + 4, look_up(table, high_nibbles(q[i])));
    }
}

/* fp4_doubled + 12 and iq4_levels + 128 of quant/quant_block.h. */
static const uint8_t fp4_table[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                      12, 11, 10, 9,  8,  6,  4,  0};
static const uint8_t iq4_table[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                      129, 141, 153, 166, 181, 197, 217, 241};

ALWAYS void block_Q4_0(const part *b) {
    put_scale(b, 0, low_half(fetch4(b->src, b->stride)));
    nibbles(b, 2);
}

ALWAYS void block_Q4_1(const part *b) {
    const word head = fetch4(b->src, b->stride);
    put_scale(b, 0, low_half(head));
    put_minimum(b, 0, low_half(head >> 16));
    nibbles(b, 4);
}

ALWAYS void block_Q5_0(const part *b) {
    put_scale(b, 0, low_half(fetch4(b->src, b->stride)));
    nibbles_and_fifth(b, 6, fetch4(b->src + 2, b->stride));
}

ALWAYS void block_Q5_1(const part *b) {
    const word head = fetch4(b->src, b->stride);
    put_scale(b, 0, low_half(head));
    put_minimum(b, 0, low_half(head >> 16));
    nibbles_and_fifth(b, 8, fetch4(b->src + 4, b->stride));
}

/* n times 16 signed bytes at `at`. */
ALWAYS void signed_bytes(const part *b, int at, int n) {
    for (int j = 0; j < n; j++) {
        word q[4];
        fetch(b, at + 16 * j, q);
        for (int i = 0; i < 4; i++) put(b, 4 * j + i, q[i] ^ 0x80808080u);
    }
}

ALWAYS void block_Q8_0(const part *b) {
    put_scale(b, 0, low_half(fetch4(b->src, b->stride)));
    signed_bytes(b, 2, 2);
}

ALWAYS void block_Q8_1(const part *b) {
    put_scale(b, 0, low_half(fetch4(b->src, b->stride)));
    signed_bytes(b, 4, 2);
}

ALWAYS void block_IQ4_NL(const part *b) {
    put_scale(b, 0, low_half(fetch4(b->src, b->stride)));
    looked_up(b, 2, iq4_table, 0);
}

/* The power of two of byte 0, halved; 0 and 1 are subnormal. */
ALWAYS void block_MXFP4(const part *b) {
    const word e = fetch4(b->src, b->stride) & 255u;
    const word tiny = (word)(e < 2u);
    const word small = 0x200000u + 0x200000u * e;
    put_scale(b, 0, vec_of((bits)((small & tiny) | ((e - 1u) << 23 & ~tiny))));
    looked_up(b, 1, fp4_table, 0);
}

/* Halves of the numbers that 8 bits of 4 and 3 are, of bytes 0 .. 3; 0x7f is
 * 0. */
ALWAYS vec half_of_f8(word x) {
    const word e = x >> 3 & 15u, m = x & 7u;
    const bits small = (bits)(e == 0u);
    const vec normal = vec_of((bits)((e + 119u) << 23 | m << 20));
    const vec y = choose(small, floats(m) * vec_set1(0x1p-10f), normal);
    return keep((bits)(x != 0x7fu), y);
}

/* 64 elements; each 8 bytes have the low halves of 8 and the high ones of the
 * next 8. */
ALWAYS void block_NVFP4(const part *b) {
    const word scales = fetch4(b->src, b->stride);
    for (int j = 0; j < 4; j++)
        put_scale(b, j, half_of_f8(scales >> 8 * j & 255u));
    for (int j = 0; j < 2; j++) {
        word q[4];
        fetch(b, 4 + 16 * j, q);
        for (int i = 0; i < 4; i++) {
            const int step = 8 * j + i / 2 * 4 + i % 2;
            put(b, step, look_up(fp4_table, low_nibbles(q[i])));
            put(b, step + 2, look_up(fp4_table, high_nibbles(q[i])));
        }
    }
}

/* ---- blocks of 256 ---- */

ALWAYS void block_Q8_K(const part *b) {
    const vec d = vec_of((bits)fetch4(b->src, b->stride));
    for (int j = 0; j < 8; j++) put_scale(b, j, d);
    signed_bytes(b, 4, 16);
}

/* 64 bytes at `at` of four levels of two bits: those of a byte are 32 apart. */
ALWAYS void pairs(const part *b, int at) {
    for (int j = 0; j < 4; j++) {
        const int step = j / 2 * 32 + j % 2 * 4;
        word q[4];
        fetch(b, at + 16 * j, q);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (int run = 0; run < 4; run++)
                put(b, step + 8 * run + i, q[i] >> 2 * run & 0x03030303u);
    }
}

ALWAYS void block_TQ2_0(const part *b) {
    const vec d = low_half(fetch4(b->src + 62, b->stride) >> 16);
    for (int j = 0; j < 8; j++) put_scale(b, j, d);
    pairs(b, 0);
}

/* n ternary digits of each byte, those of one digit `apart` steps behind those
 * of the last: three times what is left of it in 1/256ths, and what passes 256.
 * Bytes are apart in two words, so that nothing is carried. */
ALWAYS void digits(const part *b, word q, int n, int step, int apart) {
    word low = q & 0x00ff00ffu, high = q >> 8 & 0x00ff00ffu;
    for (int k = 0; k < n; k++) {
        low += low << 1;
        high += high << 1;
        put(b, step + k * apart,
            (low >> 8 & 0x00ff00ffu) | (high & 0xff00ff00u));
        low &= 0x00ff00ffu;
        high &= 0x00ff00ffu;
    }
}

ALWAYS void block_TQ1_0(const part *b) {
    const vec d = low_half(fetch4(b->src + 50, b->stride) >> 16);
    word q[4];
    for (int j = 0; j < 8; j++) put_scale(b, j, d);
    for (int side = 0; side < 2; side++) {
        fetch(b, 16 * side, q);
        for (int i = 0; i < 4; i++) digits(b, q[i], 5, 4 * side + i, 8);
    }
    fetch(b, 32, q);
    for (int i = 0; i < 4; i++) digits(b, q[i], 5, 40 + i, 4);
    digits(b, fetch4(b->src + 48, b->stride), 4, 60, 1);
}

ALWAYS void block_Q2_K(const part *b) {
    const word head = fetch4(b->src + 80, b->stride);
    const vec d = low_half(head), m = low_half(head >> 16);
    word q[4];
    fetch(b, 0, q);
    for (int j = 0; j < 16; j++) {
        const word both = q[j / 4] >> j % 4 * 8;
        put_scale(b, j, d * floats(both & 15u));
        put_minimum(b, j, -(m * floats(both >> 4 & 15u)));
    }
    pairs(b, 16);
}

ALWAYS void block_Q3_K(const part *b) {
    const word low[2] = {fetch4(b->src + 96, b->stride),
                         fetch4(b->src + 100, b->stride)};
    const word tops = fetch4(b->src + 104, b->stride);
    const vec d = low_half(fetch4(b->src + 106, b->stride) >> 16);
#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) {
        const int at = j % 4 * 8;
        const word s = (low[j / 4 % 2] >> (at + j / 8 * 4) & 15u) |
                       (tops >> (at + j / 4 * 2) & 3u) << 4;
        put_scale(b, j, d * (floats(s) - vec_set1(32)));
    }
    for (int side = 0; side < 2; side++) {
        word third[4], q[4];
        fetch(b, 16 * side, third);
        for (int half = 0; half < 2; half++) {
            fetch(b, 32 + 32 * half + 16 * side, q);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
                for (int run = 0; run < 4; run++)
                    put(b, half * 32 + run * 8 + side * 4 + i,
                        (q[i] >> 2 * run & 0x03030303u) |
                            (third[i] >> (4 * half + run) & 0x01010101u) << 2);
        }
    }
}

/* The head of Q4_K and Q5_K: d, m and 8 6-bit scales and minima. */
ALWAYS void k_scales(const part *b) {
    word q[4];
    fetch(b, 0, q);
    const vec d = low_half(q[0]), m = low_half(q[0] >> 16);
    for (int j = 0; j < 4; j++) {
        const word s = q[1] >> 8 * j, n = q[2] >> 8 * j, both = q[3] >> 8 * j;
        put_scale(b, j, d * floats(s & 63u));
        put_minimum(b, j, -(m * floats(n & 63u)));
        put_scale(b, j + 4, d * floats((both & 15u) | (s >> 2 & 0x30u)));
        put_minimum(b, j + 4,
                    -(m * floats((both >> 4 & 15u) | (n >> 2 & 0x30u))));
    }
}

ALWAYS void block_Q4_K(const part *b) {
    k_scales(b);
    for (int j = 0; j < 8; j++) { /* 16 bytes: halves of two groups */
        const int step = j / 2 * 16 + j % 2 * 4;
        word q[4];
        fetch(b, 16 + 16 * j, q);
        for (int i = 0; i < 4; i++) {
            put(b, step + i, low_nibbles(q[i]));
            put(b, step + i + 8, high_nibbles(q[i]));
        }
    }
}

ALWAYS void block_Q5_K(const part *b) {
    k_scales(b);
    for (int side = 0; side < 2; side++) {
        word fifth[4], q[4];
        fetch(b, 16 + 16 * side, fifth);
        for (int j = 0; j < 4; j++) {
            const int step = j * 16 + side * 4;
            fetch(b, 48 + 32 * j + 16 * side, q);
            for (int i = 0; i < 4; i++) {
                const word low = fifth[i] >> 2 * j, high = low >> 1;
                put(b, step + i, low_nibbles(q[i]) | (low & 0x01010101u) << 4);
                put(b, step + i + 8,
                    high_nibbles(q[i]) | (high & 0x01010101u) << 4);
            }
        }
    }
}

ALWAYS void block_Q6_K(const part *b) {
    word q[4], more[4], pairs[4];
    /* byte 208 is the last but one: the word that ends with it */
    const vec d = low_half(fetch4(b->src + 206, b->stride) >> 16);
    fetch(b, 192, q);
    for (int j = 0; j < 16; j++) {
        const bits s = (bits)(q[j / 4] << (24 - j % 4 * 8)) >> 24;
        put_scale(b, j, d * __builtin_convertvector(s, vec));
    }
    for (int part16 = 0; part16 < 4; part16++) { /* half, side */
        const int half = part16 / 2, side = part16 % 2;
        const int step = half * 32 + side * 4;
        fetch(b, half * 64 + side * 16, q);
        fetch(b, half * 64 + side * 16 + 32, more);
        fetch(b, 128 + half * 32 + side * 16, pairs);
        for (int i = 0; i < 4; i++) {
            const word p = pairs[i];
            put(b, step + i, low_nibbles(q[i]) | (p & 0x03030303u) << 4);
            put(b, step + 8 + i, low_nibbles(more[i]) | (p & 0x0c0c0c0cu) << 2);
            put(b, step + 16 + i, high_nibbles(q[i]) | (p & 0x30303030u));
            put(b, step + 24 + i,
                high_nibbles(more[i]) | (p >> 2 & 0x30303030u));
        }
    }
}

ALWAYS void block_IQ4_XS(const part *b) {
    const word head = fetch4(b->src, b->stride);
    const word low = fetch4(b->src + 4, b->stride), high = head >> 16;
    const vec d = low_half(head);
    for (int j = 0; j < 8; j++) {
        const word s = (low >> 4 * j & 15u) | (high >> 2 * j & 3u) << 4;
        put_scale(b, j, d * (floats(s) - vec_set1(32)));
        looked_up(b, 8 + 16 * j, iq4_table, 8 * j);
    }
}

#define UNPACK_LIST(U)                                                         \
    U(Q4_0)                                                                    \
    U(Q4_1)                                                                    \
    U(Q5_0)                                                                    \
    U(Q5_1)                                                                    \
    U(Q8_0)                                                                    \
    U(Q8_1)                                                                    \
    U(Q2_K)                                                                    \
    U(Q3_K)                                                                    \
    U(Q4_K)                                                                    \
    U(Q5_K)                                                                    \
    U(Q6_K)                                                                    \
    U(Q8_K)                                                                    \
    U(IQ4_NL)                                                                  \
    U(IQ4_XS)                                                                  \
    U(TQ1_0)                                                                   \
    U(TQ2_0)                                                                   \
    U(MXFP4)                                                                   \
    U(NVFP4)

UNPACK_LIST(UNPACK_ONE)

void ISA_NAME(unpack8)(int type, int64_t k, const uint8_t *w, int64_t stride,
                       const uint8_t *next, uint8_t *levels, float *scale,
                       float *minimum) {
    const part b = {w, stride, levels, scale, minimum, NULL};
    switch (type) {
#define U(NAME)                                                                \
    case AR_##NAME: unpack_##NAME(k, next, b); break;
        UNPACK_LIST(U)
#undef U
    default: ISA_NAME(unpack_grids)(type, k, next, &b);
    }
}
