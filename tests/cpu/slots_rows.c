/* slots_rows.c - slots that see rows: element by element, sums, norms,
 * positions. */
#include "core/op.h"
#include "tests/cpu/slots.h"

#define EACH for (int64_t i = 0; i < r->n; i++)

/* ---- the functions of unary.def and binary.def in double ---- */

typedef double real;
#define R_EXP exp
#define R_FABS fabs
#define R_SQRT sqrt
#define R_LOG log
#define R_TANH tanh
#define R_LOG1P log1p
#define R_ERF erf

static double gelu_tanh_slope(double x) {
    const double c = sqrt(2 / acos(-1));
    const double t = tanh(c * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) +
           0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
}

static double value_of(int kind, double x) {
    switch (kind) {
#define UNARY(name, text, value, slope)                                        \
    case UNARY_##name:                                                         \
        return value;
#include "core/unary.def"
#undef UNARY
    default: return NAN;
    }
}

static double slope_of(int kind, double x) {
    const double y = value_of(kind, x);
    switch (kind) {
#define UNARY(name, text, value, slope)                                        \
    case UNARY_##name:                                                         \
        return slope;
#include "core/unary.def"
#undef UNARY
    default: return y;
    }
}

static double binary_of(int kind, double a, double b) {
    switch (kind) {
#define BINARY(name, text, value)                                              \
    case BINARY_##name:                                                        \
        return value;
#include "core/binary.def"
#undef BINARY
    default: return NAN;
    }
}

/* Where a function has a pole, numbers away from it. */
static float *argument(slot_run *r, int kind) {
    float *x = slot_floats(r, r->n);
    const bool pole = kind == UNARY_SQRT || kind == UNARY_RSQRT ||
                      kind == UNARY_LOG || kind == UNARY_RECIPROCAL;
    if (pole) EACH x[i] = fabsf(x[i]) + 0.125f;
    return x;
}

/* The checks of one kind, for every kind of unary.def that has a fast form. */
static void each_unary(slot_run *r, void (*one)(slot_run *r, int kind)) {
    static const char *const names[] = {
#define UNARY(name, text, value, slope) text,
#include "core/unary.def"
#undef UNARY
    };
    const char *name = r->name;
    for (int kind = 0; kind < UNARY_COUNT; kind++) {
        char text[64];
        snprintf(text, sizeof text, "%s(%s)", name, names[kind]);
        r->name = text;
        r->buffers = 0;
        one(r, kind);
    }
    r->name = name;
}

static void one_unary(slot_run *r, int kind) {
    float *x = argument(r, kind), *y = slot_floats(r, r->n);
    if (!r->k->unary(kind, r->n, x, y)) return;
    EACH slot_want(r, "y", i, y[i], value_of(kind, x[i]), 2e-6);
}

static void one_unary_dx(slot_run *r, int kind) {
    float *x = argument(r, kind), *dy = slot_floats(r, r->n);
    float *dx = slot_floats(r, r->n);
    if (!r->k->unary_dx(kind, r->n, x, dy, dx)) return;
    EACH slot_want(r, "dx", i, dx[i], slope_of(kind, x[i]) * dy[i], 4e-6);
}

static void one_gated(slot_run *r, int kind) {
    float *g = argument(r, kind), *u = slot_floats(r, r->n);
    float *y = slot_floats(r, r->n);
    if (!r->k->gated(kind, r->n, g, u, y)) return;
    EACH slot_want(r, "y", i, y[i], value_of(kind, g[i]) * u[i], 4e-6);
}

static void one_gated_dx(slot_run *r, int kind) {
    float *g = argument(r, kind), *u = slot_floats(r, r->n);
    float *dy = slot_floats(r, r->n);
    float *dg = slot_floats(r, r->n), *du = slot_floats(r, r->n);
    if (!r->k->gated_dx(kind, r->n, g, u, dy, dg, du)) return;
    EACH {
        const double slope = slope_of(kind, g[i]) * u[i];
        slot_want(r, "dg", i, dg[i], slope * dy[i], 8e-6);
        slot_want(r, "du", i, du[i], value_of(kind, g[i]) * dy[i], 4e-6);
    }
}

void slot_unary(slot_run *r) { each_unary(r, one_unary); }
void slot_unary_dx(slot_run *r) { each_unary(r, one_unary_dx); }
void slot_gated(slot_run *r) { each_unary(r, one_gated); }
void slot_gated_dx(slot_run *r) { each_unary(r, one_gated_dx); }

void slot_binary(slot_run *r) {
    for (int kind = 0; kind < BINARY_COUNT; kind++) {
        r->buffers = 0;
        float *a = slot_floats(r, r->n), *b = slot_floats(r, r->n);
        float *y = slot_floats(r, r->n);
        b[r->n / 2] = a[r->n / 2];
        if (!r->k->binary(kind, r->n, a, b, y)) continue;
        EACH slot_want(r, "y", i, y[i], binary_of(kind, a[i], b[i]), 1e-6);
    }
}

