/* grad_scan.c - gradients of convolutions along a text and of scans. */
#include "core/grad.h"

/* The gradient of x is dy convolved the other way. */
void grad_conv1d(graph *g, uint32_t index, const ref *dy, const bool *need,
                 ref *dx) {
    const node n = g->nodes[index];
    op_attr attr = n.attr;
    if (need[0]) {
        attr.conv.backwards = !n.attr.conv.backwards;
        dx[0] = graph_op(g, OP_CONV1D, &attr, (const ref[]){dy[0], n.in[1]}, 2);
    }
    if (need[1]) {
        attr = n.attr;
        attr.conv.k = graph_shape(g, n.in[1]).dim[1];
        const ref in[] = {grad_meet(g, n.in[0], dy[0]), dy[0]};
        dx[1] = graph_op(g, OP_CONV1D_DW, &attr, in, 2);
    }
    if (need[2]) dx[2] = grad_sum_rows(g, dy[0]);
}

void grad_scan(graph *g, uint32_t index, const ref *dy, const bool *need,
               ref *dx) {
    const node n = g->nodes[index];
    const ref beta = n.n_in > 4 ? n.in[4] : 0;
    const ref in[] = {n.in[0], n.in[1], n.in[2], n.in[3], dy[0], beta};
    const ref d = graph_op(g, OP_SCAN_DX, NULL, in, 6);
    for (int i = 0; i < 3; i++)
        if (need[i]) dx[i] = graph_output(g, d, i);
    for (int i = 3; i < 5; i++)
        if (need[i])
            dx[i] = graph_reshape(
                g, graph_slice(g, graph_output(g, d, 3), 0, i - 3, 1),
                graph_shape(g, n.in[i]));
}
