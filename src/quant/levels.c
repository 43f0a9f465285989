/* levels.c - blocks as whole numbers times scales, and activations like them.
 */
#include "quant/levels.h"

#include <math.h>

#include "quant/quant_block.h"

/* 16 bytes: low halves come first, then high halves. */
static void halves(const uint8_t *src, uint8_t *q) {
    for (int i = 0; i < 16; i++) {
        q[i] = src[i] & 15;
        q[i + 16] = src[i] >> 4;
    }
}

static void fifth_bits(const uint8_t *src, uint8_t *q) {
    const uint32_t high = load_u32(src);
    for (int i = 0; i < 32; i++) q[i] |= (uint8_t)((high >> i & 1) << 4);
}

void levels_q4_0(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    *scale = load_f16(src);
    *minimum = 0;
    halves(src + 2, q);
}

void levels_q4_1(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    *scale = load_f16(src);
    *minimum = load_f16(src + 2);
    halves(src + 4, q);
}

void levels_q5_0(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    *scale = load_f16(src);
    *minimum = 0;
    halves(src + 6, q);
    fifth_bits(src + 2, q);
}

void levels_q5_1(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    *scale = load_f16(src);
    *minimum = load_f16(src + 2);
    halves(src + 8, q);
    fifth_bits(src + 4, q);
}

void levels_q8_0(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    *scale = load_f16(src);
    *minimum = 0;
    for (int i = 0; i < 32; i++) q[i] = src[2 + i] ^ 0x80;
}

