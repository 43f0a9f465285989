/* slots_tiles.c - slots that see tiles and panels, conversions and the steps
 * of the optimisers. */
#include "tests/cpu/slots.h"

#define EACH for (int64_t i = 0; i < r->n; i++)

/* ---- products ---- */

static void one_gemm_tile(slot_run *r, int m, int n, bool add) {
    const int mr = r->k->gemm.mr, nr = r->k->gemm.nr;
    const int64_t ldc = nr + 5;
    r->buffers = 0;
    float *a = slot_floats(r, r->n * mr), *b = slot_floats(r, r->n * nr);
    float *c = slot_floats(r, mr * ldc), *old = slot_floats(r, mr * ldc);
    memcpy(old, c, (size_t)(mr * ldc) * sizeof *c);
    r->k->gemm_tile(r->n, a, b, c, ldc, m, n, add);
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < ldc; j++) {
            double want = i < m && j < n && !add ? 0 : old[i * ldc + j];
            for (int64_t t = 0; i < m && j < n && t < r->n; t++)
                want += (double)a[t * mr + i] * b[t * nr + j];
            slot_want(r, "c", i * ldc + j, c[i * ldc + j], want, 4e-5);
        }
}

void slot_gemm_tile(slot_run *r) {
    const int mr = r->k->gemm.mr, nr = r->k->gemm.nr;
    for (int m = 1; m <= mr; m++) one_gemm_tile(r, m, nr, m % 2);
    for (int n = 1; n < nr; n += 3) one_gemm_tile(r, n % mr + 1, n, n % 2);
}

void slot_dot_tile(slot_run *r) {
    const int64_t ld = r->n + 3;
    for (int m = 1; m <= 4; m++)
        for (int n = 1; n <= 4; n++) {
            r->buffers = 0;
            float *x = slot_floats(r, 4 * ld), *w = slot_floats(r, 4 * ld);
            float *y = slot_floats(r, 24), *old = slot_floats(r, 24);
            memcpy(old, y, 24 * sizeof *y);
            r->k->dot_tile(r->n, x, ld, w, ld, y, 6, m, n);
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 6; j++) {
                    double want = i < m && j < n ? 0 : old[i * 6 + j];
                    for (int64_t t = 0; i < m && j < n && t < r->n; t++)
                        want += (double)x[i * ld + t] * w[j * ld + t];
                    slot_want(r, "y", i * 6 + j, y[i * 6 + j], want, 4e-5);
                }
        }
}

static double widened(uint16_t h, bool brain);

static void one_dot_tile16(slot_run *r, int m, int n, bool brain) {
    const int64_t ld = r->n + 3;
    r->buffers = 0;
    float *x = slot_floats(r, 4 * ld), *y = slot_floats(r, 24);
    float *old = slot_floats(r, 24);
    uint16_t *w = (uint16_t *)(void *)slot_floats(r, 2 * ld);
    for (int64_t i = 0; i < 4 * ld; i++) /* of middling size in both types */
        w[i] = (uint16_t)((i * 40503 & 0x83ff) | (brain ? 0x3f00 : 0x3800));
    memcpy(old, y, 24 * sizeof *y);
    r->k->dot_tile16(r->n, x, ld, w, ld, brain, y, 6, m, n);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 6; j++) {
            double want = i < m && j < n ? 0 : old[i * 6 + j];
            for (int64_t t = 0; i < m && j < n && t < r->n; t++)
                want += x[i * ld + t] * widened(w[j * ld + t], brain);
            slot_want(r, "y", i * 6 + j, y[i * 6 + j], want, 4e-5);
        }
}

void slot_dot_tile16(slot_run *r) {
    for (int m = 1; m <= 4; m++)
        for (int n = 1; n <= 4; n++) {
            one_dot_tile16(r, m, n, true);
            one_dot_tile16(r, m, n, false);
        }
}

