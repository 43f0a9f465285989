/* vec_unary.c - the functions of unary.def, their slopes and gates.
 *
 *   unary     y = f(x)            unary_dx   dx = f'(x) dy
 *   gated     y = f(g) u          gated_dx   dg = f'(g) u dy,  du = f(g) dy
 *
 * gelu_tanh is x s, s = sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3),
 * since (1 + tanh z) / 2 = sigmoid(2 z); its slope is
 * s + 2 x s (1 - s) dz/dx.  gelu is x cdf(x). */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"
#include "core/op.h"

/* f(x) and f'(x); what is not used is not computed, as all of this is
 * inlined. */
typedef vec fn_slope(vec x, vec *slope);

ALWAYS vec f_IDENTITY(vec x, vec *slope) {
    *slope = vec_set1(1);
    return x;
}

ALWAYS vec f_NEG(vec x, vec *slope) {
    *slope = vec_set1(-1);
    return vec_zero() - x;
}

ALWAYS vec f_SIGN(vec x, vec *slope) {
    const vec zero = vec_zero(), one = vec_set1(1);
    *slope = zero;
    return keep((bits)(x > zero), one) - keep((bits)(x < zero), one);
}

ALWAYS vec f_ABS(vec x, vec *slope) {
    vec none;
    *slope = f_SIGN(x, &none);
    return vec_abs(x);
}

ALWAYS vec f_SQR(vec x, vec *slope) {
    *slope = x + x;
    return x * x;
}

ALWAYS vec f_SQRT(vec x, vec *slope) {
    const vec y = vec_sqrt(x);
    *slope = vec_set1(0.5f) / y;
    return y;
}

ALWAYS vec f_RSQRT(vec x, vec *slope) {
    const vec y = vec_set1(1) / vec_sqrt(x);
    *slope = vec_set1(-0.5f) * y / x;
    return y;
}

ALWAYS vec f_RECIPROCAL(vec x, vec *slope) {
    const vec y = vec_set1(1) / x;
    *slope = (vec_zero() - y) * y;
    return y;
}

ALWAYS vec f_EXP(vec x, vec *slope) { return *slope = vec_exp(x); }

ALWAYS vec f_LOG(vec x, vec *slope) {
    *slope = vec_set1(1) / x;
    return vec_log(x);
}

ALWAYS vec f_TANH(vec x, vec *slope) {
    const vec y = vec_tanh(x);
    *slope = vec_set1(1) - y * y;
    return y;
}

ALWAYS vec f_SIGMOID(vec x, vec *slope) {
    const vec y = vec_sigmoid(x);
    *slope = y * (vec_set1(1) - y);
    return y;
}

ALWAYS vec f_SOFTPLUS(vec x, vec *slope) {
    *slope = vec_sigmoid(x);
    return vec_softplus(x);
}

ALWAYS vec f_RELU(vec x, vec *slope) {
    const bits above = (bits)(x > vec_zero());
    *slope = keep(above, vec_set1(1));
    return keep(above, x);
}

ALWAYS vec f_RELU_SQR(vec x, vec *slope) {
    const bits above = (bits)(x > vec_zero());
    *slope = keep(above, x + x);
    return keep(above, x * x);
}

ALWAYS vec f_LEAKY_RELU_SQR(vec x, vec *slope) {
    const bits above = (bits)(x > vec_zero());
    *slope = choose(above, x + x, vec_set1(0.5f) * x);
    return choose(above, x, vec_set1(0.25f) * x) * x;
}

ALWAYS vec f_SILU(vec x, vec *slope) {
    const vec one = vec_set1(1), s = vec_sigmoid(x);
    *slope = (one + x * (one - s)) * s;
    return x * s;
}

ALWAYS vec f_GELU(vec x, vec *slope) {
    vec bell;
    const vec p = vec_cdf(x, &bell);
    *slope = vec_mul_add(x * vec_set1(0.398942280f), bell, p);
    return x * p;
}

