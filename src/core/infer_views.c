/* infer_views.c - shape rules of views: the same memory, other strides. */
#include "core/infer_rules.h"

/* The dims of a view attribute as a shape; axis is the rank. */
static ar_status wanted_shape(const node *n, shape *s, ar_error *err) {
    const struct view_attr *a = &n->attr.view;
    *s = (shape){.rank = a->axis};
    for (int i = 0; i < a->axis && i < MAX_DIMS; i++) s->dim[i] = a->v[i];
    return infer_check_shape(s, err);
}

/* Cut both shapes into runs of dims with equal products; the old dims of a
 * run must follow each other in memory (stride 0 follows stride 0), and the
 * new ones then divide it.  Dims of size 1 are left out. */
bool infer_reshape_view(const value *x, const shape *s, value *out) {
    int64_t dim[MAX_DIMS], stride[MAX_DIMS];
    int n = 0;
    for (int i = 0; i < x->shape.rank; i++) {
        if (x->shape.dim[i] == 1) continue;
        dim[n] = x->shape.dim[i];
        stride[n++] = x->stride[i];
    }
    value v = {.type = x->type,
               .shape = *s,
               .offset = x->offset,
               .storage = x->storage};
    for (int i = 0, j = 0; i < n;) {
        int i_end = i + 1, j_end = j + 1;
        int64_t old = dim[i], new = s->dim[j];
        while (old != new) {
            if (old < new) {
                if (stride[i_end - 1] != stride[i_end] * dim[i_end])
                    return false;
                old *= dim[i_end++];
            } else {
                new *= s->dim[j_end++];
            }
        }
        int64_t step = stride[i_end - 1];
        for (int k = j_end; k-- > j; step *= s->dim[k]) v.stride[k] = step;
        i = i_end;
        j = j_end;
    }
    *out = v;
    return true;
}

ar_status infer_reshape(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    char from[SHAPE_TEXT], to[SHAPE_TEXT];
    shape s;
    TRY(wanted_shape(n, &s, err));
    if (shape_count(&s) != shape_count(&x->shape))
        return error_set(err, AR_SHAPE,
                         "%s to %s: %" PRId64 " and %" PRId64 " elements",
                         shape_text(&x->shape, from), shape_text(&s, to),
                         shape_count(&x->shape), shape_count(&s));
    value v;
    if (!infer_reshape_view(x, &s, &v))
        return error_set(err, AR_SHAPE, "%s to %s takes a copy",
                         shape_text(&x->shape, from), shape_text(&s, to));
    infer_view_out(n, &v);
    return AR_OK;
}

ar_status infer_permute(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    value v = *x;
    unsigned seen = 0;
    for (int i = 0; i < x->shape.rank; i++) {
        const int64_t from = n->attr.view.v[i];
        if (from < 0 || from >= x->shape.rank || seen >> from & 1) {
            char text[SHAPE_TEXT];
            return error_set(err, AR_SHAPE,
                             "not an order of the dimensions "
                             "of %s",
                             shape_text(&x->shape, text));
        }
        seen |= 1u << from;
        v.shape.dim[i] = x->shape.dim[from];
        v.stride[i] = x->stride[from];
    }
    infer_view_out(n, &v);
    return AR_OK;
}

ar_status infer_slice(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    struct view_attr *a = &n->attr.view;
    TRY(infer_need_axis(x, a->axis, err));
    if (!a->v[2]) a->v[2] = 1;
    const int64_t start = a->v[0], size = a->v[1], step = a->v[2];
    const int64_t dim = x->shape.dim[a->axis];
    if (start < 0 || start >= dim || size < 1 || step < 1 ||
        size - 1 > (dim - 1 - start) / step) {
        char text[SHAPE_TEXT];
        return error_set(err, AR_SHAPE,
                         "%" PRId64 " elements from %" PRId64
                         " in steps of %" PRId64 " along axis %d do not fit %s",
                         size, start, step, a->axis,
                         shape_text(&x->shape, text));
    }
    value v = *x;
    v.shape.dim[a->axis] = size;
    v.offset += start * x->stride[a->axis];
    v.stride[a->axis] *= step;
    infer_view_out(n, &v);
    return AR_OK;
}

ar_status infer_split(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    const struct view_attr *a = &n->attr.view;
    TRY(infer_need_axis(x, a->axis, err));
    const int64_t dim = x->shape.dim[a->axis];
    int64_t at = 0;
    for (int i = 0; i < MAX_OUTPUTS && a->v[i]; i++) {
        if (a->v[i] < 0 || a->v[i] > dim - at) break;
        value v = *x;
        v.shape.dim[a->axis] = a->v[i];
        v.offset += at * x->stride[a->axis];
        at += a->v[i];
        infer_view_out(n, &v);
    }
    if (at == dim) return AR_OK;
    char text[SHAPE_TEXT];
    return error_set(err, AR_SHAPE,
                     "parts of %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
                     " along axis %d do not make %s",
                     a->v[0], a->v[1], a->v[2], a->v[3], a->axis,
                     shape_text(&x->shape, text));
}

ar_status infer_broadcast(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    shape s;
    TRY(wanted_shape(n, &s, err));
    value v = {.type = x->type,
               .shape = s,
               .offset = x->offset,
               .storage = x->storage};
    const int shift = s.rank - x->shape.rank;
    bool fits = shift >= 0;
    for (int i = 0; fits && i < x->shape.rank; i++) {
        const int64_t from = x->shape.dim[i], to = s.dim[i + shift];
        fits = from == to || from == 1;
        v.stride[i + shift] = from == to ? x->stride[i] : 0;
    }
    if (!fits) {
        char from[SHAPE_TEXT], to[SHAPE_TEXT];
        return error_set(err, AR_SHAPE, "%s does not repeat to %s",
                         shape_text(&x->shape, from), shape_text(&s, to));
    }
    infer_view_out(n, &v);
    return AR_OK;
}
