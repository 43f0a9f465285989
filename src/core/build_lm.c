/* build_lm.c - builders of the ops that language models are made of. */
#include "core/graph.h"

ref graph_embed(graph *g, ref table, ref ids) {
    return graph_op(g, OP_EMBED, NULL, (const ref[]){table, ids}, 2);
}

ref graph_rope_table(graph *g, ref positions, ref frequencies, double scale,
                     ar_type t) {
    const op_attr a = {.rope_table = {.scale = scale, .type = t}};
    return graph_op(g, OP_ROPE_TABLE, &a, (const ref[]){positions, frequencies},
                    2);
}

ref graph_rope(graph *g, ref x, ref table, bool interleaved, bool inverse) {
    const op_attr a = {.rope = {interleaved, inverse}};
    const ref in[] = {x, table, graph_output(g, table, 1)};
    return graph_op(g, OP_ROPE, &a, in, 3);
}

ref graph_attention(graph *g, ref q, ref k, ref v,
                    const struct attention_attr *attr) {
    op_attr a = {0};
    if (attr) a.attention = *attr;
    return graph_op(g, OP_ATTENTION, &a, (const ref[]){q, k, v}, 3);
}

ref graph_xent(graph *g, ref x, ref w, ref targets,
               const struct xent_attr *attr) {
    op_attr a = {0};
    if (attr) a.xent = *attr;
    return graph_op(g, OP_XENT, &a, (const ref[]){x, w, targets}, 3);
}
