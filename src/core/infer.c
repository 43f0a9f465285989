/* infer.c - what the shape rules share. */
#include "core/infer_rules.h"

/* So that bytes, and sums of a few of them, fit easily. */
#define MAX_ELEMENTS ((int64_t)1 << 44)

ar_status infer_check_shape(const shape *s, ar_error *err) {
    char text[SHAPE_TEXT];
    if (s->rank < 0 || s->rank > MAX_DIMS)
        return error_set(err, AR_SHAPE, "%d dimensions; 0 to %d are allowed",
                         s->rank, MAX_DIMS);
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] < 1)
            return error_set(err, AR_SHAPE, "dimensions of %s must be positive",
                             shape_text(s, text));
        if (s->dim[i] > MAX_ELEMENTS / n)
            return error_set(err, AR_SHAPE, "%s has too many elements",
                             shape_text(s, text));
        n *= s->dim[i];
    }
    return AR_OK;
}

void infer_dense(value *v) {
    int64_t step = 1;
    v->offset = 0;
    for (int i = MAX_DIMS; i-- > 0;) {
        const bool used = i < v->shape.rank;
        v->stride[i] = used ? step : 0;
        if (used)
            step *= v->shape.dim[i];
        else
            v->shape.dim[i] = 0;
    }
}

ar_status infer_out(node *n, ar_type t, const shape *s, ar_error *err) {
    TRY(infer_check_shape(s, err));
    value *v = &n->out[n->n_out++];
    *v = (value){.type = t, .shape = *s};
    infer_dense(v);
    return AR_OK;
}

void infer_view_out(node *n, const value *v) {
    value *out = &n->out[n->n_out++];
    *out = *v;
    int64_t step = 1; /* what a dim of size 1 gets */
    for (int i = MAX_DIMS; i-- > 0;) {
        if (i >= v->shape.rank) {
            out->shape.dim[i] = out->stride[i] = 0;
            continue;
        }
        if (v->shape.dim[i] == 1) out->stride[i] = step;
        step = out->stride[i] * v->shape.dim[i];
    }
}

ar_status infer_need_type(const char *name, const value *v, ar_type t,
                          ar_error *err) {
    if (v->type == t) return AR_OK;
    return error_set(err, AR_SHAPE, "%s is %s, must be %s", name,
                     ar_type_name(v->type), ar_type_name(t));
}

ar_status infer_need_float(const char *name, const value *v, ar_error *err) {
    if (type_is_float(v->type)) return AR_OK;
    return error_set(err, AR_SHAPE, "%s is %s, must be a float type", name,
                     ar_type_name(v->type));
}

ar_status infer_need_weight(const char *name, const value *v, ar_error *err) {
    return quant_is_block(v->type) ? AR_OK : infer_need_float(name, v, err);
}

/* Rows stay rows. */
static bool reshape_keeps_blocks(const node *n, const value *v) {
    const struct view_attr *a = &n->attr.view;
    return value_is_dense(v) && a->axis > 0 && a->axis <= MAX_DIMS &&
           a->v[a->axis - 1] == shape_last(&v->shape);
}

/* Whole blocks are taken. */
static bool slice_keeps_blocks(const node *n, const value *v) {
    const struct view_attr *a = &n->attr.view;
    if (a->axis != v->shape.rank - 1) return true;
    return a->v[2] == 1 && v->stride[a->axis] == 1 &&
           quant_holds(v->type, a->v[0]) && quant_holds(v->type, a->v[1]);
}

/* Whole blocks lie along the axis: its stride is 1, and it is no other dim of
 * one element. */
static bool blocks_along(const value *v, int axis) {
    return v->stride[axis] == 1 && quant_holds(v->type, v->shape.dim[axis]);
}

/* The operand b of a product: along k or along its columns. */
static bool product_has_blocks(const value *v) {
    const int last = v->shape.rank - 1;
    return last >= 1 && (blocks_along(v, last - 1) || blocks_along(v, last));
}

static bool may_have_blocks(const node *n, int input, const value *v) {
    const int last = v->shape.rank - 1;
    switch (n->op) {
    case OP_PERMUTE: return true;
    case OP_EMBED: return input == 0 && v->stride[last] == 1;
    case OP_RESHAPE: return reshape_keeps_blocks(n, v);
    case OP_SLICE: return slice_keeps_blocks(n, v);
    case OP_SPLIT: return n->attr.view.axis != last && v->stride[last] == 1;
    case OP_STORE_ROWS: return input == 0;
    case OP_ATTENTION_PAGED: return input == 1 || input == 2;
    case OP_MATMUL:
    case OP_MATMUL_EXPERTS: return input == 1 && product_has_blocks(v);
    default: return false;
    }
}

ar_status infer_check_blocks(const graph *g, const node *n, ar_error *err) {
    for (int i = 0; i < n->n_in; i++) {
        const value *v = infer_in(g, n, i);
        if (!v || !quant_is_block(v->type) || may_have_blocks(n, i, v))
            continue;
        return error_set(err, AR_SHAPE,
                         "input %d has blocks of %s, which this op cannot "
                         "read so",
                         i, ar_type_name(v->type));
    }
    return AR_OK;
}

ar_status infer_need_real(const char *name, const value *v, ar_error *err) {
    if (v->type == AR_F32 || v->type == AR_F64) return AR_OK;
    return error_set(err, AR_SHAPE, "%s is %s, must be f32 or f64", name,
                     ar_type_name(v->type));
}

ar_status infer_need_rank(const char *name, const value *v, int rank,
                          ar_error *err) {
    if (v->shape.rank == rank) return AR_OK;
    char text[SHAPE_TEXT];
    return error_set(err, AR_SHAPE, "%s %s must have %d dimensions", name,
                     shape_text(&v->shape, text), rank);
}

ar_status infer_need_shape(const char *name, const value *v, const shape *want,
                           ar_error *err) {
    if (shape_equal(&v->shape, want)) return AR_OK;
    char is[SHAPE_TEXT], must[SHAPE_TEXT];
    return error_set(err, AR_SHAPE, "%s is %s, must be %s", name,
                     shape_text(&v->shape, is), shape_text(want, must));
}

ar_status infer_need_like(const char *name, const value *v, const value *want,
                          ar_error *err) {
    TRY(infer_need_type(name, v, want->type, err));
    return infer_need_shape(name, v, &want->shape, err);
}

ar_status infer_need_axis(const value *x, int axis, ar_error *err) {
    if (axis >= 0 && axis < x->shape.rank) return AR_OK;
    char text[SHAPE_TEXT];
    return error_set(err, AR_SHAPE, "%s has no axis %d",
                     shape_text(&x->shape, text), axis);
}

ar_status infer_compute(int32_t *compute, const value *a, ar_error *err) {
    if (!*compute) *compute = a->type == AR_F64 ? AR_F64 : AR_F32;
    if (a->type == AR_F64 && *compute == AR_F32) *compute = AR_F64;
    const bool fits =
        a->type == AR_F64
            ? *compute == AR_F64
            : *compute == AR_F32 || *compute == AR_F16 || *compute == AR_BF16;
    if (fits) return AR_OK;
    return error_set(err, AR_SHAPE, "operands of %s cannot be computed in %s",
                     ar_type_name(a->type), ar_type_name((ar_type)*compute));
}
