/* ref_norm.c - RMS and layer normalisation over the last axis.
 *
 *   RMS_NORM    y = xh (w + offset),  xh = x r,  r = 1 / sqrt(mean(x x) + eps)
 *   LAYER_NORM  y = xh w + b,  xh = (x - mean x) r,  r = 1 / sqrt(var + eps)
 *
 * An absent w is 1 (and the offset is not used), an absent b is 0.  With
 * g = dy (w + offset), means being over the row:
 *
 *   RMS_NORM    dx = r (g - xh mean(g xh))
 *   LAYER_NORM  dx = r (g - mean(g) - xh mean(g xh))
 *   both        dw = sum over rows of dy xh,  db = sum over rows of dy
 *
 * Moments and inner sums are double in the float build too: a residual scalar
 * in front of a norm has a gradient that is all cancellation, and float sums
 * leave nothing of it.  Zhang and Sennrich 2019; Ba, Kiros and Hinton 2016. */
#include "backend/cpu/ref/ref.h"

typedef struct moments {
    double mean, inv; /* mean is 0 for RMS_NORM */
} moments;

static moments row_moments(const tensor *x, int64_t row, bool centred,
                           double eps) {
    const int64_t n = last_dim(x), step = last_stride(x);
    moments m = {0, 0};
    if (centred) {
        for (int64_t i = 0; i < n; i++) m.mean += load(x, row + i * step);
        m.mean /= (double)n;
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = load(x, row + i * step) - m.mean;
        sum += d * d;
    }
    m.inv = 1 / sqrt(sum / (double)n + eps);
    return m;
}

static real weight_of(const tensor *w, int64_t i, real offset) {
    return w ? load(w, i * last_stride(w)) + offset : 1;
}

static void normalise(const op_call *c, bool centred) {
    const tensor *x = &c->in[0], *y = &c->out[0];
    const tensor *w = optional(c, 1), *b = optional(c, 2);
    const double eps = c->attr->norm.eps;
    const real offset = (real)c->attr->norm.offset;
    const int64_t n = last_dim(x);
    for (int64_t r = 0, rows = rows_of(x); n > 0 && r < rows; r++) {
        const int64_t ax = row_at(x, r), ay = row_at(y, r);
        const moments m = row_moments(x, ax, centred, eps);
        for (int64_t i = 0; i < n; i++) {
            const double xh =
                (load(x, ax + i * last_stride(x)) - m.mean) * m.inv;
            const real shift = b ? load(b, i * last_stride(b)) : 0;
            store(y, ay + i * last_stride(y),
                  (real)(xh * weight_of(w, i, offset) + shift));
        }
    }
}

static void normalise_dx(const op_call *c, bool centred) {
    const tensor *x = &c->in[0], *w = optional(c, 1), *dy = &c->in[2];
    const tensor *dx = &c->out[0];
    const double eps = c->attr->norm.eps;
    const real offset = (real)c->attr->norm.offset;
    const int64_t n = last_dim(x);
    for (int64_t r = 0, rows = rows_of(x); n > 0 && r < rows; r++) {
        const int64_t ax = row_at(x, r), ady = row_at(dy, r);
        const moments m = row_moments(x, ax, centred, eps);
        double sum_g = 0, sum_gx = 0;
        for (int64_t i = 0; i < n; i++) {
            const double g =
                load(dy, ady + i * last_stride(dy)) * weight_of(w, i, offset);
            sum_g += g;
            sum_gx += g * (load(x, ax + i * last_stride(x)) - m.mean) * m.inv;
        }
        const double mean_g = centred ? sum_g / (double)n : 0;
        const double mean_gx = sum_gx / (double)n;
        for (int64_t i = 0; i < n; i++) {
            const double g =
                load(dy, ady + i * last_stride(dy)) * weight_of(w, i, offset);
            const double xh =
                (load(x, ax + i * last_stride(x)) - m.mean) * m.inv;
            store(dx, row_at(dx, r) + i * last_stride(dx),
                  (real)(m.inv * (g - mean_g - xh * mean_gx)));
        }
    }
}

/* Sums are kept in work [2, C]: dw, then db. */
static void normalise_dw(const op_call *c, bool centred) {
    const tensor *x = &c->in[0], *dy = &c->in[1];
    const double eps = c->attr->norm.eps;
    const int64_t n = last_dim(x);
    real *dw = c->work, *db = dw + n;
    for (int64_t i = 0; i < 2 * n; i++) dw[i] = 0;
    for (int64_t r = 0, rows = rows_of(x); n > 0 && r < rows; r++) {
        const int64_t ax = row_at(x, r), ady = row_at(dy, r);
        const moments m = row_moments(x, ax, centred, eps);
        for (int64_t i = 0; i < n; i++) {
            const double xh =
                (load(x, ax + i * last_stride(x)) - m.mean) * m.inv;
            const real g = load(dy, ady + i * last_stride(dy));
            dw[i] += (real)(g * xh);
            db[i] += g;
        }
    }
    for (int k = 0; k < c->n_out; k++)
        for (int64_t i = 0; i < n; i++)
            store(&c->out[k], i * last_stride(&c->out[k]), dw[k * n + i]);
}

void REF(RMS_NORM)(const op_call *c) { normalise(c, false); }
void REF(RMS_NORM_DX)(const op_call *c) { normalise_dx(c, false); }
void REF(RMS_NORM_DW)(const op_call *c) { normalise_dw(c, false); }
void REF(LAYER_NORM)(const op_call *c) { normalise(c, true); }
void REF(LAYER_NORM_DX)(const op_call *c) { normalise_dx(c, true); }
void REF(LAYER_NORM_DW)(const op_call *c) { normalise_dw(c, true); }
