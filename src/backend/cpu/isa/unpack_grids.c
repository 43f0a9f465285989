/* unpack_grids.c - rows of points of a grid (IQ1, IQ2, IQ3) as panels.
 *
 * A point is looked up for a lane at a time, which takes as long as all else;
 * its coordinates, signs and scales are bits of the lanes again.  Layouts and
 * numbers are those of src/quant/levels_iq.c. */
#include "quant/quant_block.h" /* first: it has parameters called bits */

#include "backend/cpu/isa/unpack.h"

typedef uint8_t octets __attribute__((vector_size(4 * VEC)));

/* Levels above the offset become as far below it where bit 4 i of a sign is
 * set; i is a constant, twice the offset and 1 is `twice`. */
ALWAYS word with_signs(word level, word signs, const int i, uint32_t twice) {
    const word minus = spread_signs(signs, i);
    return (word)((octets)(level ^ minus) + (octets)(minus & twice));
}

/* 4 times 7 bits as bytes whose number of ones is even. */
ALWAYS word even_bytes(word x) {
    static const uint8_t odd[16] = {0,   128, 128, 0,   128, 0,   0,   128,
                                    128, 0,   0,   128, 0,   128, 128, 0};
    const word s = (x & 0x7fu) | (x << 1 & 0x7f00u) | (x << 2 & 0x7f0000u) |
                   (x << 3 & 0x7f000000u);
    return s | look_up(odd, (s ^ s >> 4) & 0x0f0f0f0fu);
}

/* d (n + 1/2) times a power of two. */
ALWAYS vec half_steps(vec d, word n, float power) {
    return d * (floats(n) + vec_set1(0.5f)) * vec_set1(power);
}

/* ---- IQ2: eight coordinates a point, offset 43 ---- */

/* Point k of the four of a word of signs. */
ALWAYS void point2(const part *b, int step, const uint64_t *levels, word index,
                   word signs, const int k) {
    word q[2];
    look_up8(levels, index, q);
    for (int half = 0; half < 2; half++)
        put(b, step + half,
            with_signs(q[half], signs, 2 * k + half, 87 * 0x01010101u));
}

ALWAYS void block_IQ2_XXS(const part *b) {
    const vec d = low_half(fetch4(b->src, b->stride));
    for (int at16 = 0; at16 < 4; at16++) {
        word q[4];
        fetch(b, 2 + 16 * at16, q);
        for (int i = 0; i < 2; i++) {
            const word index = q[2 * i], rest = q[2 * i + 1];
            const word signs = even_bytes(rest);
            put_scale(b, 2 * at16 + i, half_steps(d, rest >> 28, 0.25f));
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++)
                point2(b, 16 * at16 + 8 * i + 2 * k, iq2xxs_levels,
                       index >> 8 * k & 255u, signs, k);
        }
    }
}

/* Scales of 16 elements, nibbles of the 8 bytes at `at`. */
ALWAYS void scales2(const part *b, vec d, int at) {
    for (int i = 0; i < 2; i++) {
        const word n = fetch4(b->src + at + 4 * i, b->stride);
        for (int j = 0; j < 8; j++)
            put_scale(b, 8 * i + j, half_steps(d, n >> 4 * j & 15u, 0.25f));
    }
}

ALWAYS void block_IQ2_XS(const part *b) {
    scales2(b, low_half(fetch4(b->src, b->stride)), 66);
    for (int j = 0; j < 4; j++) {
        word q[4];
        fetch(b, 2 + 16 * j, q);
        for (int i = 0; i < 4; i += 2) {
            const word signs = even_bytes(
                (q[i] >> 9 & 0x7fu) | (q[i] >> 18 & 0x3f80u) |
                (q[i + 1] << 5 & 0x1fc000u) | (q[i + 1] >> 4 & 0xfe00000u));
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++)
                point2(b, 16 * j + 4 * i + 2 * k, iq2xs_levels,
                       q[i + k / 2] >> k % 2 * 16 & 511u, signs, k);
        }
    }
}

ALWAYS void block_IQ2_S(const part *b) {
    word high[2];
    scales2(b, low_half(fetch4(b->src, b->stride)), 74);
    for (int i = 0; i < 2; i++)
        high[i] = fetch4(b->src + 66 + 4 * i, b->stride);
    for (int j = 0; j < 2; j++) {
        word q[4], signs[4];
        fetch(b, 2 + 16 * j, q);
        fetch(b, 34 + 16 * j, signs);
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                const word top = high[j] >> (8 * i + 2 * k) & 3u;
                point2(b, 32 * j + 8 * i + 2 * k, iq2s_levels,
                       (q[i] >> 8 * k & 255u) | top << 8, signs[i], k);
            }
    }
}

/* ---- IQ3: four coordinates a point ---- */

