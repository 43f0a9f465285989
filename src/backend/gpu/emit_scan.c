/* emit_scan.c - scans along a text: kernels/scan.cl, kernels/scan_dx.cl. */
#include "backend/gpu/emit.h"

/* Of q, k, v, decay from in[first] on. */
static scan_args args_of(const gpu_call *c, int first, int beta) {
    const gpu_tensor *q = &c->in[first], *v = q + 2;
    return (scan_args){.G = q->dim[q->rank - 2],
                       .H = v->dim[v->rank - 2],
                       .K = emit_last(q),
                       .V = emit_last(v),
                       .q = emit_heads(q),
                       .k = emit_heads(q + 1),
                       .v = emit_heads(v),
                       .decay = emit_heads(v + 1),
                       .beta = emit_heads(&c->in[beta]),
                       .has_beta = c->in[beta].present};
}

static size_t scan_work(const gpu_call *c) {
    const scan_args a = args_of(c, 0, 4);
    return (size_t)(c->in[0].dim[0] * a.H * a.K * a.V) * sizeof(F32);
}

static void emit_scan(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *in = c->in, *y = &c->out[0], states = emit_work(0);
    scan_args a = args_of(c, 0, 4);
    a.T = in[0].dim[1];
    a.n = in[0].dim[0] * a.H * a.V;
    a.y = emit_heads(y);
    emit_flat(l, GPU_K_scan_any, a.n,
              GPU_POINTERS(&in[0], &in[1], &in[2], &in[3], &in[4], &states, y),
              &a, sizeof a);
}

/* [N, ..] as [N, 1, ..]. */
static heads_args as_tokens(heads_args t) {
    return (heads_args){.stride = {t.stride[0], 0, t.stride[1], t.stride[2]},
                        .type = t.type};
}

static bool fits_rows(const gpu_call *c) {
    return c->out[0].type == AR_F32 && fits_plain(c);
}

static void emit_scan_rows(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *in = c->in, *state = &c->out[0], *y = &c->out[1];
    scan_rows_args a = {.N = in[1].dim[0],
                        .S = state->dim[0],
                        .state_row = state->stride[0],
                        .state_head = state->stride[1],
                        .row_sequences = in[5].stride[0],
                        .row_positions = in[6].stride[0],
                        .sequences_type = (I32)in[5].type,
                        .positions_type = (I32)in[6].type,
                        .s = args_of(c, 1, 7)};
    a.s.q = as_tokens(a.s.q);
    a.s.k = as_tokens(a.s.k);
    a.s.v = as_tokens(a.s.v);
    a.s.decay = as_tokens(a.s.decay);
    a.s.beta = as_tokens(a.s.beta);
    a.s.y = as_tokens(emit_heads(y));
    a.n = a.s.H * a.s.V;
    emit_flat(l, GPU_K_scan_rows_any, a.n,
              GPU_POINTERS(&in[1], &in[2], &in[3], &in[4], &in[5], &in[6],
                           &in[7], state, y),
              &a, sizeof a);
}

/* About the root of T: states kept and states computed anew are as many. */
static int64_t chunk_of(int64_t T) {
    int64_t n = 1;
    while (n * n < T) n++;
    return n;
}

/* ORDER: kernels/scan_dx.cl */
static size_t dx_work(const gpu_call *c) {
    const scan_args a = args_of(c, 0, 5);
    const int64_t T = c->in[0].dim[1], chunk = chunk_of(T);
    const int64_t states = (T + chunk - 1) / chunk + chunk + 2;
    return (size_t)(c->in[0].dim[0] * a.G * (states * a.K * a.V + 3 * a.V)) *
           sizeof(F32);
}

static void emit_scan_dx(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *in = c->in, scratch = emit_work(0);
    scan_args a = args_of(c, 0, 5);
    a.T = in[0].dim[1];
    a.chunk = chunk_of(a.T);
    a.n = in[0].dim[0] * a.G;
    a.dy = emit_heads(&in[4]);
    a.dq = emit_heads(&c->out[0]);
    a.dk = emit_heads(&c->out[1]);
    a.dv = emit_heads(&c->out[2]);
    a.d = emit_heads(&c->out[3]);
    emit_groups(l, GPU_K_scan_dx_any, a.n,
                GPU_POINTERS(&in[0], &in[1], &in[2], &in[3], &in[4], &in[5],
                             &scratch, &c->out[0], &c->out[1], &c->out[2],
                             &c->out[3]),
                &a, sizeof a);
}

EMITTER(SCAN, scan_any, fits_plain, scan_work, emit_scan)
EMITTER(SCAN_ROWS, scan_rows_any, fits_rows, NULL, emit_scan_rows)
EMITTER(SCAN_DX, scan_dx_any, fits_plain, dx_work, emit_scan_dx)
