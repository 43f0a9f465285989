/* xent.cl - XENT and XENT_DXW: formulas in backend/cpu/ref/ref_xent.c.
 *
 * Logits are not kept: a group finds log sum exp of a row, and dz exists for as
 * many rows as the scratch has room for. */
#include "backend/gpu/kernels/products.h"

FN F32 logit(xent_args a, GLOBAL const U8 *x, GLOBAL const U8 *w, I64 n,
             I64 v) {
    const F32 z = line_dot(
        line_of(x, a.x.type, n * a.x.stride[3], a.x.stride[4]),
        line_of(w, a.w.type, v * a.w.stride[3], a.w.stride[4]), a.C,
        a.compute);
    return a.softcap > 0 ? a.softcap * R_TANH(z / a.softcap) : z;
}

/* -1: the row is ignored. */
FN I64 target_of(xent_args a, GLOBAL const U8 *targets, I64 n) {
    const I64 t =
        load_nearest(targets, a.targets.type, n * a.targets.stride[4]);
    return t >= 0 && t < a.V ? t : -1;
}

GROUP_KERNEL(xent_rows, xent_args, IN(U8) x, IN(U8) w, IN(U8) targets,
             OUT(U8) logp, OUT(F32) lse) {
    SHARED(F32, maxima, GROUP_LANES);
    SHARED(F32, sums, GROUP_LANES);
    const F32 lowest = as_f32(0xff800000u);
    const I64 n = GROUP0, t = target_of(a, targets, n);
    F32 max = lowest, sum = 0;
    for (I64 v = LANE; t >= 0 && v < a.V; v += GROUP_LANES) {
        const F32 z = logit(a, x, w, n, v);
        if (z > max) {
            sum = max == lowest ? 0 : sum * R_EXP(max - z);
            max = z;
        }
        sum += R_EXP(z - max);
    }
    maxima[LANE] = max;
    sums[LANE] = sum;
    BARRIER;
    if (LANE != 0) return;
    for (I32 i = 0; i < GROUP_LANES; i++)
        max = maxima[i] > max ? maxima[i] : max;
    sum = 0;
    for (I32 i = 0; i < GROUP_LANES; i++)
        if (maxima[i] != lowest) sum += sums[i] * R_EXP(maxima[i] - max);
    const F32 all = t < 0 ? 0 : max + R_LOG(sum);
    store_f(logp, a.logp.type, n * a.logp.stride[4],
            t < 0 ? 0 : logit(a, x, w, n, t) - all);
    lse[n] = all;
}

KERNEL(xent_dz, xent_args, IN(U8) x, IN(U8) w, IN(U8) targets, IN(U8) dlogp,
       IN(F32) lse, OUT(F32) dz) {
    const I64 e = FLAT_INDEX;
    if (e >= a.rows * a.V) return;
    const I64 n = a.first + e / a.V, v = e % a.V, t = target_of(a, targets, n);
    F32 d = 0;
    if (t >= 0) {
        const F32 z = logit(a, x, w, n, v);
        const F32 c = a.softcap > 0 ? z / a.softcap : 0;
        const F32 g = load_f(dlogp, a.dlogp.type, n * a.dlogp.stride[4]);
        d = g * ((F32)(v == t) - R_EXP(z - lse[n])) * (1 - c * c);
    }
    dz[e] = rounded_to(a.compute, d);
}

KERNEL(xent_dx, xent_sum_args, IN(F32) dz, IN(U8) w, OUT(U8) dx) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 r = e / a.C, i = e % a.C;
    F32 sum = 0;
    for (I64 v = 0; v < a.V; v++)
        sum += dz[r * a.V + v] *
               rounded_to(a.compute,
                          load_any(w, a.w.type, v * a.w.stride[3] +
                                                    i * a.w.stride[4]));
    store_f(dx, a.y.type,
            (a.first + r) * a.y.stride[3] + i * a.y.stride[4], sum);
}

/* Adds to dw, which the rows before have been added to. */
KERNEL(xent_dw, xent_sum_args, IN(F32) dz, IN(U8) x, OUT(U8) dw) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 v = e / a.C, i = e % a.C;
    const I64 to = v * a.y.stride[3] + i * a.y.stride[4];
    F32 sum = a.first ? load_f(dw, a.y.type, to) : 0;
    for (I64 r = 0; r < a.rows; r++)
        sum += dz[r * a.V + v] *
               rounded_to(a.compute,
                          load_f(x, a.x.type, (a.first + r) * a.x.stride[3] +
                                                  i * a.x.stride[4]));
    store_f(dw, a.y.type, to, sum);
}
