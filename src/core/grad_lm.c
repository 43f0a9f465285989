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
}

void grad_xent(graph *g, uint32_t index, const ref *dy, const bool *need,
               ref *dx) {
    const node n = g->nodes[index];
    const ref in[] = {n.in[0], n.in[1], n.in[2], dy[0]};
    const ref d = graph_op(g, OP_XENT_DXW, &n.attr, in, 4);
    for (int k = 0; k < 2; k++)
        if (need[k]) dx[k] = graph_output(g, d, k);
}