static void one_dot_panel(slot_run *r, int m, int n) {
    const int mr = r->k->gemm.mr, nr = r->k->gemm.nr;
    const int64_t ld = r->n + 3, ldy = nr + 5;
    r->buffers = 0;
    float *x = slot_floats(r, mr * ld), *w = slot_floats(r, nr * ld);
    float *px = slot_floats(r, panel_size(r->n, mr) + 16);
    float *pw = slot_floats(r, panel_size(r->n, nr) + 16);
    float *y = slot_floats(r, mr * ldy), *old = slot_floats(r, mr * ldy);
    memcpy(old, y, (size_t)(mr * ldy) * sizeof *y);
    r->k->pack_lanes(r->n, mr, m, x, ld, px);
    r->k->pack_lanes(r->n, nr, n, w, ld, pw);
    r->k->dot_panel(r->n, px, pw, y, ldy, m, n);
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < ldy; j++) {
            float want = old[i * ldy + j];
            if (i < m && j < n)
                r->k->dot_tile(r->n, x + i * ld, ld, w + j * ld, ld, &want, 1,
                               1, 1);
            slot_want(r, "y", i * ldy + j, y[i * ldy + j], want, 0);
        }
}

void slot_dot_panel(slot_run *r) {
    const int mr = r->k->gemm.mr, nr = r->k->gemm.nr;
    for (int m = 1; m <= mr; m++) one_dot_panel(r, m, nr);
    for (int n = 1; n < nr; n += 3) one_dot_panel(r, n % mr + 1, n);
}

void slot_pack_lanes(slot_run *r) {
    const int64_t ld = r->n + 2, steps = (r->n + 15) / 16;
    for (int width = 1; width <= 33; width += 4)
        for (int rows = 1; rows <= width; rows += 3) {
            r->buffers = 0;
            const int64_t lane = panel_lane(r->n, width);
            float *x = slot_floats(r, rows * ld);
            float *y = slot_floats(r, panel_size(r->n, width));
            r->k->pack_lanes(r->n, width, rows, x, ld, y);
            for (int64_t i = 0; i < 16 * steps * width; i++) {
                const int64_t l = i / (steps * width);
                const int64_t s = i / width % steps, row = i % width;
                const int64_t at = s * 16 + l;
                slot_want(r, "dst", i, y[l * lane + s * width + row],
                          row < rows && at < r->n ? x[row * ld + at] : 0, 0);
            }
        }
}

void slot_pack_rows(slot_run *r) {
    const int64_t ld = r->n + 2;
    for (int width = 1; width <= 33; width += 4)
        for (int rows = 1; rows <= width; rows += 3) {
            r->buffers = 0;
            float *x = slot_floats(r, rows * ld);
            float *y = slot_floats(r, r->n * width);
            r->k->pack_rows(r->n, width, rows, x, ld, y);
            for (int64_t i = 0; i < r->n * width; i++) {
                const int64_t row = i % width, at = i / width;
                slot_want(r, "dst", i, y[i],
                          row < rows ? (double)x[row * ld + at] : 0, 0);
            }
        }
}

void slot_mix_rows(slot_run *r) {
    for (int m = 1; m <= 4; m++)
        for (int n = 0; n < 12; n += 3) {
            r->buffers = 0;
            const int64_t ldv = r->n + 1, ldo = r->n + 4;
            float *p = slot_floats(r, 4 * 12), *v = slot_floats(r, 12 * ldv);
            float *o = slot_floats(r, 4 * ldo), *old = slot_floats(r, 4 * ldo);
            memcpy(old, o, (size_t)(4 * ldo) * sizeof *o);
            r->k->mix_rows(n, r->n, p, 12, v, ldv, o, ldo, m);
            for (int64_t i = 0; i < 4 * ldo; i++) {
                const int64_t row = i / ldo, at = i % ldo;
                double want = old[i];
                for (int j = 0; row < m && at < r->n && j < n; j++)
                    want += (double)p[row * 12 + j] * v[j * ldv + at];
                slot_want(r, "o", i, o[i], want, 4e-6);
            }
        }
}

/* ---- softmax, online ---- */

/* One column after another; column 1 has seen nothing until the second
 * step, column 2 sees nothing at all. */
