/* encode_simple.c - writing blocks that have one scale.
 *
 * Without importance these are the published encoders, bit for bit: the
 * largest element spans the levels, the others are rounded.  With importance
 * scale and levels are searched for. */
#include <math.h>

#include "quant/search.h"

/* Halves away from zero, of |x| < 2^22.  What is added is the float before a
 * half: with a half itself the float before a half would round to 1. */
static int round_away(float x) {
    return (int)(x + copysignf(0x1.fffffep-2f, x));
}

static float largest_size(const float *x, int n) {
    float most = 0;
    for (int i = 0; i < n; i++) {
        const float size = fabsf(x[i]);
        most = size > most ? size : most;
    }
    return most;
}

/* The first element of the largest size. */
static float largest(const float *x, int n) {
    float most = x[0];
    for (int i = 1; i < n; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    return most;
}

static float inverse_of(float d) { return d != 0 ? 1 / d : 0; }

static float f16_finite(float x) { return clampf(x, -65504, 65504); }

/* Levels of a symmetric type, counted from 0; the scale goes to dst. */
static void signed_levels(const float *x, const float *weight, int half,
                          uint8_t *dst, uint8_t *q) {
    if (!weight) {
        const float d = largest(x, 32) / (float)-half, inverse = inverse_of(d);
        const float middle = (float)half + 0.5f, top = (float)(2 * half - 1);
        store_f16(dst, d);
        for (int i = 0; i < 32; i++)
            q[i] = (uint8_t)clampf(x[i] * inverse + middle, 0, top);
        return;
    }
    float w[32], levels[32];
    const level_set set = {-half, half - 1, NULL};
    const part p = {32, x, w};
    search_weights(weight, x, 32, w);
    const float d = store_f16(dst, f16_finite(search_scale(&set, &p, levels)));
    search_levels(&set, &p, d, levels);
    for (int i = 0; i < 32; i++) q[i] = (uint8_t)((int)levels[i] + half);
}

/* Levels of a type with a minimum; scale and minimum go to dst. */
static void affine_levels(const float *x, const float *weight, int top,
                          uint8_t *dst, uint8_t *q) {
    if (!weight) {
        float low = x[0], high = x[0];
        for (int i = 1; i < 32; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        const float d = (high - low) / (float)top, inverse = inverse_of(d);
        store_f16(dst, d);
        store_f16(dst + 2, low);
        for (int i = 0; i < 32; i++) {
            const float level = (x[i] - low) * inverse + 0.5f;
            q[i] = (uint8_t)clampf(level, 0, (float)top);
        }
        return;
    }
    float w[32], levels[32];
    const part p = {32, x, w};
    search_weights(weight, x, 32, w);
    affine a = search_affine(top, &p, true, levels);
    a.scale = store_f16(dst, f16_finite(a.scale));
    a.minimum = store_f16(dst + 2, f16_finite(a.minimum));
    search_affine_levels(top, &p, a, levels);
    for (int i = 0; i < 32; i++) q[i] = (uint8_t)levels[i];
}

/* Elements i and i + n share a byte. */
static void pack_nibbles(const uint8_t *q, uint8_t *dst, int n) {
    for (int i = 0; i < n; i++)
        dst[i] = (uint8_t)((q[i] & 15) | (q[i + n] & 15) << 4);
}

static void pack_fifth_bits(const uint8_t *q, uint8_t *dst) {
    memset(dst, 0, 4);
    for (int i = 0; i < 32; i++)
        dst[i / 8] |= (uint8_t)((q[i] >> 4 & 1) << i % 8);
}

void encode_q4_0(const float *x, const float *weight, uint8_t *dst) {
    uint8_t q[32];
    signed_levels(x, weight, 8, dst, q);
    pack_nibbles(q, dst + 2, 16);
}

void encode_q4_1(const float *x, const float *weight, uint8_t *dst) {
    uint8_t q[32];
    affine_levels(x, weight, 15, dst, q);
    pack_nibbles(q, dst + 4, 16);
}

void encode_q5_0(const float *x, const float *weight, uint8_t *dst) {
    uint8_t q[32];
    signed_levels(x, weight, 16, dst, q);
    pack_fifth_bits(q, dst + 2);
    pack_nibbles(q, dst + 6, 16);
}

void encode_q5_1(const float *x, const float *weight, uint8_t *dst) {
    uint8_t q[32];
    affine_levels(x, weight, 31, dst, q);
    pack_fifth_bits(q, dst + 4);
    pack_nibbles(q, dst + 8, 16);
}

static float bytes_of(const float *x, uint8_t *q, int *sum) {
    const float d = largest_size(x, 32) / 127, inverse = inverse_of(d);
    int level[32], total = 0;
    for (int i = 0; i < 32; i++)
        level[i] = round_away(clampf(x[i] * inverse, -127, 127));
    for (int i = 0; i < 32; i++) total += level[i];
    for (int i = 0; i < 32; i++) q[i] = (uint8_t)level[i];
    *sum = total;
    return d;
}

void encode_q8_0(const float *x, const float *weight, uint8_t *dst) {
    int sum;
    (void)weight;
    store_f16(dst, bytes_of(x, dst + 2, &sum));
}

void encode_q8_1(const float *x, const float *weight, uint8_t *dst) {
    int sum;
    (void)weight;
    const float d = bytes_of(x, dst + 4, &sum);
    store_f16(dst, d);
    store_f16(dst + 2, d * (float)sum);
}

void encode_q8_k(const float *x, const float *weight, uint8_t *dst) {
    const float most = largest(x, 256);
    const float inverse = most != 0 ? -127 / most : 0;
    const float d = inverse_of(inverse);
    uint32_t bits;
    (void)weight;
    memcpy(&bits, &d, sizeof bits);
    store_u16(dst, (uint16_t)bits);
    store_u16(dst + 2, (uint16_t)(bits >> 16));
    for (int j = 0; j < 16; j++) {
        int sum = 0;
        for (int i = 16 * j; i < 16 * j + 16; i++) {
            const int level = nearest_level(x[i] * inverse, -127, 127);
            dst[4 + i] = (uint8_t)level;
            sum += level;
        }
        store_u16(dst + 260 + 2 * j, (uint16_t)sum);
    }
}

/* Ternary levels 0, 1, 2 of 256 elements. */
static float ternary_levels(const float *x, uint8_t *q) {
    const float d = largest_size(x, 256), inverse = inverse_of(d);
    for (int i = 0; i < 256; i++)
        q[i] = (uint8_t)(round_away(clampf(x[i] * inverse, -1, 1)) + 1);
    return d;
}

/* n digits of `width` bytes, the first digit the most significant of five;
 * then from 243rds to 256ths, rounded up, so that multiplying gives digits. */
static const uint8_t *pack_ternary(const uint8_t *q, int width, int n,
                                   uint8_t *dst) {
    for (int i = 0; i < width; i++) {
        int value = 0;
        for (int k = 0; k < 5; k++)
            value = value * 3 + (k < n ? q[k * width + i] : 0);
        dst[i] = (uint8_t)((value * 256 + 242) / 243);
    }
    return q + n * width;
}

void encode_tq1_0(const float *x, const float *weight, uint8_t *dst) {
    uint8_t q[256];
    (void)weight;
    store_f16(dst + 52, ternary_levels(x, q));
    const uint8_t *rest = pack_ternary(q, 32, 5, dst);
    rest = pack_ternary(rest, 16, 5, dst + 32);
    pack_ternary(rest, 4, 4, dst + 48);
}

void encode_tq2_0(const float *x, const float *weight, uint8_t *dst) {
    uint8_t q[256];
    (void)weight;
    store_f16(dst + 64, ternary_levels(x, q));
    for (int i = 0; i < 64; i++) {
        const uint8_t *p = q + i / 32 * 128 + i % 32;
        dst[i] = (uint8_t)(p[0] | p[32] << 2 | p[64] << 4 | p[96] << 6);
    }
}

/* The nearest e2m1 float, of equals the first in the table. */
static int nearest_fp4(float x, float d, float *error) {
    int best = 0;
    float least = fabsf(d * 0 - x);
    for (int k = 1; k < 16; k++) {
        const float e = fabsf(d * (float)fp4_doubled[k] - x);
        if (e < least) {
            least = e;
            best = k;
        }
    }
    *error = least;
    return best;
}

/* Levels under the scale of exponent e, and their weighted error. */
static float fp4_levels(const float *x, const float *w, int e, uint8_t *q) {
    const float d = e8m0_half((uint8_t)e);
    float sum = 0;
    for (int i = 0; i < 32; i++) {
        float error;
        q[i] = (uint8_t)nearest_fp4(x[i], d, &error);
        sum += (w ? w[i] : 1) * error * error;
    }
    return sum;
}

void encode_mxfp4(const float *x, const float *weight, uint8_t *dst) {
    const float most = largest_size(x, 32);
    const float power = most > 0 ? floorf(log2f(most)) - 2 + 127 : 0;
    const int first = (int)clampf(power, 0, 254);
    float w[32], least;
    uint8_t q[32], other[32];
    int e = first;
    if (weight) search_weights(weight, x, 32, w);
    least = fp4_levels(x, weight ? w : NULL, e, q);
    for (int step = -1; weight && step <= 1; step += 2) {
        const int now = (int)clampf((float)(first + step), 0, 254);
        const float error = fp4_levels(x, w, now, other);
        if (!(error < least)) continue;
        least = error;
        e = now;
        memcpy(q, other, sizeof q);
    }
    dst[0] = (uint8_t)e;
    pack_nibbles(q, dst + 1, 16);
}
