/* rewrite_rules.c - the rules of rewrites.def.
 *
 * A rule must keep values within rounding, make progress (no rule may undo
 * another), and move no read of state past a write of it: a value whose
 * storage is a state is only good where it was first read. */
#include <string.h>

#include "core/infer_rules.h"
#include "core/rewrite.h"

/* ---- what rules ask about values of out ---- */

static const node *producer(const rewriter *r, ref x) {
    return graph_node(r->out, x);
}

/* The node whose memory x is read from. */
static const node *storage_of(const rewriter *r, ref x) {
    return producer(r, graph_value(r->out, x)->storage);
}

/* x may be read later than now: no write of state can come between. */
static bool is_lasting(const rewriter *r, ref x) {
    const node *n = storage_of(r, x);
    return n->op != OP_STATE && !(op_table[n->op].flags & OP_EFFECT);
}

/* x may stand in for a fresh result that n would have computed. */
static bool can_replace(const rewriter *r, ref x) {
    return is_lasting(r, x) && value_is_dense(graph_value(r->out, x));
}

/* All elements of x are zero: it is a view of zeros. */
static bool is_zero(const rewriter *r, ref x) {
    const node *n = storage_of(r, x);
    if (n->op != OP_CONST || !n->attr.data.data) return false;
    const value *v = &n->out[0];
    const unsigned char *p = n->attr.data.data;
    const size_t size = ar_type_size(v->type, shape_count(&v->shape));
    for (size_t i = 0; i < size; i++)
        if (p[i]) return false;
    return true;
}

/* x = c z + d, read by n alone, in n's region; fills *c, *d and gives z. */
static ref as_affine(const rewriter *r, const node *n, uint32_t index, int k,
                     double *c, double *d) {
    const node *p = producer(r, n->in[k]);
    if (p->op != OP_UNARY || p->region != n->region) return 0;
    const struct unary_attr *u = &p->attr.unary;
    if (u->kind != UNARY_IDENTITY && u->kind != UNARY_NEG) return 0;
    if (!rewrite_read_once(r, index, k) || !is_lasting(r, p->in[0])) return 0;
    const double sign = u->kind == UNARY_NEG ? -1 : 1;
    *c = sign * u->a;
    *d = sign * u->b;
    return p->in[0];
}

static ref build_scaled(rewriter *r, ref x, double a) {
    op_attr attr = {0};
    attr.unary.kind = UNARY_IDENTITY;
    attr.unary.a = a;
    return rewrite_build(r, OP_UNARY, &attr, &x, 1);
}

/* ---- element by element ---- */

ref drop_identity(rewriter *r, const node *n, uint32_t index) {
    (void)index;
    const struct unary_attr *u = &n->attr.unary;
    if (n->op != OP_UNARY || u->kind != UNARY_IDENTITY) return 0;
    if (u->a != 1 || u->b != 0 || !can_replace(r, n->in[0])) return 0;
    return n->in[0];
}

/* Leaves stay copied: the caller may want the copy to be its own. */
ref drop_copy(rewriter *r, const node *n, uint32_t index) {
    (void)index;
    if (n->op != OP_COPY || !can_replace(r, n->in[0])) return 0;
    if (op_table[storage_of(r, n->in[0])->op].flags & OP_LEAF) return 0;
    return n->in[0];
}

ref fold_affine_unary(rewriter *r, const node *n, uint32_t index) {
    if (n->op != OP_UNARY) return 0;
    double c = 0, d = 0;
    const ref z = as_affine(r, n, index, 0, &c, &d);
    if (!z) return 0;
    op_attr attr = n->attr;
    attr.unary.a = n->attr.unary.a * c;
    attr.unary.b = n->attr.unary.a * d + n->attr.unary.b;
    return rewrite_build(r, OP_UNARY, &attr, &z, 1);
}

