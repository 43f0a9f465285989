/* dump.c - a graph as text, one node a line, for people.
 *
 *   12: MATMUL(7, 11.1) -> f32 [4, 8]            layer 3
 *
 * A view also shows its storage, offset and strides. */
#include <inttypes.h>

#include "base/text.h"
#include "core/graph.h"
#include "core/op_rules.h"

static void add_ref(text *t, ref r) {
    if (!r)
        text_adds(t, "-");
    else if (!ref_out(r))
        text_addf(t, "%" PRIu32, ref_node(r));
    else
        text_addf(t, "%" PRIu32 ".%d", ref_node(r), ref_out(r));
}

static void add_value(text *t, const value *v, ref own) {
    char s[SHAPE_TEXT];
    text_addf(t, "%s %s", ar_type_name(v->type), shape_text(&v->shape, s));
    if (v->storage == own) return;
    text_adds(t, " in ");
    add_ref(t, v->storage);
    text_addf(t, " at %" PRId64 " by", v->offset);
    for (int i = 0; i < v->shape.rank; i++)
        text_addf(t, " %" PRId64, v->stride[i]);
}

static const char *kind_name(const node *n) {
    static const char *const unary[] = {
#define UNARY(name, text, ...) text,
#include "core/unary.def"
#undef UNARY
    };
    static const char *const binary[] = {
#define BINARY(name, text, ...) text,
#include "core/binary.def"
#undef BINARY
    };
    static const char *const reduce[] = {
#define REDUCE_KIND(name, text) text,
#include "core/reduce.def"
#undef REDUCE_KIND
    };
    switch (n->op) {
    case OP_UNARY:
    case OP_UNARY_DX: return unary[n->attr.unary.kind];
    case OP_GATED:
    case OP_GATED_DX: return unary[n->attr.gated.kind];
    case OP_BINARY: return binary[n->attr.binary.kind];
    case OP_REDUCE: return reduce[n->attr.reduce.kind];
    default: return NULL;
    }
}

static void add_node(text *t, const graph *g, uint32_t index) {
    const node *n = &g->nodes[index];
    const char *kind = kind_name(n);
    text_addf(t, "%" PRIu32 ": %s", index, op_table[n->op].name);
    if (kind) text_addf(t, " %s", kind);
    if (n->name)
        text_addf(t, " \"%s\" slot %" PRId32 " + %" PRId64, n->name,
                  n->attr.leaf.slot, n->attr.leaf.offset);
    for (int i = 0; i < n->n_in; i++) {
        text_adds(t, i ? ", " : "(");
        add_ref(t, n->in[i]);
    }
    if (n->n_in) text_adds(t, ")");
    for (int i = 0; i < n->n_out; i++) {
        text_adds(t, i ? ", " : " -> ");
        add_value(t, &n->out[i], ref_make(index, i));
    }
    if (n->region >= 0)
        text_addf(t, "  %s %" PRId32, g->regions[n->region].name,
                  g->regions[n->region].index);
    text_adds(t, "\n");
}

void graph_dump(const graph *g, struct text *t) {
    for (uint32_t i = 1; i < g->n_nodes; i++) add_node(t, g, i);
}
