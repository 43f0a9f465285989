/* levels_iq.c - points of a grid and ternary digits as levels.
 *
 * Eight levels are made at once, as the bytes of a word; sums and products of
 * bytes never pass 255, so nothing is carried from one to the next. */
#include "quant/levels.h"
#include "quant/quant_block.h"

#define EACH UINT64_C(0x0101010101010101)

static inline void put8(uint8_t *q, uint64_t bytes) {
#pragma GCC unroll 8 /* then the compiler makes one store of it */
    for (int i = 0; i < 8; i++) q[i] = (uint8_t)(bytes >> 8 * i);
}

/* Eight numbers of 2 bits, one to a byte. */
static inline uint64_t spread2(uint16_t point) {
    uint64_t x = point;
    x = (x | x << 24) & UINT64_C(0x000000ff000000ff);
    x = (x | x << 12) & UINT64_C(0x000f000f000f000f);
    return (x | x << 6) & (3 * EACH);
}

/* Four numbers of 4 bits, one to a byte. */
static inline uint64_t spread4(uint16_t point) {
    uint64_t x = point;
    x = (x | x << 8) & 0x00ff00ffu;
    return (x | x << 4) & 0x0f0f0f0fu;
}

/* 255 in byte i where bit i is set. */
static inline uint64_t masks(unsigned signs) {
    const uint64_t one = (signs & 255) * EACH & UINT64_C(0x8040201008040201);
    return ((one + 0x7f * EACH) >> 7 & EACH) * 255;
}

/* offset + size, or offset - size where the sign bit is set. */
static inline uint64_t with_signs(uint64_t size, unsigned signs,
                                  unsigned offset) {
    return size + offset * EACH - 2 * (size & masks(signs));
}

static void set_scales(float *scale, float *minimum, float d, int n) {
    for (int j = 0; j < n; j++) {
        scale[j] = d;
        minimum[j] = 0;
    }
}

/* Sizes 8, 25 and 43 are 0, 1 and 2 in the grids of IQ2. */
static inline void point2(uint16_t point, unsigned signs, uint8_t *q) {
    const uint64_t x = spread2(point);
    const uint64_t size = 8 * EACH + 17 * (x & EACH) + 35 * (x >> 1 & EACH);
    put8(q, with_signs(size, signs, 43));
}

void levels_iq2_xxs(const uint8_t *src, uint8_t *q, float *scale,
                    float *minimum) {
    const float d = load_f16(src);
    for (int j = 0; j < 8; j++) {
        const uint8_t *index = src + 2 + 8 * j;
        const uint32_t rest = load_u32(index + 4);
        scale[j] = d * (0.5f + (float)(rest >> 28)) * 0.25f;
        minimum[j] = 0;
        for (int k = 0; k < 4; k++, q += 8)
            point2(iq2xxs_grid[index[k]], even_signs(rest >> 7 * k & 127), q);
    }
}

void levels_iq2_xs(const uint8_t *src, uint8_t *q, float *scale,
                   float *minimum) {
    const float d = load_f16(src);
    for (int j = 0; j < 16; j++) {
        scale[j] = d * (0.5f + (float)nibble(src + 66, j)) * 0.25f;
        minimum[j] = 0;
    }
    for (int k = 0; k < 32; k++, q += 8) {
        const unsigned word = load_u16(src + 2 + 2 * k);
        point2(iq2xs_grid[word & 511], even_signs(word >> 9), q);
    }
}

void levels_iq2_s(const uint8_t *src, uint8_t *q, float *scale,
                  float *minimum) {
    const float d = load_f16(src);
    for (int j = 0; j < 16; j++) {
        scale[j] = d * (0.5f + (float)nibble(src + 74, j)) * 0.25f;
        minimum[j] = 0;
    }
    for (int k = 0; k < 32; k++, q += 8) {
        const int high = src[66 + k / 4] >> 2 * (k % 4) & 3;
        point2(iq2s_grid[src[2 + k] | high << 8], src[34 + k], q);
    }
}

