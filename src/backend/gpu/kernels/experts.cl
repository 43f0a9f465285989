/* experts.cl - MATMUL_EXPERTS and its gradient to the matrices: a lane for each
 * result. */
#include "backend/gpu/kernels/products.h"

/* The matrix of row r, -1: none. */
FN I64 chosen_id(experts_args a, GLOBAL const U8 *ids, I64 r) {
    const I64 id = load_nearest(ids, a.ids.type, offset_of(a.ids, r));
    return id >= 0 && id < a.E ? id : -1;
}

FN line chosen_column(experts_args a, GLOBAL const U8 *w, I64 id, I64 f) {
    return line_of(w, a.w.type, id * a.w.stride[2] + f * a.w.stride[4],
                   a.w.stride[3]);
}

KERNEL(experts_any, experts_args, IN(U8) x, IN(U8) w, IN(U8) ids, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 f = e % a.F, r = e / a.F, id = chosen_id(a, ids, r);
    F32 sum = 0;
    if (id >= 0)
        sum = line_dot(
            line_of(x, a.x.type, row_at(a.x, r), a.x.stride[4]),
            chosen_column(a, w, id, f), a.K, a.compute);
    store_f(y, a.y.type, row_at(a.y, r) + f * a.y.stride[4], sum);
}

KERNEL(experts_levels, experts_args, IN(I8) levels, IN(F32) scales, IN(U8) w,
       IN(U8) ids, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 f = e % a.F, r = e / a.F, id = chosen_id(a, ids, r);
    F32 sum = 0;
    if (id >= 0)
        sum = level_dot(levels + r * a.K, scales + r * (a.K / ACT_BLOCK),
                        chosen_column(a, w, id, f), a.K, a.group, a.minima);
    store_f(y, a.y.type, row_at(a.y, r) + f * a.y.stride[4], sum);
}

/* Element [e, i, j] over the rows of list e. */
KERNEL(experts_dw_any, experts_dw_args, IN(I32) head, IN(I32) next, IN(U8) p,
       IN(U8) q, OUT(U8) dw) {
    const I64 at = FLAT_INDEX;
    if (at >= a.n) return;
    const I64 j = at % a.B, i = at / a.B % a.A, e = at / a.B / a.A;
    F32 sum = 0;
    for (I64 r = head[e]; r >= 0; r = next[r]) {
        const F32 x =
            load_f(p, a.a.type, row_at(a.a, r) + i * a.a.stride[4]);
        const F32 y =
            load_f(q, a.b.type, row_at(a.b, r) + j * a.b.stride[4]);
        sum += rounded_to(a.compute, x) * rounded_to(a.compute, y);
    }
    store_f(dw, a.dw.type,
            e * a.dw.stride[2] + i * a.dw.stride[3] + j * a.dw.stride[4], sum);
}
