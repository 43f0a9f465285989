/* ref_reduce.c - REDUCE, TOPK and CUMSUM: ops over an axis.
 *
 *   SUM      y = sum of x, in double       MEAN     y = (sum of x) / n
 *   SUM_SQR  y = sum of x x, in double if y is F64
 *   MAX      y = largest x                 ARGMAX   index of the first such x
 *   TOPK     the k largest, falling; equal ones by lower index
 *   CUMSUM   y_i = x_0 + .. + x_i, or x_i + .. + x_(n-1) from the end
 *
 * ARGMAX and TOPK count a NaN as larger than every number, so one in the
 * data shows. */
#include "backend/cpu/ref/ref.h"

/* The line of elements that one result is made of. */
typedef struct line {
    const tensor *t;
    bool along; /* an axis: element i is offset + i stride; else all of t */
    int64_t offset, stride, n;
} line;

static int64_t line_at(const line *l, int64_t i) {
    if (l->along) return l->offset + i * l->stride;
    return offset_of(l->t, i, l->t->rank);
}

static double line_sum(const line *l) {
    double sum = 0;
    for (int64_t i = 0; i < l->n; i++) sum += load(l->t, line_at(l, i));
    return sum;
}

static real line_sum_sqr(const line *l) {
    real sum = 0;
    for (int64_t i = 0; i < l->n; i++) {
        const real x = load(l->t, line_at(l, i));
        sum += x * x;
    }
    return sum;
}

static double line_sum_sqr_wide(const line *l) {
    double sum = 0;
    for (int64_t i = 0; i < l->n; i++) {
        const double x = load(l->t, line_at(l, i));
        sum += x * x;
    }
    return sum;
}

static bool larger(real a, real b) { return a > b || (a != a && b == b); }

static int64_t line_argmax(const line *l) {
    int64_t best = 0;
    real max = -INFINITY;
    for (int64_t i = 0; i < l->n; i++) {
        const real x = load(l->t, line_at(l, i));
        if (i > 0 && !larger(x, max)) continue;
        best = i;
        max = x;
    }
    return best;
}

static void reduce_line(int kind, const line *l, const tensor *y, int64_t to) {
    switch (kind) {
    case REDUCE_SUM: store(y, to, (real)line_sum(l)); break;
    case REDUCE_MEAN: store(y, to, (real)(line_sum(l) / (double)l->n)); break;
    case REDUCE_SUM_SQR:
        if (y->type == AR_F64)
            ((double *)y->data)[to] = line_sum_sqr_wide(l);
        else
            store(y, to, line_sum_sqr(l));
        break;
    case REDUCE_MAX:
        store(y, to,
              l->n ? load(l->t, line_at(l, line_argmax(l))) : -(real)INFINITY);
        break;
    case REDUCE_ARGMAX: REF(store_int)(y, to, line_argmax(l)); break;
    default: break;
    }
}

void REF(REDUCE)(const op_call *c) {
    const struct reduce_attr *a = &c->attr->reduce;
    const tensor *x = &c->in[0], *y = &c->out[0];
    line l = {.t = x, .n = tensor_count(x)};
    if (a->axis < 0 || x->rank == 0) {
        reduce_line(a->kind, &l, y, 0);
        return;
    }
    l.along = true;
    l.n = x->dim[a->axis];
    l.stride = x->stride[a->axis];
    tensor start = *x; /* the first element of every line */
    start.dim[a->axis] = 1;
    for (int64_t i = 0, n = tensor_count(&start); i < n; i++) {
        l.offset = offset_of(&start, i, x->rank);
        reduce_line(a->kind, &l, y, offset_of(y, i, y->rank));
    }
}

/* Is element j ahead of element i in falling order, ties by lower index? */
static bool ahead(const tensor *x, int64_t row, int64_t j, int64_t i) {
    const real a = load(x, row + j * last_stride(x));
    const real b = load(x, row + i * last_stride(x));
    return larger(a, b) || (!larger(b, a) && j < i);
}

/* The first in order of those behind `previous` (-1: of all). */
static int64_t next_largest(const tensor *x, int64_t row, int64_t previous) {
    int64_t best = -1;
    for (int64_t j = 0; j < last_dim(x); j++) {
        if (previous >= 0 && !ahead(x, row, previous, j)) continue;
        if (best < 0 || ahead(x, row, j, best)) best = j;
    }
    return best;
}

void REF(TOPK)(const op_call *c) {
    const tensor *x = &c->in[0], *y = &c->out[0], *index = &c->out[1];
    const int64_t k = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); k > 0 && r < rows; r++) {
        int64_t best = -1;
        for (int64_t i = 0; i < k; i++) {
            best = next_largest(x, row_at(x, r), best);
            REF(copy_element)
            (y, row_at(y, r) + i * last_stride(y), x,
             row_at(x, r) + best * last_stride(x));
            REF(store_int)
            (index, row_at(index, r) + i * last_stride(index), best);
        }
    }
}

void REF(CUMSUM)(const op_call *c) {
    const tensor *x = &c->in[0], *y = &c->out[0];
    const bool from_end = c->attr->axis.n == 1;
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++) {
        const int64_t ax = row_at(x, r), ay = row_at(y, r);
        real sum = 0;
        for (int64_t k = 0; k < n; k++) {
            const int64_t i = from_end ? n - 1 - k : k;
            sum += load(x, ax + i * last_stride(x));
            store(y, ay + i * last_stride(y), sum);
        }
    }
}
