/* build_leaves.c - builders of leaves; equal constants become one node. */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/build.h"
#include "core/infer_rules.h"

static ref leaf(graph *g, enum op_id op, const char *name, const value *like,
                const struct leaf_attr *attr) {
    if (g->error.code) return 0;
    if (!name) name = "";
    node n = {.op = op, .attr.leaf = *attr, .out = {*like}};
    n.name = arena_text(&g->mem, name, strlen(name));
    if (!n.name)
        return graph_fail(g, AR_NOMEM, "out of memory for leaf \"%s\"", name);
    if (attr->slot < 0 || attr->offset < 0)
        return graph_fail(g, AR_RANGE, "%s: \"%s\" lies in slot %d at %" PRId64,
                          op_table[op].name, name, (int)attr->slot,
                          attr->offset);
    return graph_append(g, &n);
}

ref graph_param(graph *g, const char *name, ar_type t, shape s, int slot,
                int64_t offset) {
    return leaf(g, OP_PARAM, name, &(value){.type = t, .shape = s},
                &(struct leaf_attr){.slot = slot, .offset = offset});
}

ref graph_state(graph *g, const char *name, ar_type t, shape s, int slot,
                int64_t offset) {
    return leaf(g, OP_STATE, name, &(value){.type = t, .shape = s},
                &(struct leaf_attr){.slot = slot, .offset = offset});
}

ref graph_input(graph *g, const char *name, ar_type t, shape s, int slot,
                int64_t offset) {
    return leaf(g, OP_INPUT, name, &(value){.type = t, .shape = s},
                &(struct leaf_attr){.slot = slot, .offset = offset});
}

static uint64_t hash_const(ar_type t, const shape *s, const void *data,
                           size_t size) {
    uint64_t h = hash_bytes(&t, sizeof t, 0);
    h = hash_bytes(s->dim, (size_t)s->rank * sizeof *s->dim, h);
    return hash_bytes(data, size, h);
}

static bool is_const(const node *n, ar_type t, const shape *s, const void *data,
                     size_t size) {
    return n->out[0].type == t && shape_equal(&n->out[0].shape, s) &&
           !memcmp(n->attr.data.data, data, size);
}

/* The slot of an equal constant, or the free one where it belongs. */
static uint32_t *find_const(const graph *g, ar_type t, const shape *s,
                            const void *data, size_t size) {
    const uint32_t mask = g->const_capacity - 1;
    uint32_t i = (uint32_t)hash_const(t, s, data, size) & mask;
    while (g->consts[i] && !is_const(&g->nodes[g->consts[i]], t, s, data, size))
        i = (i + 1) & mask;
    return &g->consts[i];
}

/* Room for one more, at most half full. */
static bool reserve_const(graph *g) {
    if (2 * (g->n_consts + 1) <= g->const_capacity) return true;
    const uint32_t old = g->const_capacity, now = old ? old * 2 : 32;
    uint32_t *before = g->consts, *table = mem_new(uint32_t, now);
    if (!table) {
        graph_fail(g, AR_NOMEM, "out of memory for constants");
        return false;
    }
    g->consts = table;
    g->const_capacity = now;
    for (uint32_t i = 0; i < old; i++) {
        if (!before[i]) continue;
        const node *n = &g->nodes[before[i]];
        const value *v = &n->out[0];
        const void *data = n->attr.data.data;
        const size_t size = ar_type_size(v->type, shape_count(&v->shape));
        *find_const(g, v->type, &v->shape, data, size) = before[i];
    }
    mem_free(before);
    return true;
}

ref graph_const(graph *g, ar_type t, shape s, const void *data) {
    if (g->error.code) return 0;
    node n = {.op = OP_CONST, .out = {{.type = t, .shape = s}}};
    ar_error err = {0};
    const ar_status status = infer_leaf(g, &n, &err);
    if (status) return graph_fail(g, status, "CONST: %s", err.message);
    if (!data) return graph_fail(g, AR_RANGE, "CONST: no data are given");
    if (!reserve_const(g)) return 0;
    const size_t size = ar_type_size(t, shape_count(&s));
    uint32_t *place = find_const(g, t, &s, data, size);
    if (*place) return ref_make(*place, 0);

    n.attr.data.data = arena_copy(&g->mem, data, size);
    if (!n.attr.data.data)
        return graph_fail(g, AR_NOMEM,
                          "out of memory for a constant of %zu "
                          "bytes",
                          size);
    n.n_out = 0; /* graph_append infers again */
    const ref r = graph_append(g, &n);
    if (r) *place = ref_node(r), g->n_consts++;
    return r;
}

ref graph_scalar(graph *g, ar_type t, double x) {
    if (g->error.code) return 0;
    unsigned char bytes[16] = {0};
    if (t <= AR_NONE || t >= AR_TYPE_COUNT || !type_encode_f64(t, &x, bytes, 1))
        return graph_fail(g, AR_RANGE, "CONST: no number has type %d", (int)t);
    return graph_const(g, t, shape1(1), bytes);
}
