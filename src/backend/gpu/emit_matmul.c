/* emit_matmul.c - products of matrices: kernels/matmul.cl. */
#include "backend/gpu/emit_products.h"

/* ---- rows as whole numbers ---- */

_Static_assert(ACT_BLOCK == (int)ACT8_BLOCK, "kernels/args.h: ACT_BLOCK");

bool emit_levels(const struct matmul_attr *m, const gpu_tensor *w,
                 quant_form *form) {
    const bool whole = m->compute == AR_F32 || m->compute == AR_F64;
    /* Blocks along the columns are read as numbers. */
    const bool along = w->rank >= 2 && w->stride[w->rank - 2] == 1;
    return m->act8 && whole && along && quant_form_of(w->type, form);
}

static int64_t levels_size(int64_t rows, int64_t K) {
    return (rows * K + 63) / 64 * 64;
}

size_t emit_act8_size(int64_t rows, int64_t K) {
    return (size_t)levels_size(rows, K) +
           (size_t)(rows * (K / ACT_BLOCK)) * sizeof(F32);
}

void emit_act8(gpu_list *l, const gpu_tensor *x, gpu_tensor *levels,
               gpu_tensor *scales) {
    const int64_t rows = emit_rows(x), K = emit_last(x);
    const act8_args a = {rows * (K / ACT_BLOCK), K, emit_tensor(x)};
    *levels = emit_work(0);
    *scales = emit_work(levels_size(rows, K));
    emit_flat(l, GPU_K_act8_rows, a.n, GPU_POINTERS(x, levels, scales), &a,
              sizeof a);
}

bool fits_product(const gpu_call *c) {
    return !quant_is_block(c->in[0].type) && c->out[0].type != AR_F64;
}

/* ---- MATMUL ---- */

static matmul_args args_of(const gpu_call *c) {
    const gpu_tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    return (matmul_args){.n = emit_count(y),
                         .M = y->dim[y->rank - 2],
                         .N = emit_last(y),
                         .K = emit_last(a),
                         .a = emit_tensor(a),
                         .b = emit_tensor(b),
                         .y = emit_tensor(y),
                         .bias = emit_tensor(&c->in[2]),
                         .compute = c->attr->matmul.compute,
                         .has_bias = c->in[2].present};
}

static void emit_matmul(gpu_list *l, const gpu_call *c) {
    const matmul_args a = args_of(c);
    emit_flat(l, GPU_K_matmul_any, a.n,
              GPU_POINTERS(&c->in[0], &c->in[1], &c->in[2], &c->out[0]), &a,
              sizeof a);
}

static bool fits_levels(const gpu_call *c) {
    quant_form form;
    return fits_product(c) && emit_levels(&c->attr->matmul, &c->in[1], &form);
}

static size_t work_levels(const gpu_call *c) {
    return emit_act8_size(emit_rows(&c->in[0]), emit_last(&c->in[0]));
}

static void emit_matmul_levels(gpu_list *l, const gpu_call *c) {
    matmul_args a = args_of(c);
    quant_form form;
    gpu_tensor levels, scales;
    emit_levels(&c->attr->matmul, &c->in[1], &form);
    a.group = form.group;
    a.minima = form.minima;
    emit_act8(l, &c->in[0], &levels, &scales);
    emit_flat(l, GPU_K_matmul_levels, a.n,
              GPU_POINTERS(&levels, &scales, &c->in[1], &c->in[2], &c->out[0]),
              &a, sizeof a);
}

EMITTER(MATMUL, matmul_any, fits_product, NULL, emit_matmul)
EMITTER(MATMUL, matmul_levels, fits_levels, work_levels, emit_matmul_levels)
