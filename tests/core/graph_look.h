/* graph_look.h - looking into graphs, for tests. */
#ifndef TESTS_CORE_GRAPH_LOOK_H
#define TESTS_CORE_GRAPH_LOOK_H

#include "core/graph.h"
#include "tests/test.h"

static inline int count_ops(const graph *g, enum op_id op) {
    int n = 0;
    for (uint32_t i = 1; i < g->n_nodes; i++) n += g->nodes[i].op == op;
    return n;
}

/* The only node with this op. */
static inline const node *the_op(const graph *g, enum op_id op) {
    assert_int_equal(count_ops(g, op), 1);
    for (uint32_t i = 1; i < g->n_nodes; i++)
        if (g->nodes[i].op == op) return &g->nodes[i];
    return NULL;
}

/* The ref that state `name` is stored from. */
static inline ref stored(const graph *g, const char *name) {
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (n->op == OP_STORE && !strcmp(graph_node(g, n->in[0])->name, name))
            return n->in[1];
    }
    fail_msg("nothing is stored to %s", name);
    return 0;
}

static inline void save(graph *g, const char *name, ref x) {
    const ref s = graph_state(g, name, graph_type(g, x), graph_shape(g, x), 3,
                              64 * (int64_t)g->n_nodes);
    graph_store(g, s, x);
}

static inline void assert_shape(const graph *g, ref x, shape want) {
    const shape got = graph_shape(g, x);
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (!shape_equal(&got, &want))
        fail_msg("shape is %s, wanted %s", shape_text(&got, a),
                 shape_text(&want, b));
}

#endif