/* Sizes are 4, 12 .. 52 and 62. */
void levels_iq3_xxs(const uint8_t *src, uint8_t *q, float *scale,
                    float *minimum) {
    const float d = load_f16(src);
    const uint8_t *index = src + 2;
    for (int j = 0; j < 8; j++) {
        const uint32_t rest = load_u32(src + 66 + 4 * j);
        scale[j] = d * (0.5f + (float)(rest >> 28)) * 0.5f;
        minimum[j] = 0;
        for (int k = 0; k < 4; k++, q += 8, index += 2) {
            const uint64_t x = (spread4(iq3xxs_grid[index[0]]) |
                                spread4(iq3xxs_grid[index[1]]) << 32) &
                               (7 * EACH);
            const uint64_t seven = (x + EACH) >> 3 & EACH;
            put8(q, with_signs(8 * x + 4 * EACH + 2 * seven,
                               even_signs(rest >> 7 * k & 127), 62));
        }
    }
}

/* Sizes are 1, 3 .. 15. */
void levels_iq3_s(const uint8_t *src, uint8_t *q, float *scale,
                  float *minimum) {
    const float d = load_f16(src);
    for (int j = 0; j < 8; j++) {
        scale[j] = d * (float)(1 + 2 * nibble(src + 106, j));
        minimum[j] = 0;
    }
    for (int k = 0; k < 32; k++, q += 8) {
        const int high = src[66 + k / 4] >> k % 4 * 2;
        const uint8_t *index = src + 2 + 2 * k;
        const uint64_t x =
            (spread4(iq3s_grid[index[0] | (high & 1) << 8]) |
             spread4(iq3s_grid[index[1] | (high >> 1 & 1) << 8]) << 32) &
            (7 * EACH);
        put8(q, with_signs(2 * x + EACH, src[74 + k], 15));
    }
}

/* Eighths of -1, 0 and 1, moved by one. */
static inline void point1(uint16_t point, bool minus, uint8_t *q) {
    put8(q, 8 * spread2(point) + (minus ? 0 : 2) * EACH);
}

void levels_iq1_s(const uint8_t *src, uint8_t *q, float *scale,
                  float *minimum) {
    const float d = load_f16(src);
    for (int j = 0; j < 8; j++) {
        const int word = load_u16(src + 34 + 2 * j);
        scale[j] = d * (float)(2 * (word >> 12 & 7) + 1) * 0.125f;
        minimum[j] = 0;
        for (int k = 0; k < 4; k++, q += 8) {
            const int high = word >> 3 * k & 7;
            point1(iq1_grid[src[2 + 4 * j + k] | high << 8], word & 0x8000, q);
        }
    }
}

void levels_iq1_m(const uint8_t *src, uint8_t *q, float *scale,
                  float *minimum) {
    unsigned half = 0;
    for (int k = 0; k < 4; k++)
        half |= (unsigned)(load_u16(src + 48 + 2 * k) >> 12) << 4 * k;
    const float d = f16_to_f32((uint16_t)half);
    for (int j = 0; j < 16; j++) {
        const int size = load_u16(src + 48 + j / 4 * 2) >> 3 * (j % 4) & 7;
        scale[j] = d * (float)(2 * size + 1) * 0.125f;
        minimum[j] = 0;
    }
    for (int k = 0; k < 32; k++, q += 8) {
        const int high = nibble(src + 32, k);
        point1(iq1_grid[src[k] | (high & 7) << 8], high & 8, q);
    }
}

/* The next ternary digit of a byte in 1/256ths, as decode_tq1_0. */
static uint8_t *ternary(const uint8_t *src, int width, int n, uint8_t *q) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    for (int k = 0; k < n; k++)
        for (int i = 0; i < width; i++) {
            const uint8_t rest = (uint8_t)(src[i] * powers[k]);
            *q++ = (uint8_t)(rest * 3 >> 8);
        }
    return q;
}

void levels_tq1_0(const uint8_t *src, uint8_t *q, float *scale,
                  float *minimum) {
    set_scales(scale, minimum, load_f16(src + 52), 8);
    q = ternary(src, 32, 5, q);
    q = ternary(src + 32, 16, 5, q);
    ternary(src + 48, 4, 4, q);
}

void levels_tq2_0(const uint8_t *src, uint8_t *q, float *scale,
                  float *minimum) {
    set_scales(scale, minimum, load_f16(src + 64), 8);
    for (int i = 0; i < 256; i++)
        q[i] = src[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
}