ref fold_affine_binary(rewriter *r, const node *n, uint32_t index) {
    if (n->op != OP_BINARY) return 0;
    ref in[] = {n->in[0], n->in[1]};
    op_attr attr = n->attr;
    double *factor[] = {&attr.binary.alpha, &attr.binary.beta};
    bool found = false;
    for (int k = 0; k < 2; k++) {
        double c = 0, d = 0;
        const ref z = as_affine(r, n, index, k, &c, &d);
        if (!z || d != 0) continue;
        in[k] = z;
        *factor[k] *= c;
        found = true;
    }
    return found ? rewrite_build(r, OP_BINARY, &attr, in, 2) : 0;
}

ref drop_zero(rewriter *r, const node *n, uint32_t index) {
    (void)index;
    const struct binary_attr *t = &n->attr.binary;
    if (n->op != OP_BINARY) return 0;
    if (t->kind != BINARY_ADD && t->kind != BINARY_SUB) return 0;
    const int zero = is_zero(r, n->in[1]) ? 1 : is_zero(r, n->in[0]) ? 0 : -1;
    if (zero < 0) return 0;
    const ref x = n->in[1 - zero];
    double scale = zero ? t->alpha : t->beta;
    if (!zero && t->kind == BINARY_SUB) scale = -scale;
    if (scale != 1) return build_scaled(r, x, scale);
    return can_replace(r, x) ? x : rewrite_build(r, OP_COPY, NULL, &x, 1);
}

/* ---- views ---- */

ref join_reshapes(rewriter *r, const node *n, uint32_t index) {
    (void)index;
    if (n->op != OP_RESHAPE) return 0;
    ref x = n->in[0];
    while (producer(r, x)->op == OP_RESHAPE) x = producer(r, x)->in[0];
    const shape s = graph_shape(r->out, x);
    if (shape_equal(&s, &n->out[0].shape)) return x;
    value seen;
    const value *from = graph_value(r->out, x);
    if (x == n->in[0] || !infer_reshape_view(from, &n->out[0].shape, &seen))
        return 0;
    return rewrite_build(r, OP_RESHAPE, &n->attr, &x, 1);
}

ref join_permutes(rewriter *r, const node *n, uint32_t index) {
    (void)index;
    if (n->op != OP_PERMUTE) return 0;
    const node *p = producer(r, n->in[0]);
    const bool joined = p->op == OP_PERMUTE;
    const ref x = joined ? p->in[0] : n->in[0];
    op_attr attr = n->attr;
    bool moves = false;
    for (int i = 0; i < n->out[0].shape.rank; i++) {
        const int64_t from = n->attr.view.v[i];
        attr.view.v[i] = joined ? p->attr.view.v[from] : from;
        moves |= attr.view.v[i] != i;
    }
    if (!moves) return x;
    return joined ? rewrite_build(r, OP_PERMUTE, &attr, &x, 1) : 0;
}

/* ---- sums of gradients ---- */

static bool is_plain_add(const node *n) {
    return n->op == OP_BINARY && n->attr.binary.kind == BINARY_ADD &&
           n->attr.binary.alpha == 1 && n->attr.binary.beta == 1;
}

/* The terms of a tree of additions, at most `max`; 0 if there are more. */
static int find_terms(const rewriter *r, const node *sum, ref *terms, int max) {
    ref todo[MAX_INPUTS + 2] = {sum->in[0], sum->in[1]};
    int n_todo = 2, n = 0;
    while (n_todo > 0) {
        const ref x = todo[--n_todo];
        const node *p = producer(r, x);
        if (n + n_todo >= max) return 0;
        if (is_plain_add(p)) {
            todo[n_todo++] = p->in[0];
            todo[n_todo++] = p->in[1];
        } else {
            terms[n++] = x;
        }
    }
    return n;
}

static bool same_padding(const node *a, const node *b) {
    const struct view_attr *u = &a->attr.view, *v = &b->attr.view;
    return a->op == OP_PAD && b->op == OP_PAD && u->axis == v->axis &&
           u->v[1] == v->v[1] && u->v[2] == 1 && v->v[2] == 1;
}

