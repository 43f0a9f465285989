/* vec_norm.c - RMS and layer normalisation of one row, and gradients.
 *
 *   xh = (x - mean) r,  r = 1 / sqrt(mean((x - mean)^2) + eps); mean is 0 for
 *   RMS.  y = xh (w + offset) + b; with g = dy (w + offset)
 *   dx = r (g - mean(g) - xh mean(g xh)), without mean(g) for RMS
 *   dw += dy xh,  db += dy
 *
 * A row is read two or three times, from the first-level cache. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

enum { CHAINS = 4, STEP = CHAINS * VEC };

ALWAYS void clear(vec *total) {
    for (int c = 0; c < CHAINS; c++) total[c] = vec_zero();
}

static float total_of(const vec *t) {
    float l[VEC];
    vec_store(l, (t[0] + t[2]) + (t[1] + t[3]));
    for (int n = VEC / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) l[i] += l[i + n];
    return l[0];
}

static float row_sum(int64_t n, const float *x) {
    vec t[CHAINS];
    int64_t i = 0;
    clear(t);
    for (; i + STEP <= n; i += STEP)
        for (int c = 0; c < CHAINS; c++)
            t[c] = t[c] + vec_load(x + i + c * VEC);
    for (int c = 0; i < n; i += VEC, c++)
        t[c] = t[c] + vec_load_n(x + i, n - i);
    return total_of(t);
}

/* Sum of (x - mean)^2. */
static float row_square(int64_t n, const float *x, float mean) {
    const vec m = vec_set1(mean);
    vec t[CHAINS];
    int64_t i = 0;
    clear(t);
    for (; i + STEP <= n; i += STEP)
        for (int c = 0; c < CHAINS; c++) {
            const vec d = vec_load(x + i + c * VEC) - m;
            t[c] = vec_mul_add(d, d, t[c]);
        }
    for (; i + VEC <= n; i += VEC) {
        const vec d = vec_load(x + i) - m;
        t[0] = vec_mul_add(d, d, t[0]);
    }
    if (i < n) {
        const vec d = load_or(x + i, n - i, mean) - m;
        t[1] = vec_mul_add(d, d, t[1]);
    }
    return total_of(t);
}

typedef struct moments {
    float mean, inv;
} moments;

ALWAYS moments row_moments(const bool centred, int64_t n, const float *x,
                           float eps) {
    moments m = {0, 0};
    if (centred) m.mean = row_sum(n, x) / (float)n;
    m.inv = 1 / sqrtf(row_square(n, x, m.mean) / (float)n + eps);
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
    const vec mean = vec_set1(m.mean), inv = vec_set1(m.inv);
    const vec offset = vec_set1(r->offset), zero = vec_zero();
    for (int64_t i = 0; i < r->n; i += VEC) {
        const vec xh = (part(r->x, i, r->n, zero) - mean) * inv;
        const vec shift = part(r->b, i, r->n, zero);
        put(y, i, r->n, xh * weight(r->w, i, r->n, offset) + shift);
    }
}

ALWAYS void normalise_dx(const bool centred, const row *r, float *dx) {
    const moments m = row_moments(centred, r->n, r->x, r->eps);
    const vec mean = vec_set1(m.mean), inv = vec_set1(m.inv);
    const vec offset = vec_set1(r->offset), zero = vec_zero();
    vec sum_g[CHAINS], sum_gx[CHAINS];
    clear(sum_g);
    clear(sum_gx);
    for (int64_t i = 0; i < r->n; i += STEP)
        for (int c = 0; c < CHAINS && i + c * VEC < r->n; c++) {
            const int64_t at = i + c * VEC;
            const vec g = part(r->dy, at, r->n, zero) *
                          weight(r->w, at, r->n, offset);
            const vec xh = (part(r->x, at, r->n, zero) - mean) * inv;
            sum_g[c] = sum_g[c] + g;
            sum_gx[c] = vec_mul_add(g, xh, sum_gx[c]);
        }
    const vec mean_g = vec_set1(centred ? total_of(sum_g) / (float)r->n : 0);
    const vec mean_gx = vec_set1(total_of(sum_gx) / (float)r->n);
    for (int64_t i = 0; i < r->n; i += VEC) {
        const vec g =
            part(r->dy, i, r->n, zero) * weight(r->w, i, r->n, offset);
        const vec xh = (part(r->x, i, r->n, zero) - mean) * inv;
        put(dx, i, r->n, inv * (g - mean_g - xh * mean_gx));
    }
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
    const vec inv = vec_set1(m.inv);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        vec_store(dw + i, vec_mul_add(vec_load(dy + i), vec_load(x + i) * inv,
                                      vec_load(dw + i)));
    for (; i < n; i++) dw[i] += dy[i] * (x[i] * m.inv);
}

void ISA_NAME(layer_norm_dw)(int64_t n, const float *x, const float *dy,
                             float eps, float *dw, float *db) {
    const moments m = row_moments(true, n, x, eps);
    const vec mean = vec_set1(m.mean), inv = vec_set1(m.inv);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) {
        const vec d = vec_load(dy + i);
        const vec xh = (vec_load(x + i) - mean) * inv;
        vec_store(dw + i, vec_mul_add(d, xh, vec_load(dw + i)));
        vec_store(db + i, vec_load(db + i) + d);
    }
    for (; i < n; i++) {
        dw[i] += dy[i] * ((x[i] - m.mean) * m.inv);
        db[i] += dy[i];
    }
}
