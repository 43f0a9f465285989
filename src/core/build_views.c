/* build_views.c - builders of views; what changes nothing adds no node. */
#include "core/build.h"
#include "core/infer_rules.h"

static op_attr shape_attr(const shape *s) {
    op_attr a = {.view = {.axis = s->rank}};
    for (int i = 0; i < s->rank && i < MAX_DIMS; i++) a.view.v[i] = s->dim[i];
    return a;
}

ref graph_reshape(graph *g, ref x, shape s) {
    const value *v = graph_value(g, x);
    if (v && shape_equal(&v->shape, &s)) return x;
    value seen;
    const bool sound = v && !g->error.code && !infer_check_shape(&s, NULL) &&
                       shape_count(&s) == shape_count(&v->shape);
    if (sound && !infer_reshape_view(v, &s, &seen)) x = graph_copy(g, x);
    const op_attr a = shape_attr(&s);
    return graph_op(g, OP_RESHAPE, &a, &x, 1);
}

ref graph_permute(graph *g, ref x, const int *order) {
    const int rank = graph_shape(g, x).rank;
    op_attr a = {0};
    bool same = true;
    for (int i = 0; i < rank; i++) {
        a.view.v[i] = order[i];
        same = same && order[i] == i;
    }
    return x && same ? x : graph_op(g, OP_PERMUTE, &a, &x, 1);
}

ref graph_transpose(graph *g, ref x) {
    const shape s = graph_shape(g, x);
    int order[MAX_DIMS] = {0, 1, 2, 3, 4};
    if (x && s.rank < 2) {
        char text[SHAPE_TEXT];
        return graph_fail(g, AR_SHAPE,
                          "PERMUTE: %s has no two dimensions to "
                          "swap",
                          shape_text(&s, text));
    }
    if (s.rank >= 2) {
        order[s.rank - 1] = s.rank - 2;
        order[s.rank - 2] = s.rank - 1;
    }
    return graph_permute(g, x, order);
}

ref graph_slice(graph *g, ref x, int axis, int64_t start, int64_t size) {
    const shape s = graph_shape(g, x);
    if (axis >= 0 && axis < s.rank && !start && size == s.dim[axis]) return x;
    const op_attr a = {.view = {.axis = axis, .v = {start, size, 1}}};
    return graph_op(g, OP_SLICE, &a, &x, 1);
}

ref graph_split(graph *g, ref x, int axis, const int64_t *sizes, int n) {
    if (n < 1 || n > MAX_OUTPUTS)
        return graph_fail(g, AR_RANGE, "SPLIT: %d parts; 1 to %d are allowed",
                          n, MAX_OUTPUTS);
    op_attr a = {.view = {.axis = axis}};
    for (int i = 0; i < n; i++) a.view.v[i] = sizes[i];
    return graph_op(g, OP_SPLIT, &a, &x, 1);
}

ref graph_broadcast(graph *g, ref x, shape s) {
    const value *v = graph_value(g, x);
    if (v && shape_equal(&v->shape, &s)) return x;
    const op_attr a = shape_attr(&s);
    return graph_op(g, OP_BROADCAST, &a, &x, 1);
}

/* Grow *s so that x fits too. */
static bool join_shape(shape *s, const shape *x) {
    shape wide = s->rank >= x->rank ? *s : *x;
    for (int i = 1; i <= s->rank && i <= x->rank; i++) {
        const int64_t a = s->dim[s->rank - i], b = x->dim[x->rank - i];
        if (a != b && a != 1 && b != 1) return false;
        wide.dim[wide.rank - i] = a == 1 ? b : a;
    }
    *s = wide;
    return true;
}

bool graph_common_shape(graph *g, enum op_id op, const ref *x, int n,
                        shape *out) {
    *out = (shape){0};
    for (int i = 0; i < n; i++) {
        const shape s = graph_shape(g, x[i]);
        if (!x[i] || join_shape(out, &s)) continue;
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        graph_fail(g, AR_SHAPE, "%s: %s and %s do not repeat to one shape",
                   op_table[op].name, shape_text(out, a), shape_text(&s, b));
        return false;
    }
    return true;
}
