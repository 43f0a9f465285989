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

ar_status infer_matmul(const graph *g, node *n, ar_error *err) {
    const value *a = infer_in(g, n, 0), *b = infer_in(g, n, 1);
    const value *bias = infer_in(g, n, 2);
    TRY(check_shapes(a, b, err));
    TRY(infer_need_float("a", a, err));
    TRY(infer_need_weight("b", b, err));
    /* 16-bit numbers and blocks are exact in either. */
    const bool any = b->type != AR_F32 && b->type != AR_F64;
    if (!any && (a->type == AR_F64) != (b->type == AR_F64))
        return error_set(err, AR_SHAPE, "types %s and %s cannot be multiplied",
                         ar_type_name(a->type), ar_type_name(b->type));
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
