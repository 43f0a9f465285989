/* scan_dx.cl - SCAN_DX: formulas in backend/cpu/ref/ref_scan.c.
 *
 * A group has the heads that share q and k, of one text, one head after the
 * other, and goes through the tokens from the last.  Of a state [K, V] a lane
 * has columns where sums run over K, rows where they run over V.  States are
 * computed anew, chunk by chunk, from those kept before each chunk. */
#include "backend/gpu/kernels/scan.h"

FN void add_to(GLOBAL U8 *p, I32 type, I64 at, F32 x) {
    store_f(p, type, at, load_f(p, type, at) + x);
}

GROUP_KERNEL(scan_dx_any, scan_args, IN(U8) q, IN(U8) k, IN(U8) v,
             IN(U8) decay, IN(U8) dy, IN(U8) beta, OUT(F32) scratch,
             OUT(U8) dq, OUT(U8) dk, OUT(U8) dv, OUT(U8) dd) {
    SHARED(F32, sums, GROUP_LANES);
    const I64 b = GROUP0 / a.G, g = GROUP0 % a.G, size = a.K * a.V;
    const I64 chunks = (a.T + a.chunk - 1) / a.chunk;
    /* ORDER: emit_scan.c knows the size */
    GLOBAL F32 *dS = scratch + GROUP0 * ((chunks + a.chunk + 2) * size + 3 * a.V);
    GLOBAL F32 *starts = dS + size, *states = starts + chunks * size;
    GLOBAL F32 *us = states + (a.chunk + 1) * size;
    GLOBAL F32 *rests = us + a.V, *dws = rests + a.V;
    const scan_token x = token_of(k, v, decay, beta);
    for (I64 i = 0; i < a.T; i++)
        for (I64 d = LANE; d < a.K; d += GROUP_LANES) {
            store_f(dq, a.dq.type, scan_at(a.dq, b, i, g) + d * a.dq.stride[3],
                    0);
            store_f(dk, a.dk.type, scan_at(a.dk, b, i, g) + d * a.dk.stride[3],
                    0);
        }
    for (I64 h = g * (a.H / a.G); h < (g + 1) * (a.H / a.G); h++) {
        BARRIER; /* rows of dS of the head before */
        for (I64 e = LANE; e < a.V; e += GROUP_LANES) {
            for (I64 d = 0; d < a.K; d++)
                dS[d * a.V + e] = starts[d * a.V + e] = 0;
            for (I64 i = 0; i < (chunks - 1) * a.chunk; i++) {
                GLOBAL F32 *to = starts + (i / a.chunk + 1) * size;
                advance(a, x, i % a.chunk ? to : to - size, to, b, i, h, e);
            }
        }
        for (I64 c = chunks - 1; c >= 0; c--) {
            const I64 first = c * a.chunk;
            const I64 end = first + a.chunk < a.T ? first + a.chunk : a.T;
            BARRIER; /* rows of the states of the chunk behind */
            for (I64 e = LANE; e < a.V; e += GROUP_LANES) {
                for (I64 d = 0; d < a.K; d++)
                    states[d * a.V + e] = starts[c * size + d * a.V + e];
                for (I64 i = first; i < end; i++)
                    advance(a, x, states + (i - first) * size,
                            states + (i - first + 1) * size, b, i, h, e);
            }
            for (I64 i = end - 1; i >= first; i--) {
                GLOBAL const F32 *from = states + (i - first) * size;
                GLOBAL const F32 *to = from + size;
                const F32 keep = scan_keep(a, x, b, i, h);
                F32 dbeta = 0, ddecay = 0;
                for (I64 e = LANE; e < a.V; e += GROUP_LANES) {
                    const scan_update u =
                        update_of(a, x, from, b, i, h, e, keep);
                    us[e] = u.u;
                    rests[e] = u.rest;
                }
                BARRIER;
                for (I64 d = LANE; d < a.K; d += GROUP_LANES) {
                    const F32 qd = scan_load(a.q, q, b, i, g, d);
                    F32 sum_q = 0, sum_k = 0;
                    for (I64 e = 0; e < a.V; e++) {
                        const F32 ye = scan_load(a.dy, dy, b, i, h, e);
                        const F32 s = dS[d * a.V + e] + qd * ye;
                        dS[d * a.V + e] = s;
                        sum_q += to[d * a.V + e] * ye;
                        sum_k += s * us[e];
                    }
                    add_to(dq, a.dq.type,
                           scan_at(a.dq, b, i, g) + d * a.dq.stride[3], sum_q);
                    add_to(dk, a.dk.type,
                           scan_at(a.dk, b, i, g) + d * a.dk.stride[3], sum_k);
                }
                BARRIER;
                for (I64 e = LANE; e < a.V; e += GROUP_LANES) {
                    F32 du = 0, scale = 1;
                    for (I64 d = 0; d < a.K; d++)
                        du += dS[d * a.V + e] *
                              scan_load(a.k, k, b, i, g, d);
                    if (a.has_beta) scale = scan_load(a.beta, beta, b, i, h, 0);
                    dws[e] = scale * du;
                    store_f(dv, a.dv.type,
                            scan_at(a.dv, b, i, h) + e * a.dv.stride[3],
                            dws[e]);
                    if (!a.has_beta) continue;
                    dbeta += du * rests[e];
                    for (I64 d = 0; d < a.K; d++)
                        dS[d * a.V + e] -=
                            scan_load(a.k, k, b, i, g, d) * dws[e];
                }
                dbeta = group_sum(dbeta, sums, LANE);
                for (I64 d = LANE; d < a.K; d += GROUP_LANES) {
                    F32 sum = 0;
                    for (I64 e = 0; e < a.V; e++) {
                        const F32 s = keep * from[d * a.V + e];
                        sum += s * dws[e];
                        ddecay += dS[d * a.V + e] * s;
                        dS[d * a.V + e] *= keep;
                    }
                    if (a.has_beta)
                        add_to(dk, a.dk.type,
                               scan_at(a.dk, b, i, g) + d * a.dk.stride[3],
                               -sum);
                }
                ddecay = group_sum(ddecay, sums, LANE);
                if (LANE != 0) continue;
                const I64 at = b * a.d.stride[1] + i * a.d.stride[2] +
                               h * a.d.stride[3];
                store_f(dd, a.d.type, at, ddecay);
                if (a.has_beta) store_f(dd, a.d.type, at + a.d.stride[0], dbeta);
            }
        }
    }
}
