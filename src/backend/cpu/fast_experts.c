/* fast_experts.c - MATMUL_EXPERTS and its gradient: rows sorted by the matrix
 * that they are multiplied with.
 *
 * Rows of one expert are copied side by side in their order, so that each
 * expert is one product.  With `exact`, and for matrices in blocks, it is that
 * of fast_matmul_exact.c, whose bits depend on a row and the matrix alone;
 * else panels (gemm.h), whose chain depends on k alone.  The gradient sums
 * over the rows of an expert in blocks that depend on their number.  So bits
 * do not depend on threads, and what a row gives not on its neighbours.
 *
 * A share is some columns of one expert's result.  Results are written sorted
 * and then put in their places. */
#include <string.h>

#include "backend/cpu/fast_matmul.h"
#include "backend/cpu/fast_rows.h"
#include "quant/quant.h"

enum { MOVE_ROWS = 16, COLUMNS = 64 };

/* What both ops share.  Of expert e the sorted rows are first[e] ..
 * first[e + 1] - 1, and sorted row r is row order[r] of ids.  Rows without an
 * expert come last: first[E] is the number of those that have one. */
typedef struct sorted {
    const op_call *c;
    const tensor *ids;
    int64_t N, k, E;
    int32_t *first, *order; /* [E + 2], [N k] */
} sorted;

static int64_t ints_of(const sorted *s) {
    return (s->E + 2 + s->N * s->k + 15) / 16 * 16;
}

static sorted sorted_of(const op_call *c, const tensor *ids, int64_t E) {
    sorted s = {.c = c, .ids = ids, .E = E};
    s.N = ids->dim[0];
    s.k = ids->dim[1];
    s.first = c->work;
    s.order = s.first + E + 2;
    return s;
}

/* The expert of a row, E if it has none. */
static int64_t expert_of(const sorted *s, int64_t row) {
    const int32_t id =
        ((const int32_t *)s->ids->data)[row / s->k * s->ids->stride[0] +
                                        row % s->k * s->ids->stride[1]];
    return id < 0 || id >= s->E ? s->E : id;
}

/* Sorting by counting keeps the order of equal ids. */
static void sort_rows(const sorted *s) {
    const int64_t rows = s->N * s->k;
    memset(s->first, 0, (size_t)(s->E + 2) * sizeof *s->first);
    for (int64_t r = 0; r < rows; r++) s->first[expert_of(s, r) + 1]++;
    for (int64_t e = 0; e <= s->E; e++) s->first[e + 1] += s->first[e];
    for (int64_t r = 0; r < rows; r++)
        s->order[s->first[expert_of(s, r)]++] = (int32_t)r;
    for (int64_t e = s->E + 1; e > 0; e--) s->first[e] = s->first[e - 1];
    s->first[0] = 0;
}

/* ---- rows to their sorted places and back ---- */

typedef struct move_job {
    const sorted *s;
    const tensor *t; /* [N, n] or [N, k, n] */
    int64_t n;
    float *sorted; /* [N k, n] */
    ar_type compute;
} move_job;

static int64_t row_of(const move_job *j, int64_t row) {
    const tensor *t = j->t;
    return row / j->s->k * t->stride[0] +
           (t->rank == 3 ? row % j->s->k * t->stride[1] : 0);
}

static void gather_share(void *ctx, int64_t share, int worker) {
    const move_job *j = ctx;
    const tensor *t = j->t;
    const int64_t end = smaller((share + 1) * MOVE_ROWS, j->s->first[j->s->E]);
    (void)worker;
    for (int64_t r = share * MOVE_ROWS; r < end; r++) {
        const gemm_view row = {(const char *)t->data +
                                   row_of(j, j->s->order[r]) *
                                       (int64_t)ar_type_size(t->type, 1),
                               t->type, 0, t->stride[t->rank - 1]};
        const gemm_source from =
            gemm_source_a(j->s->c->k, &row, 1, 1, j->compute);
        gemm_source_read(&from, 0, 0, j->n, j->sorted + r * j->n);
    }
}

