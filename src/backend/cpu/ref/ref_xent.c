/* ref_xent.c - cross-entropy of an output projection, one row at a time.
 *
 *   z_v = x_n . w_v,  softcap > 0: z = cap tanh(z / cap)
 *   logp_n = z_t - log sum_v exp(z_v),  t = targets[n]
 *
 * x and w are first rounded to xent.compute.  A row whose target is outside
 * [0, V) is ignored: logp = 0 and no gradient.  With p = softmax(z) and g the
 * gradient of logp_n,
 *
 *   dz_v = g ([v = t] - p_v), times 1 - (z_v / cap)^2
 *   dx_n = sum_v dz_v w_v,  dw_v = sum_n dz_v x_n, in the order of n
 *
 * where dz is rounded to xent.compute too, being an operand of both products.
 * Only one row of logits exists. */
#include "backend/cpu/ref/ref.h"

/* A row of operands of a product. */
static const real *operand(const tensor *t, int64_t row, int compute,
                           real *scratch) {
    const int64_t offset = row * t->stride[0], n = t->dim[1];
    if (compute != AR_BF16 && compute != AR_F16)
        return REF(read)(t, offset, t->stride[1], n, scratch);
    for (int64_t i = 0; i < n; i++)
        scratch[i] = rounded(compute, load(t, offset + i * t->stride[1]));
    return scratch;
}

/* The logits of row n into z [V]; returns log sum exp z. */
static real logits(const op_call *c, const real *x, real *row_w, real *z) {
    const tensor *w = &c->in[1];
    const real cap = (real)c->attr->xent.softcap;
    const int64_t V = w->dim[0], C = w->dim[1];
    real max = -INFINITY, sum = 0;
    for (int64_t v = 0; v < V; v++) {
        z[v] = dot(C, x, operand(w, v, c->attr->xent.compute, row_w));
        if (cap > 0) z[v] = cap * R_TANH(z[v] / cap);
        max = z[v] > max ? z[v] : max;
    }
    for (int64_t v = 0; v < V; v++) sum += R_EXP(z[v] - max);
    return max + R_LOG(sum);
}

static int64_t target_of(const op_call *c, int64_t n) {
    const int64_t t = REF(load_int)(&c->in[2], n * c->in[2].stride[0]);
    return t >= 0 && t < c->in[1].dim[0] ? t : -1;
}

void REF(XENT)(const op_call *c) {
    const tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t C = x->dim[1];
    real *row_x = c->work, *row_w = row_x + C, *z = row_w + C;
    for (int64_t n = 0; n < x->dim[0]; n++) {
        const int64_t t = target_of(c, n);
        real logp = 0;
        if (t >= 0) {
            const real *row = operand(x, n, c->attr->xent.compute, row_x);
            const real lse = logits(c, row, row_w, z);
            logp = z[t] - lse;
        }
        store(y, n * y->stride[0], logp);
    }
}

/* dz of one row, in place of z. */
static void logit_gradient(const op_call *c, real *z, int64_t t, real lse,
                           real g) {
    const real cap = (real)c->attr->xent.softcap;
    for (int64_t v = 0; v < c->in[1].dim[0]; v++) {
        const real bend = cap > 0 ? 1 - (z[v] / cap) * (z[v] / cap) : 1;
        const real dz = g * ((real)(v == t) - R_EXP(z[v] - lse)) * bend;
        z[v] = rounded(c->attr->xent.compute, dz);
    }
}

/* Adds dz w to dx, and dz x to dw, which is F32 or F64. */
static void add_row(const op_call *c, const real *x, const real *dz, real *dx,
                    real *row_w, const tensor *dw) {
    const tensor *w = &c->in[1];
    const int64_t V = w->dim[0], C = w->dim[1];
    for (int64_t v = 0; v < V; v++) {
        const real *row = operand(w, v, c->attr->xent.compute, row_w);
        for (int64_t i = 0; i < C; i++) dx[i] += dz[v] * row[i];
        for (int64_t i = 0; i < C; i++) {
            const int64_t to = v * dw->stride[0] + i * dw->stride[1];
            store(dw, to, load(dw, to) + dz[v] * x[i]);
        }
    }
}

void REF(XENT_DXW)(const op_call *c) {
    const tensor *x = &c->in[0], *tdx = &c->out[0], *tdw = &c->out[1];
    const tensor *dlogp = &c->in[3], *logp = &c->out[2];
    const int64_t C = x->dim[1], V = c->in[1].dim[0];
    real *row_x = c->work, *row_w = row_x + C, *dx = row_w + C, *z = dx + C;
    for (int64_t i = 0; i < V * C; i++) store(tdw, offset_of(tdw, i, 2), 0);
    for (int64_t n = 0; n < x->dim[0]; n++) {
        const int64_t t = target_of(c, n);
        real lp = 0;
        for (int64_t i = 0; i < C; i++) dx[i] = 0;
        if (t >= 0) {
            const real *row = operand(x, n, c->attr->xent.compute, row_x);
            const real lse = logits(c, row, row_w, z);
            lp = z[t] - lse;
            logit_gradient(c, z, t, lse, load(dlogp, n * dlogp->stride[0]));
            add_row(c, row, z, dx, row_w, tdw);
        }
        for (int64_t i = 0; i < C; i++)
            store(tdx, n * tdx->stride[0] + i * tdx->stride[1], dx[i]);
        store(logp, n * logp->stride[0], lp);
    }
}
