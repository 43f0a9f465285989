/* fast_conv.c - CONV1D, its gradient and CONV1D_ROWS by blocks of channels
 * (formulas: ref_conv.c).
 *
 * A share takes a block of channels of one text, or of all rows of a step, and
 * turns its part of w round first, so that a tap is a row. */
#include <string.h>

#include "backend/cpu/fast_rows.h"

enum { BLOCK = 256, MOST_TAPS = 64 };

static bool is_float(const tensor *t) {
    return !t->rank || (t->type == AR_F32 && t->stride[t->rank - 1] == 1);
}

/* w [C, K] may have any strides. */
static bool weights_fit(const op_call *c, const tensor *w, int bias) {
    return w->type == AR_F32 && w->dim[1] <= MOST_TAPS &&
           (bias >= c->n_in || is_float(&c->in[bias]));
}

static int64_t n_blocks(int64_t channels) { return ceil_div(channels, BLOCK); }

/* The taps of channels [first, first + n) as rows of BLOCK. */
static const float *turn(const op_call *c, const tensor *w, int64_t first,
                         int64_t n, int worker) {
    float *out = cpu_scratch(c, worker);
    for (int64_t j = 0; j < w->dim[1]; j++)
        for (int64_t i = 0; i < n; i++)
            out[j * BLOCK + i] =
                ((const float *)
                     w->data)[(first + i) * w->stride[0] + j * w->stride[1]];
    return out;
}

static const float *bias_at(const op_call *c, int i, int64_t first) {
    const float *bias = i < c->n_in ? c->in[i].data : NULL;
    return bias ? bias + first : NULL;
}

/* ---- CONV1D ---- */

static bool conv_fits(const op_call *c) {
    return is_float(&c->in[0]) && is_float(&c->out[0]) &&
           weights_fit(c, &c->in[1], 2);
}

static void conv_share(void *ctx, int64_t share, int worker) {
    const op_call *c = ctx;
    const tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t T = x->dim[1], C = x->dim[2], K = c->in[1].dim[1];
    const int64_t b = share / n_blocks(C), first = share % n_blocks(C) * BLOCK;
    const int64_t n = smaller(BLOCK, C - first);
    const float *w = turn(c, &c->in[1], first, n, worker);
    const float *from =
        (const float *)x->data + b * x->stride[0] + first * x->stride[2];
    float *to = (float *)y->data + b * y->stride[0] + first;
    for (int64_t t = 0; t < T; t++) {
        const float *rows[MOST_TAPS];
        for (int64_t j = 0; j < K; j++) {
            const int64_t at =
                t + (c->attr->conv.backwards ? K - 1 - j : j - K + 1);
            rows[j] = at < 0 || at >= T ? NULL : from + at * x->stride[1];
        }
        c->k->conv_taps(n, (int)K, rows, w, BLOCK, bias_at(c, 2, first),
                        to + t * y->stride[1]);
    }
}

static void conv(const op_call *c) {
    const tensor *x = &c->in[0];
    pool_run(pool_for(c, tensor_count(x)), conv_share, (void *)c,
             x->dim[0] * n_blocks(x->dim[2]));
}

const cpu_fast fast_conv1d = {OP_CONV1D, conv_fits, conv, NULL, "channels"};

/* ---- CONV1D_DW: a block of channels, all texts ---- */

static bool dw_fits(const op_call *c) {
    return is_float(&c->in[0]) && is_float(&c->in[1]) &&
           c->out[0].type == AR_F32 && c->out[0].dim[1] <= MOST_TAPS;
}

static void dw_share(void *ctx, int64_t share, int worker) {
    const op_call *c = ctx;
    const tensor *x = &c->in[0], *dy = &c->in[1], *dw = &c->out[0];
    const int64_t T = x->dim[1], C = x->dim[2], K = dw->dim[1];
    const int64_t first = share * BLOCK, n = smaller(BLOCK, C - first);
    float *sum = cpu_scratch(c, worker); /* [K][BLOCK], and a product */
    float *product = sum + K * BLOCK;
    memset(sum, 0, (size_t)(K * BLOCK) * sizeof *sum);
    for (int64_t r = 0; r < x->dim[0] * T; r++)
        for (int64_t j = 0; j < K; j++) {
            const int64_t at =
                r % T + (c->attr->conv.backwards ? K - 1 - j : j - K + 1);
            if (at < 0 || at >= T) continue;
            c->k->mul(n,
                      (const float *)x->data + r / T * x->stride[0] +
                          at * x->stride[1] + first,
                      (const float *)dy->data + r / T * dy->stride[0] +
                          r % T * dy->stride[1] + first,
                      product);
            c->k->add(n, sum + j * BLOCK, 1, product, 1, sum + j * BLOCK);
        }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < K; j++)
            ((float *)
                 dw->data)[(first + i) * dw->stride[0] + j * dw->stride[1]] =
                sum[j * BLOCK + i];
}

static void conv_dw(const op_call *c) {
    pool_run(pool_for(c, tensor_count(&c->in[0])), dw_share, (void *)c,
             n_blocks(c->in[0].dim[2]));
}

const cpu_fast fast_conv1d_dw = {OP_CONV1D_DW, dw_fits, conv_dw, NULL,
                                 "channels"};

/* ---- CONV1D_ROWS ---- */

static bool rows_fit(const op_call *c) {
    return is_float(&c->in[1]) && is_float(&c->out[0]) &&
           is_float(&c->out[1]) && weights_fit(c, &c->in[2], 5);
}

static int64_t index_of(const tensor *t, int64_t i) {
    return ((const int32_t *)t->data)[i * t->stride[0]];
}

/* Row r of the step: n channels from `first` on. */
static void conv_row(const op_call *c, int64_t r, int64_t first, int64_t n,
                     const float *w) {
    const tensor *state = &c->out[0], *x = &c->in[1], *y = &c->out[1];
    const int64_t kept = state->dim[1];
    const int64_t sequence = index_of(&c->in[3], r), p = index_of(&c->in[4], r);
    const float *now = (const float *)x->data + r * x->stride[0] + first;
    float *to = (float *)y->data + r * y->stride[0] + first;
    if (sequence < 0 || sequence >= state->dim[0] || p < 0) {
        memset(to, 0, (size_t)n * sizeof *to);
        return;
    }
    float *s = (float *)state->data + sequence * state->stride[0] + first;
    const float *rows[MOST_TAPS];
    for (int64_t j = 0; j < kept; j++) {
        const int64_t q = p - kept + j;
        rows[j] = q < 0 ? NULL : s + q % kept * state->stride[1];
    }
    rows[kept] = now;
    c->k->conv_taps(n, (int)kept + 1, rows, w, BLOCK, bias_at(c, 5, first), to);
    memcpy(s + p % kept * state->stride[1], now, (size_t)n * sizeof *now);
}

static void rows_share(void *ctx, int64_t share, int worker) {
    const op_call *c = ctx;
    const int64_t first = share * BLOCK;
    const int64_t n = smaller(BLOCK, c->in[1].dim[1] - first);
    const float *w = turn(c, &c->in[2], first, n, worker);
    for (int64_t r = 0; r < c->in[1].dim[0]; r++) conv_row(c, r, first, n, w);
}

static void conv_rows(const op_call *c) {
    pool_run(pool_for(c, tensor_count(&c->in[1])), rows_share, (void *)c,
             n_blocks(c->in[1].dim[1]));
}

const cpu_fast fast_conv1d_rows = {OP_CONV1D_ROWS, rows_fit, conv_rows, NULL,
                                   "channels"};
