/* quant_block.h - what decoders and encoders of single blocks share.
 *
 * decode_NAME turns the bytes of one block into its elements and reads no
 * byte outside it, whatever it holds.  encode_NAME turns the elements of one
 * block into bytes; `weight` is the importance of each element, or NULL. */
#ifndef QUANT_QUANT_BLOCK_H
#define QUANT_QUANT_BLOCK_H

#include "quant/quant.h"

typedef void quant_decode_fn(const uint8_t *src, float *dst);
typedef void quant_encode_fn(const float *x, const float *weight, uint8_t *dst);

#define QUANT(NAME, name, text)                                                \
    quant_decode_fn decode_##name;                                             \
    quant_encode_fn encode_##name;
#define QUANT_READ(NAME, name, text) quant_decode_fn decode_##name;
#include "quant/quants.def"
#undef QUANT
#undef QUANT_READ

enum {
    QUANT_MOST = 256, /* elements of the largest block */
    QUANT_SUB = 32    /* elements of the largest part with its own scale */
};

/* Blocks of folder_blocks.def: n codes q of some bits with w = scale q + bias,
 * or of 8 bits with w = scale code; 64 e2m1 floats, in pairs. */
void folder_affine(const uint8_t *q, float scale, float bias, int bits, int n,
                   uint8_t *dst);
void folder_scaled(const uint8_t *codes, float scale, int n, uint8_t *dst);
void folder_f4(const uint8_t *pairs, const uint8_t *scales, float all,
               uint8_t *dst);

/* Pairs of e2m1 floats, the low half first; 2 * n of them.  Unlike in GGUF's
 * blocks code 8 is a negative zero. */
void fp4_pairs(const uint8_t *src, float scale, float *dst, int n);

/* Little-endian, at any address. */
static inline uint16_t load_u16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t load_u32(const uint8_t *p) {
    return load_u16(p) | (uint32_t)load_u16(p + 2) << 16;
}
static inline float load_f16(const uint8_t *p) {
    return f16_to_f32(load_u16(p));
}
static inline void store_u16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
/* The stored value, which is what the levels must be chosen for. */
static inline float store_f16(uint8_t *p, float x) {
    const uint16_t h = f32_to_f16(x);
    store_u16(p, h);
    return f16_to_f32(h);
}

/* Nibble i of a row of bytes, low ones first. */
static inline int nibble(const uint8_t *p, int i) {
    return p[i / 2] >> 4 * (i & 1) & 15;
}

/* NaN becomes low.  Compilers make one max and one min of it. */
static inline float clampf(float x, float low, float high) {
    x = x > low ? x : low;
    return x < high ? x : high;
}

/* The nearest whole number, ties to even, of |x| < 2^22: adding 1.5 * 2^23
 * leaves no room for a fraction. */
static inline float round_whole(float x) {
    const float magic = 12582912;
    return (x + magic) - magic;
}

static inline int nearest_level(float x, int low, int high) {
    return (int)round_whole(clampf(x, (float)low, (float)high));
}

/* Levels of the 4-bit types that are not evenly spaced: twice the values of
 * an e2m1 float, and those of IQ4, which rise. */
extern const int8_t fp4_doubled[16];
extern const int8_t iq4_levels[16];

/* 2^(e - 127) / 2, the scale of fp4_doubled in an MX block; e = 255 is not
 * special here. */
float e8m0_half(uint8_t e);

/* Half of an e4m3 float without a sign; 0x7f, its NaN, counts as 0. */
float ue4m3_half(uint8_t x);

/* One block as levels (quant/levels.h), a scale and a minimum for each
 * group. */
typedef void levels_fn(const uint8_t *src, uint8_t *q, float *scale,
                       float *minimum);
#define LEVELS(NAME, name, group, offset, top, minima) levels_fn levels_##name;
#include "quant/levels.def"
#undef LEVELS

/* 7 bits give the signs of 8 weights: the number of minus signs is even. */
static inline unsigned even_signs(unsigned s) {
    unsigned parity = s ^ s >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return s | (parity & 1) << 7;
}

/* The 6-bit scales and minima of Q4_K and Q5_K in their 12 bytes. */
void unpack_k_scales(const uint8_t *src, uint8_t *scale, uint8_t *minimum);
void pack_k_scales(const uint8_t *scale, const uint8_t *minimum, uint8_t *dst);

/* Grid points of the IQ types: 8 coordinates of 2 bits (IQ1, IQ2) or 4 of 4
 * bits (IQ3), coordinate 0 in the lowest bits. */
extern const uint16_t iq1_grid[2048];
extern const uint16_t iq2xxs_grid[256];
extern const uint16_t iq2xs_grid[512];
extern const uint16_t iq2s_grid[1024];
extern const uint16_t iq3xxs_grid[256];
extern const uint16_t iq3s_grid[512];

/* The same points as levels (levels.h) of weights without a minus sign, one to
 * a byte. */
extern const uint64_t iq1_levels[2048];
extern const uint64_t iq2xxs_levels[256];
extern const uint64_t iq2xs_levels[512];
extern const uint64_t iq2s_levels[1024];
extern const uint32_t iq3xxs_levels[256];
extern const uint32_t iq3s_levels[512];

#endif