ALWAYS vec f_GELU_TANH(vec x, vec *slope) {
    const vec one = vec_set1(1), c = vec_set1(1.5957691216f); /* 2 sqrt(2/pi) */
    const vec square = x * x;
    const vec z = c * vec_mul_add(vec_set1(0.044715f) * square, x, x);
    const vec s = vec_sigmoid(z);
    const vec dz = c * vec_mul_add(vec_set1(0.134145f), square, one);
    *slope = vec_mul_add(x * s * (one - s), dz, s);
    return x * s;
}

/* ---- loops, one for every row of unary.def ---- */

ALWAYS void map(fn_slope f, int64_t n, const float *x, float *y) {
    vec none;
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(y + i, f(vec_load(x + i), &none));
    if (i < n) store_n(y + i, f(vec_load_n(x + i, n - i), &none), n - i);
}

bool ISA_NAME(unary)(int kind, int64_t n, const float *x, float *y) {
    switch (kind) {
#define UNARY(name, ...)                                                       \
    case UNARY_##name:                                                         \
        map(f_##name, n, x, y);                                                \
        return true;
#include "core/unary.def"
#undef UNARY
    default: return false;
    }
}

ALWAYS void map_dx(fn_slope f, int64_t n, const float *x, const float *dy,
                   float *dx) {
    vec slope;
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) {
        f(vec_load(x + i), &slope);
        vec_store(dx + i, slope * vec_load(dy + i));
    }
    if (i == n) return;
    f(vec_load_n(x + i, n - i), &slope);
    store_n(dx + i, slope * vec_load_n(dy + i, n - i), n - i);
}

bool ISA_NAME(unary_dx)(int kind, int64_t n, const float *x, const float *dy,
                        float *dx) {
    switch (kind) {
#define UNARY(name, ...)                                                       \
    case UNARY_##name:                                                         \
        map_dx(f_##name, n, x, dy, dx);                                        \
        return true;
#include "core/unary.def"
#undef UNARY
    default: return false;
    }
}

ALWAYS void gate(fn_slope f, int64_t n, const float *g, const float *u,
                 float *y) {
    vec none;
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        vec_store(y + i, f(vec_load(g + i), &none) * vec_load(u + i));
    if (i == n) return;
    const vec last = f(vec_load_n(g + i, n - i), &none);
    store_n(y + i, last * vec_load_n(u + i, n - i), n - i);
}

bool ISA_NAME(gated)(int kind, int64_t n, const float *g, const float *u,
                     float *y) {
    switch (kind) {
#define UNARY(name, ...)                                                       \
    case UNARY_##name:                                                         \
        gate(f_##name, n, g, u, y);                                            \
        return true;
#include "core/unary.def"
#undef UNARY
    default: return false;
    }
}

ALWAYS void gate_dx(fn_slope f, int64_t n, const float *g, const float *u,
                    const float *dy, float *dg, float *du) {
    vec slope;
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) {
        const vec d = vec_load(dy + i), up = vec_load(u + i);
        const vec fg = f(vec_load(g + i), &slope);
        vec_store(dg + i, slope * up * d);
        vec_store(du + i, fg * d);
    }
    if (i == n) return;
    const vec d = vec_load_n(dy + i, n - i), up = vec_load_n(u + i, n - i);
    const vec fg = f(vec_load_n(g + i, n - i), &slope);
    store_n(dg + i, slope * up * d, n - i);
    store_n(du + i, fg * d, n - i);
}

bool ISA_NAME(gated_dx)(int kind, int64_t n, const float *g, const float *u,
                        const float *dy, float *dg, float *du) {
    switch (kind) {
#define UNARY(name, ...)                                                       \
    case UNARY_##name:                                                         \
        gate_dx(f_##name, n, g, u, dy, dg, du);                                \
        return true;
#include "core/unary.def"
#undef UNARY
    default: return false;
    }
}