void slot_softmax_cols(slot_run *r) {
    const int nr = r->k->gemm.nr;
    const int64_t rows = r->n < 100 ? r->n : 100;
    float *max = slot_floats(r, nr), *sum = slot_floats(r, nr);
    float *shrink = slot_floats(r, nr);
    double top[64], total[64] = {0};
    for (int j = 0; j < nr; j++)
        max[j] = -INFINITY, sum[j] = 0, top[j] = -INFINITY;
    for (int step = 0; step < 2; step++) {
        float *s = slot_floats(r, rows * nr), *old = slot_floats(r, rows * nr);
        for (int64_t i = 0; i < rows; i++) {
            if (step == 0) s[i * nr + 1] = -INFINITY;
            s[i * nr + 2] = -INFINITY;
        }
        memcpy(old, s, (size_t)(rows * nr) * sizeof *s);
        r->k->softmax_cols(rows, s, 0.7f, max, sum, shrink);
        for (int j = 0; j < nr; j++) {
            const double before = top[j];
            for (int64_t i = 0; i < rows; i++) {
                const double x = (double)(0.7f * old[i * nr + j]);
                top[j] = x > top[j] ? x : top[j];
            }
            const double m = top[j] > -INFINITY ? top[j] : 0;
            total[j] *= exp(before - m);
            for (int64_t i = 0; i < rows; i++) {
                const double p = exp((double)0.7f * old[i * nr + j] - m);
                slot_want(r, "s", i * nr + j, s[i * nr + j], p, 1e-6);
                total[j] += p;
            }
            slot_want(r, "max", j, max[j], top[j], 0);
            slot_want(r, "sum", j, sum[j], total[j], 4e-6);
            slot_want(r, "shrink", j, shrink[j], exp(before - m), 1e-6);
        }
    }
}

/* Some rows at a time; row 1 has seen nothing until the second step. */
static void some_softmax_rows(slot_run *r, int m) {
    const int64_t ld = r->n + 3;
    float max[16], sum[16], shrink[16];
    double top[16], total[16] = {0};
    for (int i = 0; i < 16; i++)
        max[i] = -INFINITY, top[i] = -INFINITY, sum[i] = 0;
    r->buffers = 0;
    for (int step = 0; step < 3; step++) {
        float *s = slot_floats(r, m * ld), *old = slot_floats(r, m * ld);
        for (int64_t i = 0; step == 0 && m > 1 && i < r->n; i++)
            s[ld + i] = -INFINITY;
        memcpy(old, s, (size_t)(m * ld) * sizeof *s);
        r->k->softmax_rows(m, r->n, s, ld, 0.7f, max, sum, shrink);
        for (int64_t i = 0; i < m * ld; i++)
            if (i % ld >= r->n) slot_want(r, "s", i, s[i], old[i], 0);
        for (int row = 0; row < m; row++) {
            const float *x = old + row * ld;
            const double before = top[row];
            EACH top[row] = fmax(top[row], (double)(0.7f * x[i]));
            const double base = top[row] > -INFINITY ? top[row] : 0;
            total[row] *= exp(before - base);
            EACH {
                const double p = exp((double)(0.7f * x[i]) - base);
                slot_want(r, "s", row * ld + i, s[row * ld + i], p, 1e-6);
                total[row] += p;
            }
            slot_want(r, "max", row, max[row], top[row], 0);
            slot_want(r, "sum", row, sum[row], total[row], 4e-6);
            slot_want(r, "shrink", row, shrink[row], exp(before - base), 1e-6);
        }
    }
}

void slot_softmax_rows(slot_run *r) {
    static const int counts[] = {1, 2, 5, 16};
    for (int i = 0; i < 4; i++) some_softmax_rows(r, counts[i]);
}

