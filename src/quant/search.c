/* search.c - scales and levels of least weighted squared error. */
#include "quant/search.h"

#include <float.h>
#include <math.h>

void search_weights(const float *importance, int n, float *w) {
    float most = 0;
    for (int i = 0; importance && i < n; i++)
        most = importance[i] > most ? importance[i] : most;
    const bool any = most > 0 && most <= FLT_MAX;
    for (int i = 0; i < n; i++)
        w[i] = any ? clampf(importance[i] / most, 1e-6f, 1) : 1;
}

/* The nearest of 16 rising values: how many midpoints lie below. */
static int8_t nearest_value(const int8_t *values, float x) {
    int at = 0;
    for (int k = 0; k < 15; k++)
        at += x > 0.5f * (float)(values[k] + values[k + 1]);
    return values[at];
}

static void choose(const level_set *set, const part *p, float inverse,
                   int8_t *q) {
    if (set->values)
        for (int i = 0; i < p->n; i++)
            q[i] = nearest_value(set->values, p->x[i] * inverse);
    else
        for (int i = 0; i < p->n; i++)
            q[i] =
                (int8_t)nearest_level(p->x[i] * inverse, set->low, set->high);
}

float search_levels(const level_set *set, const part *p, float scale,
                    int8_t *q) {
    float error = 0;
    choose(set, p, scale != 0 ? 1 / scale : 0, q);
    for (int i = 0; i < p->n; i++) {
        const float e = p->x[i] - scale * (float)q[i];
        error += p->w[i] * e * e;
    }
    return error;
}

/* The best scale for levels q, and what it takes off the error of zeros. */
static float gain(const part *p, const int8_t *q, float *scale) {
    float xq = 0, qq = 0;
    for (int i = 0; i < p->n; i++) {
        const float wq = p->w[i] * (float)q[i];
        xq += wq * p->x[i];
        qq += wq * (float)q[i];
    }
    *scale = qq > 0 ? xq / qq : 0;
    return *scale * xq;
}

/* Keeps the levels for 1 / inverse, if they are the best so far. */
static bool try_inverse(const level_set *set, const part *p, float inverse,
                        float *best, float *scale, int8_t *q) {
    int8_t levels[QUANT_SUB];
    float s;
    choose(set, p, inverse, levels);
    const float g = gain(p, levels, &s);
    if (!(g > *best)) return false;
    *best = g;
    *scale = s;
    memcpy(q, levels, (size_t)p->n);
    return true;
}

float search_scale(const level_set *set, const part *p, int8_t *q) {
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

float search_affine_levels(int high, const part *p, affine a, uint8_t *q) {
    const float inverse = a.scale != 0 ? 1 / a.scale : 0;
    float error = 0;
    for (int i = 0; i < p->n; i++) {
        const int level =
            nearest_level((p->x[i] - a.minimum) * inverse, 0, high);
        const float e = p->x[i] - a.scale * (float)level - a.minimum;
        q[i] = (uint8_t)level;
        error += p->w[i] * e * e;
    }
    return error;
}

/* Least squares for given levels: the two normal equations, about `from` so
 * that a large common offset costs no digits. */
static affine solve(const part *p, const uint8_t *q, float from, bool free) {
    float w = 0, wx = 0, wq = 0, wqq = 0, wxq = 0;
    for (int i = 0; i < p->n; i++) {
        const float level = (float)q[i], x = p->x[i] - from, u = p->w[i];
        w += u;
        wx += u * x;
        wq += u * level;
        wqq += u * level * level;
        wxq += u * x * level;
    }
    const float det = w * wqq - wq * wq;
    affine a = {0, from};
    if (det > 0) {
        a.scale = (w * wxq - wx * wq) / det;
        a.minimum = from + (wqq * wx - wq * wxq) / det;
    } else {
        a.minimum = from + wx / w;
    }
    if (!free && a.minimum > 0) {
        a.minimum = 0;
        a.scale = wqq > 0 ? (wxq + from * wq) / wqq : 0;
    }
    return a;
}

affine search_affine(int high, const part *p, bool free, uint8_t *q) {
    enum { STEPS = 20, REFINEMENTS = 3 };
    float low = p->x[0], top = p->x[0];
    uint8_t levels[QUANT_SUB];
    for (int i = 1; i < p->n; i++) {
        low = p->x[i] < low ? p->x[i] : low;
        top = p->x[i] > top ? p->x[i] : top;
    }
    if (!free && low > 0) low = 0;
    const affine spanning = {(top - low) / (float)high, low};
    affine best = spanning;
    if (!(top > low)) best.scale = 0;
    float least = search_affine_levels(high, p, best, q);
    if (best.scale == 0) return best;
    for (int k = 0; k < STEPS + REFINEMENTS; k++) {
        /* from one level less to one more, then what was best once more */
        const float spread = (float)high - 1 + 2 * (float)k / STEPS;
        affine a = {(top - low) / spread, low};
        if (k >= STEPS) a = best;
        search_affine_levels(high, p, a, levels);
        a = solve(p, levels, low, free);
        if (!(a.scale > 0)) continue;
        const float error = search_affine_levels(high, p, a, levels);
        if (!(error < least)) continue;
        least = error;
        best = a;
        memcpy(q, levels, (size_t)p->n);
    }
    return best;
}
