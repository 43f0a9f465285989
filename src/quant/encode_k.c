/* encode_k.c - writing blocks whose parts have small scales of their own.
 *
 * Each part is fitted alone; the scales found are rounded to multiples of one
 * common scale, trying their neighbours too; then the common scale is solved
 * for again with the levels as they are, and that is kept if it is better. */
#include <float.h>

#include "quant/search.h"

enum { PARTS = 16, ROUNDS = 2 };

/* A block of 256: parts of equal size, their levels, the range of their
 * scales. */
typedef struct signed_kind {
    int n_parts;
    level_set set;
    int scale_low, scale_high;
} signed_kind;

typedef struct signed_block {
    float d;
    int8_t scale[PARTS];
    float q[QUANT_MOST];
} signed_block;

/* x as it will be read back; finite if x is. */
static float as_f16(float x) {
    return f16_to_f32(f32_to_f16(clampf(x, -65504, 65504)));
}

static part part_of(int n_parts, const float *x, const float *w, int j) {
    const int n = QUANT_MOST / n_parts;
    return (part){n, x + j * n, w + j * n};
}

/* Small scale and levels of part j, near the multiple `want` of d. */
static float near_scale(const signed_kind *k, const part *p, float d,
                        float want, int8_t *scale, float *q) {
    float levels[QUANT_SUB];
    const int middle = nearest_level(want, k->scale_low, k->scale_high);
    float least = FLT_MAX;
    *scale = (int8_t)middle;
    search_levels(&k->set, p, d * (float)middle, q);
    for (int s = middle - 1; s <= middle + 1; s++) {
        if (s < k->scale_low || s > k->scale_high) continue;
        const float error = search_levels(&k->set, p, d * (float)s, levels);
        if (!(error < least)) continue;
        least = error;
        *scale = (int8_t)s;
        memcpy(q, levels, (size_t)p->n * sizeof *q);
    }
    return least;
}

/* All parts under the common scale d; returns the error. */
static float signed_parts(const signed_kind *k, const float *x, const float *w,
                          const float *want, signed_block *b) {
    float error = 0;
    for (int j = 0; j < k->n_parts; j++) {
        const part p = part_of(k->n_parts, x, w, j);
        const float multiple = b->d != 0 ? want[j] / b->d : 0;
        error +=
            near_scale(k, &p, b->d, multiple, &b->scale[j], b->q + j * p.n);
    }
    return error;
}

/* The common scale of least error for the levels there are. */
static float signed_common(const signed_kind *k, const float *x, const float *w,
                           const signed_block *b) {
    const int n = QUANT_MOST / k->n_parts;
    double top = 0, bottom = 0;
    for (int i = 0; i < QUANT_MOST; i++) {
        const float a = (float)b->scale[i / n] * b->q[i];
        top += (double)(w[i] * a * x[i]);
        bottom += (double)(w[i] * a * a);
    }
    return bottom > 0 ? as_f16((float)(top / bottom)) : 0;
}

/* A level as it is stored: counted from the lowest. */
static uint8_t index_of(const level_set *set, float q) {
    int at = 0;
    if (!set->values) return (uint8_t)((int)q - set->low);
    while (at < 15 && (float)set->values[at] < q) at++;
    return (uint8_t)at;
}

/* Fills *best and the stored levels [QUANT_MOST]. */
static void signed_search(const signed_kind *k, const float *x,
                          const float *weight, signed_block *best,
                          uint8_t *level) {
    float w[QUANT_MOST], want[PARTS], most = 0;
    signed_block b;
    search_weights(weight, x, QUANT_MOST, w);
    for (int j = 0; j < k->n_parts; j++) {
        const part p = part_of(k->n_parts, x, w, j);
        want[j] = search_scale(&k->set, &p, best->q);
        const float size = want[j] < 0 ? -want[j] : want[j];
        if (size > (most < 0 ? -most : most)) most = want[j];
    }
    best->d = as_f16(most / (float)k->scale_low);
    float least = signed_parts(k, x, w, want, best);
    for (int round = 0; round < ROUNDS; round++) {
        b.d = signed_common(k, x, w, best);
        const float error = signed_parts(k, x, w, want, &b);
        if (!(error < least)) break;
        least = error;
        *best = b;
    }
    for (int i = 0; i < QUANT_MOST; i++)
        level[i] = index_of(&k->set, best->q[i]);
}

typedef struct affine_kind {
    int n_parts, high, scale_high;
} affine_kind;

typedef struct affine_block {
    float d, m; /* of scales and of minima, which are taken away */
    uint8_t scale[PARTS], minimum[PARTS];
    float q[QUANT_MOST];
} affine_block;

