/* fast_xent.c - XENT and XENT_DXW by packed products (ref_xent.c says what is
 * computed).
 *
 * A chunk of rows at a time:  z = x W' [rows, V];  by rows, the soft cap, the
 * log of the sum of exp z and, backward, dz in place of z;  dx = dz W,
 * dW += dz' x.  The sum of exp is a float within a piece of a row and a double
 * over the pieces, each relative to the largest logit so far. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm.h"

enum {
    CHUNK_ROWS = 128,
    CHUNK_SIZE = 32 << 20, /* bytes of logits */
    PIECE = 2048,          /* logits that stay in the first-level cache */
};

typedef struct job {
    const op_call *c;
    int64_t V;
    int64_t n0; /* first row of the chunk */
    float *z;   /* [rows, V] */
    bool backward;
} job;

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* Rows of a chunk: chunks of nearly one size. */
static int64_t chunk_rows(const op_call *c) {
    const int64_t n = c->in[0].dim[0], v = c->in[1].dim[0];
    const int64_t fit = CHUNK_SIZE / (int64_t)sizeof(float) / max(1, v);
    const int64_t most = max(1, min(CHUNK_ROWS, fit));
    const int64_t n_chunks = max(1, (n + most - 1) / most);
    return (n + n_chunks - 1) / n_chunks;
}

static gemm_view view_of(const tensor *t, int64_t row) {
    return (gemm_view){(char *)t->data + (ptrdiff_t)ar_type_size(t->type, 1) *
                                             row * t->stride[0],
                       t->type, t->stride[0], t->stride[1]};
}

static gemm_view turned(gemm_view v) {
    return (gemm_view){v.data, v.type, v.cs, v.rs};
}

/* The products of the chunk of n rows at n0: z, dx, dw. */
static gemm_args logits_of(const op_call *c, int64_t n0, int64_t n, float *z) {
    const tensor *x = &c->in[0], *w = &c->in[1];
    return (gemm_args){.m = n,
                       .n = w->dim[0],
                       .k = w->dim[1],
                       .a = view_of(x, n0),
                       .b = turned(view_of(w, 0)),
                       .c = z,
                       .ldc = w->dim[0],
                       .compute = (ar_type)c->attr->xent.compute};
}

static gemm_args dx_of(const op_call *c, int64_t n0, int64_t n, float *z) {
    const tensor *w = &c->in[1], *dx = &c->out[0];
    return (gemm_args){.m = n,
                       .n = w->dim[1],
                       .k = w->dim[0],
                       .a = {z, AR_F32, w->dim[0], 1},
                       .b = view_of(w, 0),
                       .c = (float *)dx->data + n0 * dx->stride[0],
                       .ldc = dx->stride[0],
                       .compute = (ar_type)c->attr->xent.compute};
}

static gemm_args dw_of(const op_call *c, int64_t n0, int64_t n, float *z) {
    const tensor *x = &c->in[0], *w = &c->in[1], *dw = &c->out[1];
    return (gemm_args){.m = w->dim[0],
                       .n = w->dim[1],
                       .k = n,
                       .a = {z, AR_F32, 1, w->dim[0]},
                       .b = view_of(x, n0),
                       .c = dw->data,
                       .ldc = dw->stride[0],
                       .add = n0 > 0,
                       .compute = (ar_type)c->attr->xent.compute};
}

/* log of the sum of exp z, after the soft cap has been put on z. */
static float log_sum_exp(const job *j, float *z) {
    const cpu_kernels *k = j->c->k;
    const float cap = (float)j->c->attr->xent.softcap;
    float largest = -INFINITY;
    double sum = 0;
    for (int64_t v = 0; v < j->V; v += PIECE) {
        const int64_t n = min(PIECE, j->V - v);
        if (cap > 0) k->softcap(n, z + v, cap, z + v);
        const float here = k->max(n, z + v);
        if (here > largest) {
            sum *= exp((double)largest - here);
            largest = here;
        }
        sum += k->exp_sum(n, z + v, largest);
    }
    return (float)(largest + log(sum));
}

