/* search.c - scales and levels of least weighted squared error.
 *
 * Loops run over 16 elements at a time and sums over 16 lanes, so that any
 * compiler makes vectors of them without being told to reorder. */
#include "quant/search.h"

#include <float.h>
#include <math.h>

enum { LANES = 16 };

static float largest_of(const float *x, int n) {
    float most = 0;
    for (int i = 0; i < n; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

void search_weights(const float *importance, const float *x, int n, float *w) {
    const float most = importance ? largest_of(importance, n) : 0;
    const float largest = largest_of(x, n);
    const bool any = most > 0 && most <= FLT_MAX;
    const bool sized = largest > 0 && largest <= FLT_MAX;
    float mean = 0;
    for (int i = 0; i < n; i++) {
        w[i] = sized ? x[i] / largest : 0;
        mean += w[i] * w[i] / (float)n;
    }
    for (int i = 0; i < n; i++)
        w[i] = (any ? importance[i] / most : 1) * sqrtf(mean + w[i] * w[i]);
    const float heaviest = largest_of(w, n);
    for (int i = 0; i < n; i++)
        w[i] = heaviest > 0 ? clampf(w[i] / heaviest, 1e-6f, 1) : 1;
}

static float fold(float *s) {
    for (int i = 0; i < 8; i++) s[i] += s[i + 8];
    for (int i = 0; i < 4; i++) s[i] += s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* (x - from) / scale rounded to whole levels. */
static void round_levels(int low, int high, const part *p, float from,
                         float inverse, float *q) {
    const float l = (float)low, h = (float)high;
    for (int at = 0; at < p->n; at += LANES)
        for (int i = at; i < at + LANES; i++)
            q[i] = round_whole(clampf((p->x[i] - from) * inverse, l, h));
}

/* The nearest of 16 rising values: each midpoint below adds a step. */
static void round_values(const int8_t *values, const part *p, float inverse,
                         float *q) {
    for (int at = 0; at < p->n; at += LANES) {
        float x[LANES], v[LANES];
        for (int i = 0; i < LANES; i++) x[i] = p->x[at + i] * inverse;
        for (int i = 0; i < LANES; i++) v[i] = (float)values[0];
        for (int k = 0; k < 15; k++) {
            const float middle = 0.5f * (float)(values[k] + values[k + 1]);
            const float step = (float)(values[k + 1] - values[k]);
            for (int i = 0; i < LANES; i++) v[i] += x[i] > middle ? step : 0;
        }
        for (int i = 0; i < LANES; i++) q[at + i] = v[i];
    }
}

static void choose(const level_set *set, const part *p, float inverse,
                   float *q) {
    if (set->values)
        round_values(set->values, p, inverse, q);
    else
        round_levels(set->low, set->high, p, 0, inverse, q);
}

static float error_of(const part *p, affine a, const float *q) {
    float sum[LANES] = {0};
    for (int at = 0; at < p->n; at += LANES)
        for (int i = 0; i < LANES; i++) {
            const float e = p->x[at + i] - a.scale * q[at + i] - a.minimum;
            sum[i] += p->w[at + i] * e * e;
        }
    return fold(sum);
}

float search_levels(const level_set *set, const part *p, float scale,
                    float *q) {
    choose(set, p, scale != 0 ? 1 / scale : 0, q);
    return error_of(p, (affine){scale, 0}, q);
}

/* The best scale for levels q, and what it takes off the error of zeros. */
static float gain(const part *p, const float *q, float *scale) {
    float xq[LANES] = {0}, qq[LANES] = {0};
    for (int at = 0; at < p->n; at += LANES)
        for (int i = 0; i < LANES; i++) {
            const float wq = p->w[at + i] * q[at + i];
            xq[i] += wq * p->x[at + i];
            qq[i] += wq * q[at + i];
        }
    const float top = fold(xq), bottom = fold(qq);
    *scale = bottom > 0 ? top / bottom : 0;
    return *scale * top;
}

/* Keeps the levels for 1 / inverse, if they are the best so far. */
static bool try_inverse(const level_set *set, const part *p, float inverse,
                        float *best, float *scale, float *q) {
    float levels[QUANT_SUB], s;
    choose(set, p, inverse, levels);
    const float g = gain(p, levels, &s);
    if (!(g > *best)) return false;
    *best = g;
    *scale = s;
    memcpy(q, levels, (size_t)p->n * sizeof *q);
    return true;
}

float search_scale(const level_set *set, const part *p, float *q) {
    enum { STEPS = 9, REFINEMENTS = 4 };
    /* a tenth of a level a step; of uneven ones, a hundredth of the range */
    const float step = set->values ? 1.25f : 0.1f;
    float most = 0, best = 0, scale = 0;
    for (int i = 0; i < p->n; i++)
        if (fabsf(p->x[i]) > fabsf(most)) most = p->x[i];
    choose(set, p, 0, q);
    if (most == 0) return 0;
    for (int k = -STEPS; k <= STEPS; k++) {
        const float move = step * (float)k;
        try_inverse(set, p, ((float)set->low + move) / most, &best, &scale, q);
        try_inverse(set, p, ((float)set->high + move) / most, &best, &scale, q);
    }
    for (int k = 0; k < REFINEMENTS && scale != 0; k++)
        if (!try_inverse(set, p, 1 / scale, &best, &scale, q)) break;
    return scale;
}

float search_affine_levels(int high, const part *p, affine a, float *q) {
    const float inverse = a.scale != 0 ? 1 / a.scale : 0;
    round_levels(0, high, p, a.minimum, inverse, q);
    return error_of(p, a, q);
}

/* Least squares for given levels: the two normal equations, about `from` so
 * that a large common offset costs no digits. */
static affine solve(const part *p, const float *q, float from, bool free) {
    float s0[LANES] = {0}, s1[LANES] = {0}, s2[LANES] = {0};
    float s3[LANES] = {0}, s4[LANES] = {0};
    for (int at = 0; at < p->n; at += LANES)
        for (int i = 0; i < LANES; i++) {
            const float u = p->w[at + i], ux = u * (p->x[at + i] - from);
            const float level = q[at + i], uq = u * level;
            s0[i] += u;
            s1[i] += ux;
            s2[i] += uq;
            s3[i] += uq * level;
            s4[i] += ux * level;
        }
    const float w = fold(s0), wx = fold(s1), wq = fold(s2), wqq = fold(s3);
    const float wxq = fold(s4), det = w * wqq - wq * wq;
    affine a = {0, from + wx / w};
    if (det > 0) {
        a.scale = (w * wxq - wx * wq) / det;
        a.minimum = from + (wqq * wx - wq * wxq) / det;
    }
    if (!free && a.minimum > 0) {
        a.minimum = 0;
        a.scale = wqq > 0 ? (wxq + from * wq) / wqq : 0;
    }
    return a;
}

affine search_affine(int high, const part *p, bool free, float *q) {
    enum { STEPS = 20, REFINEMENTS = 3 };
    float low = p->x[0], top = p->x[0], levels[QUANT_SUB];
    for (int i = 1; i < p->n; i++) {
        low = p->x[i] < low ? p->x[i] : low;
        top = p->x[i] > top ? p->x[i] : top;
    }
    if (!free && low > 0) low = 0;
    affine best = {0, low};
    if (top > low) best.scale = (top - low) / (float)high;
    float least = search_affine_levels(high, p, best, q);
    if (best.scale == 0) return best;
    for (int k = 0; k < STEPS + REFINEMENTS; k++) {
        /* from one level less to one more, then what was best once more */
        const float spread = (float)high - 1 + 2 * (float)k / STEPS;
        if (k < STEPS)
            round_levels(0, high, p, low, spread / (top - low), levels);
        else
            round_levels(0, high, p, best.minimum, 1 / best.scale, levels);
        const affine a = solve(p, levels, low, free);
        if (!(a.scale > 0)) continue;
        const float error = search_affine_levels(high, p, a, levels);
        if (!(error < least)) continue;
        least = error;
        best = a;
        memcpy(q, levels, (size_t)p->n * sizeof *q);
    }
    return best;
}