/* Small scale and minimum of part j, near those that were fitted. */
static float near_affine(const affine_kind *k, const part *p, affine fit, int j,
                         affine_block *b) {
    const float s = b->d > 0 ? fit.scale / b->d : 0;
    const float m = b->m > 0 ? -fit.minimum / b->m : 0;
    const int s0 = nearest_level(s, 0, k->scale_high);
    const int m0 = nearest_level(m, 0, k->scale_high);
    float levels[QUANT_SUB], *q = b->q + j * p->n;
    float least = FLT_MAX;
    b->scale[j] = b->minimum[j] = 0;
    memset(q, 0, (size_t)p->n * sizeof *q);
    for (int i = 0; i < 9; i++) {
        const int sc = s0 + i % 3 - 1, mn = m0 + i / 3 - 1;
        if (sc < 0 || sc > k->scale_high || mn < 0 || mn > k->scale_high)
            continue;
        const affine a = {b->d * (float)sc, -(b->m * (float)mn)};
        const float error = search_affine_levels(k->high, p, a, levels);
        if (!(error < least)) continue;
        least = error;
        b->scale[j] = (uint8_t)sc;
        b->minimum[j] = (uint8_t)mn;
        memcpy(q, levels, (size_t)p->n * sizeof *q);
    }
    return least;
}

static float affine_parts(const affine_kind *k, const float *x, const float *w,
                          const affine *fit, affine_block *b) {
    float error = 0;
    for (int j = 0; j < k->n_parts; j++) {
        const part p = part_of(k->n_parts, x, w, j);
        error += near_affine(k, &p, fit[j], j, b);
    }
    return error;
}

/* d and m of least error for the levels there are: x ~ d a - m c. */
static bool affine_common(const affine_kind *k, const float *x, const float *w,
                          const affine_block *from, affine_block *to) {
    const int n = QUANT_MOST / k->n_parts;
    double aa = 0, ac = 0, cc = 0, xa = 0, xc = 0;
    for (int i = 0; i < QUANT_MOST; i++) {
        const double a = from->scale[i / n] * (double)from->q[i];
        const double c = from->minimum[i / n], u = (double)w[i];
        aa += u * a * a;
        ac += u * a * c;
        cc += u * c * c;
        xa += u * a * (double)x[i];
        xc += u * c * (double)x[i];
    }
    const double det = aa * cc - ac * ac;
    if (!(det > 0)) {
        if (!(aa > 0) || cc > 0) return false;
        to->d = as_f16((float)(xa / aa));
        to->m = 0;
        return to->d > 0;
    }
    to->d = as_f16((float)((xa * cc - xc * ac) / det));
    to->m = as_f16((float)((xa * ac - xc * aa) / det));
    return to->d > 0 && to->m >= 0;
}

/* Fills *best and the levels [QUANT_MOST]. */
static void affine_search(const affine_kind *k, const float *x,
                          const float *weight, affine_block *best,
                          uint8_t *level) {
    float w[QUANT_MOST], most = 0, lowest = 0;
    affine fit[PARTS];
    affine_block b;
    search_weights(weight, x, QUANT_MOST, w);
    for (int j = 0; j < k->n_parts; j++) {
        const part p = part_of(k->n_parts, x, w, j);
        fit[j] = search_affine(k->high, &p, false, best->q);
        most = fit[j].scale > most ? fit[j].scale : most;
        lowest = fit[j].minimum < lowest ? fit[j].minimum : lowest;
    }
    best->d = as_f16(most / (float)k->scale_high);
    best->m = as_f16(-lowest / (float)k->scale_high);
    float least = affine_parts(k, x, w, fit, best);
    for (int round = 0; round < ROUNDS; round++) {
        if (!affine_common(k, x, w, best, &b)) break;
        const float error = affine_parts(k, x, w, fit, &b);
        if (!(error < least)) break;
        least = error;
        *best = b;
    }
    for (int i = 0; i < QUANT_MOST; i++) level[i] = (uint8_t)best->q[i];
}

