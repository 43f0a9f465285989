/* ref_conv.c - CONV1D, CONV1D_DW, CONV1D_ROWS: each channel along its text.
 *
 *   y_t = bias + sum_j w_j x_(t - K + 1 + j),   j = 0 .. K - 1
 *   backwards:   sum_j w_j x_(t + K - 1 - j)
 *
 * with nothing outside of the text.  One is the other's gradient to x, and
 *
 *   dw_j = sum_t x_(t - K + 1 + j) dy_t
 *
 * By row, x of the K - 1 positions before is in the state of the sequence, that
 * of position p in row p mod (K - 1); older ones are forgotten. */
#include "backend/cpu/ref/ref.h"

/* What tap j of K adds to the position: x of which place. */
static int64_t tap(const op_call *c, int64_t j, int64_t K) {
    return c->attr->conv.backwards ? K - 1 - j : j - K + 1;
}

static real bias_of(const op_call *c, int i, int64_t channel) {
    const tensor *bias = optional(c, i);
    return bias ? load(bias, channel * bias->stride[0]) : 0;
}

void REF(CONV1D)(const op_call *c) {
    const tensor *x = &c->in[0], *w = &c->in[1], *y = &c->out[0];
    const int64_t T = x->dim[1], C = x->dim[2], K = w->dim[1];
    for (int64_t r = 0, rows = x->dim[0] * T; r < rows; r++)
        for (int64_t i = 0; i < C; i++) {
            const int64_t t = r % T;
            real sum = bias_of(c, 2, i);
            for (int64_t j = 0; j < K; j++) {
                const int64_t at = t + tap(c, j, K);
                if (at < 0 || at >= T) continue;
                sum += load(w, i * w->stride[0] + j * w->stride[1]) *
                       load(x, row_at(x, r - t + at) + i * x->stride[2]);
            }
            store(y, row_at(y, r) + i * y->stride[2], sum);
        }
}

void REF(CONV1D_DW)(const op_call *c) {
    const tensor *x = &c->in[0], *dy = &c->in[1], *dw = &c->out[0];
    const int64_t T = x->dim[1], K = dw->dim[1];
    for (int64_t i = 0; i < dw->dim[0]; i++)
        for (int64_t j = 0; j < K; j++) {
            real sum = 0;
            for (int64_t r = 0, rows = x->dim[0] * T; r < rows; r++) {
                const int64_t at = r % T + tap(c, j, K);
                if (at < 0 || at >= T) continue;
                sum += load(x, row_at(x, r - r % T + at) + i * x->stride[2]) *
                       load(dy, row_at(dy, r) + i * dy->stride[2]);
            }
            store(dw, i * dw->stride[0] + j * dw->stride[1], sum);
        }
}

void REF(CONV1D_ROWS)(const op_call *c) {
    const tensor *state = &c->out[0], *x = &c->in[1], *w = &c->in[2];
    const tensor *y = &c->out[1];
    const int64_t C = x->dim[1], K = w->dim[1], kept = K - 1;
    for (int64_t r = 0; r < x->dim[0]; r++) {
        const int64_t sequence =
            REF(load_int)(&c->in[3], r * c->in[3].stride[0]);
        const int64_t p = REF(load_int)(&c->in[4], r * c->in[4].stride[0]);
        const bool live = sequence >= 0 && sequence < state->dim[0] && p >= 0;
        for (int64_t i = 0; i < C; i++) {
            const int64_t to = row_at(y, r) + i * y->stride[1];
            const int64_t at = sequence * state->stride[0] + i;
            const real now = load(x, row_at(x, r) + i * x->stride[1]);
            if (!live) {
                store(y, to, 0);
                continue;
            }
            real sum = bias_of(c, 5, i);
            for (int64_t j = 0; j < K; j++) {
                const int64_t q = p - kept + j;
                if (q < 0) continue;
                sum += load(w, i * w->stride[0] + j * w->stride[1]) *
                       (j == kept ? now : load(state, at + q % kept * C));
            }
            store(state, at + p % kept * C, now);
            store(y, to, sum);
        }
    }
}
