/* emit_xent.c - cross-entropy of an output projection: kernels/xent.cl. */
#include "backend/gpu/emit.h"

enum {
    DZ_MOST = 8 << 20
}; /* elements of dz in scratch, but one row at least */

static xent_args args_of(const gpu_call *c, const gpu_tensor *logp) {
    const gpu_tensor *x = &c->in[0], *w = &c->in[1];
    return (xent_args){.N = x->dim[0],
                       .C = x->dim[1],
                       .V = w->dim[0],
                       .x = emit_tensor(x),
                       .w = emit_tensor(w),
                       .targets = emit_tensor(&c->in[2]),
                       .logp = emit_tensor(logp),
                       .softcap = (F32)c->attr->xent.softcap,
                       .compute = c->attr->xent.compute};
}

static int64_t lse_size(const gpu_call *c) {
    const int64_t size = c->in[0].dim[0] * (int64_t)sizeof(F32);
    return (size + 63) / 64 * 64;
}

static void emit_rows_of(gpu_list *l, const gpu_call *c, const gpu_tensor *logp,
                         const xent_args *a) {
    const gpu_tensor lse = emit_work(0);
    emit_groups(l, GPU_K_xent_rows, a->N,
                GPU_POINTERS(&c->in[0], &c->in[1], &c->in[2], logp, &lse), a,
                sizeof *a);
}

static size_t xent_work(const gpu_call *c) { return (size_t)lse_size(c); }

static void emit_xent(gpu_list *l, const gpu_call *c) {
    const xent_args a = args_of(c, &c->out[0]);
    emit_rows_of(l, c, &c->out[0], &a);
}

/* Rows whose dz exists at a time. */
static int64_t rows_at_once(const gpu_call *c) {
    const int64_t N = c->in[0].dim[0], V = c->in[1].dim[0];
    const int64_t n = V > 0 ? DZ_MOST / V : N;
    return n < 1 ? 1 : n < N ? n : N;
}

static size_t dxw_work(const gpu_call *c) {
    const int64_t dz = rows_at_once(c) * c->in[1].dim[0];
    return (size_t)(lse_size(c) + dz * (int64_t)sizeof(F32));
}

/* dz of some rows, their dx, and what they add to dw. */
static void emit_some(gpu_list *l, const gpu_call *c, const xent_args *a) {
    const gpu_tensor *x = &c->in[0], *w = &c->in[1];
    const gpu_tensor *dx = &c->out[0], *dw = &c->out[1];
    const gpu_tensor lse = emit_work(0), dz = emit_work(lse_size(c));
    xent_sum_args s = {.n = a->rows * a->C,
                       .C = a->C,
                       .V = a->V,
                       .first = a->first,
                       .rows = a->rows,
                       .x = a->x,
                       .w = a->w,
                       .y = emit_tensor(dx),
                       .compute = a->compute};
    emit_flat(l, GPU_K_xent_dz, a->rows * a->V,
              GPU_POINTERS(x, w, &c->in[2], &c->in[3], &lse, &dz), a,
              sizeof *a);
    emit_flat(l, GPU_K_xent_dx, s.n, GPU_POINTERS(&dz, w, dx), &s, sizeof s);
    s.n = a->V * a->C;
    s.y = emit_tensor(dw);
    emit_flat(l, GPU_K_xent_dw, s.n, GPU_POINTERS(&dz, x, dw), &s, sizeof s);
}

static void emit_dxw(gpu_list *l, const gpu_call *c) {
    xent_args a = args_of(c, &c->out[2]);
    a.dlogp = emit_tensor(&c->in[3]);
    emit_rows_of(l, c, &c->out[2], &a);
    const int64_t step = rows_at_once(c);
    if (a.N == 0) { /* dw is zeros then */
        emit_some(l, c, &a);
        return;
    }
    for (a.first = 0; a.first < a.N; a.first += step) {
        a.rows = a.N - a.first < step ? a.N - a.first : step;
        emit_some(l, c, &a);
    }
}

EMITTER(XENT, xent_any, fits_plain, xent_work, emit_xent)
EMITTER(XENT_DXW, xent_dxw_any, fits_plain, dxw_work, emit_dxw)
