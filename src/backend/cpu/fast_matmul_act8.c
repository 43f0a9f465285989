/* fast_matmul_act8.c - MATMUL straight from quantised blocks: x is rounded to
 * levels, then shares of lines of w are multiplied as act8.h says. */
#include "backend/cpu/act8.h"
#include "backend/cpu/fast_matmul.h"

enum { X_SHARE = 4 /* rows of x rounded in a share */ };

_Static_assert((int)ACT8_SCRATCH <= (int)CPU_SCRATCH_SIZE, "scratch");

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

typedef struct job {
    const op_call *c;
    gemm_args g;
    gemm_source from;
    act8_rows x;
    act8_lines w;
    int64_t share;
} job;

static bool act8_fits(const op_call *c) {
    const tensor *w = &c->in[1];
    op_call plain = *c;
    quant_form f;
    if (!c->attr->matmul.act8 || !quant_form_of(w->type, &f)) return false;
    if (w->rank != 2 || w->stride[0] != 1 || w->stride[1] <= 0) return false;
    plain.in[1].type = AR_F32;
    return matmul_is_gemm(&plain) && tensor_count(&c->out[0]) > 0 &&
           (ar_type)c->attr->matmul.compute == AR_F32 && w->dim[0] > 0 &&
           w->dim[0] <= CPU_SCRATCH_SIZE / (int64_t)sizeof(float);
}

static size_t work_size(const op_call *c) {
    const gemm_args g = matmul_args(c, 0);
    return act8_rows_size(c->in[1].type, g.m, g.k);
}

static void x_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const int64_t first = share * X_SHARE, end = min(first + X_SHARE, j->g.m);
    for (int64_t m = first; m < end; m++)
        act8_rows_round(&j->x, m, &j->from, m, cpu_scratch(j->c, worker));
}

static void w_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const gemm_args *g = &j->g;
    const int64_t from = share * j->share, to = min(from + j->share, g->n);
    const act8_product p = {j->c->k, &j->x, 0, g->m, g->c, g->ldc};
    act8_multiply(&p, &j->w, from, to, cpu_scratch(j->c, worker));
    if (!g->bias) return;
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t n = from; n < to; n++) g->c[m * g->ldc + n] += g->bias[n];
}

static void run(const op_call *c) {
    const tensor *w = &c->in[1];
    job j = {.c = c, .g = matmul_args(c, 0)};
    j.from = gemm_source_a(c->k, &j.g.a, j.g.m, 1, j.g.compute);
    j.x = act8_rows_at(w->type, j.g.m, j.g.k, c->work);
    j.w = (act8_lines){w->type, w->data, j.g.n,
                       (int64_t)ar_type_size(w->type, w->stride[1])};
    j.share = act8_share(&j.w, j.g.m);
    pool_run(c->threads, x_share, &j, (j.g.m + X_SHARE - 1) / X_SHARE);
    pool_run(c->threads, w_share, &j, (j.g.n + j.share - 1) / j.share);
}

const cpu_fast fast_matmul_act8 = {OP_MATMUL, act8_fits, run, work_size,
                                   "8-bit panels"};
