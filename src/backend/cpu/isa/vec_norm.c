/* vec_norm.c - RMS and layer normalisation of one row, and gradients.
 *
 *   xh = (x - mean) r,  r = 1 / sqrt(mean((x - mean)^2) + eps); mean is 0 for
 *   RMS.  y = xh (w + offset) + b; with g = dy (w + offset)
 *   dx = r (g - mean(g) - xh mean(g xh)), without mean(g) for RMS
 *   dw += dy xh,  db += dy
 *
 * A row is read two or three times, from the first-level cache.  Moments and
 * the sums of the gradient are double: what a residual scalar in front of a
 * norm receives is all cancellation, and float sums leave nothing of it. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

enum { CHAINS = 4, STEP = CHAINS * DOUBLES };

ALWAYS void clear(wide_vec *total) { memset(total, 0, CHAINS * sizeof *total); }

static double total_of(const wide_vec *t) {
    const wide_vec joined = (t[0] + t[2]) + (t[1] + t[3]);
    double l[DOUBLES];
    memcpy(l, &joined, sizeof l);
    for (int n = DOUBLES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) l[i] += l[i + n];
    return l[0];
}

static double row_sum(int64_t n, const float *x) {
    wide_vec t[CHAINS];
    double rest = 0;
    int64_t i = 0;
    clear(t);
    for (; i + STEP <= n; i += STEP)
        for (int c = 0; c < CHAINS; c++)
            t[c] = t[c] + wide_load(x + i + c * DOUBLES);
    for (; i < n; i++) rest += x[i];
    return total_of(t) + rest;
}

/* Sum of (x - mean)^2. */
static double row_square(int64_t n, const float *x, double mean) {
    wide_vec t[CHAINS];
    double rest = 0;
    int64_t i = 0;
    clear(t);
    for (; i + STEP <= n; i += STEP)
        for (int c = 0; c < CHAINS; c++) {
            const wide_vec d = wide_load(x + i + c * DOUBLES) - mean;
            t[c] = t[c] + d * d;
        }
    for (; i < n; i++) rest += (x[i] - mean) * (x[i] - mean);
    return total_of(t) + rest;
}

typedef struct moments {
    double mean, inv;
} moments;

ALWAYS moments row_moments(const bool centred, int64_t n, const float *x,
                           float eps) {
    moments m = {0, 0};
    if (centred) m.mean = row_sum(n, x) / (double)n;
    m.inv = 1 / sqrt(row_square(n, x, m.mean) / (double)n + (double)eps);
    return m;
}

/* Up to VEC elements of an optional row. */
ALWAYS vec part(const float *w, int64_t i, int64_t n, vec absent) {
    if (!w) return absent;
    return n - i >= VEC ? vec_load(w + i) : vec_load_n(w + i, n - i);
}
ALWAYS vec weight(const float *w, int64_t i, int64_t n, vec offset) {
    if (!w) return vec_set1(1);
    return part(w, i, n, offset) + offset;
}
ALWAYS void put(float *y, int64_t i, int64_t n, vec x) {
    if (n - i >= VEC)
        vec_store(y + i, x);
    else
        store_n(y + i, x, n - i);
}

typedef struct row {
    int64_t n;
    const float *x, *w, *b, *dy;
    float eps, offset;
} row;

ALWAYS void normalise(const bool centred, const row *r, float *y) {
    const moments m = row_moments(centred, r->n, r->x, r->eps);
    const vec mean = vec_set1((float)m.mean), inv = vec_set1((float)m.inv);
    const vec offset = vec_set1(r->offset), zero = vec_zero();
    for (int64_t i = 0; i < r->n; i += VEC) {
        const vec xh = (part(r->x, i, r->n, zero) - mean) * inv;
        const vec shift = part(r->b, i, r->n, zero);
        put(y, i, r->n, xh * weight(r->w, i, r->n, offset) + shift);
    }
}

/* g and xh of DOUBLES elements, and of one. */
typedef struct grad_pair {
    wide_vec g, xh;
} grad_pair;

