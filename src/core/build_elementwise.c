/* build_elementwise.c - builders of ops that work element by element. */
#include "core/build.h"

ref graph_copy(graph *g, ref x) { return graph_op(g, OP_COPY, NULL, &x, 1); }

ref graph_cast(graph *g, ref x, ar_type t) {
    if (x && graph_type(g, x) == t) return x;
    const op_attr a = {.cast = {.type = t}};
    return graph_op(g, OP_CAST, &a, &x, 1);
}

static ref unary(graph *g, enum unary_kind kind, ref x, double a, double b) {
    const op_attr attr = {.unary = {.kind = kind, .a = a, .b = b}};
    return graph_op(g, OP_UNARY, &attr, &x, 1);
}

ref graph_unary(graph *g, enum unary_kind kind, ref x) {
    return unary(g, kind, x, 1, 0);
}

ref graph_affine(graph *g, ref x, double a, double b) {
    return unary(g, UNARY_IDENTITY, x, a, b);
}

/* The op over its inputs, repeated to their common shape. */
static ref joined(graph *g, enum op_id op, const op_attr *attr, ref *in,
                  int n) {
    shape s;
    if (g->error.code || !graph_common_shape(g, op, in, n, &s)) return 0;
    for (int i = 0; i < n; i++)
        if (in[i]) in[i] = graph_broadcast(g, in[i], s);
    return graph_op(g, op, attr, in, n);
}

static ref binary(graph *g, const struct binary_attr *attr, ref a, ref b) {
    const op_attr all = {.binary = *attr};
    return joined(g, OP_BINARY, &all, (ref[]){a, b}, 2);
}

ref graph_binary(graph *g, enum binary_kind kind, ref a, ref b) {
    return binary(g, &(struct binary_attr){kind, 0, 1, 1}, a, b);
}

ref graph_axpby(graph *g, double alpha, ref a, double beta, ref b) {
    return binary(g, &(struct binary_attr){BINARY_ADD, 0, alpha, beta}, a, b);
}

ref graph_add(graph *g, ref a, ref b) {
    return graph_binary(g, BINARY_ADD, a, b);
}

ref graph_sub(graph *g, ref a, ref b) {
    return graph_binary(g, BINARY_SUB, a, b);
}

ref graph_mul(graph *g, ref a, ref b) {
    return graph_binary(g, BINARY_MUL, a, b);
}

ref graph_select(graph *g, ref c, ref a, ref b) {
    return joined(g, OP_SELECT, NULL, (ref[]){c, a, b}, 3);
}

ref graph_gated(graph *g, enum unary_kind kind, ref gate, ref up) {
    const op_attr attr = {.gated = {.kind = kind}};
    return joined(g, OP_GATED, &attr, (ref[]){gate, up}, 2);
}

ref graph_softcap(graph *g, ref x, double cap) {
    if (!(cap > 0))
        return graph_fail(g, AR_RANGE,
                          "UNARY: a soft cap of %g is not "
                          "positive",
                          cap);
    return graph_affine(g, unary(g, UNARY_TANH, x, 1 / cap, 0), cap, 0);
}

ref graph_concat(graph *g, const ref *x, int n, int axis) {
    const op_attr attr = {.axis = {.axis = axis}};
    return n == 1 ? x[0] : graph_op(g, OP_CONCAT, &attr, x, n);
}
