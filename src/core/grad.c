/* grad.c - reverse-mode differentiation: appends the backward pass.
 *
 * Nodes are swept from the loss down.  A node is visited only if it carries a
 * gradient and leads back to something in wrt, so frozen parameters cost
 * nothing.  Rules see the node itself or, with recompute, its second copy. */
#include "core/grad.h"

#include <assert.h>

#include "quant/quant.h"

typedef struct sweep {
    graph *g;
    arena mem;
    uint32_t n;      /* nodes up to and including the loss's */
    bool *reaches;   /* by node: some wrt is among its ancestors */
    ref *dy;         /* by ref: the gradient so far */
    uint32_t *again; /* by node: its second copy, 0 = none; NULL = never */
    bool *entered;   /* by region: it has been emitted again */
} sweep;

ar_type grad_type(ar_type t) { return t == AR_F64 ? AR_F64 : AR_F32; }

ref grad_meet(graph *g, ref x, ref dy) {
    return graph_cast(g, x, graph_type(g, dy));
}

ref grad_scale(graph *g, ref x, double a) {
    return a == 1 ? x : graph_affine(g, x, a, 0);
}

ref grad_zeros(graph *g, ar_type t, shape s) {
    return graph_broadcast(g, graph_scalar(g, t, 0), s);
}

ref grad_sum_rows(graph *g, ref x) {
    const shape s = graph_shape(g, x);
    const int64_t n = shape_last(&s);
    if (s.rank <= 1) return graph_reshape(g, x, shape1(n));
    int64_t rows = 1;
    for (int i = 0; i < s.rank - 1; i++) rows *= s.dim[i];
    x = graph_reshape(g, x, shape2(rows, n));
    return graph_reshape(g, graph_reduce(g, REDUCE_SUM, x, 0), shape1(n));
}

static bool open_sweep(sweep *s, graph *g, ref loss, bool recompute) {
    *s = (sweep){.g = g, .n = ref_node(loss) + 1};
    arena_open(&s->mem, 1 << 16);
    s->reaches = arena_new(&s->mem, bool, s->n);
    s->dy = arena_new(&s->mem, ref, (size_t)s->n * MAX_OUTPUTS);
    bool ok = s->reaches && s->dy;
    if (recompute) {
        s->again = arena_new(&s->mem, uint32_t, s->n);
        s->entered = arena_new(&s->mem, bool, g->n_regions + 1);
        ok = ok && s->again && s->entered;
    }
    if (!ok) graph_fail(g, AR_NOMEM, "grad: out of memory");
    return ok;
}

static void mark_reaches(sweep *s, const ref *wrt, int n_wrt) {
    for (int i = 0; i < n_wrt; i++)
        if (ref_node(wrt[i]) < s->n) s->reaches[ref_node(wrt[i])] = true;
    s->reaches[0] = false; /* a wrt of 0 */
    for (uint32_t i = 1; i < s->n; i++) {
        const node *x = &s->g->nodes[i];
        for (int k = 0; k < x->n_in; k++)
            if (s->reaches[ref_node(x->in[k])]) s->reaches[i] = true;
    }
}

/* The ref that a second copy reads where the first read r. */
static ref read_again(const sweep *s, ref r) {
    const uint32_t copy = s->again[ref_node(r)];
    return copy ? ref_make(copy, ref_out(r)) : r;
}

/* Append region `index` once more.  What enters it from outside is shared;
 * so are leaves, and writes of state, which must happen once. */
static void emit_again(sweep *s, int index) {
    graph *g = s->g;
    const region part = g->regions[index];
    graph_region_begin(g, "recompute", part.index);
    for (uint32_t i = part.first; i < part.end && i < s->n; i++) {
        const node x = g->nodes[i];
        if (x.region != index) continue;
        if (op_table[x.op].flags & (OP_LEAF | OP_EFFECT)) continue;
        ref in[MAX_INPUTS];
        for (int k = 0; k < x.n_in; k++) in[k] = read_again(s, x.in[k]);
        s->again[i] = ref_node(graph_op(g, x.op, &x.attr, in, x.n_in));
    }
    graph_region_end(g);
}

static void add_gradient(sweep *s, ref x, ref dx) {
    ref *sum = &s->dy[x];
    const shape want = graph_shape(s->g, x), got = graph_shape(s->g, dx);
    assert(shape_equal(&want, &got));
    *sum = *sum ? graph_add(s->g, *sum, dx) : dx;
}

/* Which inputs of node i want a gradient; false if none. */
static bool find_needs(const sweep *s, const node *x, bool *need) {
    bool any = false;
    for (int k = 0; k < x->n_in; k++) {
        need[k] = x->in[k] && s->reaches[ref_node(x->in[k])] &&
                  type_is_float(graph_type(s->g, x->in[k]));
        any |= need[k];
    }
    return any;
}

static void visit(sweep *s, uint32_t i) {
    graph *g = s->g;
    const node x = g->nodes[i];
    const ref *dy = &s->dy[ref_make(i, 0)];
    bool has_dy = false, need[MAX_INPUTS] = {0};
    for (int k = 0; k < x.n_out; k++) has_dy |= dy[k] != 0;
    if (!has_dy || !find_needs(s, &x, need)) return;
    if (!op_table[x.op].grad) {
        graph_fail(g, AR_UNSUPPORTED, "%s has no gradient (node %u)",
                   op_table[x.op].name, i);
        return;
    }
    uint32_t seen = i;
    if (s->again && x.region >= 0) {
        if (!s->entered[x.region]) emit_again(s, x.region);
        s->entered[x.region] = true;
        if (s->again[i]) seen = s->again[i];
    }
    ref dx[MAX_INPUTS] = {0};
    op_table[x.op].grad(g, seen, dy, need, dx);
    if (g->error.code) return;
    for (int k = 0; k < x.n_in; k++)
        if (need[k] && dx[k]) add_gradient(s, x.in[k], dx[k]);
}

/* dloss must look like the loss. */
static bool check_loss(graph *g, ref loss, ref dloss) {
    if (g->error.code) return false;
    if (!loss || !dloss) {
        graph_fail(g, AR_RANGE, "grad: the loss or its gradient is missing");
        return false;
    }
    const shape a = graph_shape(g, loss), b = graph_shape(g, dloss);
    char ta[SHAPE_TEXT], tb[SHAPE_TEXT];
    if (!shape_equal(&a, &b))
        graph_fail(g, AR_SHAPE, "grad: the loss is %s, its gradient %s",
                   shape_text(&a, ta), shape_text(&b, tb));
    else if (grad_type(graph_type(g, loss)) != graph_type(g, dloss))
        graph_fail(g, AR_SHAPE, "grad: the loss is %s, its gradient %s",
                   ar_type_name(graph_type(g, loss)),
                   ar_type_name(graph_type(g, dloss)));
    return !g->error.code;
}

void graph_grad(graph *g, ref loss, ref dloss, const ref *wrt, int n_wrt,
                bool recompute, ref *grads) {
    for (int i = 0; i < n_wrt; i++) grads[i] = 0;
    if (!check_loss(g, loss, dloss)) return;
    sweep s;
    if (open_sweep(&s, g, loss, recompute)) {
        mark_reaches(&s, wrt, n_wrt);
        s.dy[loss] = dloss;
        for (uint32_t i = s.n - 1; i > 0 && !g->error.code; i--) visit(&s, i);
    }
    if (!g->error.code)
        for (int i = 0; i < n_wrt; i++)
            if (wrt[i] && ref_node(wrt[i]) < s.n) grads[i] = s.dy[wrt[i]];
    arena_close(&s.mem);
}