void slot_add(slot_run *r) {
    float *a = slot_floats(r, r->n), *b = slot_floats(r, r->n);
    float *y = slot_floats(r, r->n);
    r->k->add(r->n, a, 2, b, -0.75f, y);
    EACH slot_want(r, "y", i, y[i], 2.0 * a[i] - 0.75 * b[i], 1e-6);
}

void slot_mul(slot_run *r) {
    float *a = slot_floats(r, r->n), *b = slot_floats(r, r->n);
    float *y = slot_floats(r, r->n);
    r->k->mul(r->n, a, b, y);
    EACH slot_want(r, "y", i, y[i], (double)a[i] * b[i], 1e-6);
}

void slot_scale(slot_run *r) {
    float *x = slot_floats(r, r->n), *y = slot_floats(r, r->n);
    r->k->scale(r->n, x, 0.3f, -5, y);
    EACH slot_want(r, "y", i, y[i], (double)0.3f * x[i] - 5, 1e-6);
}

/* ---- sums ---- */

void slot_sum(slot_run *r) {
    float *x = slot_floats(r, r->n);
    double sum = 0;
    EACH sum += x[i];
    slot_want(r, "sum", 0, r->k->sum(r->n, x), sum, 1e-5);
}

void slot_sum_sqr(slot_run *r) {
    float *x = slot_floats(r, r->n);
    double sum = 0;
    EACH sum += (double)x[i] * x[i];
    slot_want(r, "sum", 0, r->k->sum_sqr(r->n, x), sum, 1e-13);
}

void slot_max(slot_run *r) {
    float *x = slot_floats(r, r->n);
    double max = -INFINITY;
    EACH max = x[i] > max ? x[i] : max;
    slot_want(r, "max", 0, r->k->max(r->n, x), max, 0);
}

void slot_dot(slot_run *r) {
    float *x = slot_floats(r, r->n), *y = slot_floats(r, r->n);
    double sum = 0;
    EACH sum += (double)x[i] * y[i];
    slot_want(r, "dot", 0, r->k->dot(r->n, x, y), sum, 1e-5);
}

void slot_add_rows(slot_run *r) {
    for (int rows = 0; rows < 10; rows++) {
        r->buffers = 0;
        const int64_t ld = r->n + 3;
        float *x = slot_floats(r, 10 * ld), *y = slot_floats(r, r->n);
        float *old = slot_floats(r, r->n);
        EACH y[i] = old[i];
        r->k->add_rows(rows, r->n, x, ld, y);
        EACH {
            double sum = old[i];
            for (int j = 0; j < rows; j++) sum += x[j * ld + i];
            slot_want(r, "y", i, y[i], sum, 4e-6);
        }
    }
}

/* ---- exponentials ---- */

void slot_exp_sub_sum(slot_run *r) {
    float *x = slot_floats(r, r->n), *y = slot_floats(r, r->n);
    double sum = 0;
    const float got = r->k->exp_sub_sum(r->n, x, 2, y);
    EACH {
        slot_want(r, "y", i, y[i], exp(x[i] - 2.0), 1e-6);
        sum += exp(x[i] - 2.0);
    }
    slot_want(r, "sum", 0, got, sum, 4e-6);
}

void slot_exp_sum(slot_run *r) {
    float *x = slot_floats(r, r->n);
    double sum = 0;
    x[r->n / 3] = -INFINITY;
    EACH sum += exp(x[i] - 2.0);
    slot_want(r, "sum", 0, r->k->exp_sum(r->n, x, 2), sum, 4e-6);
}

void slot_softcap(slot_run *r) {
    float *x = slot_floats(r, r->n), *y = slot_floats(r, r->n);
    r->k->softcap(r->n, x, 1.5f, y);
    EACH slot_want(r, "y", i, y[i], 1.5 * tanh(x[i] / 1.5), 1e-6);
}

void slot_xent_dz(slot_run *r) {
    for (int capped = 0; capped < 2; capped++) {
        r->buffers = 0;
        const double cap = capped ? 3 : 0;
        float *z = slot_floats(r, r->n), *old = slot_floats(r, r->n);
        EACH old[i] = z[i];
        r->k->xent_dz(r->n, z, 4, 0.25f, (float)cap);
        EACH {
            double want = -0.25 * exp(old[i] - 4.0);
            if (capped) want *= 1 - old[i] * old[i] / (cap * cap);
            slot_want(r, "z", i, z[i], want, 1e-6);
        }
    }
}

/* ---- norms ---- */

typedef struct moments {
    double mean, inv;
} moments;

static const float eps = 1e-3f, offset = 0.5f;