static void one_cols_dx(slot_run *r, double cap) {
    const int nr = r->k->gemm.nr;
    const int64_t rows = r->n < 100 ? r->n : 100, n = rows * nr;
    r->buffers = 0;
    float *s = slot_floats(r, n), *dp = slot_floats(r, n);
    float *lse = slot_floats(r, nr), *delta = slot_floats(r, nr);
    float *old_s = slot_floats(r, n), *old_dp = slot_floats(r, n);
    s[n / 2] = -INFINITY;
    memcpy(old_s, s, (size_t)n * sizeof *s);
    memcpy(old_dp, dp, (size_t)n * sizeof *s);
    r->k->softmax_cols_dx(rows, s, dp, lse, delta, 0.7f, 0.3f, (float)cap);
    for (int64_t i = 0; i < n; i++) {
        const double z = (double)0.7f * old_s[i], p = exp(z - lse[i % nr]);
        double want = (double)0.3f * p * (old_dp[i] - delta[i % nr]);
        if (cap > 0 && p > 0) want *= 1 - z * z / (cap * cap);
        slot_want(r, "s", i, s[i], p, 2e-6);
        slot_want(r, "dp", i, dp[i], want, 4e-6);
    }
}

void slot_softmax_cols_dx(slot_run *r) {
    one_cols_dx(r, 0);
    one_cols_dx(r, 2);
}

void slot_mul_cols(slot_run *r) {
    const int nr = r->k->gemm.nr;
    const int64_t n = r->n * nr;
    float *x = slot_floats(r, n), *f = slot_floats(r, nr);
    float *old = slot_floats(r, n);
    memcpy(old, x, (size_t)n * sizeof *x);
    r->k->mul_cols(r->n, x, f);
    for (int64_t i = 0; i < n; i++)
        slot_want(r, "x", i, x[i], (double)old[i] * f[i % nr], 1e-6);
}

/* ---- conversions ---- */

/* The nearest number with `bits` bits after the first, ties to even; `least`
 * is the exponent of the smallest normal number. */
static double rounded(double x, int bits, int least) {
    int e;
    frexp(x, &e);
    if (e - 1 < least) e = least + 1;
    return ldexp(nearbyint(ldexp(x, bits + 1 - e)), e - 1 - bits);
}

static double half_value(uint16_t h) {
    const int e = h >> 10 & 31, f = h & 1023;
    const double x = e ? ldexp(1024 + f, e - 25) : ldexp(f, -24);
    return h >> 15 ? -x : x;
}

static double brain_value(uint16_t h) {
    const uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static double widened(uint16_t h, bool brain) {
    return brain ? brain_value(h) : half_value(h);
}

/* Numbers of every size, among them ties. */
static float *wide_floats(slot_run *r) {
    float *x = slot_floats(r, r->n);
    EACH {
        x[i] = ldexpf(x[i], (int)(i * 7 % 40) - 28);
        if (i % 5 == 1) x[i] = 1 + ldexpf(1, -11) + ldexpf(1, -8);
        if (i % 5 == 2) x[i] = ldexpf(3, -25);
    }
    return x;
}

void slot_to_f16(slot_run *r) {
    float *x = wide_floats(r);
    uint16_t *y = (uint16_t *)(void *)slot_floats(r, (r->n + 1) / 2);
    r->k->to_f16(r->n, x, y);
    EACH slot_want(r, "y", i, half_value(y[i]), rounded(x[i], 10, -14), 0);
}

void slot_to_bf16(slot_run *r) {
    float *x = wide_floats(r);
    uint16_t *y = (uint16_t *)(void *)slot_floats(r, (r->n + 1) / 2);
    r->k->to_bf16(r->n, x, y);
    EACH slot_want(r, "y", i, brain_value(y[i]), rounded(x[i], 7, -126), 0);
}

/* Finite halves of every exponent: bits 10 and 14 are never all set. */
static uint16_t *halves(slot_run *r) {
    uint16_t *x = (uint16_t *)(void *)slot_floats(r, (r->n + 1) / 2);
    EACH x[i] = (uint16_t)((i * 40503 + 1) & ~(i % 2 ? 0x4000 : 0x0400));
    return x;
}

void slot_from_q8_0(slot_run *r) {
    const int64_t n = r->n / 32 * 32;
    float *y = slot_floats(r, n);
    uint8_t *x = (uint8_t *)slot_floats(r, n / 32 * 9);
    for (int64_t i = 0; i < n / 32 * 34; i++)
        x[i] = (uint8_t)(i % 34 == 1 ? 0x2c + i / 34 % 20 : i * 173 + 5);
    r->k->from_q8_0(n, x, y);
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *b = x + i / 32 * 34;
        const uint16_t d = (uint16_t)(b[0] | b[1] << 8);
        const float want =
            (float)widened(d, false) * (float)(int8_t)b[2 + i % 32];
        slot_want(r, "y", i, y[i], want, 0);
    }
}

