/* attention.cl - ATTENTION and its gradients for any layout: formulas in
 * backend/cpu/ref/ref_attention.c.
 *
 * A group has one query, or one key of the gradient.  The other side comes in
 * tiles of GROUP_LANES: a lane computes the score of one of them, then each
 * lane adds up its elements of the head over the tile, in order. */
#include "backend/gpu/kernels/common.h"

FN I64 heads_at(heads_args t, I64 b, I64 i, I64 h) {
    return b * t.stride[0] + i * t.stride[1] + h * t.stride[2];
}

FN F32 heads_dot(heads_args x, GLOBAL const U8 *px, I64 ax, heads_args y,
                 GLOBAL const U8 *py, I64 ay, I64 n) {
    F32 sum = 0;
    for (I64 d = 0; d < n; d++)
        sum += load_f(px, x.type, ax + d * x.stride[3]) *
               load_f(py, y.type, ay + d * y.stride[3]);
    return sum;
}

FN F32 capped(F32 s, F32 cap) { return cap > 0 ? cap * R_TANH(s / cap) : s; }

/* Keys [first_key, end_key) are seen by query i. */
FN I64 first_key(attention_args a, I64 i) {
    const I64 first = i + a.S - a.T - a.window + 1;
    return a.window > 0 && first > 0 ? first : 0;
}

FN I64 end_key(attention_args a, I64 i) {
    const I64 end = i + a.S - a.T + 1;
    return a.causal && end < a.S ? end : a.S;
}

GROUP_KERNEL(attention_any, attention_args, IN(U8) q, IN(U8) k, IN(U8) v,
             IN(U8) sinks, OUT(U8) o, OUT(U8) lse) {
    SHARED(F32, score, GROUP_LANES);
    SHARED(F32, sum_o, HEAD_MOST);
    const I64 i = GROUP0 % a.T, h = GROUP0 / a.T % a.H, b = GROUP0 / a.T / a.H;
    const I64 g = h * a.G / a.H, end = end_key(a, i);
    const I64 aq = heads_at(a.q, b, i, h);
    const F32 lowest = as_f32(0xff800000u);
    F32 max = lowest, sum = 0;
    for (I64 e = LANE; e < a.E; e += GROUP_LANES) sum_o[e] = 0;
    for (I64 j0 = first_key(a, i); j0 < end; j0 += GROUP_LANES) {
        const I64 j = j0 + LANE;
        const I32 n = (I32)(end - j0 < GROUP_LANES ? end - j0 : GROUP_LANES);
        F32 s = lowest;
        if (j < end)
            s = capped(heads_dot(a.q, q, aq, a.k, k, heads_at(a.k, b, j, g),
                                 a.D) *
                           a.scale,
                       a.softcap);
        F32 top = group_max(s, score, LANE);
        top = top > max ? top : max;
        const F32 shrink = max == lowest ? 0 : R_EXP(max - top);
        BARRIER;
        score[LANE] = j < end ? R_EXP(s - top) : 0;
        BARRIER;
        max = top;
        sum *= shrink;
        for (I32 t = 0; t < n; t++) sum += score[t];
        for (I64 e = LANE; e < a.E; e += GROUP_LANES) {
            F32 x = sum_o[e] * shrink;
            for (I32 t = 0; t < n; t++)
                x += score[t] *
                     load_f(v, a.v.type,
                            heads_at(a.v, b, j0 + t, g) + e * a.v.stride[3]);
            sum_o[e] = x;
        }
    }
    F32 shrink = 1;
    if (a.has_sinks) {
        const F32 s = load_f(sinks, a.sinks.type, h * a.sinks.stride[0]);
        const F32 top = s > max ? s : max;
        shrink = max == lowest ? 0 : R_EXP(max - top);
        sum = sum * shrink + R_EXP(s - top);
        max = top;
    }
    for (I64 e = LANE; e < a.E; e += GROUP_LANES)
        store_f(o, a.o.type, heads_at(a.o, b, i, h) + e * a.o.stride[3],
                sum > 0 ? sum_o[e] * shrink / sum : 0);
    if (LANE == 0)
        store_f(lse, a.lse.type,
                b * a.lse.stride[0] + h * a.lse.stride[1] +
                    i * a.lse.stride[2],
                max + R_LOG(sum));
}

/* D_i = do_i . o_i [B, H, T]: a lane for each query. */
KERNEL(attention_delta, attention_args, IN(U8) o, IN(U8) dout,
       OUT(F32) delta) {
    const I64 r = FLAT_INDEX;
    if (r >= a.B * a.H * a.T) return;
    const I64 i = r % a.T, h = r / a.T % a.H, b = r / a.T / a.H;
    delta[r] = heads_dot(a.o, o, heads_at(a.o, b, i, h), a.dout, dout,
                         heads_at(a.dout, b, i, h), a.E);
}

/* p_ij and ds_ij, times scale. */
typedef struct slope {
    F32 p, ds;
} slope;

