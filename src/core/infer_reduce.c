/* infer_reduce.c - shape rules of ops over an axis. */
#include "core/infer_rules.h"

static ar_status need_last(const value *x, ar_error *err) {
    if (x->shape.rank) return AR_OK;
    return error_set(err, AR_SHAPE, "a single number has no last axis");
}

ar_status infer_reduce(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    struct reduce_attr *a = &n->attr.reduce;
    if (a->kind < 0 || a->kind >= REDUCE_COUNT)
        return error_set(err, AR_RANGE, "no such kind as %d", a->kind);
    TRY(infer_need_float("x", x, err));
    shape s = {1, {1}};
    if (a->axis != -1) {
        TRY(infer_need_axis(x, a->axis, err));
        s = x->shape;
        s.dim[a->axis] = 1;
    }
    if (a->kind == REDUCE_ARGMAX) {
        a->type = 0;
        return infer_out(n, AR_I32, &s, err);
    }
    if (a->type == (int32_t)x->type) a->type = 0;
    const value out = {.type = a->type ? (ar_type)a->type : x->type};
    TRY(infer_need_float("the result", &out, err));
    return infer_out(n, out.type, &s, err);
}

ar_status infer_topk(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    const int64_t k = n->attr.topk.k;
    TRY(infer_need_float("x", x, err));
    TRY(need_last(x, err));
    shape s = x->shape;
    int64_t *last = &s.dim[s.rank - 1];
    if (k < 1 || k > *last)
        return error_set(err, AR_SHAPE,
                         "k is %" PRId64 ", must be 1 to %" PRId64, k, *last);
    *last = k;
    TRY(infer_out(n, x->type, &s, err));
    return infer_out(n, AR_I32, &s, err);
}

ar_status infer_cumsum(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(infer_need_float("x", x, err));
    TRY(need_last(x, err));
    return infer_out(n, x->type, &x->shape, err);
}

ar_status infer_gather(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0), *i = infer_in(g, n, 1);
    TRY(infer_need_float("x", x, err));
    TRY(need_last(x, err));
    TRY(infer_need_type("i", i, AR_I32, err));
    shape want = x->shape;
    want.dim[want.rank - 1] = shape_last(&i->shape);
    TRY(infer_need_shape("i", i, &want, err));
    return infer_out(n, x->type, &want, err);
}

ar_status infer_gather_dx(const graph *g, node *n, ar_error *err) {
    const value *i = infer_in(g, n, 0), *dy = infer_in(g, n, 1);
    TRY(infer_need_type("i", i, AR_I32, err));
    TRY(infer_need_float("dy", dy, err));
    TRY(infer_need_shape("dy", dy, &i->shape, err));
    TRY(need_last(i, err));
    shape s = i->shape;
    s.dim[s.rank - 1] = n->attr.axis.n;
    return infer_out(n, dy->type, &s, err);
}

ar_status infer_float(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(infer_need_float("x", x, err));
    TRY(need_last(x, err));
    for (int i = 1; i < n->n_in; i++)
        TRY(infer_need_like("dy", infer_in(g, n, i), x, err));
    return infer_out(n, x->type, &x->shape, err);
}

/* x is a float [.., C]; w and b, where given, are [C] of its type. */
static ar_status norm_inputs(const graph *g, const node *n, int last_weight,
                             ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(infer_need_float("x", x, err));
    TRY(need_last(x, err));
    const value want = {.type = x->type,
                        .shape = shape1(shape_last(&x->shape))};
    for (int i = 1; i <= last_weight; i++) {
        const value *w = infer_in(g, n, i);
        if (w) TRY(infer_need_like(i == 1 ? "w" : "b", w, &want, err));
    }
    if (n->attr.norm.eps >= 0) return AR_OK;
    return error_set(err, AR_RANGE, "eps is %g, must not be negative",
                     n->attr.norm.eps);
}

ar_status infer_norm(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(norm_inputs(g, n, n->n_in - 1, err));
    return infer_out(n, x->type, &x->shape, err);
}

ar_status infer_norm_dx(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(norm_inputs(g, n, 1, err));
    TRY(infer_need_like("dy", infer_in(g, n, 2), x, err));
    return infer_out(n, x->type, &x->shape, err);
}

static ar_status norm_dw(const graph *g, node *n, int n_out, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(norm_inputs(g, n, 0, err));
    TRY(infer_need_like("dy", infer_in(g, n, 1), x, err));
    const shape s = shape1(shape_last(&x->shape));
    for (int i = 0; i < n_out; i++) TRY(infer_out(n, x->type, &s, err));
    return AR_OK;
}

ar_status infer_norm_dw(const graph *g, node *n, ar_error *err) {
    return norm_dw(g, n, 1, err);
}

ar_status infer_norm_dw2(const graph *g, node *n, ar_error *err) {
    return norm_dw(g, n, 2, err);
}
