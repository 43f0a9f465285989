/* plan_share.c - which storages can have the same memory. */
#include "core/op_rules.h"
#include "core/plan_parts.h"
#include "quant/quant.h"

/* A step that reads or writes a state, in a list by state. */
typedef struct event {
    struct event *next;
    uint32_t step;
    bool writes;
} event;

typedef struct sharing {
    planner *p;
    event **events; /* by ref of the STATE */
    uint32_t *busy; /* by ref of the STATE: 1 + the last step that reads a
                       result placed in it */
} sharing;

static size_t value_size(const value *v) {
    return ar_type_size(v->type, shape_count(&v->shape));
}

static bool is_leaf(const graph *g, ref storage) {
    return op_table[graph_node(g, storage)->op].flags & OP_LEAF;
}

/* v is all of its storage, in order. */
static bool is_whole(const graph *g, const value *v) {
    const value *all = graph_value(g, v->storage);
    return !v->offset && value_is_dense(v) &&
           shape_count(&v->shape) == shape_count(&all->shape);
}

static void find_lives(planner *p) {
    const graph *g = p->g;
    for (uint32_t s = 0; s < p->n_steps; s++) {
        const uint32_t i = p->steps[s];
        const node *n = &g->nodes[i];
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k]) p->last[graph_value(g, n->in[k])->storage] = s;
        for (int k = 0; k < n->n_out; k++) {
            const ref r = ref_make(i, k);
            p->first[r] = p->last[r] = s;
            p->owner[r] = r;
        }
    }
}

static bool add_event(sharing *f, ref storage, uint32_t step, bool writes) {
    if (graph_node(f->p->g, storage)->op != OP_STATE) return true;
    event *e = arena_new(&f->p->mem, event, 1);
    if (!e) return false;
    *e = (event){f->events[storage], step, writes};
    f->events[storage] = e;
    return true;
}

static bool find_events(sharing *f) {
    const planner *p = f->p;
    bool ok = true;
    for (uint32_t s = 0; s < p->n_steps; s++) {
        const node *n = &p->g->nodes[p->steps[s]];
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k])
                ok = ok && add_event(f, graph_value(p->g, n->in[k])->storage, s,
                                     false);
        for (int k = 0; k < n->n_out; k++)
            ok = ok && add_event(f, n->out[k].storage, s, true);
    }
    return ok;
}

/* May output 0 of n be written over `target`, as far as n's own inputs are
 * concerned?  Inputs elsewhere do not matter. */
static bool may_overwrite(const planner *p, const node *n,
                          const value *target) {
    const int own = op_inplace_input(n->op);
    for (int k = 0; k < n->n_in; k++) {
        if (!n->in[k]) continue;
        const value *x = graph_value(p->g, n->in[k]);
        if (x->storage != target->storage) continue;
        if (!value_same_layout(x, target)) return false;
        if (k == own) continue;
        /* Element by element, another input may be the same one. */
        if (!(op_table[n->op].flags & OP_INPLACE) || n->in[own] == 0)
            return false;
        if (graph_value(p->g, n->in[own])->storage != target->storage)
            return false;
    }
    return true;
}

/* Can the step that computes x write it where STORE s would copy it? */
static bool fits_state(const sharing *f, uint32_t s, const value *state,
                       const value *x) {
    const planner *p = f->p;
    const node *maker = graph_node(p->g, x->storage);
    if (is_leaf(p->g, x->storage) || !is_whole(p->g, x)) return false;
    if (p->owner[x->storage] != x->storage) return false;
    const uint32_t made = p->position[ref_node(x->storage)];
    const uint32_t last = p->last[x->storage];
    if (f->busy[state->storage] > made) return false;
    for (const event *e = f->events[state->storage]; e; e = e->next) {
        if (e->step < made || e->step == s) continue;
        if (e->step > s && !(e->writes && e->step <= last)) continue;
        if (e->step != made || e->writes || ref_out(x->storage)) return false;
        if (!may_overwrite(p, maker, state)) return false;
    }
    return true;
}

static void drop_stores(sharing *f) {
    planner *p = f->p;
    for (uint32_t s = 0; s < p->n_steps; s++) {
        const node *n = &p->g->nodes[p->steps[s]];
        if (n->op != OP_STORE) continue;
        const value *state = graph_value(p->g, n->in[0]);
        const value *x = graph_value(p->g, n->in[1]);
        if (!fits_state(f, s, state, x)) continue;
        p->dropped[s] = true;
        p->owner[x->storage] = state->storage;
        p->shift[x->storage] =
            (int64_t)ar_type_size(state->type, state->offset);
        f->busy[state->storage] = p->last[x->storage] + 1;
    }
}

/* Let output 0 of step s have the memory of the input it may write over. */
static void share_input(planner *p, uint32_t s) {
    const graph *g = p->g;
    const node *n = &g->nodes[p->steps[s]];
    const int k = op_inplace_input(n->op);
    if (k < 0 || k >= n->n_in || !n->in[k]) return;
    const value *x = graph_value(g, n->in[k]);
    const ref y = ref_make(p->steps[s], 0);
    if (is_leaf(g, x->storage) || p->owner[y] != y || !is_whole(g, x)) return;
    const ref owner = p->owner[x->storage];
    if (is_leaf(g, owner) || p->last[owner] != s) return;
    if (value_size(x) != value_size(&n->out[0])) return;
    if (!may_overwrite(p, n, x)) return;
    p->owner[y] = owner;
    if (p->last[y] > s) p->last[owner] = p->last[y];
}

ar_status plan_share(planner *p, ar_error *err) {
    const size_t n_refs = (size_t)p->g->n_nodes * MAX_OUTPUTS;
    p->first = arena_new(&p->mem, uint32_t, n_refs);
    p->last = arena_new(&p->mem, uint32_t, n_refs);
    p->owner = arena_new(&p->mem, ref, n_refs);
    p->shift = arena_new(&p->mem, int64_t, n_refs);
    p->dropped = arena_new(&p->mem, bool, p->n_steps);
    sharing f = {.p = p,
                 .events = arena_new(&p->mem, event *, n_refs),
                 .busy = arena_new(&p->mem, uint32_t, n_refs)};
    if (!p->first || !p->last || !p->owner || !p->shift || !p->dropped ||
        !f.events || !f.busy || !find_events(&f))
        return plan_no_memory(err, p->g);
    find_lives(p);
    drop_stores(&f);
    for (uint32_t s = 0; s < p->n_steps; s++) share_input(p, s);
    return AR_OK;
}
