/* emit_elementwise.c - one element at a time: kernels/elementwise.cl. */
#include "backend/gpu/emit.h"

/* Results in double: of what wide.h can do without a loss. */
static bool fits_unary(const gpu_call *c) {
    switch (c->attr->unary.kind) {
    case UNARY_IDENTITY:
    case UNARY_NEG:
    case UNARY_SQR:
    case UNARY_SQRT:
    case UNARY_RSQRT:
    case UNARY_RECIPROCAL: return fits_wide(c);
    default: return fits_plain(c);
    }
}

static void emit_unary(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *y = &c->out[0];
    const struct unary_attr *f = &c->attr->unary;
    const enum gpu_kernel_id k =
        y->type == AR_F64 ? GPU_K_unary_wide : GPU_K_unary_any;
    const unary_args a = {.n = emit_count(y),
                          .x = emit_tensor(x),
                          .y = emit_tensor(y),
                          .kind = f->kind,
                          .a = (F32)f->a,
                          .b = (F32)f->b};
    emit_flat(l, k, a.n, GPU_POINTERS(x, y), &a, sizeof a);
}

static void emit_unary_dx(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *dy = &c->in[1], *dx = &c->out[0];
    const struct unary_attr *f = &c->attr->unary;
    const unary_dx_args a = {.n = emit_count(dx),
                             .x = emit_tensor(x),
                             .dy = emit_tensor(dy),
                             .dx = emit_tensor(dx),
                             .kind = f->kind,
                             .a = (F32)f->a,
                             .b = (F32)f->b};
    emit_flat(l, GPU_K_unary_dx_any, a.n, GPU_POINTERS(x, dy, dx), &a,
              sizeof a);
}

static binary_args two_inputs(const gpu_call *c, int32_t kind) {
    return (binary_args){.n = emit_count(&c->out[0]),
                         .a = emit_tensor(&c->in[0]),
                         .b = emit_tensor(&c->in[1]),
                         .y = emit_tensor(&c->out[0]),
                         .kind = kind};
}

static void emit_binary(gpu_list *l, const gpu_call *c) {
    const struct binary_attr *f = &c->attr->binary;
    binary_args a = two_inputs(c, f->kind);
    a.alpha = (F32)f->alpha;
    a.beta = (F32)f->beta;
    emit_flat(l, GPU_K_binary_any, a.n,
              GPU_POINTERS(&c->in[0], &c->in[1], &c->out[0]), &a, sizeof a);
}

static void emit_gated(gpu_list *l, const gpu_call *c) {
    const binary_args a = two_inputs(c, c->attr->gated.kind);
    emit_flat(l, GPU_K_gated_any, a.n,
              GPU_POINTERS(&c->in[0], &c->in[1], &c->out[0]), &a, sizeof a);
}

static void emit_gated_dx(gpu_list *l, const gpu_call *c) {
    const gated_dx_args a = {.n = emit_count(&c->in[0]),
                             .gate = emit_tensor(&c->in[0]),
                             .up = emit_tensor(&c->in[1]),
                             .dy = emit_tensor(&c->in[2]),
                             .dgate = emit_tensor(&c->out[0]),
                             .dup = emit_tensor(&c->out[1]),
                             .kind = c->attr->gated.kind};
    emit_flat(
        l, GPU_K_gated_dx_any, a.n,
        GPU_POINTERS(&c->in[0], &c->in[1], &c->in[2], &c->out[0], &c->out[1]),
        &a, sizeof a);
}

static void emit_select(gpu_list *l, const gpu_call *c) {
    const select_args a = {emit_count(&c->out[0]), emit_tensor(&c->in[0]),
                           emit_tensor(&c->in[1]), emit_tensor(&c->in[2]),
                           emit_tensor(&c->out[0])};
    emit_flat(l, GPU_K_select_any, a.n,
              GPU_POINTERS(&c->in[0], &c->in[1], &c->in[2], &c->out[0]), &a,
              sizeof a);
}

EMITTER(UNARY, unary_any, fits_unary, NULL, emit_unary)
EMITTER(UNARY_DX, unary_dx_any, fits_plain, NULL, emit_unary_dx)
EMITTER(BINARY, binary_any, fits_plain, NULL, emit_binary)
EMITTER(GATED, gated_any, fits_plain, NULL, emit_gated)
EMITTER(GATED_DX, gated_dx_any, fits_plain, NULL, emit_gated_dx)
EMITTER(SELECT, select_any, fits_wide, NULL, emit_select)
