/* fast_scan.h - what the fast forms of SCAN share. */
#ifndef CPU_FAST_SCAN_H
#define CPU_FAST_SCAN_H

#include "backend/cpu/fast_rows.h"

/* One token of one head. */
typedef struct scan_token {
    const float *q, *k, *v, *beta; /* [K], [K], [V]; beta may be NULL */
    float a;                       /* exp(decay) */
} scan_token;

/* f32 with contiguous rows; q, k, v, decay are inputs from `first` on. */
bool scan_inputs_fit(const op_call *c, int first, int beta);
/* Head h of row r: of N rows, or of B T. */
scan_token scan_token_at(const op_call *c, int first, int beta, int64_t r,
                         int64_t h);
/* Row [r, head, :] of t [N, heads, n] or [B, T, heads, n]. */
float *scan_head(const tensor *t, int64_t r, int64_t head);

#endif