ALWAYS grad_pair wide_pair(const row *r, const moments *m, int64_t i) {
    wide_vec g = wide_load(r->dy + i);
    if (r->w) g *= wide_load(r->w + i) + (double)r->offset;
    return (grad_pair){g, (wide_load(r->x + i) - m->mean) * m->inv};
}
ALWAYS double one_g(const row *r, int64_t i) {
    return r->w ? r->dy[i] * ((double)r->w[i] + r->offset) : r->dy[i];
}
ALWAYS double one_xh(const row *r, const moments *m, int64_t i) {
    return (r->x[i] - m->mean) * m->inv;
}

ALWAYS void normalise_dx(const bool centred, const row *r, float *dx) {
    const moments m = row_moments(centred, r->n, r->x, r->eps);
    wide_vec sum_g[CHAINS], sum_gx[CHAINS];
    double rest_g = 0, rest_gx = 0;
    int64_t i = 0;
    clear(sum_g);
    clear(sum_gx);
    for (; i + STEP <= r->n; i += STEP)
        for (int c = 0; c < CHAINS; c++) {
            const grad_pair p = wide_pair(r, &m, i + c * DOUBLES);
            sum_g[c] = sum_g[c] + p.g;
            sum_gx[c] = sum_gx[c] + p.g * p.xh;
        }
    for (; i < r->n; i++) {
        rest_g += one_g(r, i);
        rest_gx += one_g(r, i) * one_xh(r, &m, i);
    }
    const double n = (double)r->n;
    const double mean_g = centred ? (total_of(sum_g) + rest_g) / n : 0;
    const double mean_gx = (total_of(sum_gx) + rest_gx) / n;
    for (i = 0; i + DOUBLES <= r->n; i += DOUBLES) {
        const grad_pair p = wide_pair(r, &m, i);
        wide_store(dx + i, m.inv * (p.g - mean_g - p.xh * mean_gx));
    }
    for (; i < r->n; i++)
        dx[i] = (float)(m.inv *
                        (one_g(r, i) - mean_g - one_xh(r, &m, i) * mean_gx));
}

void ISA_NAME(rms_norm)(int64_t n, const float *x, const float *w, float eps,
                        float offset, float *y) {
    const row r = {.n = n, .x = x, .w = w, .eps = eps, .offset = offset};
    normalise(false, &r, y);
}

void ISA_NAME(layer_norm)(int64_t n, const float *x, const float *w,
                          const float *b, float eps, float *y) {
    const row r = {.n = n, .x = x, .w = w, .b = b, .eps = eps};
    normalise(true, &r, y);
}

void ISA_NAME(rms_norm_dx)(int64_t n, const float *x, const float *w,
                           const float *dy, float eps, float offset,
                           float *dx) {
    const row r = {n, x, w, NULL, dy, eps, offset};
    normalise_dx(false, &r, dx);
}

void ISA_NAME(layer_norm_dx)(int64_t n, const float *x, const float *w,
                             const float *dy, float eps, float *dx) {
    const row r = {n, x, w, NULL, dy, eps, 0};
    normalise_dx(true, &r, dx);
}

void ISA_NAME(rms_norm_dw)(int64_t n, const float *x, const float *dy,
                           float eps, float *dw) {
    const moments m = row_moments(false, n, x, eps);
    const float scale = (float)m.inv;
    const vec inv = vec_set1(scale);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        vec_store(dw + i, vec_mul_add(vec_load(dy + i), vec_load(x + i) * inv,
                                      vec_load(dw + i)));
    for (; i < n; i++) dw[i] += dy[i] * (x[i] * scale);
}

void ISA_NAME(layer_norm_dw)(int64_t n, const float *x, const float *dy,
                             float eps, float *dw, float *db) {
    const moments m = row_moments(true, n, x, eps);
    const vec mean = vec_set1((float)m.mean), inv = vec_set1((float)m.inv);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) {
        const vec d = vec_load(dy + i);
        const vec xh = (vec_load(x + i) - mean) * inv;
        vec_store(dw + i, vec_mul_add(d, xh, vec_load(dw + i)));
        vec_store(db + i, vec_load(db + i) + d);
    }
    for (; i < n; i++) {
        dw[i] += dy[i] * ((x[i] - (float)m.mean) * (float)m.inv);
        db[i] += dy[i];
    }
}
