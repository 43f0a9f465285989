/* emit_attention.c - attention: kernels/attention.cl, kernels/paged.cl. */
#include "backend/gpu/emit.h"

static bool narrow(const gpu_tensor *k, const gpu_tensor *v) {
    return emit_last(k) <= HEAD_MOST && emit_last(v) <= HEAD_MOST;
}

static bool fits(const gpu_call *c) {
    return fits_plain(c) && narrow(&c->in[1], &c->in[2]);
}

static attention_args args_of(const gpu_call *c) {
    const gpu_tensor *q = &c->in[0], *k = &c->in[1], *v = &c->in[2];
    const struct attention_attr *at = &c->attr->attention;
    return (attention_args){.B = q->dim[0],
                            .T = q->dim[1],
                            .H = q->dim[2],
                            .D = q->dim[3],
                            .S = k->dim[1],
                            .G = k->dim[2],
                            .E = v->dim[3],
                            .window = at->window,
                            .q = emit_heads(q),
                            .k = emit_heads(k),
                            .v = emit_heads(v),
                            .scale = (F32)at->scale,
                            .softcap = (F32)at->softcap,
                            .causal = at->causal};
}

static void emit_attention(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *sinks = &c->in[3];
    attention_args a = args_of(c);
    a.o = emit_heads(&c->out[0]);
    a.lse = emit_heads(&c->out[1]);
    a.sinks = emit_heads(sinks);
    a.has_sinks = sinks->present;
    emit_groups(l, GPU_K_attention_any, a.B * a.H * a.T,
                GPU_POINTERS(&c->in[0], &c->in[1], &c->in[2], sinks, &c->out[0],
                             &c->out[1]),
                &a, sizeof a);
}

static size_t delta_work(const gpu_call *c) {
    return (size_t)emit_count(&c->in[4]) * sizeof(F32);
}

static void emit_dqkv(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *q = &c->in[0], *k = &c->in[1], *v = &c->in[2];
    const gpu_tensor *o = &c->in[3], *lse = &c->in[4], *dout = &c->in[5];
    const gpu_tensor delta = emit_work(0);
    attention_args a = args_of(c);
    a.o = emit_heads(o);
    a.lse = emit_heads(lse);
    a.dout = emit_heads(dout);
    a.dq = emit_heads(&c->out[0]);
    a.dk = emit_heads(&c->out[1]);
    a.dv = emit_heads(&c->out[2]);
    emit_flat(l, GPU_K_attention_delta, a.B * a.H * a.T,
              GPU_POINTERS(o, dout, &delta), &a, sizeof a);
    emit_groups(l, GPU_K_attention_dq, a.B * a.H * a.T,
                GPU_POINTERS(q, k, v, lse, dout, &delta, &c->out[0]), &a,
                sizeof a);
    emit_groups(
        l, GPU_K_attention_dkv, a.B * a.G * a.S,
        GPU_POINTERS(q, k, v, lse, dout, &delta, &c->out[1], &c->out[2]), &a,
        sizeof a);
}

static bool fits_paged(const gpu_call *c) {
    return c->out[0].type != AR_F64 && narrow(&c->in[1], &c->in[2]);
}

static void emit_paged(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *q = &c->in[0], *k = &c->in[1], *v = &c->in[2];
    const gpu_tensor *table = &c->in[3], *sinks = &c->in[6], *o = &c->out[0];
    const struct paged_attr *at = &c->attr->paged;
    const paged_args a = {.N = q->dim[0],
                          .H = q->dim[1],
                          .D = q->dim[2],
                          .G = k->dim[2],
                          .E = v->dim[3],
                          .P = k->dim[0],
                          .page = at->page,
                          .n_sequences = table->dim[0],
                          .M = table->dim[1],
                          .window = at->window,
                          .q = emit_heads(q),
                          .k = emit_heads(k),
                          .v = emit_heads(v),
                          .o = emit_heads(o),
                          .table = emit_heads(table),
                          .sequences = emit_heads(&c->in[4]),
                          .positions = emit_heads(&c->in[5]),
                          .sinks = emit_heads(sinks),
                          .scale = (F32)at->scale,
                          .softcap = (F32)at->softcap,
                          .has_sinks = sinks->present};
    emit_groups(l, GPU_K_paged_any, a.N * a.H,
                GPU_POINTERS(q, k, v, table, &c->in[4], &c->in[5], sinks, o),
                &a, sizeof a);
}

EMITTER(ATTENTION, attention_any, fits, NULL, emit_attention)
EMITTER(ATTENTION_DQKV, attention_dqkv_any, fits, delta_work, emit_dqkv)
EMITTER(ATTENTION_PAGED, paged_any, fits_paged, NULL, emit_paged)
