/* rewrite.c - builds a smaller graph that computes the same.
 *
 * A pass goes over the nodes that some effect needs, in the order of their
 * indices, each after its inputs.  Each is offered to the rules, then looked
 * up among the expressions that exist (value numbering), then built.  A read
 * of state is an expression over a version ref, so equal expressions are equal
 * values.  Passes repeat until one changes nothing. */
#include "core/rewrite.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

enum { MAX_PASSES = 16 };
enum { UNSEEN, OPEN, DONE };

struct rewrite_slot {
    uint64_t hash;
    enum op_id op;
    int32_t region;
    int n_in;
    ref in[MAX_INPUTS];
    op_attr attr;
    ref result;
};

static rewrite_redirect *const redirects[] = {
#define REDIRECT(name, function, text) function,
#include "core/rewrites.def"
};
static rewrite_rule *const rules[] = {
#define REWRITE(name, function, text) function,
#include "core/rewrites.def"
};
enum {
    N_REDIRECTS = sizeof redirects / sizeof *redirects,
    N_RULES = sizeof rules / sizeof *rules,
};

bool rewrite_read_once(const rewriter *r, uint32_t index, int k) {
    const ref x = rewrite_read(r, r->src->nodes[index].in[k]);
    return r->uses[ref_node(x)] == 1;
}

/* ---- the expressions that exist ---- */

static uint64_t hash_key(const rewrite_slot *key) {
    uint64_t h = hash_bytes(&key->op, sizeof key->op, 0);
    h = hash_bytes(&key->attr, sizeof key->attr, h);
    return hash_bytes(key->in, sizeof *key->in * (size_t)key->n_in, h);
}

/* May a node in region `here` read an equal one built in region `there`?
 * Only from its own or from outside all regions: layers stay equal to each
 * other, and recomputed nodes apart from the first pass. */
static bool may_share(const graph *g, int32_t here, int32_t there) {
    if (here == there) return true;
    return there < 0 && strcmp(g->regions[here].name, "recompute") != 0;
}

static rewrite_slot **find_slot(rewriter *r, const rewrite_slot *key) {
    size_t i = key->hash & (r->n_slots - 1);
    for (; r->table[i]; i = (i + 1) & (r->n_slots - 1)) {
        const rewrite_slot *s = r->table[i];
        if (s->hash == key->hash && s->op == key->op && s->n_in == key->n_in &&
            !memcmp(s->in, key->in, sizeof key->in) &&
            !memcmp(&s->attr, &key->attr, sizeof key->attr) &&
            may_share(r->out, key->region, s->region))
            break;
    }
    return &r->table[i];
}

/* Views may now stand on another layout, so a reshape may need a copy. */
static ref append(rewriter *r, const rewrite_slot *key, const shape *reshape) {
    if (reshape) return graph_reshape(r->out, key->in[0], *reshape);
    return graph_op(r->out, key->op, &key->attr, key->in, key->n_in);
}

static ref build(rewriter *r, rewrite_slot *key, const shape *reshape) {
    key->region = r->region;
    if (op_table[key->op].flags & OP_EFFECT) return append(r, key, reshape);
    key->hash = hash_key(key);
    rewrite_slot **slot = find_slot(r, key);
    if (*slot) {
        r->changed = true;
        return (*slot)->result;
    }
    key->result = append(r, key, reshape);
    *slot = arena_copy(&r->mem, key, sizeof *key);
    if (!*slot) return graph_fail(r->out, AR_NOMEM, "rewrite: out of memory");
    return key->result;
}

ref rewrite_build(rewriter *r, enum op_id op, const op_attr *attr,
                  const ref *in, int n_in) {
    rewrite_slot key = {.op = op, .n_in = n_in};
    if (attr) key.attr = *attr;
    memcpy(key.in, in, sizeof *in * (size_t)n_in);
    return build(r, &key, NULL);
}

/* ---- one pass ---- */

static bool open_pass(rewriter *r, const graph *src, graph *out) {
    *r = (rewriter){.src = src, .out = out, .n_slots = 64};
    arena_open(&r->mem, 1 << 16);
    const size_t n = src->n_nodes;
    while (r->n_slots < 4 * n) r->n_slots *= 2; /* rules add a few nodes */
    r->live = arena_new(&r->mem, bool, n);
    r->uses = arena_new(&r->mem, uint32_t, n);
    r->instead = arena_new(&r->mem, ref, n * MAX_OUTPUTS);
    r->built = arena_new(&r->mem, ref, n);
    r->state = arena_new(&r->mem, uint8_t, n);
    r->stack = arena_new(&r->mem, uint32_t, n);
    r->table = arena_new(&r->mem, rewrite_slot *, r->n_slots);
    return r->live && r->uses && r->instead && r->built && r->state &&
           r->stack && r->table;
}