/* The PAD among terms that starts at `start`, or 0. */
static ref find_start(const rewriter *r, const ref *terms, int n,
                      int64_t start) {
    for (int i = 0; i < n; i++)
        if (producer(r, terms[i])->attr.view.v[0] == start) return terms[i];
    return 0;
}

ref join_pads(rewriter *r, const node *n, uint32_t index) {
    (void)index;
    if (!is_plain_add(n)) return 0;
    ref terms[MAX_INPUTS], parts[MAX_INPUTS];
    const int n_terms = find_terms(r, n, terms, MAX_INPUTS);
    if (!n_terms) return 0;
    const node *first = producer(r, terms[0]);
    for (int i = 0; i < n_terms; i++)
        if (!same_padding(first, producer(r, terms[i]))) return 0;
    const int axis = first->attr.view.axis;
    const int64_t size = first->attr.view.v[1];
    int64_t start = 0;
    for (int i = 0; i < n_terms; i++) {
        const ref pad = find_start(r, terms, n_terms, start);
        if (!pad) return 0;
        parts[i] = producer(r, pad)->in[0];
        if (!is_lasting(r, parts[i])) return 0;
        start += graph_shape(r->out, parts[i]).dim[axis];
    }
    if (start != size) return 0;
    op_attr attr = {0};
    attr.axis.axis = axis;
    return rewrite_build(r, OP_CONCAT, &attr, parts, n_terms);
}

ref fold_embed_dw(rewriter *r, const node *n, uint32_t index) {
    if (!is_plain_add(n)) return 0;
    for (int k = 1; k >= 0; k--) {
        const node *e = producer(r, n->in[k]);
        const ref base = n->in[1 - k];
        if (e->op != OP_EMBED_DW || (e->n_in > 2 && e->in[2])) continue;
        if (!rewrite_read_once(r, index, k) || base == n->in[k]) continue;
        if (!is_lasting(r, e->in[0]) || !is_lasting(r, e->in[1])) continue;
        if (!value_is_dense(graph_value(r->out, base))) continue;
        const op_attr attr = e->attr;
        const ref in[] = {e->in[0], e->in[1], base};
        return rewrite_build(r, OP_EMBED_DW, &attr, in, 3);
    }
    return 0;
}

/* ---- the loss ---- */

/* Does node `from` of src depend on node `on`, or on a write of state made
 * after it?  Then it cannot be built in the place of `on`. */
static bool depends(rewriter *r, uint32_t from, uint32_t on, bool *seen) {
    uint32_t top = 0;
    memset(seen, 0, sizeof *seen * r->src->n_nodes);
    r->stack[top++] = from;
    seen[from] = true;
    while (top > 0) {
        const node *n = &r->src->nodes[r->stack[--top]];
        for (int k = 0; k < n->n_in; k++) {
            if (!n->in[k]) continue;
            const uint32_t i = ref_node(rewrite_read(r, n->in[k]));
            const bool effect = op_table[r->src->nodes[i].op].flags & OP_EFFECT;
            if (i == on || (effect && i > on)) return true;
            if (seen[i]) continue;
            seen[i] = true;
            r->stack[top++] = i;
        }
    }
    return false;
}

static bool is_pair(const node *x, const node *d) {
    return x->op == OP_XENT && d->op == OP_XENT_DXW &&
           !memcmp(x->in, d->in, 3 * sizeof *x->in) &&
           !memcmp(&x->attr, &d->attr, sizeof x->attr);
}

void fold_xent(rewriter *r) {
    const graph *g = r->src;
    bool *seen = arena_new(&r->mem, bool, g->n_nodes);
    if (!seen) {
        graph_fail(r->out, AR_NOMEM, "rewrite: out of memory");
        return;
    }
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        if (!r->live[i] || g->nodes[i].op != OP_XENT) continue;
        for (uint32_t j = i + 1; j < g->n_nodes; j++) {
            if (!r->live[j] || !is_pair(&g->nodes[i], &g->nodes[j])) continue;
            if (depends(r, j, i, seen)) continue;
            r->instead[ref_make(i, 0)] = ref_make(j, 2);
            r->changed = true;
            break;
        }
    }
}
