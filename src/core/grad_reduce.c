/* grad_reduce.c - gradients of ops that work along an axis. */
#include "core/grad.h"

/* y = max(x): the gradient is shared evenly among equal largest elements. */
static ref grad_max(graph *g, ref x, ref y, ref dy, int axis) {
    const shape s = graph_shape(g, x);
    x = grad_meet(g, x, dy);
    y = graph_broadcast(g, grad_meet(g, y, dy), s);
    const ref mask = graph_binary(g, BINARY_GE, x, y);
    const ref n = graph_reduce(g, REDUCE_SUM, mask, axis);
    const ref each = graph_binary(g, BINARY_DIV, dy, n);
    return graph_mul(g, mask, graph_broadcast(g, each, s));
}

void grad_reduce(graph *g, uint32_t index, const ref *dy, const bool *need,
                 ref *dx) {
    const node n = g->nodes[index];
    const ref x = n.in[0];
    const shape s = graph_shape(g, x);
    const int axis = n.attr.reduce.axis;
    if (!need[0]) return;
    ref d = graph_cast(g, dy[0], grad_type(graph_type(g, x)));
    const int64_t count = axis < 0 ? shape_count(&s) : s.dim[axis];
    switch (n.attr.reduce.kind) {
    case REDUCE_SUM: dx[0] = graph_broadcast(g, d, s); break;
    case REDUCE_MEAN:
        d = grad_scale(g, d, 1.0 / (double)count);
        dx[0] = graph_broadcast(g, d, s);
        break;
    case REDUCE_SUM_SQR:
        d = graph_broadcast(g, grad_scale(g, d, 2), s);
        dx[0] = graph_mul(g, grad_meet(g, x, d), d);
        break;
    case REDUCE_MAX: dx[0] = grad_max(g, x, ref_make(index, 0), d, axis); break;
    default: break; /* ARGMAX: its result is no real number */
    }
}

/* dy [.., K] put back at indices i [.., K] of rows of size n. */
static ref scatter(graph *g, ref i, ref dy, int64_t n) {
    op_attr attr = {0};
    attr.axis.n = n;
    const ref in[] = {i, dy};
    return graph_op(g, OP_GATHER_DX, &attr, in, 2);
}

void grad_topk(graph *g, uint32_t index, const ref *dy, const bool *need,
               ref *dx) {
    const shape s = graph_shape(g, g->nodes[index].in[0]);
    if (need[0] && dy[0])
        dx[0] = scatter(g, ref_make(index, 1), dy[0], shape_last(&s));
}

void grad_gather(graph *g, uint32_t index, const ref *dy, const bool *need,
                 ref *dx) {
    const node n = g->nodes[index];
    const shape s = graph_shape(g, n.in[0]);
    if (need[0]) dx[0] = scatter(g, n.in[1], dy[0], shape_last(&s));
}

/* A running sum from the one end has a running sum from the other. */
void grad_cumsum(graph *g, uint32_t index, const ref *dy, const bool *need,
                 ref *dx) {
    op_attr attr = g->nodes[index].attr;
    attr.axis.n = !attr.axis.n;
    if (need[0]) dx[0] = graph_op(g, OP_CUMSUM, &attr, dy, 1);
}

void grad_softmax(graph *g, uint32_t index, const ref *dy, const bool *need,
                  ref *dx) {
    const ref in[] = {grad_meet(g, ref_make(index, 0), dy[0]), dy[0]};
    if (need[0]) dx[0] = graph_op(g, OP_SOFTMAX_DX, NULL, in, 2);
}

void grad_rms_norm(graph *g, uint32_t index, const ref *dy, const bool *need,
                   ref *dx) {
    const node n = g->nodes[index];
    const ref x = grad_meet(g, n.in[0], dy[0]);
    const ref w = n.in[1] ? grad_meet(g, n.in[1], dy[0]) : 0;
    if (need[0])
        dx[0] = graph_op(g, OP_RMS_NORM_DX, &n.attr, (ref[]){x, w, dy[0]}, 3);
    if (need[1])
        dx[1] = graph_op(g, OP_RMS_NORM_DW, &n.attr, (ref[]){x, dy[0]}, 2);
}

void grad_layer_norm(graph *g, uint32_t index, const ref *dy, const bool *need,
                     ref *dx) {
    const node n = g->nodes[index];
    const ref x = grad_meet(g, n.in[0], dy[0]);
    const ref w = n.in[1] ? grad_meet(g, n.in[1], dy[0]) : 0;
    if (need[0])
        dx[0] = graph_op(g, OP_LAYER_NORM_DX, &n.attr, (ref[]){x, w, dy[0]}, 3);
    if (!need[1] && !need[2]) return;
    const ref d = graph_op(g, OP_LAYER_NORM_DW, &n.attr, (ref[]){x, dy[0]}, 2);
    for (int k = 1; k < 3; k++)
        if (need[k]) dx[k] = graph_output(g, d, k - 1);
}