/* What the effects need, given r->instead. */
static void mark_live(rewriter *r) {
    const graph *g = r->src;
    memset(r->live, 0, sizeof *r->live * g->n_nodes);
    memset(r->uses, 0, sizeof *r->uses * g->n_nodes);
    uint32_t top = 0;
    for (uint32_t i = 1; i < g->n_nodes; i++)
        if (op_table[g->nodes[i].op].flags & OP_EFFECT) {
            r->live[i] = true;
            r->stack[top++] = i;
        }
    while (top > 0) {
        const node *n = &g->nodes[r->stack[--top]];
        for (int k = 0; k < n->n_in; k++) {
            if (!n->in[k]) continue;
            const uint32_t i = ref_node(rewrite_read(r, n->in[k]));
            r->uses[i]++;
            if (r->live[i]) continue;
            r->live[i] = true;
            r->stack[top++] = i;
        }
    }
}

static ref build_leaf(graph *out, const node *n) {
    const value *v = &n->out[0];
    const char *name = n->name ? n->name : "";
    const struct leaf_attr *a = &n->attr.leaf;
    ref x = 0;
    switch (n->op) {
    case OP_CONST:
        return graph_const(out, v->type, v->shape, n->attr.data.data);
    case OP_PARAM:
        x = graph_param(out, name, v->type, v->shape, a->slot, a->offset);
        break;
    case OP_STATE:
        x = graph_state(out, name, v->type, v->shape, a->slot, a->offset);
        break;
    default:
        x = graph_input(out, name, v->type, v->shape, a->slot, a->offset);
        break;
    }
    if (x) out->nodes[ref_node(x)].attr.leaf = *a;
    return x;
}

static ref build_op(rewriter *r, const node *n, uint32_t index) {
    for (int i = 0; i < N_RULES; i++) {
        const ref x = rules[i](r, n, index);
        if (!x) continue;
        r->changed = true;
        return x;
    }
    rewrite_slot key = {.op = n->op, .n_in = n->n_in, .attr = n->attr};
    memcpy(key.in, n->in, sizeof *n->in * n->n_in);
    return build(r, &key, n->op == OP_RESHAPE ? &n->out[0].shape : NULL);
}

static void build_node(rewriter *r, uint32_t index) {
    node n = r->src->nodes[index];
    r->region = r->out->open_region = n.region;
    for (int k = 0; k < n.n_in; k++) {
        if (!n.in[k]) continue;
        const ref x = rewrite_read(r, n.in[k]);
        n.in[k] = graph_output(r->out, r->built[ref_node(x)], ref_out(x));
    }
    const bool leaf = op_table[n.op].flags & OP_LEAF;
    r->built[index] = leaf ? build_leaf(r->out, &n) : build_op(r, &n, index);
}

/* Build a node after those it reads, without recursion. */
static void build_after_inputs(rewriter *r, uint32_t index) {
    uint32_t top = 0;
    r->stack[top++] = index;
    while (top > 0 && !r->out->error.code) {
        const uint32_t i = r->stack[top - 1];
        const node *n = &r->src->nodes[i];
        uint32_t waits_for = 0;
        r->state[i] = OPEN;
        for (int k = 0; k < n->n_in && !waits_for; k++) {
            if (!n->in[k]) continue;
            const uint32_t j = ref_node(rewrite_read(r, n->in[k]));
            if (r->state[j] != DONE) waits_for = j;
        }
        if (waits_for) {
            assert(r->state[waits_for] != OPEN); /* a rule made a cycle */
            r->stack[top++] = waits_for;
            continue;
        }
        build_node(r, i);
        r->state[i] = DONE;
        top--;
    }
}

static void copy_regions(const graph *src, graph *out) {
    for (int i = 0; i < src->n_regions; i++) {
        graph_region_begin(out, src->regions[i].name, src->regions[i].index);
        graph_region_end(out);
    }
}

static void set_region_bounds(graph *out) {
    for (int i = 0; i < out->n_regions; i++)
        out->regions[i].first = out->regions[i].end = 0;
    for (uint32_t i = 1; i < out->n_nodes; i++) {
        if (out->nodes[i].region < 0) continue;
        region *part = &out->regions[out->nodes[i].region];
        if (!part->first) part->first = i;
        part->end = i + 1;
    }
}

static ar_status run_pass(const graph *src, graph *out, bool *changed,
                          ar_error *err) {
    rewriter r;
    graph_open(out);
    if (open_pass(&r, src, out)) {
        copy_regions(src, out);
        mark_live(&r);
        for (int i = 0; i < N_REDIRECTS; i++) redirects[i](&r);
        if (r.changed) mark_live(&r);
        for (uint32_t i = 1; i < src->n_nodes && !out->error.code; i++)
            if (r.live[i] && r.state[i] == UNSEEN) build_after_inputs(&r, i);
        out->open_region = -1;
        set_region_bounds(out);
    } else {
        graph_fail(out, AR_NOMEM, "rewrite: out of memory");
    }
    *changed = r.changed;
    arena_close(&r.mem);
    const ar_status status = graph_status(out, err);
    if (status != AR_OK) graph_close(out);
    return status;
}

ar_status graph_rewrite(const graph *g, graph *out, ar_error *err) {
    TRY(graph_status(g, err));
    bool changed = false;
    TRY(run_pass(g, out, &changed, err));
    for (int i = 1; i < MAX_PASSES && changed; i++) {
        graph before = *out;
        const ar_status status = run_pass(&before, out, &changed, err);
        graph_close(&before);
        TRY(status);
    }
    return AR_OK;
}
