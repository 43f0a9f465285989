/* norm.cl - RMS and layer normalisation and their gradients: the formulas, and
 * why sums are wide, are in backend/cpu/ref/ref_norm.c. */
#include "backend/gpu/kernels/common.h"

typedef struct moments {
    wide mean, inv; /* mean is 0 for RMS_NORM */
} moments;

/* Element i of a row less its mean, times inv. */
FN wide normal(moments m, GLOBAL const U8 *x, I32 type, I64 at) {
    return wide_mul(wide_sub(wide_of(load_f(x, type, at)), m.mean), m.inv);
}

FN wide mean_of(wide sum, I64 n) { return wide_div(sum, wide_of_whole(n)); }

FN moments row_moments(GLOBAL const U8 *x, tensor_args t, I64 row, I64 n,
                       I32 centred, F32 eps, LOCAL wide *scratch, I32 lane) {
    moments m;
    wide sum = wide_of(0);
    m.mean = wide_of(0);
    if (centred) {
        for (I64 i = lane; i < n; i += GROUP_LANES)
            sum = wide_add(sum,
                           wide_of(load_f(x, t.type, row + i * t.stride[4])));
        m.mean = mean_of(group_sum_wide(sum, scratch, lane), n);
        sum = wide_of(0);
    }
    for (I64 i = lane; i < n; i += GROUP_LANES) {
        const wide d = wide_sub(
            wide_of(load_f(x, t.type, row + i * t.stride[4])), m.mean);
        sum = wide_add(sum, wide_mul(d, d));
    }
    sum = mean_of(group_sum_wide(sum, scratch, lane), n);
    m.inv = wide_div(wide_of(1), wide_sqrt(wide_add(sum, wide_of(eps))));
    return m;
}

GROUP_KERNEL(norm_any, norm_args, IN(U8) x, IN(U8) w, IN(U8) b, OUT(U8) y) {
    SHARED(wide, scratch, GROUP_LANES);
    const I64 ax = row_at(a.x, GROUP0), ay = row_at(a.y, GROUP0);
    const moments m =
        row_moments(x, a.x, ax, a.n, a.centred, a.eps, scratch, LANE);
    for (I64 i = LANE; i < a.n; i += GROUP_LANES) {
        wide v = normal(m, x, a.x.type, ax + i * a.x.stride[4]);
        if (a.has_w)
            v = wide_mul(v, wide_of(load_f(w, a.w.type, i * a.w.stride[4]) +
                                    a.offset));
        if (a.has_b)
            v = wide_add(v, wide_of(load_f(b, a.b.type, i * a.b.stride[4])));
        store_f(y, a.y.type, ay + i * a.y.stride[4], wide_f32(v));
    }
}

/* dy times the weight. */
FN wide weighted(norm_dx_args a, GLOBAL const U8 *dy, I64 ady,
                 GLOBAL const U8 *w, I64 i) {
    const wide g =
        wide_of(load_f(dy, a.dy.type, ady + i * a.dy.stride[4]));
    if (!a.has_w) return g;
    return wide_mul(
        g, wide_of(load_f(w, a.w.type, i * a.w.stride[4]) + a.offset));
}

GROUP_KERNEL(norm_dx_any, norm_dx_args, IN(U8) x, IN(U8) w, IN(U8) dy,
             OUT(U8) dx) {
    SHARED(wide, scratch, GROUP_LANES);
    const I64 ax = row_at(a.x, GROUP0), ady = row_at(a.dy, GROUP0);
    const I64 adx = row_at(a.dx, GROUP0);
    const moments m =
        row_moments(x, a.x, ax, a.n, a.centred, a.eps, scratch, LANE);
    wide sum_g = wide_of(0), sum_gx = wide_of(0);
    for (I64 i = LANE; i < a.n; i += GROUP_LANES) {
        const wide g = weighted(a, dy, ady, w, i);
        const wide xh = normal(m, x, a.x.type, ax + i * a.x.stride[4]);
        sum_g = wide_add(sum_g, g);
        sum_gx = wide_add(sum_gx, wide_mul(g, xh));
    }
    sum_g = mean_of(group_sum_wide(sum_g, scratch, LANE), a.n);
    sum_gx = mean_of(group_sum_wide(sum_gx, scratch, LANE), a.n);
    if (!a.centred) sum_g = wide_of(0);
    for (I64 i = LANE; i < a.n; i += GROUP_LANES) {
        const wide xh = normal(m, x, a.x.type, ax + i * a.x.stride[4]);
        wide v = wide_sub(weighted(a, dy, ady, w, i), sum_g);
        v = wide_mul(m.inv, wide_sub(v, wide_mul(xh, sum_gx)));
        store_f(dx, a.dx.type, adx + i * a.dx.stride[4], wide_f32(v));
    }
}

/* The moments of every row, for the two steps behind it. */
GROUP_KERNEL(norm_moments, norm_dw_args, IN(U8) x, OUT(moments) all) {
    SHARED(wide, scratch, GROUP_LANES);
    const moments m = row_moments(x, a.x, row_at(a.x, GROUP0), a.n, a.centred,
                                  a.eps, scratch, LANE);
    if (LANE == 0) all[GROUP0] = m;
}

/* dw and db of NORM_CHUNK rows, one column a lane: sums [chunks][2][n]. */
KERNEL(norm_dw_chunks, norm_dw_args, IN(U8) x, IN(U8) dy, IN(moments) all,
       OUT(F32) sums) {
    const I64 i = FLAT_INDEX % a.n, chunk = FLAT_INDEX / a.n;
    const I64 first = chunk * NORM_CHUNK;
    if (first >= a.n_rows) return;
    F32 dw = 0, db = 0;
    for (I64 r = first; r < a.n_rows && r < first + NORM_CHUNK; r++) {
        const F32 g =
            load_f(dy, a.dy.type, row_at(a.dy, r) + i * a.dy.stride[4]);
        const wide xh = normal(all[r], x, a.x.type,
                               row_at(a.x, r) + i * a.x.stride[4]);
        dw += wide_f32(wide_mul(wide_of(g), xh));
        db += g;
    }
    sums[chunk * 2 * a.n + i] = dw;
    sums[(chunk * 2 + 1) * a.n + i] = db;
}

/* The chunks in order. */
KERNEL(norm_dw_sum, norm_dw_args, IN(F32) sums, OUT(U8) dw, OUT(U8) db) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    F32 w = 0, b = 0;
    for (I64 c = 0; c * NORM_CHUNK < a.n_rows; c++) {
        w += sums[c * 2 * a.n + i];
        b += sums[(c * 2 + 1) * a.n + i];
    }
    store_f(dw, a.dw.type, i * a.dw.stride[4], w);
    if (a.has_db) store_f(db, a.db.type, i * a.db.stride[4], b);
}
