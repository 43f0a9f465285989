/* infer_elementwise.c - shape rules of ops that work element by element. */
#include "core/infer_rules.h"

static const char *const letters[] = {"input 0", "input 1", "input 2"};

/* Every input from `first` on has the type and shape of input 0. */
static ar_status need_equal(const graph *g, const node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    for (int i = 1; i < n->n_in; i++) {
        const value *y = infer_in(g, n, i);
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        if (x->type != y->type)
            return error_set(err, AR_SHAPE, "types %s and %s differ",
                             ar_type_name(x->type), ar_type_name(y->type));
        if (!shape_equal(&x->shape, &y->shape))
            return error_set(err, AR_SHAPE, "%s and %s differ",
                             shape_text(&x->shape, a),
                             shape_text(&y->shape, b));
    }
    return AR_OK;
}

static ar_status like_input(const graph *g, node *n, int n_out, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(infer_need_float(letters[0], x, err));
    TRY(need_equal(g, n, err));
    for (int i = 0; i < n_out; i++) TRY(infer_out(n, x->type, &x->shape, err));
    return AR_OK;
}

static ar_status need_kind(int32_t kind, int count, ar_error *err) {
    if (kind >= 0 && kind < count) return AR_OK;
    return error_set(err, AR_RANGE, "no such kind as %d", kind);
}

ar_status infer_copy(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    return infer_out(n, x->type, &x->shape, err);
}

ar_status infer_cast(const graph *g, node *n, ar_error *err) {
    const int32_t t = n->attr.cast.type;
    if (t <= AR_NONE || t >= AR_TYPE_COUNT)
        return error_set(err, AR_RANGE, "no such type as %d", t);
    return infer_out(n, (ar_type)t, &infer_in(g, n, 0)->shape, err);
}

ar_status infer_same(const graph *g, node *n, ar_error *err) {
    TRY(need_kind(n->attr.unary.kind, UNARY_COUNT, err));
    return like_input(g, n, 1, err);
}

ar_status infer_binary(const graph *g, node *n, ar_error *err) {
    if (n->op == OP_GATED)
        TRY(need_kind(n->attr.gated.kind, UNARY_COUNT, err));
    else
        TRY(need_kind(n->attr.binary.kind, BINARY_COUNT, err));
    return like_input(g, n, 1, err);
}

ar_status infer_gated_dx(const graph *g, node *n, ar_error *err) {
    TRY(need_kind(n->attr.gated.kind, UNARY_COUNT, err));
    return like_input(g, n, 2, err);
}

ar_status infer_select(const graph *g, node *n, ar_error *err) {
    const value *c = infer_in(g, n, 0), *a = infer_in(g, n, 1);
    TRY(infer_need_shape("c", c, &a->shape, err));
    TRY(infer_need_like("b", infer_in(g, n, 2), a, err));
    return infer_out(n, a->type, &a->shape, err);
}

ar_status infer_concat(const graph *g, node *n, ar_error *err) {
    const value *first = infer_in(g, n, 0);
    const int axis = n->attr.axis.axis;
    TRY(infer_need_axis(first, axis, err));
    shape s = first->shape;
    for (int i = 1; i < n->n_in; i++) {
        const value *x = infer_in(g, n, i);
        shape same = x->shape;
        if (same.rank == s.rank) same.dim[axis] = first->shape.dim[axis];
        if (x->type != first->type || !shape_equal(&same, &first->shape)) {
            char a[SHAPE_TEXT], b[SHAPE_TEXT];
            return error_set(
                err, AR_SHAPE,
                "%s %s and %s %s cannot be joined "
                "along axis %d",
                ar_type_name(first->type), shape_text(&first->shape, a),
                ar_type_name(x->type), shape_text(&x->shape, b), axis);
        }
        s.dim[axis] += x->shape.dim[axis];
    }
    return infer_out(n, first->type, &s, err);
}

ar_status infer_pad(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    struct view_attr *a = &n->attr.view;
    TRY(infer_need_axis(x, a->axis, err));
    if (!a->v[2]) a->v[2] = 1;
    const int64_t start = a->v[0], size = a->v[1], step = a->v[2];
    const int64_t dim = x->shape.dim[a->axis];
    if (start < 0 || start >= size || step < 1 ||
        dim - 1 > (size - 1 - start) / step) {
        char text[SHAPE_TEXT];
        return error_set(err, AR_SHAPE,
                         "%s from %" PRId64 " in steps of %" PRId64
                         " does not fit into %" PRId64 " along axis %d",
                         shape_text(&x->shape, text), start, step, size,
                         a->axis);
    }
    shape s = x->shape;
    s.dim[a->axis] = size;
    return infer_out(n, x->type, &s, err);
}
