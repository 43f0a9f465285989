/* ane_lower_view.c - views: looks at the same elements, which here are
 * reshapes, slices and transposes, or nothing. */
#include "backend/ane/ane_lower_int.h"

static bool same_dims(const shape *a, const shape *b, int n) {
    if (a->rank < n || b->rank < n) return false;
    for (int i = 1; i <= n; i++)
        if (a->dim[a->rank - i] != b->dim[b->rank - i]) return false;
    return true;
}

/* Are a's last two dims b's last?  Then MERGED of a is CHANNEL of b. */
static bool merges(const shape *a, const shape *b) {
    return a->rank > 2 && b->rank > 0 &&
           a->dim[a->rank - 2] * a->dim[a->rank - 1] == shape_last(b);
}

/* One form of x is the other of out, without a statement. */
static bool shares(lower *l, ref x, enum ane_form f, ref out,
                   enum ane_form to) {
    if (!ane_has(l, x, f)) return false;
    ane_set(l, out, to, ane_full(l, x, f));
    return true;
}

void lower_reshape(lower *l, const node *n, ref out) {
    const ref x = n->in[0];
    const shape *from = &graph_value(l->g, x)->shape, *to = &n->out[0].shape;
    bool known = false, done = false;
    for (int i = 0; i < ANE_FORMS; i++)
        known |= ane_has(l, x, (enum ane_form)i);
    const bool heads = from->rank > 2 && to->rank > 2 && same_dims(from, to, 2);
    if (!known) ane_get(l, x, heads || merges(from, to) ? MERGED : CHANNEL);
    if (merges(from, to) && ane_has(l, x, HEADS)) ane_get(l, x, MERGED);
    if (same_dims(from, to, 1)) done |= shares(l, x, CHANNEL, out, CHANNEL);
    if (heads) done |= shares(l, x, MERGED, out, MERGED);
    if (same_dims(from, to, 3)) done |= shares(l, x, HEADS, out, HEADS);
    if (merges(from, to)) done |= shares(l, x, MERGED, out, CHANNEL);
    if (merges(to, from)) done |= shares(l, x, CHANNEL, out, MERGED);
    if (done) return;
    const ane_dims d = ane_form_dims(to, PLAIN);
    ane_set(l, out, PLAIN,
            ane_reshape(l, ane_full(l, x, PLAIN), d.rank, d.dim));
}

void lower_permute(lower *l, const node *n, ref out) {
    const ref x = n->in[0];
    const shape *to = &n->out[0].shape;
    if (to->rank == 2 && n->attr.view.v[0] == 1 && !ane_has(l, x, PLAIN)) {
        /* [1, C, 1, S] in memory is the turned matrix */
        ane_set(l, out, PLAIN,
                ane_reshape(l, ane_full(l, x, CHANNEL), 2, to->dim));
        return;
    }
    int order[MAX_DIMS];
    for (int i = 0; i < to->rank; i++) order[i] = (int)n->attr.view.v[i];
    const mil_ref plain = ane_full(l, x, PLAIN);
    if (to->rank == 2 && order[0] == 1) {
        const ane_dims d = ane_form_dims(to, CHANNEL);
        ane_set(l, out, CHANNEL, ane_reshape(l, plain, 4, d.dim));
        return;
    }
    ane_set(l, out, PLAIN, to->rank ? ane_transpose(l, plain, order) : plain);
}

static void slice(lower *l, ref x, ref out, int axis, const int64_t *at) {
    const int rank = graph_shape(l->g, x).rank;
    const int from_end = rank - axis;
    const bool heads = ane_has(l, x, HEADS) || ane_has(l, x, MERGED);
    enum ane_form f = PLAIN;
    int k = axis;
    if (from_end == 1) {
        f = rank > 2 && heads && !ane_has(l, x, CHANNEL) ? HEADS : CHANNEL;
        k = f == HEADS ? 2 : 1;
    } else if (from_end == 2 && rank > 2 && heads) {
        f = HEADS;
        k = 1;
    }
    ane_set(l, out, f, ane_slice(l, ane_full(l, x, f), k, at[0], at[1], at[2]));
}

void lower_slice(lower *l, const node *n, ref out) {
    slice(l, n->in[0], out, n->attr.view.axis, n->attr.view.v);
}

void lower_split(lower *l, const node *n, ref out) {
    int64_t at[] = {0, 0, 1};
    for (int i = 0; i < n->n_out; i++) {
        at[1] = n->out[i].shape.dim[n->attr.view.axis];
        slice(l, n->in[0], out + (ref)i, n->attr.view.axis, at);
        at[0] += at[1];
    }
}

void lower_broadcast(lower *l, const node *n, ref out) {
    const ref x = n->in[0];
    const shape *from = &graph_value(l->g, x)->shape, *to = &n->out[0].shape;
    ane_dims d = {to->rank, {0}};
    bool one = true, same = true; /* the rows */
    for (int i = 0; i < to->rank; i++) {
        const int k = i - (to->rank - from->rank);
        d.dim[i] = k < 0 ? 1 : from->dim[k];
        if (i == to->rank - 1) continue;
        one &= d.dim[i] == 1;
        same &= d.dim[i] == to->dim[i];
    }
    if (one || same)
        ane_set(l, out, CHANNEL, ane_full(l, x, CHANNEL));
    else
        ane_set(l, out, PLAIN,
                ane_reshape(l, ane_full(l, x, PLAIN), d.rank, d.dim));
}
