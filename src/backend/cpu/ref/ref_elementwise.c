/* ref_elementwise.c - ops on one element at a time.
 *
 *   UNARY      y = f(a x + b)              dx = a f'(a x + b) dy
 *   BINARY     y = f(alpha a, beta b)
 *   SELECT     y = c != 0 ? a : b
 *   GATED      y = f(gate) up              dgate = f'(gate) up dy
 *                                          dup   = f(gate) dy
 *
 * f and f' are the rows of unary.def and binary.def.  Operands have one
 * shape; broadcasting is a stride of 0.  An output may share the storage of
 * input 0 where the layouts are equal: each element is read before it is
 * written. */
#include "backend/cpu/ref/ref.h"

/* d/dx of x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3):
 * (1 + tanh u)/2 + x/2 (1 - tanh^2 u) du/dx */
static real gelu_tanh_slope(real x) {
    const real c = (real)0.79788456080286535588;
    const real t = R_TANH(c * (x + (real)0.044715 * x * x * x));
    const real du = c * (1 + (real)(3 * 0.044715) * x * x);
    return (real)0.5 * (1 + t) + (real)0.5 * x * (1 - t * t) * du;
}

real REF(unary_of)(int kind, real x) {
    switch (kind) {
#define UNARY(name, text, value, slope)                                        \
    case UNARY_##name:                                                         \
        return value;
#include "core/unary.def"
#undef UNARY
    default: return 0;
    }
}

real REF(unary_slope)(int kind, real x) {
    const real y = REF(unary_of)(kind, x);
    switch (kind) {
#define UNARY(name, text, value, slope)                                        \
    case UNARY_##name:                                                         \
        return slope;
#include "core/unary.def"
#undef UNARY
    default: return y;
    }
}

static real binary_of(int kind, real a, real b) {
    switch (kind) {
#define BINARY(name, text, value)                                              \
    case BINARY_##name:                                                        \
        return value;
#include "core/binary.def"
#undef BINARY
    default: return 0;
    }
}

void REF(COPY)(const op_call *c) {
    const tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t n = last_dim(y), dx = last_stride(x), dy = last_stride(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++) {
        const int64_t from = row_at(x, r), to = row_at(y, r);
        for (int64_t i = 0; i < n; i++)
            REF(copy_element)(y, to + i * dy, x, from + i * dx);
    }
}

void REF(CAST)(const op_call *c) { REF(COPY)(c); }

void REF(UNARY)(const op_call *c) {
    const tensor *x = &c->in[0], *y = &c->out[0];
    const struct unary_attr *f = &c->attr->unary;
    const real a = (real)f->a, b = (real)f->b;
    const int64_t n = last_dim(y), dx = last_stride(x), dy = last_stride(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++) {
        const int64_t from = row_at(x, r), to = row_at(y, r);
        for (int64_t i = 0; i < n; i++)
            store(y, to + i * dy,
                  REF(unary_of)(f->kind, a * load(x, from + i * dx) + b));
    }
}

void REF(UNARY_DX)(const op_call *c) {
    const tensor *x = &c->in[0], *dy = &c->in[1], *dx = &c->out[0];
    const struct unary_attr *f = &c->attr->unary;
    const real a = (real)f->a, b = (real)f->b;
    const int64_t n = last_dim(dx);
    for (int64_t r = 0, rows = rows_of(dx); n > 0 && r < rows; r++) {
        const int64_t ax = row_at(x, r), ady = row_at(dy, r);
        const int64_t adx = row_at(dx, r);
        for (int64_t i = 0; i < n; i++) {
            const real u = a * load(x, ax + i * last_stride(x)) + b;
            const real g = load(dy, ady + i * last_stride(dy));
            store(dx, adx + i * last_stride(dx),
                  a * REF(unary_slope)(f->kind, u) * g);
        }
    }
}

void REF(BINARY)(const op_call *c) {
    const tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    const struct binary_attr *f = &c->attr->binary;
    const real alpha = (real)f->alpha, beta = (real)f->beta;
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++) {
        const int64_t aa = row_at(a, r), ab = row_at(b, r), ay = row_at(y, r);
        for (int64_t i = 0; i < n; i++) {
            const real p = alpha * load(a, aa + i * last_stride(a));
            const real q = beta * load(b, ab + i * last_stride(b));
            store(y, ay + i * last_stride(y), binary_of(f->kind, p, q));
        }
    }
}

void REF(SELECT)(const op_call *c) {
    const tensor *y = &c->out[0];
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++) {
        const int64_t ac = row_at(&c->in[0], r), ay = row_at(y, r);
        for (int64_t i = 0; i < n; i++) {
            const int64_t at_c = ac + i * last_stride(&c->in[0]);
            const tensor *x = &c->in[load(&c->in[0], at_c) != 0 ? 1 : 2];
            REF(copy_element)
            (y, ay + i * last_stride(y), x, row_at(x, r) + i * last_stride(x));
        }
    }
}

void REF(GATED)(const op_call *c) {
    const tensor *gate = &c->in[0], *up = &c->in[1], *y = &c->out[0];
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++) {
        const int64_t ag = row_at(gate, r), au = row_at(up, r);
        const int64_t ay = row_at(y, r);
        for (int64_t i = 0; i < n; i++) {
            const real g = load(gate, ag + i * last_stride(gate));
            const real u = load(up, au + i * last_stride(up));
            store(y, ay + i * last_stride(y),
                  REF(unary_of)(c->attr->gated.kind, g) * u);
        }
    }
}

void REF(GATED_DX)(const op_call *c) {
    const tensor *gate = &c->in[0], *up = &c->in[1], *dy = &c->in[2];
    const tensor *dgate = &c->out[0], *dup = &c->out[1];
    const int kind = c->attr->gated.kind;
    const int64_t n = last_dim(gate);
    for (int64_t r = 0, rows = rows_of(gate); n > 0 && r < rows; r++) {
        const int64_t ag = row_at(gate, r), au = row_at(up, r);
        const int64_t ady = row_at(dy, r), adg = row_at(dgate, r);
        const int64_t adu = row_at(dup, r);
        for (int64_t i = 0; i < n; i++) {
            const real g = load(gate, ag + i * last_stride(gate));
            const real u = load(up, au + i * last_stride(up));
            const real d = load(dy, ady + i * last_stride(dy));
            store(dgate, adg + i * last_stride(dgate),
                  REF(unary_slope)(kind, g) * u * d);
            store(dup, adu + i * last_stride(dup), REF(unary_of)(kind, g) * d);
        }
    }
}
