/* fast_scan.c - SCAN and SCAN_ROWS, a head a share (formulas: ref_scan.c). */
#include <math.h>
#include <string.h>

#include "backend/cpu/fast_scan.h"

bool scan_inputs_fit(const op_call *c, int first, int beta) {
    for (int i = first; i < first + 4; i++)
        if (c->in[i].type != AR_F32) return false;
    for (int i = first; i < first + 3; i++)
        if (c->in[i].stride[c->in[i].rank - 1] != 1) return false;
    return beta >= c->n_in || !c->in[beta].rank || c->in[beta].type == AR_F32;
}

/* Offset of element `head` of row r of the leading dimensions, the last one
 * left out; t [B, T, heads, ..] or [N, heads, ..]. */
static int64_t head_at(const tensor *t, int n_leading, int64_t r,
                       int64_t head) {
    if (n_leading == 1) return r * t->stride[0] + head * t->stride[1];
    return r / t->dim[1] * t->stride[0] + r % t->dim[1] * t->stride[1] +
           head * t->stride[2];
}

scan_token scan_token_at(const op_call *c, int first, int beta, int64_t r,
                         int64_t h) {
    const tensor *q = &c->in[first], *k = q + 1, *v = q + 2, *decay = q + 3;
    const int n = q->rank - 2;
    const int64_t g = h * q->dim[n] / v->dim[n];
    const tensor *b = beta < c->n_in ? &c->in[beta] : NULL;
    scan_token t = {
        .q = (const float *)q->data + head_at(q, n, r, g),
        .k = (const float *)k->data + head_at(k, n, r, g),
        .v = (const float *)v->data + head_at(v, n, r, h),
        .a = expf(((const float *)decay->data)[head_at(decay, n, r, h)]),
    };
    if (b && b->data) t.beta = (const float *)b->data + head_at(b, n, r, h);
    return t;
}

float *scan_head(const tensor *t, int64_t r, int64_t head) {
    return (float *)t->data + head_at(t, t->rank - 2, r, head);
}

/* ---- SCAN ---- */

static bool scan_fits(const op_call *c) {
    const int64_t size = c->in[0].dim[3] * c->in[2].dim[3];
    return scan_inputs_fit(c, 0, 4) && c->out[0].stride[3] == 1 &&
           size * (int64_t)sizeof(float) <= CPU_SCRATCH_SIZE;
}

static void scan_share(void *ctx, int64_t share, int worker) {
    const op_call *c = ctx;
    const int64_t K = c->in[0].dim[3], V = c->in[2].dim[3], T = c->in[0].dim[1];
    const int64_t b = share / c->in[2].dim[2], h = share % c->in[2].dim[2];
    float *s = cpu_scratch(c, worker);
    memset(s, 0, (size_t)(K * V) * sizeof *s);
    for (int64_t r = b * T; r < (b + 1) * T; r++) {
        const scan_token t = scan_token_at(c, 0, 4, r, h);
        c->k->scan_token(K, V, t.a, t.k, t.q, t.v, t.beta, s,
                         scan_head(&c->out[0], r, h));
    }
}

static void scan(const op_call *c) {
    pool_run(pool_for(c, tensor_count(&c->in[2]) * c->in[0].dim[3]), scan_share,
             (void *)c, c->in[2].dim[0] * c->in[2].dim[2]);
}

const cpu_fast fast_scan = {OP_SCAN, scan_fits, scan, NULL, "heads"};

/* ---- SCAN_ROWS ---- */

static bool rows_fit(const op_call *c) {
    return scan_inputs_fit(c, 1, 7) && c->out[0].type == AR_F32 &&
           c->out[1].stride[2] == 1;
}

static void rows_share(void *ctx, int64_t h, int worker) {
    (void)worker;
    const op_call *c = ctx;
    const tensor *state = &c->out[0], *y = &c->out[1];
    const int64_t K = state->dim[2], V = state->dim[3];
    const int32_t *sequence = c->in[5].data, *position = c->in[6].data;
    for (int64_t r = 0; r < y->dim[0]; r++) {
        const int64_t i = sequence[r * c->in[5].stride[0]];
        float *out = scan_head(y, r, h);
        if (i < 0 || i >= state->dim[0]) {
            memset(out, 0, (size_t)V * sizeof *out);
            continue;
        }
        float *s =
            (float *)state->data + i * state->stride[0] + h * state->stride[1];
        if (position[r * c->in[6].stride[0]] == 0)
            memset(s, 0, (size_t)(K * V) * sizeof *s);
        const scan_token t = scan_token_at(c, 1, 7, r, h);
        c->k->scan_token(K, V, t.a, t.k, t.q, t.v, t.beta, s, out);
    }
}

static void scan_rows(const op_call *c) {
    pool_run(pool_for(c, tensor_count(&c->in[3]) * c->in[1].dim[2]), rows_share,
             (void *)c, c->in[3].dim[1]);
}

const cpu_fast fast_scan_rows = {OP_SCAN_ROWS, rows_fit, scan_rows, NULL,
                                 "heads"};
