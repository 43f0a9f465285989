/* ref_state.c - ops that write state: STORE, ACCUMULATE, STORE_ROWS and the
 * steps of the optimisers.
 *
 * Output 0 of the first three has the memory of input 0; the optimisers write
 * p, m and v the same way.  With g' the gradient times its scale:
 *
 *   SGD    g'' = g' + decay p;  m = g'' at the first step, else mu m + g''
 *          p -= lr (nesterov ? g'' + mu m : m)
 *   AdamW  m = b1 m + (1 - b1) g';  v = b2 v + (1 - b2) g' g'
 *          p = p (1 - lr decay) - lr (m / c1) / (sqrt(v / c2) + eps),
 *          c1 = 1 - b1^t, c2 = 1 - b2^t
 *   Lion   p = p (1 - lr decay) - lr sign(b1 m + (1 - b1) g')
 *          m = b2 m + (1 - b2) g'
 *
 * Loshchilov and Hutter 2019, algorithm 2; Chen et al. 2023, algorithm 2.  The
 * decay is of the parameter before the step in both of the last two. */
#include "backend/cpu/ref/ref.h"

void REF(STORE)(const op_call *c) {
    const op_call copy = {.n_in = 1, .in = {c->in[1]}, .out = {c->out[0]}};
    REF(COPY)(&copy);
}

static void add_element(const tensor *y, int64_t to, const tensor *x,
                        int64_t from) {
    if (type_is_float(y->type))
        store(y, to, load(y, to) + load(x, from));
    else
        REF(store_int)(y, to, REF(load_int)(y, to) + REF(load_int)(x, from));
}

void REF(ACCUMULATE)(const op_call *c) {
    const tensor *x = &c->in[1], *y = &c->out[0];
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++) {
        const int64_t ax = row_at(x, r), ay = row_at(y, r);
        for (int64_t i = 0; i < n; i++)
            add_element(y, ay + i * last_stride(y), x, ax + i * last_stride(x));
    }
}

/* Rows of x as blocks of y, which has its shape and is dense; work [n] floats
 * of a row. */
static void quantise(const op_call *c, const tensor *y, const tensor *x) {
    float *row = c->work;
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); r < rows; r++) {
        const int64_t from = row_at(x, r);
        for (int64_t i = 0; i < n; i++)
            row[i] = (float)load(x, from + i * last_stride(x));
        type_encode_f32(y->type, row,
                        (char *)y->data + ar_type_size(y->type, row_at(y, r)),
                        n);
    }
}

void REF(STORE_ROWS)(const op_call *c) {
    const tensor *rows = &c->in[1], *x = &c->in[2], *y = &c->out[0];
    tensor to = *y, from = *x; /* one row of each, as [..] */
    for (int i = 1; i < y->rank; i++) {
        to.dim[i - 1] = from.dim[i - 1] = y->dim[i];
        to.stride[i - 1] = y->stride[i];
        from.stride[i - 1] = x->stride[i];
    }
    to.rank = from.rank = y->rank - 1;
    for (int64_t r = 0; r < x->dim[0]; r++) {
        const int64_t row = REF(load_int)(rows, r * rows->stride[0]);
        if (row < 0 || row >= y->dim[0]) continue;
        to.data = (char *)y->data + ar_type_size(y->type, row * y->stride[0]);
        from.data = at(x, r * x->stride[0]);
        if (quant_is_block(y->type)) {
            quantise(c, &to, &from);
            continue;
        }
        const op_call copy = {.n_in = 1, .in = {from}, .out = {to}};
        REF(COPY)(&copy);
    }
}

/* Number i of the hyperparameters, which are always F64. */
static double hyper(const op_call *c, int i) {
    const tensor *h = &c->in[c->n_in - 1];
    double x = 0;
    type_decode_f64(h->type, at(h, i * h->stride[0]), &x, 1);
    return x;
}

void REF(OPT_SGD)(const op_call *c) {
    const tensor *p = &c->out[0], *g = &c->in[1], *m = &c->out[1];
    const real lr = (real)hyper(c, 0), momentum = (real)hyper(c, 1);
    const real decay = (real)hyper(c, 2), scale = (real)hyper(c, 3);
    const bool first = hyper(c, 4) != 0;
    for (int64_t i = 0, n = tensor_count(p); i < n; i++) {
        const int64_t at_p = offset_of(p, i, p->rank);
        const int64_t at_m = offset_of(m, i, m->rank);
        const real w = load(p, at_p);
        const real d = load(g, offset_of(g, i, g->rank)) * scale + decay * w;
        const real b = first ? d : momentum * load(m, at_m) + d;
        const real step = c->attr->sgd.nesterov ? d + momentum * b : b;
        store(m, at_m, b);
        store(p, at_p, w - lr * step);
    }
}

void REF(OPT_ADAMW)(const op_call *c) {
    const tensor *p = &c->out[0], *g = &c->in[1];
    const tensor *m = &c->out[1], *v = &c->out[2];
    const real lr = (real)hyper(c, 0), eps = (real)hyper(c, 3);
    const real b1 = (real)hyper(c, 1), a1 = (real)(1 - hyper(c, 1));
    const real b2 = (real)hyper(c, 2), a2 = (real)(1 - hyper(c, 2));
    const real keep = (real)(1 - hyper(c, 0) * hyper(c, 4));
    const real c1 = (real)hyper(c, 5), c2 = (real)hyper(c, 6);
    const real scale = (real)hyper(c, 7);
    for (int64_t i = 0, n = tensor_count(p); i < n; i++) {
        const int64_t at_p = offset_of(p, i, p->rank);
        const int64_t at_m = offset_of(m, i, m->rank);
        const int64_t at_v = offset_of(v, i, v->rank);
        const real d = load(g, offset_of(g, i, g->rank)) * scale;
        const real mean = b1 * load(m, at_m) + a1 * d;
        const real square = b2 * load(v, at_v) + a2 * d * d;
        store(m, at_m, mean);
        store(v, at_v, square);
        store(p, at_p,
              load(p, at_p) * keep -
                  lr * (mean / c1) / (R_SQRT(square / c2) + eps));
    }
}

void REF(OPT_LION)(const op_call *c) {
    const tensor *p = &c->out[0], *g = &c->in[1], *m = &c->out[1];
    const real lr = (real)hyper(c, 0);
    const real b1 = (real)hyper(c, 1), a1 = (real)(1 - hyper(c, 1));
    const real b2 = (real)hyper(c, 2), a2 = (real)(1 - hyper(c, 2));
    const real keep = (real)(1 - hyper(c, 0) * hyper(c, 3));
    const real scale = (real)hyper(c, 4);
    for (int64_t i = 0, n = tensor_count(p); i < n; i++) {
        const int64_t at_p = offset_of(p, i, p->rank);
        const int64_t at_m = offset_of(m, i, m->rank);
        const real d = load(g, offset_of(g, i, g->rank)) * scale;
        const real mean = load(m, at_m);
        const real u = b1 * mean + a1 * d;
        const real sign = (real)((u > 0) - (u < 0));
        store(m, at_m, b2 * mean + a2 * d);
        store(p, at_p, load(p, at_p) * keep - lr * sign);
    }
}
