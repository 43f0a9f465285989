/* conv.cl - CONV1D, CONV1D_DW, CONV1D_ROWS: formulas in
 * backend/cpu/ref/ref_conv.c. */
#include "backend/gpu/kernels/common.h"

/* What tap j adds to the position: x of which place. */
FN I64 conv_tap(conv_args a, I64 j) {
    return a.backwards ? a.K - 1 - j : j - a.K + 1;
}

KERNEL(conv_any, conv_args, IN(U8) x, IN(U8) w, IN(U8) bias, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 i = e % a.C, r = e / a.C, t = r % a.T;
    F32 sum = 0;
    if (a.has_bias) sum = load_f(bias, a.bias.type, i * a.bias.stride[4]);
    for (I64 j = 0; j < a.K; j++) {
        const I64 at = t + conv_tap(a, j);
        if (at < 0 || at >= a.T) continue;
        sum += load_f(w, a.w.type, i * a.w.stride[3] + j * a.w.stride[4]) *
               load_f(x, a.x.type,
                      row_at(a.x, r - t + at) + i * a.x.stride[4]);
    }
    store_f(y, a.y.type, row_at(a.y, r) + i * a.y.stride[4], sum);
}

/* A group for each [channel, tap], over the n = B T rows; a.w is dy, a.y dw. */
GROUP_KERNEL(conv_dw_any, conv_args, IN(U8) x, IN(U8) dy, OUT(U8) dw) {
    SHARED(F32, scratch, GROUP_LANES);
    const I64 i = GROUP0 / a.K, j = GROUP0 % a.K;
    F32 sum = 0;
    for (I64 r = LANE; r < a.n; r += GROUP_LANES) {
        const I64 t = r % a.T, at = t + conv_tap(a, j);
        if (at < 0 || at >= a.T) continue;
        sum += load_f(x, a.x.type,
                      row_at(a.x, r - t + at) + i * a.x.stride[4]) *
               load_f(dy, a.w.type, row_at(a.w, r) + i * a.w.stride[4]);
    }
    sum = group_sum(sum, scratch, LANE);
    if (LANE == 0)
        store_f(dw, a.y.type, i * a.y.stride[3] + j * a.y.stride[4], sum);
}

/* A lane has a channel and goes through the rows. */
KERNEL(conv_rows_any, conv_rows_args, IN(U8) x, IN(U8) w, IN(U8) sequences,
       IN(U8) positions, IN(U8) bias, OUT(U8) state, OUT(U8) y) {
    const I64 i = FLAT_INDEX, kept = a.K - 1;
    if (i >= a.C) return;
    for (I64 r = 0; r < a.N; r++) {
        const I64 s =
            load_nearest(sequences, a.sequences_type, r * a.row_sequences);
        const I64 p =
            load_nearest(positions, a.positions_type, r * a.row_positions);
        const I64 to = row_at(a.y, r) + i * a.y.stride[4];
        const I64 at = s * a.state_stride + i;
        F32 sum = 0;
        if (s < 0 || s >= a.S || p < 0) {
            store_f(y, a.y.type, to, 0);
            continue;
        }
        const F32 now =
            load_f(x, a.x.type, row_at(a.x, r) + i * a.x.stride[4]);
        if (a.has_bias) sum = load_f(bias, a.bias.type, i * a.bias.stride[4]);
        for (I64 j = 0; j < a.K; j++) {
            const I64 q = p - kept + j;
            if (q < 0) continue;
            sum += load_f(w, a.w.type,
                          i * a.w.stride[3] + j * a.w.stride[4]) *
                   (j == kept ? now
                              : load_f(state, a.state_type,
                                       at + q % kept * a.C));
        }
        if (kept > 0) store_f(state, a.state_type, at + p % kept * a.C, now);
        store_f(y, a.y.type, to, sum);
    }
}