ALWAYS void block_IQ3_XXS(const part *b) {
    const vec d = low_half(fetch4(b->src, b->stride));
    word rest[8];
    fetch(b, 66, rest);
    fetch(b, 82, rest + 4);
    for (int at16 = 0; at16 < 4; at16++) {
        word q[4];
        fetch(b, 2 + 16 * at16, q);
        for (int i = 0; i < 2; i++) {
            const int j = 2 * at16 + i;
            const word signs = even_bytes(rest[j]);
            put_scale(b, j, half_steps(d, rest[j] >> 28, 0.5f));
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++) {
                const word level = look_up4(
                    iq3xxs_levels, q[2 * i + k / 4] >> k % 4 * 8 & 255u);
                put(b, 8 * j + k,
                    with_signs(level, signs, k, 125 * 0x01010101u));
            }
        }
    }
}

ALWAYS void block_IQ3_S(const part *b) {
    const vec d = low_half(fetch4(b->src, b->stride));
    const word scales = fetch4(b->src + 106, b->stride);
    word high[2], signs[4];
    for (int i = 0; i < 2; i++)
        high[i] = fetch4(b->src + 66 + 4 * i, b->stride);
    for (int j = 0; j < 8; j++) {
        const word n = scales >> 4 * j & 15u;
        put_scale(b, j, d * floats(1u + 2u * n));
    }
    for (int at16 = 0; at16 < 4; at16++) {
        word q[4];
        fetch(b, 2 + 16 * at16, q);
        if (at16 % 2 == 0) fetch(b, 74 + 8 * at16, signs);
#pragma GCC unroll 8
        for (int k = 0; k < 16; k++) {
            const word top = high[at16 / 2] >> (16 * (at16 % 2) + k) & 1u;
            const word level = look_up4(
                iq3s_levels, (q[k / 4] >> k % 4 * 8 & 255u) | top << 8);
            put(b, 16 * at16 + k,
                with_signs(level, signs[at16 % 2 * 2 + k / 8], k % 8,
                           31 * 0x01010101u));
        }
    }
}

/* ---- IQ1: eighths of -1, 0 and 1, moved by one; offset 9 ---- */

ALWAYS void point1(const part *b, int step, word index, word minus) {
    const word less = (word)(minus != 0u) & 0x02020202u;
    word q[2];
    look_up8(iq1_levels, index, q);
    put(b, step, q[0] - less);
    put(b, step + 1, q[1] - less);
}

ALWAYS void block_IQ1_S(const part *b) {
    const vec d = low_half(fetch4(b->src, b->stride));
    word rest[4];
    fetch(b, 34, rest);
    for (int side = 0; side < 2; side++) {
        word q[4];
        fetch(b, 2 + 16 * side, q);
        for (int i = 0; i < 4; i++) {
            const int j = 4 * side + i;
            const word w = rest[j / 2] >> j % 2 * 16;
            const word n = 2u * (w >> 12 & 7u) + 1u;
            put_scale(b, j, d * floats(n) * vec_set1(0.125f));
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++)
                point1(b, 8 * j + 2 * k,
                       (q[i] >> 8 * k & 255u) | (w >> 3 * k & 7u) << 8,
                       w & 0x8000u);
        }
    }
}

ALWAYS void block_IQ1_M(const part *b) {
    word top[4], q[4];
    const word low = fetch4(b->src + 48, b->stride);
    const word last = fetch4(b->src + 52, b->stride);
    const vec d = low_half((low >> 12 & 15u) | (low >> 24 & 0xf0u) |
                           (last >> 4 & 0xf00u) | (last >> 16 & 0xf000u));
    for (int j = 0; j < 16; j++) {
        const word from = (j < 8 ? low : last) >> j / 4 % 2 * 16;
        const word n = 2u * (from >> 3 * (j % 4) & 7u) + 1u;
        put_scale(b, j, d * floats(n) * vec_set1(0.125f));
    }
    fetch(b, 32, top);
    for (int side = 0; side < 2; side++) {
        fetch(b, 16 * side, q);
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                const word high =
                    top[2 * side + i / 2] >> (16 * (i % 2) + 4 * k);
                point1(b, 32 * side + 8 * i + 2 * k,
                       (q[i] >> 8 * k & 255u) | (high & 7u) << 8, high & 8u);
            }
    }
}

#define GRID_LIST(U)                                                           \
    U(IQ1_S)                                                                   \
    U(IQ1_M)                                                                   \
    U(IQ2_XXS)                                                                 \
    U(IQ2_XS)                                                                  \
    U(IQ2_S)                                                                   \
    U(IQ3_XXS)                                                                 \
    U(IQ3_S)

GRID_LIST(UNPACK_ONE)

void ISA_NAME(unpack_grids)(int type, int64_t k, const uint8_t *next,
                            const part *b) {
    switch (type) {
#define U(NAME)                                                                \
    case AR_##NAME: unpack_##NAME(k, next, *b); break;
        GRID_LIST(U)
#undef U
    default: break;
    }
}
