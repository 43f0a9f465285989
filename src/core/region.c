/* region.c - the structural hash of a repeated part of a graph.
 *
 * Two regions with one hash compute the same function of what they read from
 * outside, in the order in which they first read it, and hand the same of
 * their values to the rest.  Leaves count as outside wherever they were made:
 * the weights of two layers are bound apart. */
#include "base/hash.h"
#include "core/graph.h"

enum { FROM_OUTSIDE = 0x4f, FROM_INSIDE = 0x49 };

typedef struct region_scan {
    const graph *g;
    int32_t region;
    arena mem;
    uint32_t *number; /* by node: 1 + its place in the region, 0 = outside */
    uint32_t *first;  /* by ref outside: 1 + the order of its first use */
    uint32_t n_outside;
    uint64_t hash;
} region_scan;

static void mix(region_scan *s, const void *p, size_t n) {
    s->hash = hash_bytes(p, n, s->hash);
}

static void mix_number(region_scan *s, int64_t x) { mix(s, &x, sizeof x); }

static void mix_layout(region_scan *s, const value *v) {
    mix_number(s, v->type);
    mix_number(s, v->shape.rank);
    for (int i = 0; i < v->shape.rank; i++) {
        mix_number(s, v->shape.dim[i]);
        mix_number(s, v->stride[i]);
    }
}

/* Something read from outside; of a constant also its numbers. */
static void mix_outside(region_scan *s, ref r) {
    const node *n = graph_node(s->g, r);
    const value *v = graph_value(s->g, r);
    if (!s->first[r]) s->first[r] = ++s->n_outside;
    mix_number(s, FROM_OUTSIDE);
    mix_number(s, s->first[r]);
    mix_layout(s, v);
    mix_number(s, op_table[n->op].flags & OP_LEAF ? (int)n->op : -1);
    if (n->op == OP_CONST)
        mix(s, n->attr.data.data,
            ar_type_size(v->type, shape_count(&v->shape)));
}

static void mix_node(region_scan *s, const node *n) {
    mix_number(s, n->op);
    mix(s, &n->attr, sizeof n->attr);
    mix_number(s, n->n_in);
    for (int k = 0; k < n->n_in; k++) {
        const ref r = n->in[k];
        if (!r) {
            mix_number(s, 0);
        } else if (s->number[ref_node(r)]) {
            mix_number(s, FROM_INSIDE);
            mix_number(s, s->number[ref_node(r)]);
            mix_number(s, ref_out(r));
        } else {
            mix_outside(s, r);
        }
    }
    for (int k = 0; k < n->n_out; k++) mix_layout(s, &n->out[k]);
}

/* What the rest of the graph reads of the region, as a set. */
static void mix_results(region_scan *s) {
    const graph *g = s->g;
    const region *part = &g->regions[s->region];
    uint8_t *used = arena_new(&s->mem, uint8_t, g->n_nodes);
    if (!used) return;
    for (uint32_t i = part->first; i < g->n_nodes; i++) {
        if (s->number[i]) continue;
        const node *n = &g->nodes[i];
        for (int k = 0; k < n->n_in; k++)
            used[ref_node(n->in[k])] |= (uint8_t)(1 << ref_out(n->in[k]));
    }
    for (uint32_t i = part->first; i < part->end; i++)
        if (s->number[i]) mix_number(s, used[i]);
}

uint64_t graph_region_hash(const graph *g, int index) {
    region_scan s = {.g = g, .region = index};
    const region *part = &g->regions[index];
    arena_open(&s.mem, 1 << 16);
    s.number = arena_new(&s.mem, uint32_t, g->n_nodes);
    s.first = arena_new(&s.mem, uint32_t, (size_t)g->n_nodes * MAX_OUTPUTS);
    uint32_t n = 0;
    if (s.number && s.first) {
        for (uint32_t i = part->first; i < part->end; i++) {
            const node *x = &g->nodes[i];
            if (x->region != index || op_table[x->op].flags & OP_LEAF) continue;
            s.number[i] = ++n;
            mix_node(&s, x);
        }
        mix_results(&s);
    }
    arena_close(&s.mem);
    return s.hash;
}
