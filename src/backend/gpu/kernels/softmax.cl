/* softmax.cl - SOFTMAX, GATHER and their gradients: the formulas are those of
 * backend/cpu/ref/ref_softmax.c. */
#include "backend/gpu/kernels/common.h"

GROUP_KERNEL(softmax_any, rows_args, IN(U8) x, OUT(U8) y) {
    SHARED(F32, scratch, GROUP_LANES);
    const I64 ax = row_at(a.x, GROUP0), ay = row_at(a.y, GROUP0);
    F32 max = as_f32(0xff800000u), sum = 0;
    for (I64 i = LANE; i < a.n; i += GROUP_LANES) {
        const F32 v = load_f(x, a.x.type, ax + i * a.x.stride[4]);
        max = v > max ? v : max;
    }
    max = group_max(max, scratch, LANE);
    for (I64 i = LANE; i < a.n; i += GROUP_LANES)
        sum += R_EXP(load_f(x, a.x.type, ax + i * a.x.stride[4]) - max);
    sum = group_sum(sum, scratch, LANE);
    for (I64 i = LANE; i < a.n; i += GROUP_LANES)
        store_f(y, a.y.type, ay + i * a.y.stride[4],
                R_EXP(load_f(x, a.x.type, ax + i * a.x.stride[4]) - max) / sum);
}

/* a.x is y of SOFTMAX. */
GROUP_KERNEL(softmax_dx_any, rows3_args, IN(U8) y, IN(U8) dy, OUT(U8) dx) {
    SHARED(F32, scratch, GROUP_LANES);
    const I64 ay = row_at(a.x, GROUP0), ady = row_at(a.dy, GROUP0);
    const I64 adx = row_at(a.dx, GROUP0);
    F32 sum = 0;
    for (I64 i = LANE; i < a.n; i += GROUP_LANES)
        sum += load_f(y, a.x.type, ay + i * a.x.stride[4]) *
               load_f(dy, a.dy.type, ady + i * a.dy.stride[4]);
    sum = group_sum(sum, scratch, LANE);
    for (I64 i = LANE; i < a.n; i += GROUP_LANES)
        store_f(dx, a.dx.type, adx + i * a.dx.stride[4],
                load_f(y, a.x.type, ay + i * a.x.stride[4]) *
                    (load_f(dy, a.dy.type, ady + i * a.dy.stride[4]) - sum));
}

KERNEL(gather_any, gather_args, IN(U8) x, IN(U8) index, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 r = e / a.n_y, k = e % a.n_y;
    const I64 to = row_at(a.y, r) + k * a.y.stride[4];
    const I64 i = load_nearest(index, a.index.type,
                               row_at(a.index, r) + k * a.index.stride[4]);
    if (i >= 0 && i < a.n_x)
        copy_element(y, a.y.type, to, x, a.x.type,
                     row_at(a.x, r) + i * a.x.stride[4]);
    else if (type_is_float(a.y.type))
        store_f(y, a.y.type, to, 0);
    else
        store_whole(y, a.y.type, to, 0);
}

/* A lane for each element of dx looks for its index: a.x is dx, a.y is dy. */
KERNEL(gather_dx_any, gather_args, IN(U8) index, IN(U8) dy, OUT(U8) dx) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 r = e / a.n_x, i = e % a.n_x;
    const I64 ai = row_at(a.index, r), ady = row_at(a.y, r);
    F32 sum = 0;
    for (I64 k = 0; k < a.n_y; k++)
        if (load_nearest(index, a.index.type, ai + k * a.index.stride[4]) == i)
            sum += load_f(dy, a.y.type, ady + k * a.y.stride[4]);
    store_f(dx, a.x.type, row_at(a.x, r) + i * a.x.stride[4], sum);
}
