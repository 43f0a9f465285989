/* infer_matmul.c - the shape rule of products. */
#include "core/infer_rules.h"

static ar_status wrong(const value *a, const value *b, const char *why,
                       ar_error *err) {
    char s[SHAPE_TEXT], t[SHAPE_TEXT];
    return error_set(err, AR_SHAPE, "%s times %s: %s", shape_text(&a->shape, s),
                     shape_text(&b->shape, t), why);
}

static ar_status check_shapes(const value *a, const value *b, ar_error *err) {
    const int rank = a->shape.rank;
    if (rank < 2 || b->shape.rank < 2)
        return wrong(a, b, "both must have 2 dimensions or more", err);
    if (rank != b->shape.rank)
        return wrong(a, b, "numbers of dimensions differ", err);
    for (int i = 0; i < rank - 2; i++)
        if (a->shape.dim[i] != b->shape.dim[i])
            return wrong(a, b, "batch dimensions differ", err);
    const int64_t inner = a->shape.dim[rank - 1],
                  other = b->shape.dim[rank - 2];
    if (inner == other) return AR_OK;
    char s[SHAPE_TEXT], t[SHAPE_TEXT];
    return error_set(
        err, AR_SHAPE,
        "%s times %s: inner dimensions %" PRId64 " and %" PRId64 " differ",
        shape_text(&a->shape, s), shape_text(&b->shape, t), inner, other);
}

/* 16-bit numbers and blocks are exact in either. */
static ar_status check_types(const value *a, const value *b, ar_error *err) {
    const bool any = b->type != AR_F32 && b->type != AR_F64;
    TRY(infer_need_float("a", a, err));
    TRY(infer_need_weight("b", b, err));
    if (any || (a->type == AR_F64) == (b->type == AR_F64)) return AR_OK;
    return error_set(err, AR_SHAPE, "types %s and %s cannot be multiplied",
                     ar_type_name(a->type), ar_type_name(b->type));
}

ar_status infer_matmul(const graph *g, node *n, ar_error *err) {
    const value *a = infer_in(g, n, 0), *b = infer_in(g, n, 1);
    const value *bias = infer_in(g, n, 2);
    TRY(check_shapes(a, b, err));
    TRY(check_types(a, b, err));
    TRY(infer_compute(&n->attr.matmul.compute, a, err));
    shape s = a->shape;
    s.dim[s.rank - 1] = shape_last(&b->shape);
    const ar_type t = a->type == AR_F64 ? AR_F64 : AR_F32;
    if (bias) {
        const value want = {.type = t, .shape = shape1(shape_last(&s))};
        TRY(infer_need_like("bias", bias, &want, err));
    }
    return infer_out(n, t, &s, err);
}

/* x [N, ..] or [N, k, ..] with ids [N, k]. */
static ar_status check_rows(const char *name, const value *x, const value *ids,
                            ar_error *err) {
    const int64_t *want = ids->shape.dim, *is = x->shape.dim;
    const int rank = x->shape.rank;
    TRY(infer_need_type("ids", ids, AR_I32, err));
    TRY(infer_need_rank("ids", ids, 2, err));
    if ((rank == 2 || rank == 3) && is[0] == want[0] &&
        (rank == 2 || is[1] == want[1]))
        return AR_OK;
    char s[SHAPE_TEXT], t[SHAPE_TEXT];
    return error_set(err, AR_SHAPE, "%s %s does not go with ids %s", name,
                     shape_text(&x->shape, s), shape_text(&ids->shape, t));
}

ar_status infer_matmul_experts(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0), *w = infer_in(g, n, 1);
    const value *ids = infer_in(g, n, 2);
    TRY(check_rows("x", x, ids, err));
    TRY(infer_need_rank("w", w, 3, err));
    if (shape_last(&x->shape) != w->shape.dim[1])
        return wrong(x, w, "inner dimensions differ", err);
    TRY(check_types(x, w, err));
    TRY(infer_compute(&n->attr.experts.matmul.compute, x, err));
    n->attr.experts.n = w->shape.dim[0];
    const int64_t *rows = ids->shape.dim;
    const shape s = shape3(rows[0], rows[1], w->shape.dim[2]);
    return infer_out(n, x->type == AR_F64 ? AR_F64 : AR_F32, &s, err);
}

ar_status infer_matmul_experts_dw(const graph *g, node *n, ar_error *err) {
    const value *ids = infer_in(g, n, 0);
    const value *a = infer_in(g, n, 1), *b = infer_in(g, n, 2);
    TRY(check_rows("a", a, ids, err));
    TRY(check_rows("b", b, ids, err));
    TRY(infer_need_float("b", b, err));
    TRY(check_types(a, b, err));
    TRY(infer_compute(&n->attr.experts.matmul.compute, a, err));
    const shape s =
        shape3(n->attr.experts.n, shape_last(&a->shape), shape_last(&b->shape));
    return infer_out(n, a->type == AR_F64 ? AR_F64 : AR_F32, &s, err);
}
