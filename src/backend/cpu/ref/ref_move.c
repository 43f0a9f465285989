/* ref_move.c - putting tensors together: CONCAT and PAD.
 *
 * Elements are copied bit for bit.  PAD is the gradient of SLICE: zeros with
 * x in the places start, start + step, ... of the axis. */
#include "backend/cpu/ref/ref.h"

/* Copy every element of x to the part of y whose first index along `axis` is
 * `start` and whose neighbours there are `step` apart. */
static void put(const tensor *y, const tensor *x, int axis, int64_t start,
                int64_t step) {
    tensor part = *y;
    for (int i = 0; i < y->rank; i++) part.dim[i] = x->dim[i];
    part.stride[axis] *= step;
    const int64_t origin = start * y->stride[axis];
    const int64_t n = last_dim(x);
    for (int64_t r = 0, rows = rows_of(x); n > 0 && r < rows; r++) {
        const int64_t from = row_at(x, r), to = origin + row_at(&part, r);
        for (int64_t i = 0; i < n; i++) REF(copy_element)
        (y, to + i * last_stride(&part), x, from + i * last_stride(x));
    }
}

void REF(CONCAT)(const op_call *c) {
    const int axis = c->attr->axis.axis;
    int64_t start = 0;
    for (int k = 0; k < c->n_in; k++) {
        put(&c->out[0], &c->in[k], axis, start, 1);
        start += c->in[k].dim[axis];
    }
}

void REF(PAD)(const op_call *c) {
    const struct view_attr *v = &c->attr->view;
    const tensor *y = &c->out[0];
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            memset(at(y, row_at(y, r) + i * last_stride(y)), 0,
                   ar_type_size(y->type, 1));
    put(y, &c->in[0], v->axis, v->v[0], v->v[2]);
}
