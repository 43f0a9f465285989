/* emit_state.c - writing rows of a state, and optimisers: kernels/state.cl. */
#include "backend/gpu/emit.h"

/* ---- STORE_ROWS ---- */

static gpu_tensor row_of(const gpu_tensor *t) {
    gpu_tensor row = *t;
    row.rank = t->rank - 1;
    for (int i = 0; i < row.rank; i++) {
        row.dim[i] = t->dim[i + 1];
        row.stride[i] = t->stride[i + 1];
    }
    return row;
}

static size_t keep_work(const gpu_call *c) {
    return (size_t)c->in[2].dim[0] * sizeof(I64);
}

static void emit_rows_with(gpu_list *l, const gpu_call *c, enum gpu_kernel_id k,
                           int64_t lanes_a_row, int64_t size) {
    const gpu_tensor *rows = &c->in[1], *x = &c->in[2], *y = &c->out[0];
    const gpu_tensor one_x = row_of(x), one_y = row_of(y), keep = emit_work(0);
    const store_rows_args a = {.n = x->dim[0] * lanes_a_row,
                               .n_rows = x->dim[0],
                               .R = y->dim[0],
                               .size = size,
                               .row_x = x->stride[0],
                               .row_y = y->stride[0],
                               .row_rows = rows->stride[0],
                               .x = emit_tensor(&one_x),
                               .y = emit_tensor(&one_y),
                               .rows_type = (I32)rows->type};
    emit_flat(l, GPU_K_store_rows_keep, a.n_rows, GPU_POINTERS(rows, &keep), &a,
              sizeof a);
    emit_flat(l, k, a.n, GPU_POINTERS(&keep, x, y), &a, sizeof a);
}

static void emit_store_rows(gpu_list *l, const gpu_call *c) {
    const gpu_tensor row = row_of(&c->in[2]);
    const int64_t size = emit_count(&row);
    emit_rows_with(l, c, GPU_K_store_rows_any, size, size);
}

static bool fits_q8_0(const gpu_call *c) {
    const gpu_tensor *y = &c->out[0], row = row_of(y);
    return y->type == AR_Q8_0 && !quant_is_block(c->in[2].type) &&
           emit_dense(&row) && y->stride[0] % 32 == 0;
}

static void emit_store_q8_0(gpu_list *l, const gpu_call *c) {
    const gpu_tensor row = row_of(&c->in[2]);
    const int64_t size = emit_count(&row);
    emit_rows_with(l, c, GPU_K_store_rows_q8_0, size / 32, size);
}

EMITTER(STORE_ROWS, store_rows_any, fits_wide, keep_work, emit_store_rows)
EMITTER(STORE_ROWS, store_rows_q8_0, fits_q8_0, keep_work, emit_store_q8_0)

/* ---- optimisers ---- */

static opt_args opt_of(const gpu_call *c) {
    const gpu_tensor *h = &c->in[c->n_in - 1];
    return (opt_args){.n = emit_count(&c->out[0]),
                      .h_step = h->stride[0],
                      .p = emit_tensor(&c->out[0]),
                      .g = emit_tensor(&c->in[1]),
                      .m = emit_tensor(&c->out[1]),
                      .v = emit_tensor(&c->out[2]),
                      .h_type = (I32)h->type};
}

static void emit_sgd(gpu_list *l, const gpu_call *c) {
    opt_args a = opt_of(c);
    a.nesterov = c->attr->sgd.nesterov;
    emit_flat(l, GPU_K_opt_sgd, a.n,
              GPU_POINTERS(&c->in[1], &c->in[3], &c->out[0], &c->out[1]), &a,
              sizeof a);
}

static void emit_adamw(gpu_list *l, const gpu_call *c) {
    const opt_args a = opt_of(c);
    emit_flat(
        l, GPU_K_opt_adamw, a.n,
        GPU_POINTERS(&c->in[1], &c->in[4], &c->out[0], &c->out[1], &c->out[2]),
        &a, sizeof a);
}

static void emit_lion(gpu_list *l, const gpu_call *c) {
    const opt_args a = opt_of(c);
    emit_flat(l, GPU_K_opt_lion, a.n,
              GPU_POINTERS(&c->in[1], &c->in[3], &c->out[0], &c->out[1]), &a,
              sizeof a);
}

EMITTER(OPT_SGD, opt_sgd, fits_plain, NULL, emit_sgd)
EMITTER(OPT_ADAMW, opt_adamw, fits_plain, NULL, emit_adamw)
EMITTER(OPT_LION, opt_lion, fits_plain, NULL, emit_lion)
