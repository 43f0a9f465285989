/* infer_source.c - shape rules of what has no operands: leaves, randomness. */
#include "core/infer_rules.h"

ar_status infer_leaf(const graph *g, node *n, ar_error *err) {
    (void)g;
    value *v = &n->out[0];
    if (v->type <= AR_NONE || v->type >= AR_TYPE_COUNT)
        return error_set(err, AR_RANGE, "\"%s\" has no such type as %d",
                         n->name ? n->name : "", (int)v->type);
    TRY(infer_check_shape(&v->shape, err));
    if (quant_is_block(v->type) && !quant_holds(v->type, shape_last(&v->shape)))
        return error_set(err, AR_SHAPE,
                         "\"%s\": rows are not whole blocks of %s",
                         n->name ? n->name : "", ar_type_name(v->type));
    infer_dense(v);
    n->n_out = 1;
    return AR_OK;
}

ar_status infer_random(const graph *g, node *n, ar_error *err) {
    const value *seed = infer_in(g, n, 0);
    TRY(infer_need_type("seed", seed, AR_I64, err));
    TRY(infer_need_shape("seed", seed, &(shape){1, {2}}, err));
    struct random_attr *attr = &n->attr.random;
    if (attr->kind != RANDOM_UNIFORM && attr->kind != RANDOM_NORMAL)
        return error_set(err, AR_RANGE, "no such kind as %d", attr->kind);
    const shape s = attr->shape;
    TRY(infer_check_shape(&s, err));
    const value want = {.type = (ar_type)attr->type};
    TRY(infer_need_float("the result", &want, err));
    TRY(infer_out(n, want.type, &s, err));

    /* Bytes between the fields must not tell equal nodes apart. */
    const struct random_attr old = *attr;
    n->attr = (op_attr){0};
    attr->kind = old.kind;
    attr->type = old.type;
    attr->stream = old.stream;
    attr->shape.rank = s.rank;
    for (int i = 0; i < s.rank; i++) attr->shape.dim[i] = s.dim[i];
    return AR_OK;
}
