/* scan.h - one token of a scan, column by column of its state [K, V]; formulas
 * in backend/cpu/ref/ref_scan.c. */
#ifndef GPU_KERNELS_SCAN_H
#define GPU_KERNELS_SCAN_H

#include "backend/gpu/kernels/common.h"

/* The operands of a token of head h. */
typedef struct scan_token {
    GLOBAL const U8 *k, *v, *decay, *beta;
} scan_token;

FN scan_token token_of(GLOBAL const U8 *k, GLOBAL const U8 *v,
                       GLOBAL const U8 *decay, GLOBAL const U8 *beta) {
    scan_token x;
    x.k = k;
    x.v = v;
    x.decay = decay;
    x.beta = beta;
    return x;
}

FN I64 scan_at(heads_args t, I64 b, I64 i, I64 h) {
    return b * t.stride[0] + i * t.stride[1] + h * t.stride[2];
}

FN F32 scan_load(heads_args t, GLOBAL const U8 *p, I64 b, I64 i, I64 h, I64 e) {
    return load_f(p, t.type, scan_at(t, b, i, h) + e * t.stride[3]);
}

FN F32 scan_keep(scan_args a, scan_token x, I64 b, I64 i, I64 h) {
    return R_EXP(scan_load(a.decay, x.decay, b, i, h, 0));
}

/* u of column e, and v - S'^T k, which it is beta times. */
typedef struct scan_update {
    F32 u, rest;
} scan_update;

FN scan_update update_of(scan_args a, scan_token x, GLOBAL const F32 *S, I64 b,
                         I64 i, I64 h, I64 e, F32 keep) {
    const I64 g = h * a.G / a.H;
    scan_update s;
    s.u = scan_load(a.v, x.v, b, i, h, e);
    s.rest = s.u;
    if (!a.has_beta) return s;
    F32 sum = 0;
    for (I64 d = 0; d < a.K; d++)
        sum += keep * S[d * a.V + e] * scan_load(a.k, x.k, b, i, g, d);
    s.rest -= sum;
    s.u = scan_load(a.beta, x.beta, b, i, h, 0) * s.rest;
    return s;
}

/* Column e after a token, out of that before; they may be one. */
FN void advance(scan_args a, scan_token x, GLOBAL const F32 *from,
                GLOBAL F32 *to, I64 b, I64 i, I64 h, I64 e) {
    const F32 keep = scan_keep(a, x, b, i, h);
    const F32 u = update_of(a, x, from, b, i, h, e, keep).u;
    for (I64 d = 0; d < a.K; d++)
        to[d * a.V + e] = keep * from[d * a.V + e] +
                          scan_load(a.k, x.k, b, i, h * a.G / a.H, d) * u;
}

/* Column e of y = S^T q. */
FN F32 read_out(scan_args a, GLOBAL const U8 *q, GLOBAL const F32 *S, I64 b,
                I64 i, I64 h, I64 e) {
    F32 sum = 0;
    for (I64 d = 0; d < a.K; d++)
        sum += S[d * a.V + e] * scan_load(a.q, q, b, i, h * a.G / a.H, d);
    return sum;
}

#endif
