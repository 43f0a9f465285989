/* emit_conv.c - convolutions along a text, random numbers: kernels/conv.cl,
 * kernels/random.cl. */
#include "backend/gpu/emit.h"

static void emit_conv(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *w = &c->in[1], *bias = &c->in[2];
    const gpu_tensor *y = &c->out[0];
    const conv_args a = {.n = emit_count(y),
                         .T = x->dim[1],
                         .C = x->dim[2],
                         .K = w->dim[1],
                         .x = emit_tensor(x),
                         .w = emit_tensor(w),
                         .y = emit_tensor(y),
                         .bias = emit_tensor(bias),
                         .backwards = c->attr->conv.backwards,
                         .has_bias = bias->present};
    emit_flat(l, GPU_K_conv_any, a.n, GPU_POINTERS(x, w, bias, y), &a,
              sizeof a);
}

static void emit_conv_dw(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *dy = &c->in[1], *dw = &c->out[0];
    const conv_args a = {.n = emit_rows(x),
                         .T = x->dim[1],
                         .C = x->dim[2],
                         .K = dw->dim[1],
                         .x = emit_tensor(x),
                         .w = emit_tensor(dy),
                         .y = emit_tensor(dw),
                         .backwards = c->attr->conv.backwards};
    emit_groups(l, GPU_K_conv_dw_any, a.C * a.K, GPU_POINTERS(x, dy, dw), &a,
                sizeof a);
}

static void emit_conv_rows(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *state = &c->out[0], *x = &c->in[1], *w = &c->in[2];
    const gpu_tensor *sequences = &c->in[3], *positions = &c->in[4];
    const gpu_tensor *bias = &c->in[5], *y = &c->out[1];
    const conv_rows_args a = {.N = x->dim[0],
                              .C = x->dim[1],
                              .K = w->dim[1],
                              .S = state->dim[0],
                              .state_stride = state->stride[0],
                              .row_sequences = sequences->stride[0],
                              .row_positions = positions->stride[0],
                              .x = emit_tensor(x),
                              .w = emit_tensor(w),
                              .y = emit_tensor(y),
                              .bias = emit_tensor(bias),
                              .state_type = (I32)state->type,
                              .has_bias = bias->present,
                              .sequences_type = (I32)sequences->type,
                              .positions_type = (I32)positions->type};
    emit_flat(l, GPU_K_conv_rows_any, a.C,
              GPU_POINTERS(x, w, sequences, positions, bias, state, y), &a,
              sizeof a);
}

static void emit_random(gpu_list *l, const gpu_call *c) {
    const struct random_attr *r = &c->attr->random;
    const gpu_tensor *x = &c->in[0], *y = &c->out[0];
    const random_args a = {.n = emit_count(y),
                           .stream = r->stream,
                           .x_step = x->stride[0],
                           .y = emit_tensor(y),
                           .x_type = (I32)x->type,
                           .normal = r->kind == RANDOM_NORMAL};
    emit_flat(l, GPU_K_random_any, a.n, GPU_POINTERS(x, y), &a, sizeof a);
}

EMITTER(CONV1D, conv_any, fits_plain, NULL, emit_conv)
EMITTER(CONV1D_DW, conv_dw_any, fits_plain, NULL, emit_conv_dw)
EMITTER(CONV1D_ROWS, conv_rows_any, fits_plain, NULL, emit_conv_rows)
EMITTER(RANDOM, random_any, fits_plain, NULL, emit_random)
