/* paged.cl - ATTENTION_PAGED: a group for each head of a row, keys in tiles of
 * GROUP_LANES from the first that is seen, so that a value depends on the
 * position alone.  Formulas in backend/cpu/ref/ref_paged.c. */
#include "backend/gpu/kernels/blocks.h"
#include "backend/gpu/kernels/common.h"

/* The row of key j in the pools, in keys; -1: there is none. */
FN I64 pool_row(paged_args a, GLOBAL const U8 *table, I64 sequence, I64 j) {
    const I64 index = j / a.page;
    if (index >= a.M) return -1;
    const I64 page = load_nearest(table, a.table.type,
                                  sequence * a.table.stride[0] +
                                      index * a.table.stride[1]);
    return page < 0 || page >= a.P ? -1 : page * a.page + j % a.page;
}

FN I64 pool_at(heads_args t, paged_args a, I64 row, I64 g) {
    return row / a.page * t.stride[0] + row % a.page * t.stride[1] +
           g * t.stride[2];
}

FN F32 paged_score(paged_args a, GLOBAL const U8 *q, I64 aq,
                   GLOBAL const U8 *k, I64 ak) {
    F32 s = 0;
    for (I64 d = 0; d < a.D; d++)
        s += load_f(q, a.q.type, aq + d * a.q.stride[2]) *
             load_any(k, a.k.type, ak + d * a.k.stride[3]);
    s *= a.scale;
    return a.softcap > 0 ? a.softcap * R_TANH(s / a.softcap) : s;
}

GROUP_KERNEL(paged_any, paged_args, IN(U8) q, IN(U8) k, IN(U8) v,
             IN(U8) table, IN(U8) sequences, IN(U8) positions, IN(U8) sinks,
             OUT(U8) o) {
    SHARED(F32, score, GROUP_LANES);
    SHARED(I64, place, GROUP_LANES);
    SHARED(F32, sum_o, HEAD_MOST);
    const I64 row = GROUP0 / a.H, h = GROUP0 % a.H, g = h * a.G / a.H;
    const I64 aq = row * a.q.stride[0] + h * a.q.stride[1];
    const I64 sequence = load_nearest(sequences, a.sequences.type,
                                      row * a.sequences.stride[0]);
    const I64 position = load_nearest(positions, a.positions.type,
                                      row * a.positions.stride[0]);
    const F32 lowest = as_f32(0xff800000u);
    I64 j0 = 0, end = position + 1;
    if (a.window > 0 && position >= a.window) j0 = position - a.window + 1;
    if (sequence < 0 || sequence >= a.n_sequences) end = 0;
    if (end > a.M * a.page) end = a.M * a.page;
    F32 max = lowest, sum = 0;
    for (I64 e = LANE; e < a.E; e += GROUP_LANES) sum_o[e] = 0;
    for (; j0 < end; j0 += GROUP_LANES) {
        const I64 j = j0 + LANE;
        const I64 at = j < end ? pool_row(a, table, sequence, j) : -1;
        F32 s = lowest;
        if (at >= 0) s = paged_score(a, q, aq, k, pool_at(a.k, a, at, g));
        F32 top = group_max(s, score, LANE);
        top = top > max ? top : max;
        const F32 shrink = max == lowest ? 0 : R_EXP(max - top);
        BARRIER;
        score[LANE] = at >= 0 ? R_EXP(s - top) : 0;
        place[LANE] = at;
        BARRIER;
        max = top;
        sum *= shrink;
        for (I32 t = 0; t < GROUP_LANES; t++) sum += score[t];
        for (I64 e = LANE; e < a.E; e += GROUP_LANES) {
            F32 x = sum_o[e] * shrink;
            for (I32 t = 0; t < GROUP_LANES; t++)
                if (place[t] >= 0)
                    x += score[t] * load_any(v, a.v.type,
                                             pool_at(a.v, a, place[t], g) +
                                                 e * a.v.stride[3]);
            sum_o[e] = x;
        }
    }
    F32 shrink = 1;
    if (a.has_sinks) {
        const F32 s = load_f(sinks, a.sinks.type, h * a.sinks.stride[0]);
        const F32 top = s > max ? s : max;
        shrink = max == lowest ? 0 : R_EXP(max - top);
        sum = sum * shrink + R_EXP(s - top);
    }
    for (I64 e = LANE; e < a.E; e += GROUP_LANES)
        store_f(o, a.o.type,
                row * a.o.stride[0] + h * a.o.stride[1] + e * a.o.stride[2],
                sum > 0 ? sum_o[e] * shrink / sum : 0);
}
