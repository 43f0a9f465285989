/* build_state.c - builders of ops that write state. */
#include "core/graph.h"

ref graph_store(graph *g, ref state, ref x) {
    return graph_op(g, OP_STORE, NULL, (const ref[]){state, x}, 2);
}

ref graph_accumulate(graph *g, ref state, ref x) {
    return graph_op(g, OP_ACCUMULATE, NULL, (const ref[]){state, x}, 2);
}

ref graph_store_rows(graph *g, ref state, ref rows, ref x) {
    return graph_op(g, OP_STORE_ROWS, NULL, (const ref[]){state, rows, x}, 3);
}
