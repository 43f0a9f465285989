/* emit_experts.c - products by matrices that rows choose: kernels/experts.cl.
 */
#include "backend/gpu/emit_lists.h"
#include "backend/gpu/emit_products.h"

/* x [N, K] as [N, k, K], k times the same; x [N, k, K] as it is. */
static gpu_tensor by_choice(const gpu_tensor *x, const gpu_tensor *ids) {
    gpu_tensor t = *x;
    if (t.rank == 3) return t;
    t.rank = 3;
    t.dim[2] = x->dim[1];
    t.stride[2] = x->stride[1];
    t.dim[1] = ids->dim[1];
    t.stride[1] = 0;
    return t;
}

static experts_args args_of(const gpu_call *c) {
    const gpu_tensor *w = &c->in[1], *ids = &c->in[2], *y = &c->out[0];
    const gpu_tensor x = by_choice(&c->in[0], ids);
    return (experts_args){.n = emit_count(y),
                          .k = ids->dim[1],
                          .F = emit_last(y),
                          .K = emit_last(&x),
                          .E = w->dim[0],
                          .x = emit_tensor(&x),
                          .w = emit_tensor(w),
                          .ids = emit_tensor(ids),
                          .y = emit_tensor(y),
                          .compute = c->attr->experts.matmul.compute};
}

static void emit_experts(gpu_list *l, const gpu_call *c) {
    const experts_args a = args_of(c);
    emit_flat(l, GPU_K_experts_any, a.n,
              GPU_POINTERS(&c->in[0], &c->in[1], &c->in[2], &c->out[0]), &a,
              sizeof a);
}

static bool fits_levels(const gpu_call *c) {
    quant_form form;
    return fits_product(c) &&
           emit_levels(&c->attr->experts.matmul, &c->in[1], &form);
}

static size_t work_levels(const gpu_call *c) {
    return emit_act8_size(emit_count(&c->in[2]), emit_last(&c->in[0]));
}

static void emit_experts_levels(gpu_list *l, const gpu_call *c) {
    experts_args a = args_of(c);
    const gpu_tensor x = by_choice(&c->in[0], &c->in[2]);
    quant_form form;
    gpu_tensor levels, scales;
    emit_levels(&c->attr->experts.matmul, &c->in[1], &form);
    a.group = form.group;
    a.minima = form.minima;
    emit_act8(l, &x, &levels, &scales);
    emit_flat(l, GPU_K_experts_levels, a.n,
              GPU_POINTERS(&levels, &scales, &c->in[1], &c->in[2], &c->out[0]),
              &a, sizeof a);
}

static size_t dw_work(const gpu_call *c) {
    return emit_lists_size(&c->in[0], c->out[0].dim[0]);
}

static void emit_experts_dw(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *ids = &c->in[0], *dw = &c->out[0];
    const gpu_tensor a = by_choice(&c->in[1], ids),
                     b = by_choice(&c->in[2], ids);
    gpu_tensor head, next;
    const experts_dw_args args = {.n = emit_count(dw),
                                  .k = ids->dim[1],
                                  .A = dw->dim[1],
                                  .B = dw->dim[2],
                                  .a = emit_tensor(&a),
                                  .b = emit_tensor(&b),
                                  .dw = emit_tensor(dw),
                                  .compute = c->attr->experts.matmul.compute};
    emit_lists(l, ids, dw->dim[0], &head, &next);
    emit_flat(l, GPU_K_experts_dw_any, args.n,
              GPU_POINTERS(&head, &next, &a, &b, dw), &args, sizeof args);
}

EMITTER(MATMUL_EXPERTS, experts_any, fits_product, NULL, emit_experts)
EMITTER(MATMUL_EXPERTS, experts_levels, fits_levels, work_levels,
        emit_experts_levels)
EMITTER(MATMUL_EXPERTS_DW, experts_dw_any, fits_plain, dw_work, emit_experts_dw)
