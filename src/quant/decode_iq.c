/* decode_iq.c - the IQ types, whose weights are points of a grid.
 *
 * A point gives the sizes of 8 (or 4) weights, sign bits their signs.  Every
 * index has as many bits as its grid needs, so no bytes can leave it. */
#include "quant/quant_block.h"

/* x, or -x if the lowest bit of `negative` is set, without a branch. */
static float with_sign(float x, unsigned negative) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= (uint32_t)negative << 31;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* Eight weights of an IQ2 type; bit i of signs is that of weight i. */
static void point2(uint16_t point, unsigned signs, float d, float *dst) {
    static const float sizes[4] = {8, 25, 43, 0};
    for (int i = 0; i < 8; i++)
        dst[i] = with_sign(d * sizes[point >> 2 * i & 3], signs >> i);
}

/* d, then for each 32: four indices, four 7-bit signs under a 4-bit scale */
void decode_iq2_xxs(const uint8_t *src, float *dst) {
    const float d = load_f16(src);
    for (int j = 0; j < 8; j++) {
        const uint8_t *index = src + 2 + 8 * j;
        const uint32_t rest = load_u32(index + 4);
        const float scale = d * (0.5f + (float)(rest >> 28)) * 0.25f;
        for (int k = 0; k < 4; k++, dst += 8)
            point2(iq2xxs_grid[index[k]], even_signs(rest >> 7 * k & 127),
                   scale, dst);
    }
}

/* d, 32 words of 9 bits index and 7 bits signs, 16 nibbles of scales */
void decode_iq2_xs(const uint8_t *src, float *dst) {
    const float d = load_f16(src);
    for (int k = 0; k < 32; k++, dst += 8) {
        const float size = (float)nibble(src + 66, k / 2);
        const unsigned word = load_u16(src + 2 + 2 * k);
        point2(iq2xs_grid[word & 511], even_signs(word >> 9),
               d * (0.5f + size) * 0.25f, dst);
    }
}

/* d, indices[32], signs[32], index bits 8 and 9 [8], 16 nibbles of scales */
void decode_iq2_s(const uint8_t *src, float *dst) {
    const float d = load_f16(src);
    for (int k = 0; k < 32; k++, dst += 8) {
        const float size = (float)nibble(src + 74, k / 2);
        const int high = src[66 + k / 4] >> 2 * (k % 4) & 3;
        point2(iq2s_grid[src[2 + k] | high << 8], src[34 + k],
               d * (0.5f + size) * 0.25f, dst);
    }
}

/* Four weights of an IQ3 type. */
static void point3(uint16_t point, const float *sizes, unsigned signs, float d,
                   float *dst) {
    for (int i = 0; i < 4; i++)
        dst[i] = with_sign(d * sizes[point >> 4 * i & 7], signs >> i);
}

/* d, indices[64], then for each 32: four 7-bit signs under a 4-bit scale */
void decode_iq3_xxs(const uint8_t *src, float *dst) {
    static const float sizes[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    const float d = load_f16(src);
    const uint8_t *index = src + 2;
    for (int j = 0; j < 8; j++) {
        const uint32_t rest = load_u32(src + 66 + 4 * j);
        const float scale = d * (0.5f + (float)(rest >> 28)) * 0.5f;
        for (int k = 0; k < 4; k++, dst += 8, index += 2) {
            const unsigned signs = even_signs(rest >> 7 * k & 127);
            point3(iq3xxs_grid[index[0]], sizes, signs, scale, dst);
            point3(iq3xxs_grid[index[1]], sizes, signs >> 4, scale, dst + 4);
        }
    }
}

/* d, indices[64], index bit 8 [8], signs[32], 8 nibbles of scales */
void decode_iq3_s(const uint8_t *src, float *dst) {
    static const float sizes[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    const float d = load_f16(src);
    for (int k = 0; k < 64; k++, dst += 4) {
        const int high = src[66 + k / 8] >> k % 8 & 1;
        const unsigned signs = (unsigned)nibble(src + 74, k);
        const int scale = 1 + 2 * nibble(src + 106, k / 8);
        point3(iq3s_grid[src[2 + k] | high << 8], sizes, signs,
               d * (float)scale, dst);
    }
}

/* Eight weights of an IQ1 type: -1, 0 or 1, all moved by an eighth. */
static void point1(uint16_t point, float shift, float d, float *dst) {
    for (int i = 0; i < 8; i++)
        dst[i] = d * ((float)((point >> 2 * i & 3) - 1) + shift);
}

/* d, indices[32], words[8]: four times index bits 8..10, scale, shift's sign */
void decode_iq1_s(const uint8_t *src, float *dst) {
    const float d = load_f16(src);
    for (int k = 0; k < 32; k++, dst += 8) {
        const int word = load_u16(src + 34 + k / 4 * 2);
        const int high = word >> 3 * (k % 4) & 7;
        const float scale = d * (float)(2 * (word >> 12 & 7) + 1);
        point1(iq1_grid[src[k + 2] | high << 8],
               word & 0x8000 ? -0.125f : 0.125f, scale, dst);
    }
}

/* indices[32], nibbles[32] of index bits 8..10 and the shift's sign, words[4]
 * of four 3-bit scales under a nibble of d */
void decode_iq1_m(const uint8_t *src, float *dst) {
    int words[4];
    unsigned half = 0;
    for (int k = 0; k < 4; k++) {
        words[k] = load_u16(src + 48 + 2 * k);
        half |= (unsigned)(words[k] >> 12) << 4 * k;
    }
    const float d = f16_to_f32((uint16_t)half);
    for (int k = 0; k < 32; k++, dst += 8) {
        const int high = nibble(src + 32, k);
        const int size = words[k / 8] >> 3 * (k / 2 % 4) & 7;
        point1(iq1_grid[src[k] | (high & 7) << 8], high & 8 ? -0.125f : 0.125f,
               d * (float)(2 * size + 1), dst);
    }
}