static void gather(const sorted *s, const tensor *t, float *to,
                   ar_type compute) {
    move_job j = {s, t, t->dim[t->rank - 1], to, compute};
    pool_run(pool_for(s->c, s->N * s->k * j.n), gather_share, &j,
             ceil_div(s->first[s->E], MOVE_ROWS));
}

static void scatter_share(void *ctx, int64_t share, int worker) {
    const move_job *j = ctx;
    const sorted *s = j->s;
    const int64_t end = smaller((share + 1) * MOVE_ROWS, s->N * s->k);
    (void)worker;
    for (int64_t r = share * MOVE_ROWS; r < end; r++) {
        float *to = (float *)j->t->data + row_of(j, s->order[r]);
        if (r < s->first[s->E])
            memcpy(to, j->sorted + r * j->n, (size_t)j->n * sizeof *to);
        else
            memset(to, 0, (size_t)j->n * sizeof *to);
    }
}

static bool rows_fit(const tensor *t) {
    return t->type == AR_F32 || t->type == AR_BF16 || t->type == AR_F16;
}

/* ---- MATMUL_EXPERTS ---- */

typedef struct product_job {
    sorted s;
    const float *x; /* [N k, K] */
    float *y;       /* [N k, F] */
    int64_t K, F, block, n_blocks;
    bool exact;
} product_job;

static bool by_blocks(const tensor *w) { return quant_is_block(w->type); }

static bool experts_fit(const op_call *c) {
    const tensor *x = &c->in[0], *w = &c->in[1], *y = &c->out[0];
    const struct matmul_attr *a = &c->attr->experts.matmul;
    if (c->in[2].type != AR_I32 || !rows_fit(x) || y->type != AR_F32)
        return false;
    if (y->stride[2] != 1 && y->dim[2] != 1) return false;
    if (tensor_count(&c->in[2]) >= INT32_MAX || w->dim[0] >= INT32_MAX)
        return false;
    if (w->dim[1] > MATMUL_EXACT_MAX_K) return false;
    if (by_blocks(w)) return (ar_type)a->compute == AR_F32;
    return rows_fit(w);
}

static size_t experts_work(const op_call *c) {
    const sorted s = sorted_of(c, &c->in[2], c->in[1].dim[0]);
    const int64_t width = c->in[1].dim[1] + c->in[1].dim[2];
    return (size_t)(ints_of(&s) + s.N * s.k * width) * sizeof(float);
}

/* The matrix of an expert, [K, F]. */
static gemm_view matrix_of(const op_call *c, int64_t e) {
    const tensor *w = &c->in[1];
    return (gemm_view){(const char *)w->data +
                           ar_type_size(w->type, e * w->stride[0]),
                       w->type, w->stride[1], w->stride[2]};
}

static void product_share(void *ctx, int64_t share, int worker) {
    const product_job *j = ctx;
    const op_call *c = j->s.c;
    const int64_t e = share / j->n_blocks;
    const int64_t row = j->s.first[e], m = j->s.first[e + 1] - row;
    const int64_t at = share % j->n_blocks * j->block;
    const int64_t n = smaller(j->block, j->F - at);
    const ar_type compute = (ar_type)c->attr->experts.matmul.compute;
    gemm_view w = matrix_of(c, e);
    if (m == 0) return;
    if (j->exact) {
        const exact_rows x = {
            m, j->K, j->x + row * j->K, j->K, j->y + row * j->F, j->F};
        const gemm_source from = gemm_source_b(c->k, &w, j->F, compute);
        matmul_exact_rows(&x, &from, at, n, cpu_scratch(c, worker));
        return;
    }
    w.data =
        (const char *)w.data + at * w.cs * (int64_t)ar_type_size(w.type, 1);
    const gemm_args g = {.m = m,
                         .n = n,
                         .k = j->K,
                         .a = {j->x + row * j->K, AR_F32, j->K, 1},
                         .b = w,
                         .c = j->y + row * j->F + at,
                         .ldc = j->F,
                         .compute = compute};
    gemm_serial(&g, c->k, cpu_scratch(c, worker));
}

