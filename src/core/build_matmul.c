/* build_matmul.c - builders of products. */
#include "core/graph.h"

static ref product(graph *g, ref a, ref b, ref bias,
                   const struct matmul_attr *attr) {
    op_attr all = {0};
    if (attr) all.matmul = *attr;
    return graph_op(g, OP_MATMUL, &all, (const ref[]){a, b, bias}, 3);
}

/* a [.., M, K] times b [K, N]: the leading dims of a become rows. */
static ref folded(graph *g, ref a, ref b, ref bias,
                  const struct matmul_attr *attr) {
    shape s = graph_shape(g, a);
    if (!a || s.rank == 2 || s.rank == 0) return product(g, a, b, bias, attr);
    const int64_t k = shape_last(&s);
    a = graph_reshape(g, a, shape2(shape_count(&s) / k, k));
    const ref y = product(g, a, b, bias, attr);
    const shape flat = graph_shape(g, y);
    s.dim[s.rank - 1] = shape_last(&flat);
    return y ? graph_reshape(g, y, s) : 0;
}

ref graph_matmul(graph *g, ref a, ref b, const struct matmul_attr *attr) {
    if (graph_shape(g, a).rank > 2 && graph_shape(g, b).rank == 2)
        return folded(g, a, b, 0, attr);
    return product(g, a, b, 0, attr);
}

ref graph_linear(graph *g, ref x, ref w, ref bias,
                 const struct matmul_attr *attr) {
    const shape s = graph_shape(g, w);
    if (w && s.rank != 2) {
        char text[SHAPE_TEXT];
        return graph_fail(g, AR_SHAPE, "MATMUL: w %s must have 2 dimensions",
                          shape_text(&s, text));
    }
    return folded(g, x, graph_transpose(g, w), bias, attr);
}

ref graph_experts(graph *g, ref x, ref w, ref ids,
                  const struct matmul_attr *attr) {
    op_attr all = {0};
    if (attr) all.experts.matmul = *attr;
    const ref in[] = {x, graph_transpose(g, w), ids};
    return graph_op(g, OP_MATMUL_EXPERTS, &all, in, 3);
}
