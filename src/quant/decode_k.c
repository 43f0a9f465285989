/* decode_k.c - the K types: 256 elements whose parts have small scales.
 *
 * Elements lie in runs of 32 that share bytes and differ in the shift. */
#include "quant/quant_block.h"

/* scales[16] of two nibbles, levels[64], scale of scales, scale of minima */
void decode_q2_k(const uint8_t *src, float *dst) {
    const uint8_t *levels = src + 16;
    const float d = load_f16(src + 80), m = load_f16(src + 82);
    for (int j = 0; j < 16; j++) {
        const float scale = d * (float)(src[j] & 15);
        const float minimum = m * (float)(src[j] >> 4);
        const uint8_t *q = levels + j / 8 * 32 + j % 2 * 16;
        const int shift = j / 2 % 4 * 2;
        for (int i = 0; i < 16; i++)
            *dst++ = scale * (float)(q[i] >> shift & 3) - minimum;
    }
}

/* high bits[32], levels[64], scales[12], scale of scales.  A high bit that is
 * not set takes 4 away. */
void decode_q3_k(const uint8_t *src, float *dst) {
    const uint8_t *levels = src + 32, *scales = src + 96;
    const float d = load_f16(src + 108);
    for (int j = 0; j < 16; j++) {
        const int low = scales[j % 8] >> j / 8 * 4 & 15;
        const int high = scales[8 + j % 4] >> j / 4 * 2 & 3;
        const float scale = d * (float)((low | high << 4) - 32);
        const uint8_t *q = levels + j / 8 * 32 + j % 2 * 16;
        const uint8_t *bit = src + j % 2 * 16;
        const int shift = j / 2 % 4 * 2, at = j / 2;
        for (int i = 0; i < 16; i++) {
            const int up = (bit[i] >> at & 1) << 2;
            *dst++ = scale * (float)((q[i] >> shift & 3) + up - 4);
        }
    }
}

/* Bytes 0..3 and 4..7 have scales and minima 0..3 in their low six bits, and
 * in the two above the high bits of scales and minima 4..7, whose low nibbles
 * are in bytes 8..11. */
void unpack_k_scales(const uint8_t *src, uint8_t *scale, uint8_t *minimum) {
    for (int j = 0; j < 4; j++) {
        scale[j] = src[j] & 63;
        minimum[j] = src[j + 4] & 63;
        scale[j + 4] = (uint8_t)((src[j + 8] & 15) | (src[j] >> 2 & 0x30));
        minimum[j + 4] = (uint8_t)(src[j + 8] >> 4 | (src[j + 4] >> 2 & 0x30));
    }
}

void pack_k_scales(const uint8_t *scale, const uint8_t *minimum, uint8_t *dst) {
    for (int j = 0; j < 4; j++) {
        dst[j] = (uint8_t)(scale[j] | (scale[j + 4] & 0x30) << 2);
        dst[j + 4] = (uint8_t)(minimum[j] | (minimum[j + 4] & 0x30) << 2);
        dst[j + 8] =
            (uint8_t)((scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
    }
}

/* scale of scales, scale of minima, scales[12], levels[128] */
void decode_q4_k(const uint8_t *src, float *dst) {
    const float d = load_f16(src), m = load_f16(src + 2);
    uint8_t scales[8], minima[8];
    unpack_k_scales(src + 4, scales, minima);
    for (int j = 0; j < 8; j++) {
        const float scale = d * (float)scales[j],
                    minimum = m * (float)minima[j];
        const uint8_t *q = src + 16 + j / 2 * 32;
        const int shift = j % 2 * 4;
        for (int i = 0; i < 32; i++)
            *dst++ = scale * (float)(q[i] >> shift & 15) - minimum;
    }
}

/* As Q4_K, with 32 bytes of fifth bits before the levels. */
void decode_q5_k(const uint8_t *src, float *dst) {
    const float d = load_f16(src), m = load_f16(src + 2);
    const uint8_t *high = src + 16;
    uint8_t scales[8], minima[8];
    unpack_k_scales(src + 4, scales, minima);
    for (int j = 0; j < 8; j++) {
        const float scale = d * (float)scales[j],
                    minimum = m * (float)minima[j];
        const uint8_t *q = src + 48 + j / 2 * 32;
        const int shift = j % 2 * 4;
        for (int i = 0; i < 32; i++) {
            const int level = (q[i] >> shift & 15) | (high[i] >> j & 1) << 4;
            *dst++ = scale * (float)level - minimum;
        }
    }
}

/* low nibbles[128], high pairs[64], signed scales[16], scale of scales */
void decode_q6_k(const uint8_t *src, float *dst) {
    const uint8_t *scales = src + 192;
    const float d = load_f16(src + 208);
    for (int j = 0; j < 16; j++) {
        const float scale = d * (float)(int8_t)scales[j];
        const int run = j / 2 % 4, half = j / 8, at = j % 2 * 16;
        const uint8_t *low = src + half * 64 + run % 2 * 32 + at;
        const uint8_t *high = src + 128 + half * 32 + at;
        const int shift = run / 2 * 4;
        for (int i = 0; i < 16; i++) {
            const int level = (low[i] >> shift & 15) | (high[i] >> 2 * run & 3)
                                                           << 4;
            *dst++ = scale * (float)(level - 32);
        }
    }
}