static moments moments_of(bool centred, int64_t n, const float *x) {
    moments m = {0, 0};
    double square = 0;
    for (int64_t i = 0; centred && i < n; i++) m.mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++) square += (x[i] - m.mean) * (x[i] - m.mean);
    m.inv = 1 / sqrt(square / (double)n + eps);
    return m;
}

/* y = (x - mean) inv (w + offset) + b; offset is RMS's, b the other's. */
static void norm(slot_run *r, bool centred, bool weighted) {
    r->buffers = 0;
    float *x = slot_floats(r, r->n), *w = slot_floats(r, r->n);
    float *b = slot_floats(r, r->n), *y = slot_floats(r, r->n);
    const moments m = moments_of(centred, r->n, x);
    if (centred)
        r->k->layer_norm(r->n, x, weighted ? w : NULL, weighted ? b : NULL, eps,
                         y);
    else
        r->k->rms_norm(r->n, x, weighted ? w : NULL, eps, offset, y);
    EACH {
        double want = (x[i] - m.mean) * m.inv;
        if (weighted) want *= w[i] + (centred ? 0.0 : offset);
        if (weighted && centred) want += b[i];
        slot_want(r, "y", i, y[i], want, 4e-6);
    }
}

static double slope_before_norm(const float *w, const float *dy, int64_t i,
                                bool centred) {
    return w ? dy[i] * (w[i] + (centred ? 0.0 : offset)) : dy[i];
}

static void norm_dx(slot_run *r, bool centred, bool weighted) {
    r->buffers = 0;
    float *x = slot_floats(r, r->n), *w = slot_floats(r, r->n);
    float *dy = slot_floats(r, r->n), *dx = slot_floats(r, r->n);
    const moments m = moments_of(centred, r->n, x);
    double mean_g = 0, mean_gx = 0;
    if (!weighted) w = NULL;
    EACH {
        const double g = slope_before_norm(w, dy, i, centred);
        mean_g += centred ? g / (double)r->n : 0;
        mean_gx += g * (x[i] - m.mean) * m.inv / (double)r->n;
    }
    if (centred)
        r->k->layer_norm_dx(r->n, x, w, dy, eps, dx);
    else
        r->k->rms_norm_dx(r->n, x, w, dy, eps, offset, dx);
    EACH {
        const double g = slope_before_norm(w, dy, i, centred);
        const double xh = (x[i] - m.mean) * m.inv;
        slot_want(r, "dx", i, dx[i], m.inv * (g - mean_g - xh * mean_gx), 1e-5);
    }
}

void slot_rms_norm(slot_run *r) {
    norm(r, false, false);
    norm(r, false, true);
}
void slot_layer_norm(slot_run *r) {
    norm(r, true, false);
    norm(r, true, true);
}
void slot_rms_norm_dx(slot_run *r) {
    norm_dx(r, false, false);
    norm_dx(r, false, true);
}
void slot_layer_norm_dx(slot_run *r) {
    norm_dx(r, true, false);
    norm_dx(r, true, true);
}

static void norm_dw(slot_run *r, bool centred) {
    float *x = slot_floats(r, r->n), *dy = slot_floats(r, r->n);
    float *dw = slot_floats(r, r->n), *db = slot_floats(r, r->n);
    float *old_dw = slot_floats(r, r->n), *old_db = slot_floats(r, r->n);
    EACH old_dw[i] = dw[i], old_db[i] = db[i];
    const moments m = moments_of(centred, r->n, x);
    if (centred)
        r->k->layer_norm_dw(r->n, x, dy, eps, dw, db);
    else
        r->k->rms_norm_dw(r->n, x, dy, eps, dw);
    EACH {
        const double xh = (x[i] - m.mean) * m.inv;
        slot_want(r, "dw", i, dw[i], old_dw[i] + dy[i] * xh, 4e-6);
        slot_want(r, "db", i, db[i], old_db[i] + (centred ? dy[i] : 0.0), 1e-6);
    }
}

void slot_rms_norm_dw(slot_run *r) { norm_dw(r, false); }
void slot_layer_norm_dw(slot_run *r) { norm_dw(r, true); }

/* ---- positions ---- */

void slot_rope(slot_run *r) {
    for (int way = 0; way < 4; way++) {
        r->buffers = 0;
        const bool pairs = way & 1;
        const float sign = way & 2 ? -1 : 1;
        float *x = slot_floats(r, 2 * r->n), *y = slot_floats(r, 2 * r->n);
        float *c = slot_floats(r, r->n), *s = slot_floats(r, r->n);
        r->k->rope(r->n, pairs, x, c, s, sign, y);
        EACH {
            const int64_t p = pairs ? 2 * i : i, q = pairs ? p + 1 : r->n + i;
            const double a = x[p], b = x[q], t = sign * s[i];
            slot_want(r, "y", p, y[p], a * c[i] - b * t, 1e-6);
            slot_want(r, "y", q, y[q], a * t + b * c[i], 1e-6);
        }
    }
}