void levels_q2_k(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    const float d = load_f16(src + 80), m = load_f16(src + 82);
    for (int j = 0; j < 16; j++) {
        scale[j] = d * (float)(src[j] & 15);
        minimum[j] = -(m * (float)(src[j] >> 4));
    }
    for (int i = 0; i < 256; i++)
        q[i] = src[16 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
}

void levels_q3_k(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    const uint8_t *levels = src + 32, *scales = src + 96;
    const float d = load_f16(src + 108);
    for (int j = 0; j < 16; j++) {
        const int low = scales[j % 8] >> j / 8 * 4 & 15;
        const int high = scales[8 + j % 4] >> j / 4 * 2 & 3;
        scale[j] = d * (float)((low | high << 4) - 32);
        minimum[j] = 0;
    }
    for (int i = 0; i < 256; i++) {
        const int low = levels[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
        q[i] = (uint8_t)(low | (src[i % 32] >> i / 32 & 1) << 2);
    }
}

void levels_q8_1(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    *scale = load_f16(src);
    *minimum = 0;
    for (int i = 0; i < 32; i++) q[i] = src[4 + i] ^ 0x80;
}

void levels_q8_k(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    const uint32_t word = load_u32(src);
    for (int j = 0; j < 8; j++) {
        memcpy(&scale[j], &word, sizeof word);
        minimum[j] = 0;
    }
    for (int i = 0; i < 256; i++) q[i] = src[4 + i] ^ 0x80;
}

static void k_scales(const uint8_t *src, float *scale, float *minimum) {
    const float d = load_f16(src), m = load_f16(src + 2);
    uint8_t scales[8], minima[8];
    unpack_k_scales(src + 4, scales, minima);
    for (int j = 0; j < 8; j++) {
        scale[j] = d * (float)scales[j];
        minimum[j] = -(m * (float)minima[j]);
    }
}

void levels_q4_k(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    k_scales(src, scale, minimum);
    for (int i = 0; i < 256; i++)
        q[i] = src[16 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
}

void levels_q5_k(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    k_scales(src, scale, minimum);
    for (int i = 0; i < 256; i++) {
        const int low = src[48 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
        q[i] = (uint8_t)(low | (src[16 + i % 32] >> i / 32 & 1) << 4);
    }
}

void levels_q6_k(const uint8_t *src, uint8_t *q, float *scale, float *minimum) {
    const float d = load_f16(src + 208);
    for (int j = 0; j < 16; j++) {
        scale[j] = d * (float)(int8_t)src[192 + j];
        minimum[j] = 0;
    }
    for (int i = 0; i < 256; i++) {
        const int half = i / 128, run = i / 32 % 4;
        const int low = src[half * 64 + i % 64] >> run / 2 * 4 & 15;
        const int high = src[128 + half * 32 + i % 32] >> 2 * run & 3;
        q[i] = (uint8_t)(low | high << 4);
    }
}

/* 16 bytes of nibbles as levels of a table, moved so that none is below 0. */
static void looked_up(const uint8_t *src, const int8_t *table, int offset,
                      uint8_t *q) {
    halves(src, q);
    for (int i = 0; i < 32; i++) q[i] = (uint8_t)(table[q[i]] + offset);
}

void levels_iq4_nl(const uint8_t *src, uint8_t *q, float *scale,
                   float *minimum) {
    *scale = load_f16(src);
    *minimum = 0;
    looked_up(src + 2, iq4_levels, 128, q);
}

void levels_iq4_xs(const uint8_t *src, uint8_t *q, float *scale,
                   float *minimum) {
    const float d = load_f16(src);
    const int high = load_u16(src + 2);
    for (int j = 0; j < 8; j++) {
        const int s = nibble(src + 4, j) | (high >> 2 * j & 3) << 4;
        scale[j] = d * (float)(s - 32);
        minimum[j] = 0;
        looked_up(src + 8 + 16 * j, iq4_levels, 128, q + 32 * j);
    }
}

void levels_mxfp4(const uint8_t *src, uint8_t *q, float *scale,
                  float *minimum) {
    *scale = e8m0_half(src[0]);
    *minimum = 0;
    looked_up(src + 1, fp4_doubled, 12, q);
}

/* 64 elements: 8 bytes have the low halves of 8, the high ones of 8 more. */
void levels_nvfp4(const uint8_t *src, uint8_t *q, float *scale,
                  float *minimum) {
    for (int j = 0; j < 4; j++) {
        scale[j] = ue4m3_half(src[j]);
        minimum[j] = 0;
        for (int i = 0; i < 8; i++) {
            const int two = src[4 + 8 * j + i];
            q[16 * j + i] = (uint8_t)(fp4_doubled[two & 15] + 12);
            q[16 * j + 8 + i] = (uint8_t)(fp4_doubled[two >> 4] + 12);
        }
    }
}

static const struct {
    levels_fn *levels;
    quant_form form;
} forms[AR_TYPE_COUNT] = {
#define LEVELS(NAME, name, group, offset, top, minima)                         \
    [AR_##NAME] = {levels_##name, {group, offset, top, minima}},
#include "quant/levels.def"
#undef LEVELS
};

static const int sizes[AR_TYPE_COUNT] = {
#define TYPE(name, text, elements, bytes) elements,
    AR_TYPE_LIST(TYPE)
#undef TYPE
};

bool quant_form_of(ar_type t, quant_form *out) {
    if ((unsigned)t >= AR_TYPE_COUNT || !forms[t].levels) return false;
    *out = forms[t].form;
    return true;
}

bool quant_levels(ar_type t, const void *src, int64_t n, uint8_t *levels,
                  float *scale, float *minimum) {
    quant_form f;
    if (!quant_form_of(t, &f) || !quant_holds(t, n)) return false;
    const int64_t step = sizes[t];
    for (int64_t at = 0; at < n; at += step)
        forms[t].levels((const uint8_t *)src + ar_type_size(t, at), levels + at,
                        scale + at / f.group, minimum + at / f.group);
    return true;
}

float act8_round(const float *x, int8_t *q) {
    float max = 0;
    bool finite = true;
    for (int i = 0; i < ACT8_BLOCK; i++) {
        const float size = fabsf(x[i]);
        finite &= isfinite(x[i]) != 0;
        max = size > max || isnan(size) ? size : max;
    }
    memset(q, 0, ACT8_BLOCK);
    if (!finite) {
        for (int i = 0; i < ACT8_BLOCK; i++)
            if (isnan(x[i])) return x[i];
        return INFINITY;
    }
    if (max < 0x1p-100f) return 0;
    const float inverse = 127 / max;
    for (int i = 0; i < ACT8_BLOCK; i++)
        q[i] = (int8_t)round_whole(x[i] * inverse);
    return max / 127;
}
