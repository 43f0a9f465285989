/* build_reduce.c - builders of ops over an axis. */
#include "core/graph.h"

ref graph_reduce_as(graph *g, enum reduce_kind kind, ref x, int axis,
                    ar_type t) {
    const op_attr a = {.reduce = {.kind = kind, .axis = axis, .type = t}};
    return graph_op(g, OP_REDUCE, &a, &x, 1);
}

ref graph_reduce(graph *g, enum reduce_kind kind, ref x, int axis) {
    return graph_reduce_as(g, kind, x, axis, AR_NONE);
}

ref graph_softmax(graph *g, ref x) {
    return graph_op(g, OP_SOFTMAX, NULL, &x, 1);
}

ref graph_rms_norm(graph *g, ref x, ref w, double eps, double offset) {
    const op_attr a = {.norm = {.eps = eps, .offset = offset}};
    return graph_op(g, OP_RMS_NORM, &a, (const ref[]){x, w}, 2);
}

ref graph_layer_norm(graph *g, ref x, ref w, ref b, double eps) {
    const op_attr a = {.norm = {.eps = eps}};
    return graph_op(g, OP_LAYER_NORM, &a, (const ref[]){x, w, b}, 3);
}