static void run_row(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const op_call *c = j->c;
    const int64_t row = j->n0 + share;
    const tensor *targets = &c->in[2], *dlogp = &c->in[3];
    const tensor *logp = &c->out[j->backward ? 2 : 0];
    const int32_t t =
        ((const int32_t *)targets->data)[row * targets->stride[0]];
    float *y = (float *)logp->data + row * logp->stride[0];
    float *z = j->z + share * j->V;
    (void)worker;
    if (t < 0 || t >= j->V) {
        *y = 0;
        if (j->backward) memset(z, 0, (size_t)j->V * sizeof *z);
        return;
    }
    const float lse = log_sum_exp(j, z), zt = z[t];
    *y = zt - lse;
    if (!j->backward) return;
    const float g = ((const float *)dlogp->data)[row * dlogp->stride[0]];
    const float cap = (float)c->attr->xent.softcap;
    c->k->xent_dz(j->V, z, lse, g, cap);
    z[t] += cap > 0 ? g * (1 - zt / cap * (zt / cap)) : g;
}

/* Scratch: the logits of a chunk, then that of the products. */
static int64_t logits_size(const op_call *c) {
    const int64_t n = chunk_rows(c) * c->in[1].dim[0];
    return (n * (int64_t)sizeof(float) + 63) / 64 * 64;
}

static void run(const op_call *c, bool backward) {
    const int64_t N = c->in[0].dim[0], rows = chunk_rows(c);
    job j = {c, c->in[1].dim[0], 0, c->work, backward};
    void *work = (char *)c->work + logits_size(c);
    for (; j.n0 < N; j.n0 += rows) {
        const int64_t n = min(rows, N - j.n0);
        gemm_args g = logits_of(c, j.n0, n, j.z);
        gemm_run(&g, c->k, c->threads, work);
        pool_run(c->threads, run_row, &j, n);
        if (!backward) continue;
        g = dx_of(c, j.n0, n, j.z);
        gemm_run(&g, c->k, c->threads, work);
        g = dw_of(c, j.n0, n, j.z);
        gemm_run(&g, c->k, c->threads, work);
    }
}

static void xent(const op_call *c) { run(c, false); }

static void xent_dxw(const op_call *c) {
    const tensor *dw = &c->out[1];
    if (c->in[0].dim[0] == 0)
        for (int64_t v = 0; v < dw->dim[0]; v++)
            memset((float *)dw->data + v * dw->stride[0], 0,
                   (size_t)dw->dim[1] * sizeof(float));
    run(c, true);
}

static bool inputs_fit(const op_call *c) {
    const ar_type w = c->in[1].type;
    return c->in[0].type == AR_F32 && c->in[2].type == AR_I32 &&
           (w == AR_F32 || w == AR_BF16 || w == AR_F16);
}

/* Results that gemm can write. */
static bool rows_fit(const tensor *t) {
    return t->type == AR_F32 && (t->dim[1] == 1 || t->stride[1] == 1);
}

static bool xent_fits(const op_call *c) {
    return inputs_fit(c) && c->out[0].type == AR_F32;
}

static bool xent_dxw_fits(const op_call *c) {
    return inputs_fit(c) && c->in[3].type == AR_F32 && rows_fit(&c->out[0]) &&
           rows_fit(&c->out[1]) && c->out[2].type == AR_F32;
}

/* The same sizes for the last chunk, which may be smaller: gemm's scratch
 * does not shrink with m alone, so both are asked. */
static size_t products_size(const op_call *c, bool backward) {
    const int64_t N = c->in[0].dim[0], rows = chunk_rows(c);
    const int64_t sizes[] = {min(rows, N), N > 0 ? (N - 1) % rows + 1 : 0};
    size_t most = 0;
    for (int i = 0; i < 2; i++) {
        gemm_args g = logits_of(c, 0, sizes[i], NULL);
        size_t size = gemm_work_size(&g, c->k);
        most = size > most ? size : most;
        if (!backward) continue;
        g = dx_of(c, 0, sizes[i], NULL);
        size = gemm_work_size(&g, c->k);
        most = size > most ? size : most;
        g = dw_of(c, 0, sizes[i], NULL);
        size = gemm_work_size(&g, c->k);
        most = size > most ? size : most;
    }
    return most;
}

static size_t xent_work(const op_call *c) {
    return (size_t)logits_size(c) + products_size(c, false);
}

static size_t xent_dxw_work(const op_call *c) {
    return (size_t)logits_size(c) + products_size(c, true);
}

const cpu_fast fast_xent = {OP_XENT, xent_fits, xent, xent_work, "gemm"};
const cpu_fast fast_xent_back = {OP_XENT_DXW, xent_dxw_fits, xent_dxw,
                                 xent_dxw_work, "gemm"};
