/* grad_matmul.c - the gradient of matrix products.
 *
 * C = A B + bias: dA = dC Bᵀ, dB = Aᵀ dC, dbias = dC summed over rows.
 * Transposes are views, so the backward pass packs the same memory. */
#include "core/grad.h"

void grad_matmul(graph *g, uint32_t index, const ref *dy, const bool *need,
                 ref *dx) {
    const node n = g->nodes[index];
    const struct matmul_attr attr = {.compute = n.attr.matmul.compute};
    if (need[0])
        dx[0] = graph_matmul(g, dy[0], graph_transpose(g, n.in[1]), &attr);
    if (need[1])
        dx[1] = graph_matmul(g, graph_transpose(g, n.in[0]), dy[0], &attr);
    if (need[2]) dx[2] = grad_sum_rows(g, dy[0]);
}

/* Row (n, i) of Y is x W[id]: dx = dy W[id]ᵀ, summed over i where x is one row
 * for all of them; dW[e] = the sum of x dyᵀ over the rows of e. */
void grad_matmul_experts(graph *g, uint32_t index, const ref *dy,
                         const bool *need, ref *dx) {
    const node n = g->nodes[index];
    const shape s = graph_shape(g, n.in[0]);
    op_attr attr = n.attr;
    attr.experts.matmul.exact = 0;
    if (need[0]) {
        const ref in[] = {dy[0], graph_transpose(g, n.in[1]), n.in[2]};
        dx[0] = graph_op(g, OP_MATMUL_EXPERTS, &attr, in, 3);
        if (s.rank == 2)
            dx[0] = graph_reshape(g, graph_reduce(g, REDUCE_SUM, dx[0], 1), s);
    }
    const ref in[] = {n.in[2], grad_meet(g, n.in[0], dy[0]), dy[0]};
    if (need[1]) dx[1] = graph_op(g, OP_MATMUL_EXPERTS_DW, &attr, in, 3);
}
