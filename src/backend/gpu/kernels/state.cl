/* state.cl - STORE_ROWS and the steps of the optimisers: formulas in
 * backend/cpu/ref/ref_state.c. */
#include "backend/gpu/kernels/common.h"

FN I64 row_of(store_rows_args a, GLOBAL const U8 *rows, I64 r) {
    return load_nearest(rows, a.rows_type, r * a.row_rows);
}

/* Where row r of x goes; -1: nowhere, or a later row goes there too. */
KERNEL(store_rows_keep, store_rows_args, IN(U8) rows, OUT(I64) keep) {
    const I64 r = FLAT_INDEX;
    if (r >= a.n_rows) return;
    I64 row = row_of(a, rows, r);
    if (row < 0 || row >= a.R) row = -1;
    for (I64 later = r + 1; row >= 0 && later < a.n_rows; later++)
        if (row_of(a, rows, later) == row) row = -1;
    keep[r] = row;
}

KERNEL(store_rows_any, store_rows_args, IN(I64) keep, IN(U8) x, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 r = e / a.size, i = e % a.size;
    if (keep[r] < 0) return;
    copy_element(y, a.y.type, keep[r] * a.row_y + offset_of(a.y, i), x,
                 a.x.type, r * a.row_x + offset_of(a.x, i));
}

/* Blocks of Q8_0, whose 32 levels follow a scale in f16: y is dense. */
KERNEL(store_rows_q8_0, store_rows_args, IN(I64) keep, IN(U8) x, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 blocks = a.size / 32, r = e / blocks, i = e % blocks * 32;
    if (keep[r] < 0) return;
    GLOBAL U8 *to = y + (keep[r] * a.row_y + i) / 32 * 34;
    F32 most = 0;
    for (I64 k = i; k < i + 32; k++) {
        const F32 v =
            R_FABS(load_f(x, a.x.type, r * a.row_x + offset_of(a.x, k)));
        most = v > most ? v : most;
    }
    const F32 d = most / 127, inverse = d != 0 ? 1 / d : 0;
    const U32 scale = f16_bits(d);
    to[0] = (U8)(scale & 255);
    to[1] = (U8)(scale >> 8);
    for (I32 k = 0; k < 32; k++) {
        F32 v =
            load_f(x, a.x.type, r * a.row_x + offset_of(a.x, i + k)) * inverse;
        v = v > -127 ? v : -127;
        v = v < 127 ? v : 127;
        /* halves away from zero; the float before 0.5 keeps what is below a
         * half there */
        to[2 + k] = (U8)(I8)(I32)(v + (v < 0 ? -1 : 1) * 0.49999997f);
    }
}

/* ---- optimisers ---- */

FN wide hyper(opt_args a, GLOBAL const U8 *h, I64 i) {
    return load_wide(h, a.h_type, i * a.h_step);
}

FN F32 hyper_f(opt_args a, GLOBAL const U8 *h, I64 i) {
    return wide_f32(hyper(a, h, i));
}

/* 1 - h[i], rounded once. */
FN F32 hyper_rest(opt_args a, GLOBAL const U8 *h, I64 i) {
    return wide_f32(wide_sub(wide_of(1), hyper(a, h, i)));
}

/* 1 - lr decay */
FN F32 hyper_keep(opt_args a, GLOBAL const U8 *h, I64 decay) {
    return wide_f32(wide_sub(
        wide_of(1), wide_mul(hyper(a, h, 0), hyper(a, h, decay))));
}

KERNEL(opt_sgd, opt_args, IN(U8) g, IN(U8) h, OUT(U8) p, OUT(U8) m) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const I64 at_p = offset_of(a.p, i), at_m = offset_of(a.m, i);
    const F32 lr = hyper_f(a, h, 0), momentum = hyper_f(a, h, 1);
    const F32 decay = hyper_f(a, h, 2), scale = hyper_f(a, h, 3);
    const F32 w = load_f(p, a.p.type, at_p);
    const F32 d =
        load_f(g, a.g.type, offset_of(a.g, i)) * scale + decay * w;
    F32 b = d;
    if (hyper_f(a, h, 4) == 0) b = momentum * load_f(m, a.m.type, at_m) + d;
    store_f(m, a.m.type, at_m, b);
    store_f(p, a.p.type, at_p, w - lr * (a.nesterov ? d + momentum * b : b));
}

KERNEL(opt_adamw, opt_args, IN(U8) g, IN(U8) h, OUT(U8) p, OUT(U8) m,
       OUT(U8) v) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const I64 at_p = offset_of(a.p, i), at_m = offset_of(a.m, i);
    const I64 at_v = offset_of(a.v, i);
    const F32 lr = hyper_f(a, h, 0), eps = hyper_f(a, h, 3);
    const F32 c1 = hyper_f(a, h, 5), c2 = hyper_f(a, h, 6);
    const F32 d =
        load_f(g, a.g.type, offset_of(a.g, i)) * hyper_f(a, h, 7);
    const F32 mean = hyper_f(a, h, 1) * load_f(m, a.m.type, at_m) +
                     hyper_rest(a, h, 1) * d;
    const F32 square = hyper_f(a, h, 2) * load_f(v, a.v.type, at_v) +
                       hyper_rest(a, h, 2) * d * d;
    store_f(m, a.m.type, at_m, mean);
    store_f(v, a.v.type, at_v, square);
    store_f(p, a.p.type, at_p,
            load_f(p, a.p.type, at_p) * hyper_keep(a, h, 4) -
                lr * (mean / c1) / (R_SQRT(square / c2) + eps));
}

KERNEL(opt_lion, opt_args, IN(U8) g, IN(U8) h, OUT(U8) p, OUT(U8) m) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const I64 at_p = offset_of(a.p, i), at_m = offset_of(a.m, i);
    const F32 d =
        load_f(g, a.g.type, offset_of(a.g, i)) * hyper_f(a, h, 4);
    const F32 mean = load_f(m, a.m.type, at_m);
    const F32 u = hyper_f(a, h, 1) * mean + hyper_rest(a, h, 1) * d;
    const F32 sign = (F32)((u > 0) - (u < 0));
    store_f(m, a.m.type, at_m,
            hyper_f(a, h, 2) * mean + hyper_rest(a, h, 2) * d);
    store_f(p, a.p.type, at_p,
            load_f(p, a.p.type, at_p) * hyper_keep(a, h, 3) -
                hyper_f(a, h, 0) * sign);
}
