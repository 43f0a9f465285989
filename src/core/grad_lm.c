/* grad_lm.c - gradients of the ops of language models. */
#include "core/grad.h"

void grad_embed(graph *g, uint32_t index, const ref *dy, const bool *need,
                ref *dx) {
    const node n = g->nodes[index];
    op_attr attr = {0};
    attr.embed.rows = graph_shape(g, n.in[0]).dim[0];
    const ref in[] = {n.in[1], dy[0]};
    if (need[0]) dx[0] = graph_op(g, OP_EMBED_DW, &attr, in, 2);
}

/* A rotation's gradient turns back. */
void grad_rope(graph *g, uint32_t index, const ref *dy, const bool *need,
               ref *dx) {
    const node n = g->nodes[index];
    if (need[1] || need[2]) {
        graph_fail(g, AR_UNSUPPORTED,
                   "rope has no gradient to its tables (node %u)", index);
        return;
    }
    op_attr attr = n.attr;
    attr.rope.inverse = !attr.rope.inverse;
    const ref in[] = {dy[0], grad_meet(g, n.in[1], dy[0]),
                      grad_meet(g, n.in[2], dy[0])};
    if (need[0]) dx[0] = graph_op(g, OP_ROPE, &attr, in, 3);
}

/* The sink of a head has the share exp(sink - lse) of a query and no value, so
 * of ds = p (do . v - do . o) only the last term is left:
 * d sink = - sum over queries of exp(sink - lse) do . o.
 * o, dout [B, T, H, E], lse [B, H, T] -> [H]. */
static ref sinks_gradient(graph *g, ref sinks, ref o, ref lse, ref dout) {
    const shape s = graph_shape(g, lse);
    const int64_t B = s.dim[0], H = s.dim[1], T = s.dim[2];
    ref d = graph_reduce(g, REDUCE_SUM, graph_mul(g, o, dout), 3);
    d = graph_transpose(g, graph_reshape(g, d, shape3(B, T, H)));
    const ref at = graph_reshape(g, sinks, shape3(1, H, 1));
    const ref p = graph_unary(g, UNARY_EXP, graph_sub(g, at, lse));
    d = graph_reduce(g, REDUCE_SUM, graph_mul(g, p, d), 2);
    d = graph_reduce(g, REDUCE_SUM, graph_reshape(g, d, shape2(B, H)), 0);
    return graph_affine(g, graph_reshape(g, d, shape1(H)), -1, 0);
}

void grad_attention(graph *g, uint32_t index, const ref *dy, const bool *need,
                    ref *dx) {
    const node n = g->nodes[index];
    if (dy[1]) {
        graph_fail(g, AR_UNSUPPORTED,
                   "attention has no gradient from lse (node %u)", index);
        return;
    }
    const ref in[] = {
        grad_meet(g, n.in[0], dy[0]), grad_meet(g, n.in[1], dy[0]),
        grad_meet(g, n.in[2], dy[0]), grad_meet(g, ref_make(index, 0), dy[0]),
        ref_make(index, 1),           dy[0]};
    const ref d = graph_op(g, OP_ATTENTION_DQKV, &n.attr, in, 6);
    for (int k = 0; k < 3; k++)
        if (need[k]) dx[k] = graph_output(g, d, k);
    if (n.n_in > 3 && need[3])
        dx[3] = sinks_gradient(g, grad_meet(g, n.in[3], dy[0]), in[3], in[4],
                               dy[0]);
}

void grad_xent(graph *g, uint32_t index, const ref *dy, const bool *need,
               ref *dx) {
    const node n = g->nodes[index];
    const ref in[] = {n.in[0], n.in[1], n.in[2], dy[0]};
    const ref d = graph_op(g, OP_XENT_DXW, &n.attr, in, 4);
    for (int k = 0; k < 2; k++)
        if (need[k]) dx[k] = graph_output(g, d, k);
}