static void experts(const op_call *c) {
    const tensor *w = &c->in[1];
    product_job j = {.s = sorted_of(c, &c->in[2], w->dim[0]),
                     .K = w->dim[1],
                     .F = w->dim[2]};
    const int64_t rows = j.s.N * j.s.k;
    float *x = (float *)c->work + ints_of(&j.s);
    j.x = x;
    j.y = x + rows * j.K;
    j.exact = c->attr->experts.matmul.exact || by_blocks(w);
    j.block = j.exact ? matmul_exact_block(j.F, j.K) : COLUMNS;
    j.n_blocks = ceil_div(j.F, j.block);
    sort_rows(&j.s);
    gather(&j.s, &c->in[0], x, (ar_type)c->attr->experts.matmul.compute);
    pool_run(c->threads, product_share, &j, j.s.E * j.n_blocks);
    move_job back = {&j.s, &c->out[0], j.F, j.y, AR_F32};
    pool_run(pool_for(c, rows * j.F), scatter_share, &back,
             ceil_div(rows, MOVE_ROWS));
}

const cpu_fast fast_experts = {OP_MATMUL_EXPERTS, experts_fit, experts,
                               experts_work, "sorted rows"};

/* ---- MATMUL_EXPERTS_DW: aᵀ b of each expert ---- */

typedef struct dw_job {
    sorted s;
    const float *a, *b; /* [N k, A], [N k, B] */
    int64_t A, B, n_blocks;
} dw_job;

static bool dw_fits(const op_call *c) {
    return c->in[0].type == AR_I32 && rows_fit(&c->in[1]) &&
           rows_fit(&c->in[2]) && c->out[0].type == AR_F32 &&
           tensor_contiguous(&c->out[0]) &&
           tensor_count(&c->in[0]) < INT32_MAX && c->out[0].dim[0] < INT32_MAX;
}

static size_t dw_work(const op_call *c) {
    const sorted s = sorted_of(c, &c->in[0], c->out[0].dim[0]);
    const int64_t width = c->out[0].dim[1] + c->out[0].dim[2];
    return (size_t)(ints_of(&s) + s.N * s.k * width) * sizeof(float);
}

static void dw_share(void *ctx, int64_t share, int worker) {
    const dw_job *j = ctx;
    const op_call *c = j->s.c;
    const int64_t e = share / j->n_blocks;
    const int64_t at = share % j->n_blocks * COLUMNS;
    const int64_t row = j->s.first[e], rows = j->s.first[e + 1] - row;
    const gemm_args g = {.m = smaller(COLUMNS, j->A - at),
                         .n = j->B,
                         .k = rows,
                         .a = {j->a + row * j->A + at, AR_F32, 1, j->A},
                         .b = {j->b + row * j->B, AR_F32, j->B, 1},
                         .c = (float *)c->out[0].data + (e * j->A + at) * j->B,
                         .ldc = j->B,
                         .compute = AR_F32};
    gemm_serial(&g, c->k, cpu_scratch(c, worker));
}

static void experts_dw(const op_call *c) {
    const tensor *dw = &c->out[0];
    dw_job j = {.s = sorted_of(c, &c->in[0], dw->dim[0]),
                .A = dw->dim[1],
                .B = dw->dim[2]};
    const ar_type compute = (ar_type)c->attr->experts.matmul.compute;
    float *a = (float *)c->work + ints_of(&j.s);
    float *b = a + j.s.N * j.s.k * j.A;
    j.a = a;
    j.b = b;
    j.n_blocks = ceil_div(j.A, COLUMNS);
    sort_rows(&j.s);
    gather(&j.s, &c->in[1], a, compute);
    gather(&j.s, &c->in[2], b, compute);
    pool_run(c->threads, dw_share, &j, j.s.E * j.n_blocks);
}

const cpu_fast fast_experts_dw = {OP_MATMUL_EXPERTS_DW, dw_fits, experts_dw,
                                  dw_work, "sorted rows"};
