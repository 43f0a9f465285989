/* elementwise.cl - UNARY, BINARY, SELECT, GATED and their gradients: the
 * formulas are those of backend/cpu/ref/ref_elementwise.c. */
#include "backend/gpu/kernels/common.h"
#include "backend/gpu/kernels/functions.h"

KERNEL(unary_any, unary_args, IN(U8) x, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const F32 v = load_f(x, a.x.type, offset_of(a.x, i));
    store_f(y, a.y.type, offset_of(a.y, i), unary_of(a.kind, a.a * v + a.b));
}

/* Of doubles; a and b have the bits of floats. */
FN wide unary_of_wide(I32 kind, wide x) {
    switch (kind) {
    case UNARY_NEG: return wide_sub(wide_of(0), x);
    case UNARY_SQR: return wide_mul(x, x);
    case UNARY_SQRT: return wide_sqrt(x);
    case UNARY_RSQRT: return wide_div(wide_of(1), wide_sqrt(x));
    case UNARY_RECIPROCAL: return wide_div(wide_of(1), x);
    default: return x;
    }
}

KERNEL(unary_wide, unary_args, IN(U8) x, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const wide v = load_wide(x, a.x.type, offset_of(a.x, i));
    const wide u = wide_add(wide_mul(wide_of(a.a), v), wide_of(a.b));
    store_wide(y, a.y.type, offset_of(a.y, i), unary_of_wide(a.kind, u));
}

KERNEL(unary_dx_any, unary_dx_args, IN(U8) x, IN(U8) dy, OUT(U8) dx) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const F32 v = load_f(x, a.x.type, offset_of(a.x, i));
    const F32 g = load_f(dy, a.dy.type, offset_of(a.dy, i));
    store_f(dx, a.dx.type, offset_of(a.dx, i),
            a.a * unary_slope(a.kind, a.a * v + a.b) * g);
}

KERNEL(binary_any, binary_args, IN(U8) p, IN(U8) q, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const F32 u = a.alpha * load_f(p, a.a.type, offset_of(a.a, i));
    const F32 v = a.beta * load_f(q, a.b.type, offset_of(a.b, i));
    store_f(y, a.y.type, offset_of(a.y, i), binary_of(a.kind, u, v));
}

KERNEL(select_any, select_args, IN(U8) c, IN(U8) p, IN(U8) q, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const I64 to = offset_of(a.y, i);
    if (load_f(c, a.c.type, offset_of(a.c, i)) != 0)
        copy_element(y, a.y.type, to, p, a.a.type, offset_of(a.a, i));
    else
        copy_element(y, a.y.type, to, q, a.b.type, offset_of(a.b, i));
}

/* a is the gate, b what passes it. */
KERNEL(gated_any, binary_args, IN(U8) gate, IN(U8) up, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const F32 g = load_f(gate, a.a.type, offset_of(a.a, i));
    const F32 u = load_f(up, a.b.type, offset_of(a.b, i));
    store_f(y, a.y.type, offset_of(a.y, i), unary_of(a.kind, g) * u);
}

KERNEL(gated_dx_any, gated_dx_args, IN(U8) gate, IN(U8) up, IN(U8) dy,
       OUT(U8) dgate, OUT(U8) dup) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const F32 g = load_f(gate, a.gate.type, offset_of(a.gate, i));
    const F32 u = load_f(up, a.up.type, offset_of(a.up, i));
    const F32 d = load_f(dy, a.dy.type, offset_of(a.dy, i));
    store_f(dgate, a.dgate.type, offset_of(a.dgate, i),
            unary_slope(a.kind, g) * u * d);
    store_f(dup, a.dup.type, offset_of(a.dup, i), unary_of(a.kind, g) * d);
}
