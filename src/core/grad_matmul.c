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
