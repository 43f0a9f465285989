/* emit_norm.c - normalisation: kernels/norm.cl. */
#include "backend/gpu/emit.h"

static bool is_centred(const gpu_call *c) {
    return c->op == OP_LAYER_NORM || c->op == OP_LAYER_NORM_DX ||
           c->op == OP_LAYER_NORM_DW;
}

static void emit_norm(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *w = &c->in[1], *b = &c->in[2];
    const gpu_tensor *y = &c->out[0];
    const norm_args a = {.n = emit_last(x),
                         .x = emit_tensor(x),
                         .y = emit_tensor(y),
                         .w = emit_tensor(w),
                         .b = emit_tensor(b),
                         .eps = (F32)c->attr->norm.eps,
                         .offset = (F32)c->attr->norm.offset,
                         .centred = is_centred(c),
                         .has_w = w->present,
                         .has_b = b->present};
    emit_groups(l, GPU_K_norm_any, emit_rows(x), GPU_POINTERS(x, w, b, y), &a,
                sizeof a);
}

static void emit_norm_dx(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *w = &c->in[1], *dy = &c->in[2];
    const gpu_tensor *dx = &c->out[0];
    const norm_dx_args a = {.n = emit_last(x),
                            .x = emit_tensor(x),
                            .w = emit_tensor(w),
                            .dy = emit_tensor(dy),
                            .dx = emit_tensor(dx),
                            .eps = (F32)c->attr->norm.eps,
                            .offset = (F32)c->attr->norm.offset,
                            .centred = is_centred(c),
                            .has_w = w->present};
    emit_groups(l, GPU_K_norm_dx_any, emit_rows(x), GPU_POINTERS(x, w, dy, dx),
                &a, sizeof a);
}

/* Scratch of the gradients of weights: moments of rows, sums of chunks. */
enum { MOMENTS_SIZE = 16 };

static int64_t moments_size(const gpu_call *c) {
    return (emit_rows(&c->in[0]) * MOMENTS_SIZE + 63) / 64 * 64;
}

static int64_t count_chunks(const gpu_call *c) {
    return (emit_rows(&c->in[0]) + NORM_CHUNK - 1) / NORM_CHUNK;
}

static size_t norm_dw_work(const gpu_call *c) {
    const int64_t sums = count_chunks(c) * 2 * emit_last(&c->in[0]);
    return (size_t)(moments_size(c) + sums * (int64_t)sizeof(F32));
}

static void emit_norm_dw(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *dy = &c->in[1];
    const gpu_tensor *dw = &c->out[0], *db = &c->out[1];
    const gpu_tensor all = emit_work(0), sums = emit_work(moments_size(c));
    const norm_dw_args a = {.n = emit_last(x),
                            .n_rows = emit_rows(x),
                            .x = emit_tensor(x),
                            .dy = emit_tensor(dy),
                            .dw = emit_tensor(dw),
                            .db = emit_tensor(db),
                            .eps = (F32)c->attr->norm.eps,
                            .centred = is_centred(c),
                            .has_db = c->n_out > 1};
    emit_groups(l, GPU_K_norm_moments, a.n_rows, GPU_POINTERS(x, &all), &a,
                sizeof a);
    emit_flat(l, GPU_K_norm_dw_chunks, count_chunks(c) * a.n,
              GPU_POINTERS(x, dy, &all, &sums), &a, sizeof a);
    emit_flat(l, GPU_K_norm_dw_sum, a.n, GPU_POINTERS(&sums, dw, db), &a,
              sizeof a);
}

EMITTER(RMS_NORM, rms_norm_any, fits_plain, NULL, emit_norm)
EMITTER(LAYER_NORM, layer_norm_any, fits_plain, NULL, emit_norm)
EMITTER(RMS_NORM_DX, rms_norm_dx_any, fits_plain, NULL, emit_norm_dx)
EMITTER(LAYER_NORM_DX, layer_norm_dx_any, fits_plain, NULL, emit_norm_dx)
EMITTER(RMS_NORM_DW, rms_norm_dw_any, fits_plain, norm_dw_work, emit_norm_dw)
EMITTER(LAYER_NORM_DW, layer_norm_dw_any, fits_plain, norm_dw_work,
        emit_norm_dw)
