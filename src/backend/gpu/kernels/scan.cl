/* scan.cl - SCAN, SCAN_ROWS: columns of a state do not know of each other, so a
 * lane has one, of a head, and goes through the tokens. */
#include "backend/gpu/kernels/scan.h"

KERNEL(scan_any, scan_args, IN(U8) q, IN(U8) k, IN(U8) v, IN(U8) decay,
       IN(U8) beta, OUT(F32) states, OUT(U8) y) {
    const I64 lane = FLAT_INDEX;
    if (lane >= a.n) return;
    const I64 e = lane % a.V, h = lane / a.V % a.H, b = lane / a.V / a.H;
    const scan_token x = token_of(k, v, decay, beta);
    GLOBAL F32 *S = states + lane / a.V * a.K * a.V;
    for (I64 d = 0; d < a.K; d++) S[d * a.V + e] = 0;
    for (I64 i = 0; i < a.T; i++) {
        advance(a, x, S, S, b, i, h, e);
        store_f(y, a.y.type, scan_at(a.y, b, i, h) + e * a.y.stride[3],
                read_out(a, q, S, b, i, h, e));
    }
}

KERNEL(scan_rows_any, scan_rows_args, IN(U8) q, IN(U8) k, IN(U8) v,
       IN(U8) decay, IN(U8) sequences, IN(U8) positions, IN(U8) beta,
       OUT(F32) state, OUT(U8) y) {
    const I64 lane = FLAT_INDEX;
    if (lane >= a.n) return;
    const I64 e = lane % a.s.V, h = lane / a.s.V;
    const scan_token x = token_of(k, v, decay, beta);
    for (I64 r = 0; r < a.N; r++) {
        const I64 s =
            load_nearest(sequences, a.sequences_type, r * a.row_sequences);
        const I64 p =
            load_nearest(positions, a.positions_type, r * a.row_positions);
        F32 sum = 0;
        if (s >= 0 && s < a.S) {
            GLOBAL F32 *S = state + s * a.state_row + h * a.state_head;
            for (I64 d = 0; p == 0 && d < a.s.K; d++) S[d * a.s.V + e] = 0;
            advance(a.s, x, S, S, r, 0, h, e);
            sum = read_out(a.s, q, S, r, 0, h, e);
        }
        store_f(y, a.s.y.type, scan_at(a.s.y, r, 0, h) + e * a.s.y.stride[3],
                sum);
    }
}
