/* decode_simple.c - blocks with one scale, or one per 16 elements. */
#include "quant/quant_block.h"

const int8_t fp4_doubled[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                0, -1, -2, -3, -4, -6, -8, -12};
const int8_t iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                               1,    13,   25,  38,  53,  69,  89,  113};

void decode_q4_0(const uint8_t *src, float *dst) {
    const float d = load_f16(src);
    const uint8_t *q = src + 2;
    for (int i = 0; i < 16; i++) {
        dst[i] = d * (float)((q[i] & 15) - 8);
        dst[i + 16] = d * (float)((q[i] >> 4) - 8);
    }
}

void decode_q4_1(const uint8_t *src, float *dst) {
    const float d = load_f16(src), m = load_f16(src + 2);
    const uint8_t *q = src + 4;
    for (int i = 0; i < 16; i++) {
        dst[i] = d * (float)(q[i] & 15) + m;
        dst[i + 16] = d * (float)(q[i] >> 4) + m;
    }
}

void decode_q5_0(const uint8_t *src, float *dst) {
    const float d = load_f16(src);
    const uint32_t high = load_u32(src + 2);
    const uint8_t *q = src + 6;
    for (int i = 0; i < 16; i++) {
        const int low_bit = (int)(high >> i & 1) << 4;
        const int high_bit = (int)(high >> (i + 16) & 1) << 4;
        dst[i] = d * (float)(((q[i] & 15) | low_bit) - 16);
        dst[i + 16] = d * (float)(((q[i] >> 4) | high_bit) - 16);
    }
}

void decode_q5_1(const uint8_t *src, float *dst) {
    const float d = load_f16(src), m = load_f16(src + 2);
    const uint32_t high = load_u32(src + 4);
    const uint8_t *q = src + 8;
    for (int i = 0; i < 16; i++) {
        const int low_bit = (int)(high >> i & 1) << 4;
        const int high_bit = (int)(high >> (i + 16) & 1) << 4;
        dst[i] = d * (float)((q[i] & 15) | low_bit) + m;
        dst[i + 16] = d * (float)((q[i] >> 4) | high_bit) + m;
    }
}

static void scaled_bytes(const uint8_t *q, float d, float *dst, int n) {
    for (int i = 0; i < n; i++) dst[i] = d * (float)(int8_t)q[i];
}

void decode_q8_0(const uint8_t *src, float *dst) {
    scaled_bytes(src + 2, load_f16(src), dst, 32);
}

/* The second half is d times the sum of the levels, which decoding skips. */
void decode_q8_1(const uint8_t *src, float *dst) {
    scaled_bytes(src + 4, load_f16(src), dst, 32);
}

/* f32 scale, 256 levels, 16 sums of 16 levels each. */
void decode_q8_k(const uint8_t *src, float *dst) {
    const uint32_t bits = load_u32(src);
    float d;
    memcpy(&d, &bits, sizeof d);
    scaled_bytes(src + 4, d, dst, 256);
}

/* n bytes of two levels: low halves come first, then high halves. */
static void levels16(const uint8_t *q, const int8_t *levels, float d,
                     float *dst, int n) {
    for (int i = 0; i < n; i++) {
        dst[i] = d * (float)levels[q[i] & 15];
        dst[i + n] = d * (float)levels[q[i] >> 4];
    }
}

void decode_iq4_nl(const uint8_t *src, float *dst) {
    levels16(src + 2, iq4_levels, load_f16(src), dst, 16);
}

/* Eight 6-bit scales, less 32: low nibbles in 4 bytes, high pairs in 2. */
void decode_iq4_xs(const uint8_t *src, float *dst) {
    const float d = load_f16(src);
    const int high = load_u16(src + 2);
    for (int j = 0; j < 8; j++) {
        const int scale = nibble(src + 4, j) | (high >> 2 * j & 3) << 4;
        levels16(src + 8 + 16 * j, iq4_levels, d * (float)(scale - 32),
                 dst + 32 * j, 16);
    }
}

float e8m0_half(uint8_t e) {
    const uint32_t bits =
        e < 2 ? UINT32_C(0x200000) << e : (uint32_t)(e - 1) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

void decode_mxfp4(const uint8_t *src, float *dst) {
    levels16(src + 1, fp4_doubled, e8m0_half(src[0]), dst, 16);
}

float ue4m3_half(uint8_t x) {
    const int exponent = x >> 3 & 15;
    if (x == 0x7f) return 0;
    if (!exponent) return (float)(x & 7) * 0x1p-10f;
    const uint32_t bits = (uint32_t)(exponent - 7 - 1 + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return (1 + (float)(x & 7) / 8) * power;
}

void decode_nvfp4(const uint8_t *src, float *dst) {
    for (int j = 0; j < 4; j++)
        levels16(src + 4 + 8 * j, fp4_doubled, ue4m3_half(src[j]), dst + 16 * j,
                 8);
}

/* The next ternary digit of a byte in 1/256ths: multiply by 3, take what
 * passes 256.  n digits of each of `width` bytes, digit by digit. */
static float *ternary(const uint8_t *q, int width, int n, float d, float *dst) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    for (int k = 0; k < n; k++)
        for (int i = 0; i < width; i++) {
            const uint8_t rest = (uint8_t)(q[i] * powers[k]);
            *dst++ = d * (float)((rest * 3 >> 8) - 1);
        }
    return dst;
}

void decode_tq1_0(const uint8_t *src, float *dst) {
    const float d = load_f16(src + 52);
    dst = ternary(src, 32, 5, d, dst);
    dst = ternary(src + 32, 16, 5, d, dst);
    ternary(src + 48, 4, 4, d, dst);
}

void decode_tq2_0(const uint8_t *src, float *dst) {
    const float d = load_f16(src + 64);
    for (int i = 0; i < 256; i++) {
        const int byte = i / 128 * 32 + i % 32, shift = i / 32 % 4 * 2;
        dst[i] = d * (float)((src[byte] >> shift & 3) - 1);
    }
}