FN slope slope_of(attention_args a, GLOBAL const U8 *q, GLOBAL const U8 *k,
                  GLOBAL const U8 *v, GLOBAL const U8 *lse,
                  GLOBAL const U8 *dout, GLOBAL const F32 *delta, I64 b, I64 i,
                  I64 h, I64 j) {
    const I64 g = h * a.G / a.H;
    slope s;
    const F32 z = capped(heads_dot(a.q, q, heads_at(a.q, b, i, h), a.k, k,
                                   heads_at(a.k, b, j, g), a.D) *
                             a.scale,
                         a.softcap);
    s.p = R_EXP(z - load_f(lse, a.lse.type,
                           b * a.lse.stride[0] + h * a.lse.stride[1] +
                               i * a.lse.stride[2]));
    const F32 dp = heads_dot(a.dout, dout, heads_at(a.dout, b, i, h), a.v, v,
                             heads_at(a.v, b, j, g), a.E);
    const F32 c = a.softcap > 0 ? z / a.softcap : 0;
    s.ds = s.p * (dp - delta[(b * a.H + h) * a.T + i]) * (1 - c * c) * a.scale;
    return s;
}

GROUP_KERNEL(attention_dq, attention_args, IN(U8) q, IN(U8) k, IN(U8) v,
             IN(U8) lse, IN(U8) dout, IN(F32) delta, OUT(U8) dq) {
    SHARED(F32, ds, GROUP_LANES);
    SHARED(F32, sum, HEAD_MOST);
    const I64 i = GROUP0 % a.T, h = GROUP0 / a.T % a.H, b = GROUP0 / a.T / a.H;
    const I64 g = h * a.G / a.H, end = end_key(a, i);
    for (I64 d = LANE; d < a.D; d += GROUP_LANES) sum[d] = 0;
    for (I64 j0 = first_key(a, i); j0 < end; j0 += GROUP_LANES) {
        const I64 j = j0 + LANE;
        const I32 n = (I32)(end - j0 < GROUP_LANES ? end - j0 : GROUP_LANES);
        BARRIER;
        ds[LANE] = 0;
        if (j < end)
            ds[LANE] =
                slope_of(a, q, k, v, lse, dout, delta, b, i, h, j).ds;
        BARRIER;
        for (I64 d = LANE; d < a.D; d += GROUP_LANES) {
            F32 x = sum[d];
            for (I32 t = 0; t < n; t++)
                x += ds[t] *
                     load_f(k, a.k.type,
                            heads_at(a.k, b, j0 + t, g) + d * a.k.stride[3]);
            sum[d] = x;
        }
    }
    for (I64 d = LANE; d < a.D; d += GROUP_LANES)
        store_f(dq, a.dq.type, heads_at(a.dq, b, i, h) + d * a.dq.stride[3],
                sum[d]);
}

/* Queries [first_query, end_query) see key j. */
FN I64 first_query(attention_args a, I64 j) {
    const I64 first = j - (a.S - a.T);
    return a.causal && first > 0 ? first : 0;
}

FN I64 end_query(attention_args a, I64 j) {
    const I64 end = j - (a.S - a.T) + a.window;
    return a.window > 0 && end < a.T ? end : a.T;
}

GROUP_KERNEL(attention_dkv, attention_args, IN(U8) q, IN(U8) k, IN(U8) v,
             IN(U8) lse, IN(U8) dout, IN(F32) delta, OUT(U8) dk, OUT(U8) dv) {
    SHARED(F32, ds, GROUP_LANES);
    SHARED(F32, p, GROUP_LANES);
    SHARED(F32, sum_k, HEAD_MOST);
    SHARED(F32, sum_v, HEAD_MOST);
    const I64 j = GROUP0 % a.S, g = GROUP0 / a.S % a.G, b = GROUP0 / a.S / a.G;
    const I64 end = end_query(a, j), heads = a.H / a.G;
    for (I64 d = LANE; d < a.D; d += GROUP_LANES) sum_k[d] = 0;
    for (I64 e = LANE; e < a.E; e += GROUP_LANES) sum_v[e] = 0;
    for (I64 h = g * heads; h < (g + 1) * heads; h++)
        for (I64 i0 = first_query(a, j); i0 < end; i0 += GROUP_LANES) {
            const I64 i = i0 + LANE;
            const I32 n =
                (I32)(end - i0 < GROUP_LANES ? end - i0 : GROUP_LANES);
            slope s;
            s.p = 0;
            s.ds = 0;
            if (i < end)
                s = slope_of(a, q, k, v, lse, dout, delta, b, i, h, j);
            BARRIER;
            p[LANE] = s.p;
            ds[LANE] = s.ds;
            BARRIER;
            for (I64 d = LANE; d < a.D; d += GROUP_LANES)
                for (I32 t = 0; t < n; t++)
                    sum_k[d] += ds[t] * load_f(q, a.q.type,
                                               heads_at(a.q, b, i0 + t, h) +
                                                   d * a.q.stride[3]);
            for (I64 e = LANE; e < a.E; e += GROUP_LANES)
                for (I32 t = 0; t < n; t++)
                    sum_v[e] += p[t] * load_f(dout, a.dout.type,
                                              heads_at(a.dout, b, i0 + t, h) +
                                                  e * a.dout.stride[3]);
        }
    for (I64 d = LANE; d < a.D; d += GROUP_LANES)
        store_f(dk, a.dk.type, heads_at(a.dk, b, j, g) + d * a.dk.stride[3],
                sum_k[d]);
    for (I64 e = LANE; e < a.E; e += GROUP_LANES)
        store_f(dv, a.dv.type, heads_at(a.dv, b, j, g) + e * a.dv.stride[3],
                sum_v[e]);
}