void slot_from_f16(slot_run *r) {
    uint16_t *x = halves(r);
    float *y = slot_floats(r, r->n);
    r->k->from_f16(r->n, x, y);
    EACH slot_want(r, "y", i, y[i], half_value(x[i]), 0);
}

void slot_from_bf16(slot_run *r) {
    uint16_t *x = halves(r);
    float *y = slot_floats(r, r->n);
    r->k->from_bf16(r->n, x, y);
    EACH slot_want(r, "y", i, y[i], brain_value(x[i]), 0);
}

/* ---- optimisers ---- */

typedef struct moved {
    float *p, *g, *m, *v;         /* after the step */
    float *old_p, *old_m, *old_v; /* before it */
} moved;

static moved start(slot_run *r) {
    r->buffers = 0;
    moved o;
    float **const all[] = {&o.p,     &o.g,     &o.m,    &o.v,
                           &o.old_p, &o.old_m, &o.old_v};
    for (int i = 0; i < 7; i++) *all[i] = slot_floats(r, r->n);
    EACH {
        o.v[i] = fabsf(o.v[i]);
        o.old_p[i] = o.p[i], o.old_m[i] = o.m[i], o.old_v[i] = o.v[i];
    }
    return o;
}

void slot_opt_adamw(slot_run *r) {
    static const double h[] = {0.01, 0.9, 0.95, 1e-3, 0.1, 0.4, 0.3, 0.5};
    const moved o = start(r);
    r->k->opt_adamw(r->n, o.p, o.g, o.m, o.v, h);
    EACH {
        const double g = h[7] * o.g[i];
        const double m = h[1] * o.old_m[i] + (1 - h[1]) * g;
        const double v = h[2] * o.old_v[i] + (1 - h[2]) * g * g;
        const double step = h[0] * (m / h[5]) / (sqrt(v / h[6]) + h[3]);
        slot_want(r, "m", i, o.m[i], m, 1e-6);
        slot_want(r, "v", i, o.v[i], v, 1e-6);
        slot_want(r, "p", i, o.p[i], o.old_p[i] * (1 - h[0] * h[4]) - step,
                  1e-6);
    }
}

void slot_opt_lion(slot_run *r) {
    static const double h[] = {0.01, 0.9, 0.95, 0.1, 0.5};
    const moved o = start(r);
    o.g[0] = o.m[0] = o.old_m[0] = 0; /* sign(0) is 0 */
    r->k->opt_lion(r->n, o.p, o.g, o.m, h);
    EACH {
        const double g = h[4] * o.g[i];
        const double u = h[1] * o.old_m[i] + (1 - h[1]) * g;
        const double step = h[0] * ((u > 0) - (u < 0));
        slot_want(r, "m", i, o.m[i], h[2] * o.old_m[i] + (1 - h[2]) * g, 1e-6);
        slot_want(r, "p", i, o.p[i], o.old_p[i] * (1 - h[0] * h[3]) - step,
                  1e-6);
    }
}

void slot_opt_sgd(slot_run *r) {
    for (int way = 0; way < 4; way++) {
        const double h[] = {0.01, 0.9, 0.1, 0.5, way & 1};
        const moved o = start(r);
        r->k->opt_sgd(r->n, o.p, o.g, o.m, h, way & 2);
        EACH {
            const double g = h[3] * o.g[i] + h[2] * o.old_p[i];
            const double m = way & 1 ? g : h[1] * o.old_m[i] + g;
            const double step = way & 2 ? g + h[1] * m : m;
            slot_want(r, "m", i, o.m[i], m, 1e-6);
            slot_want(r, "p", i, o.p[i], o.old_p[i] - h[0] * step, 1e-6);
        }
    }
}