void encode_q2_k(const float *x, const float *weight, uint8_t *dst) {
    static const affine_kind kind = {16, 3, 15};
    affine_block b;
    uint8_t level[QUANT_MOST];
    affine_search(&kind, x, weight, &b, level);
    for (int j = 0; j < 16; j++)
        dst[j] = (uint8_t)(b.scale[j] | b.minimum[j] << 4);
    for (int i = 0; i < 64; i++) {
        const uint8_t *q = level + i / 32 * 128 + i % 32;
        dst[16 + i] = (uint8_t)(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
    }
    store_f16(dst + 80, b.d);
    store_f16(dst + 82, b.m);
}

static void encode_45_k(const affine_kind *kind, const float *x,
                        const float *weight, uint8_t *dst, uint8_t *high) {
    affine_block b;
    uint8_t level[QUANT_MOST];
    affine_search(kind, x, weight, &b, level);
    store_f16(dst, b.d);
    store_f16(dst + 2, b.m);
    pack_k_scales(b.scale, b.minimum, dst + 4);
    uint8_t *low = high ? high + 32 : dst + 16;
    for (int i = 0; i < 128; i++) {
        const uint8_t *q = level + i / 32 * 64 + i % 32;
        low[i] = (uint8_t)((q[0] & 15) | (q[32] & 15) << 4);
    }
    if (!high) return;
    memset(high, 0, 32);
    for (int i = 0; i < QUANT_MOST; i++)
        high[i % 32] |= (uint8_t)(level[i] >> 4 << i / 32);
}

void encode_q4_k(const float *x, const float *weight, uint8_t *dst) {
    static const affine_kind kind = {8, 15, 63};
    encode_45_k(&kind, x, weight, dst, NULL);
}

void encode_q5_k(const float *x, const float *weight, uint8_t *dst) {
    static const affine_kind kind = {8, 31, 63};
    encode_45_k(&kind, x, weight, dst, dst + 16);
}

void encode_q3_k(const float *x, const float *weight, uint8_t *dst) {
    static const signed_kind kind = {16, {-4, 3, NULL}, -32, 31};
    uint8_t *levels = dst + 32, *scales = dst + 96;
    signed_block b;
    uint8_t level[QUANT_MOST];
    signed_search(&kind, x, weight, &b, level);
    memset(dst, 0, 108);
    for (int i = 0; i < QUANT_MOST; i++) {
        const int q = level[i], run = i / 32;
        dst[i % 32] |= (uint8_t)(q >> 2 << run);
        levels[run / 4 * 32 + i % 32] |= (uint8_t)((q & 3) << run % 4 * 2);
    }
    for (int j = 0; j < 16; j++) {
        const int scale = b.scale[j] + 32;
        scales[j % 8] |= (uint8_t)((scale & 15) << j / 8 * 4);
        scales[8 + j % 4] |= (uint8_t)(scale >> 4 << j / 4 * 2);
    }
    store_f16(dst + 108, b.d);
}

void encode_q6_k(const float *x, const float *weight, uint8_t *dst) {
    static const signed_kind kind = {16, {-32, 31, NULL}, -128, 127};
    uint8_t *high = dst + 128;
    signed_block b;
    uint8_t level[QUANT_MOST];
    signed_search(&kind, x, weight, &b, level);
    memset(dst, 0, 192);
    for (int i = 0; i < QUANT_MOST; i++) {
        const int q = level[i], half = i / 128, run = i / 32 % 4;
        dst[half * 64 + run % 2 * 32 + i % 32] |=
            (uint8_t)((q & 15) << run / 2 * 4);
        high[half * 32 + i % 32] |= (uint8_t)(q >> 4 << 2 * run);
    }
    memcpy(dst + 192, b.scale, 16);
    store_f16(dst + 208, b.d);
}

static void pack_iq4(const uint8_t *level, uint8_t *dst) {
    for (int i = 0; i < 16; i++)
        dst[i] = (uint8_t)(level[i] | level[i + 16] << 4);
}

void encode_iq4_xs(const float *x, const float *weight, uint8_t *dst) {
    static const signed_kind kind = {8, {-127, 113, iq4_levels}, -32, 31};
    signed_block b;
    uint8_t level[QUANT_MOST];
    int high = 0;
    signed_search(&kind, x, weight, &b, level);
    memset(dst, 0, 8);
    for (int j = 0; j < 8; j++) {
        const int scale = b.scale[j] + 32;
        high |= scale >> 4 << 2 * j;
        dst[4 + j / 2] |= (uint8_t)((scale & 15) << j % 2 * 4);
        pack_iq4(level + 32 * j, dst + 8 + 16 * j);
    }
    store_f16(dst, b.d);
    store_u16(dst + 2, (uint16_t)high);
}

void encode_iq4_nl(const float *x, const float *weight, uint8_t *dst) {
    static const level_set set = {-127, 113, iq4_levels};
    float w[32], q[32];
    uint8_t level[32];
    const part p = {32, x, w};
    search_weights(weight, x, 32, w);
    const float d = as_f16(search_scale(&set, &p, q));
    search_levels(&set, &p, d, q);
    for (int i = 0; i < 32; i++) level[i] = index_of(&set, q[i]);
    store_f16(dst, d);
    pack_iq4(level, dst + 2);
}
