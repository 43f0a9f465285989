/* plan_order.c - which nodes run, and in what order. */
#include "core/build.h"
#include "core/op_rules.h"
#include "core/plan_parts.h"

static bool is_view(const node *n) { return op_table[n->op].flags & OP_VIEW; }
static bool is_effect(const node *n) {
    return op_table[n->op].flags & OP_EFFECT;
}

static bool find_live(planner *p) {
    const graph *g = p->g;
    p->live = arena_new(&p->mem, bool, g->n_nodes);
    uint32_t *stack = arena_new(&p->mem, uint32_t, g->n_nodes);
    if (!p->live || !stack) return false;
    uint32_t n = 0;
    for (uint32_t i = 1; i < g->n_nodes; i++)
        if (is_effect(&g->nodes[i])) p->live[i] = true, stack[n++] = i;
    while (n) {
        const node *at = &g->nodes[stack[--n]];
        for (int k = 0; k < at->n_in; k++) {
            const uint32_t from = ref_node(at->in[k]);
            if (!from || p->live[from]) continue;
            p->live[from] = true;
            stack[n++] = from;
        }
    }
    return true;
}

/* "to" runs after "from". */
typedef struct edge {
    uint32_t from, to;
} edge;

typedef struct order {
    edge *edges;
    uint32_t n_edges;
    uint32_t *begin;   /* by node: its edges are next[begin[i]..begin[i+1]) */
    uint32_t *next;    /* "to" of the edges sorted by "from" */
    uint32_t *waiting; /* by node: edges into it that are not done */
    uint32_t *heap;    /* nodes that may run, lowest index on top */
    uint32_t n_heap;
} order;

/* By ref of a state version: the node that writes the next one. */
static bool find_writers(planner *p, uint32_t **writers) {
    const graph *g = p->g;
    *writers = arena_new(&p->mem, uint32_t, (size_t)g->n_nodes * MAX_OUTPUTS);
    if (!*writers) return false;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        for (int k = 0; is_effect(n) && k < n->n_out; k++) {
            const int in = op_state_input(n->op, k);
            if (in >= 0) (*writers)[graph_version(g, n->in[in])] = i;
        }
    }
    return true;
}

static void add_edges(const planner *p, const uint32_t *writers, uint32_t i,
                      order *o) {
    const graph *g = p->g;
    const node *n = &g->nodes[i];
    for (int k = 0; k < n->n_in; k++) {
        if (!n->in[k]) continue;
        o->edges[o->n_edges++] = (edge){ref_node(n->in[k]), i};
        if (is_view(n)) continue;
        const uint32_t writer = writers[graph_version(g, n->in[k])];
        if (writer && writer != i) o->edges[o->n_edges++] = (edge){i, writer};
    }
}

static bool find_edges(planner *p, order *o) {
    const graph *g = p->g;
    uint32_t *writers;
    if (!find_writers(p, &writers)) return false;
    size_t most = 0;
    for (uint32_t i = 1; i < g->n_nodes; i++)
        if (p->live[i]) most += 2 * (size_t)g->nodes[i].n_in;
    o->edges = arena_new(&p->mem, edge, most);
    o->next = arena_new(&p->mem, uint32_t, most);
    o->begin = arena_new(&p->mem, uint32_t, (size_t)g->n_nodes + 2);
    o->waiting = arena_new(&p->mem, uint32_t, g->n_nodes);
    o->heap = arena_new(&p->mem, uint32_t, g->n_nodes);
    if (!o->edges || !o->next || !o->begin || !o->waiting || !o->heap)
        return false;
    for (uint32_t i = 1; i < g->n_nodes; i++)
        if (p->live[i]) add_edges(p, writers, i, o);

    /* Sort by counting: begin[i + 2] counts, then begin[i + 1] is a cursor. */
    for (uint32_t e = 0; e < o->n_edges; e++) {
        o->begin[o->edges[e].from + 2]++;
        o->waiting[o->edges[e].to]++;
    }
    for (uint32_t i = 2; i < g->n_nodes + 2; i++)
        o->begin[i] += o->begin[i - 1];
    for (uint32_t e = 0; e < o->n_edges; e++)
        o->next[o->begin[o->edges[e].from + 1]++] = o->edges[e].to;
    return true;
}

static void heap_push(order *o, uint32_t x) {
    uint32_t i = o->n_heap++;
    for (; i && o->heap[(i - 1) / 2] > x; i = (i - 1) / 2)
        o->heap[i] = o->heap[(i - 1) / 2];
    o->heap[i] = x;
}

static uint32_t heap_pop(order *o) {
    const uint32_t top = o->heap[0], x = o->heap[--o->n_heap];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < o->n_heap; i = child) {
        if (child + 1 < o->n_heap && o->heap[child + 1] < o->heap[child])
            child++;
        if (o->heap[child] >= x) break;
        o->heap[i] = o->heap[child];
    }
    o->heap[i] = x;
    return top;
}

ar_status plan_order(planner *p, ar_error *err) {
    const graph *g = p->g;
    order o = {0};
    p->steps = arena_new(&p->mem, uint32_t, g->n_nodes);
    p->position = arena_new(&p->mem, uint32_t, g->n_nodes);
    if (!p->steps || !p->position || !find_live(p) || !find_edges(p, &o))
        return plan_no_memory(err, g);

    uint32_t n_left = 0;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        if (!p->live[i]) continue;
        n_left++;
        if (!o.waiting[i]) heap_push(&o, i);
    }
    while (o.n_heap) {
        const uint32_t i = heap_pop(&o);
        n_left--;
        if (!(op_table[g->nodes[i].op].flags & (OP_LEAF | OP_VIEW))) {
            p->position[i] = p->n_steps;
            p->steps[p->n_steps++] = i;
        }
        for (uint32_t e = o.begin[i]; e < o.begin[i + 1]; e++)
            if (!--o.waiting[o.next[e]]) heap_push(&o, o.next[e]);
    }
    if (!n_left) return AR_OK;
    return error_set(err, AR_RANGE,
                     "%u nodes wait for each other: a state is "
                     "read after it was written",
                     n_left);
}
