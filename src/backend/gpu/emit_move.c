/* emit_move.c - copies between layouts and types: kernels/move.cl. */
#include "backend/gpu/emit.h"

static void copy(gpu_list *l, const gpu_tensor *x, const gpu_tensor *y) {
    const copy_args a = {emit_count(y), emit_tensor(x), emit_tensor(y)};
    emit_flat(l, GPU_K_copy_any, a.n, GPU_POINTERS(x, y), &a, sizeof a);
}

static void emit_copy(gpu_list *l, const gpu_call *c) {
    copy(l, &c->in[0], &c->out[0]);
}

static void emit_store(gpu_list *l, const gpu_call *c) {
    copy(l, &c->in[1], &c->out[0]);
}

static void emit_accumulate(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[1], *y = &c->out[0];
    const copy_args a = {emit_count(y), emit_tensor(x), emit_tensor(y)};
    emit_flat(l, GPU_K_accumulate_any, a.n, GPU_POINTERS(x, y), &a, sizeof a);
}

static void put(gpu_list *l, const gpu_tensor *x, const gpu_tensor *y, int axis,
                int64_t start, int64_t step) {
    const put_args a = {.n = emit_count(x),
                        .start = start,
                        .step = step,
                        .x = emit_tensor(x),
                        .y = emit_tensor(y),
                        .axis = emit_axis(y, axis)};
    emit_flat(l, GPU_K_put_any, a.n, GPU_POINTERS(x, y), &a, sizeof a);
}

static void emit_concat(gpu_list *l, const gpu_call *c) {
    const int axis = c->attr->axis.axis;
    int64_t start = 0;
    for (int k = 0; k < c->n_in; k++) {
        put(l, &c->in[k], &c->out[0], axis, start, 1);
        start += c->in[k].dim[axis];
    }
}

static void emit_pad(gpu_list *l, const gpu_call *c) {
    const struct view_attr *v = &c->attr->view;
    const gpu_tensor *y = &c->out[0];
    const fill_args a = {emit_count(y), emit_tensor(y)};
    emit_flat(l, GPU_K_fill_zero, a.n, GPU_POINTERS(y), &a, sizeof a);
    put(l, &c->in[0], y, v->axis, v->v[0], v->v[2]);
}

EMITTER(COPY, copy_any, fits_wide, NULL, emit_copy)
EMITTER(CAST, cast_any, fits_wide, NULL, emit_copy)
EMITTER(STORE, store_any, fits_wide, NULL, emit_store)
EMITTER(ACCUMULATE, accumulate_any, fits_wide, NULL, emit_accumulate)
EMITTER(CONCAT, concat_any, fits_wide, NULL, emit_concat)
EMITTER(PAD, pad_any, fits_wide, NULL, emit_pad)
