/* slots_rows.c - slots that see rows: element by element, sums, norms,
 * conversions, optimiser steps. */
#include "core/op.h"
#include "tests/cpu/slots.h"

#define EACH for (int64_t i = 0; i < r->n; i++)

typedef double real;
#define R_EXP exp
#define R_FABS fabs
#define R_SQRT sqrt
#define R_LOG log
#define R_TANH tanh
#define R_LOG1P log1p
#define R_ERF erf

static double gelu_tanh_slope(double x) {
    const double c = sqrt(2 / acos(-1)), t = tanh(c * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) +
           0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
}

double slot_unary(int kind, double x) {
    switch (kind) {
#define UNARY(name, text, value, slope)                                        \
    case UNARY_##name: return value;
#include "core/unary.def"
#undef UNARY
    default: return NAN;
    }
}

double slot_unary_slope(int kind, double x) {
    const double y = slot_unary(kind, x);
    switch (kind) {
#define UNARY(name, text, value, slope)                                        \
    case UNARY_##name: return slope;
#include "core/unary.def"
#undef UNARY
    default: return y;
    }
}

static double binary_of(int kind, double a, double b) {
    switch (kind) {
#define BINARY(name, text, value)                                              \
    case BINARY_##name: return value;
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

void slot_unary_of(slot_run *r, int kind);
void slot_unary_of(slot_run *r, int kind) {
    r->buffers = 0;
    float *x = argument(r, kind), *y = slot_floats(r, r->n);
    if (!r->k->unary(kind, r->n, x, y)) return;
    EACH slot_want(r, unary_name(kind), i, y[i], slot_unary(kind, x[i]), 4e-6);
}
