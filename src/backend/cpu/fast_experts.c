/* fast_experts.c - MATMUL_EXPERTS and its gradient: rows sorted by the matrix
 * that they are multiplied with.
 *
 * Rows of one expert are copied side by side in their order, so that each
 * expert is one product.  With `act8` and matrices that have levels it is that
 * of act8.h, for which a row becomes levels once however many experts it chose;
 * with `exact`, and for other matrices in blocks, that of fast_matmul_exact.c:
 * the bits of both depend on a row and the matrix alone.  Else it is panels
 * (gemm.h), whose chain depends on k alone.  The gradient sums over the rows of
 * an expert in blocks that depend on their number.  So bits do not depend on
 * threads, and what a row gives not on its neighbours.
 *
 * A share is some columns of one expert's result.  Results are written sorted
 * and then put in their places. */
#include <string.h>

#include "backend/cpu/act8.h"
#include "backend/cpu/fast_matmul.h"
#include "backend/cpu/fast_rows.h"
#include "quant/quant.h"

enum { MOVE_ROWS = 16, ROUND_ROWS = 4, COLUMNS = 64 };

/* What both ops share.  Of expert e the sorted rows are first[e] ..
 * first[e + 1] - 1, and sorted row r is row order[r] of ids, place[order[r]] is
 * r.  Rows without an expert come last: first[E] is the number of those that
 * have one.  used lists the experts that have rows. */
typedef struct sorted {
    const op_call *c;
    const tensor *ids;
    int64_t N, k, E, n_used;
    int32_t *first, *order; /* [E + 2], [N k] */
    int32_t *place, *used;  /* [N k], [E] */
} sorted;

static int64_t ints_of(const sorted *s) {
    return (2 * s->E + 2 + 2 * s->N * s->k + 15) / 16 * 16;
}

static sorted sorted_of(const op_call *c, const tensor *ids, int64_t E) {
    sorted s = {.c = c, .ids = ids, .E = E};
    s.N = ids->dim[0];
    s.k = ids->dim[1];
    s.first = c->work;
    s.order = s.first + E + 2;
    s.place = s.order + s.N * s.k;
    s.used = s.place + s.N * s.k;
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
static void sort_rows(sorted *s) {
    const int64_t rows = s->N * s->k;
    memset(s->first, 0, (size_t)(s->E + 2) * sizeof *s->first);
    for (int64_t r = 0; r < rows; r++) s->first[expert_of(s, r) + 1]++;
    for (int64_t e = 0; e <= s->E; e++) s->first[e + 1] += s->first[e];
    for (int64_t r = 0; r < rows; r++) {
        s->place[r] = s->first[expert_of(s, r)]++;
        s->order[s->place[r]] = (int32_t)r;
    }
    for (int64_t e = s->E + 1; e > 0; e--) s->first[e] = s->first[e - 1];
    s->first[0] = 0;
    s->n_used = 0;
    for (int64_t e = 0; e < s->E; e++)
        if (s->first[e + 1] > s->first[e]) s->used[s->n_used++] = (int32_t)e;
}

/* ---- rows to their sorted places and back ---- */

typedef struct move_job {
    const sorted *s;
    const tensor *t; /* [N, n] or [N, k, n] */
    int64_t n;
    float *sorted; /* [N k, n] */
    ar_type compute;
} move_job;

/* Where the row of ids has its numbers in t, elements from the start. */
static int64_t row_of(const sorted *s, const tensor *t, int64_t row) {
    return row / s->k * t->stride[0] +
           (t->rank == 3 ? row % s->k * t->stride[1] : 0);
}

/* That row as the only line of an operand. */
static gemm_source line_of(const sorted *s, const tensor *t, int64_t row,
                           ar_type compute) {
    const gemm_view v = {(const char *)t->data +
                             row_of(s, t, row) *
                                 (int64_t)ar_type_size(t->type, 1),
                         t->type, 0, t->stride[t->rank - 1]};
    return gemm_source_a(s->c->k, &v, 1, 1, compute);
}

static void gather_share(void *ctx, int64_t share, int worker) {
    const move_job *j = ctx;
    const int64_t end = smaller((share + 1) * MOVE_ROWS, j->s->first[j->s->E]);
    (void)worker;
    for (int64_t r = share * MOVE_ROWS; r < end; r++) {
        const gemm_source from =
            line_of(j->s, j->t, j->s->order[r], j->compute);
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
        float *to = (float *)j->t->data + row_of(s, j->t, s->order[r]);
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

enum product { PANELS, EXACT, ACT8 };

typedef struct product_job {
    sorted s;
    const float *x;   /* [N k, K] */
    act8_rows levels; /* or these */
    float *y;         /* [N k, F] */
    int64_t K, F, block, n_blocks;
    enum product how;
} product_job;

static enum product how_of(const op_call *c) {
    const ar_type t = c->in[1].type;
    const struct matmul_attr *a = &c->attr->experts.matmul;
    quant_form f;
    if (a->act8 && tensor_blocks_along_k(&c->in[1]) && quant_form_of(t, &f))
        return ACT8;
    return a->exact || quant_is_block(t) ? EXACT : PANELS;
}

static bool experts_fit(const op_call *c) {
    const tensor *x = &c->in[0], *w = &c->in[1], *y = &c->out[0];
    const struct matmul_attr *a = &c->attr->experts.matmul;
    if (c->in[2].type != AR_I32 || !rows_fit(x) || y->type != AR_F32)
        return false;
    if (y->stride[2] != 1 && y->dim[2] != 1) return false;
    if (tensor_count(&c->in[2]) >= INT32_MAX || w->dim[0] >= INT32_MAX)
        return false;
    if (w->dim[1] > MATMUL_EXACT_MAX_K) return false;
    if (quant_is_block(w->type))
        return w->stride[1] > 0 && w->stride[2] > 0 &&
               (ar_type)a->compute == AR_F32;
    return rows_fit(w);
}

/* Bytes of the rows, as numbers or levels. */
static size_t rows_size(const op_call *c, int64_t rows) {
    const int64_t K = c->in[1].dim[1];
    if (how_of(c) == ACT8) return act8_rows_size(c->in[1].type, rows, K);
    return (size_t)(rows * K) * sizeof(float);
}

static size_t experts_work(const op_call *c) {
    const sorted s = sorted_of(c, &c->in[2], c->in[1].dim[0]);
    const int64_t rows = s.N * s.k;
    return (size_t)(ints_of(&s) + rows * c->in[1].dim[2]) * sizeof(float) +
           rows_size(c, rows);
}

/* Row n of x [N, K] goes to k places and row n of x [N, k, K] to one: the first
 * that has an expert is rounded, the others are copies. */
static void round_share(void *ctx, int64_t share, int worker) {
    const product_job *j = ctx;
    const sorted *s = &j->s;
    const tensor *x = &s->c->in[0];
    const int64_t copies = x->rank == 3 ? 1 : s->k;
    const int64_t rows = s->N * s->k / copies;
    const int64_t end = smaller((share + 1) * ROUND_ROWS, rows);
    for (int64_t n = share * ROUND_ROWS; n < end; n++) {
        const gemm_source from = line_of(s, x, n * copies, AR_F32);
        int64_t done = -1;
        for (int64_t i = n * copies; i < (n + 1) * copies; i++) {
            if (s->place[i] >= s->first[s->E]) continue;
            if (done >= 0) {
                act8_rows_copy(&j->levels, done, s->place[i]);
                continue;
            }
            done = s->place[i];
            act8_rows_round(&j->levels, done, &from, 0,
                            cpu_scratch(s->c, worker));
        }
    }
}

/* The matrix of an expert, [K, F]. */
static gemm_view matrix_of(const op_call *c, int64_t e) {
    const tensor *w = &c->in[1];
    return (gemm_view){(const char *)w->data +
                           ar_type_size(w->type, e * w->stride[0]),
                       w->type, w->stride[1], w->stride[2]};
}

static gemm_source source_of(const op_call *c, int64_t e, int64_t F) {
    const gemm_view w = matrix_of(c, e);
    return gemm_source_b(c->k, &w, F, (ar_type)c->attr->experts.matmul.compute);
}

static act8_lines lines_of(const op_call *c, int64_t e, int64_t F) {
    const gemm_view w = matrix_of(c, e);
    return (act8_lines){w.type, w.data, F, (int64_t)ar_type_size(w.type, w.cs)};
}

/* Columns [at, at + n) of expert e by panels. */
static void panels_product(const product_job *j, int64_t e, int64_t at,
                           int64_t n, void *scratch) {
    const op_call *c = j->s.c;
    const int64_t row = j->s.first[e];
    gemm_view w = matrix_of(c, e);
    w.data =
        (const char *)w.data + at * w.cs * (int64_t)ar_type_size(w.type, 1);
    const gemm_args g = {.m = j->s.first[e + 1] - row,
                         .n = n,
                         .k = j->K,
                         .a = {j->x + row * j->K, AR_F32, j->K, 1},
                         .b = w,
                         .c = j->y + row * j->F + at,
                         .ldc = j->F,
                         .compute = (ar_type)c->attr->experts.matmul.compute};
    gemm_serial(&g, c->k, scratch);
}

static void product_share(void *ctx, int64_t share, int worker) {
    const product_job *j = ctx;
    const op_call *c = j->s.c;
    const int64_t e = j->s.used[share / j->n_blocks];
    const int64_t row = j->s.first[e], m = j->s.first[e + 1] - row;
    const int64_t at = share % j->n_blocks * j->block;
    const int64_t n = smaller(j->block, j->F - at);
    float *y = j->y + row * j->F, *scratch = cpu_scratch(c, worker);
    if (j->how == ACT8) {
        const act8_product p = {c->k, &j->levels, row, m, y, j->F};
        const act8_lines w = lines_of(c, e, j->F);
        act8_multiply(&p, &w, at, at + n, scratch);
    } else if (j->how == EXACT) {
        const exact_rows x = {m, j->K, j->x + row * j->K, j->K, y, j->F};
        const gemm_source from = source_of(c, e, j->F);
        matmul_exact_rows(&x, &from, at, n, scratch);
    } else
        panels_product(j, e, at, n, scratch);
}

/* Columns in a share, by the rows that an expert has on average. */
static int64_t columns_of(const product_job *j) {
    const int64_t rows = ceil_div(j->s.N * j->s.k, j->s.E);
    if (j->how == PANELS) return COLUMNS;
    if (j->how == ACT8) {
        const act8_lines w = lines_of(j->s.c, 0, j->F);
        return act8_share(&w, rows);
    }
    const gemm_source w = source_of(j->s.c, 0, j->F);
    return matmul_exact_block(&w, rows, j->K);
}

/* x in sorted rows, from `to` on. */
static void sort_x(product_job *j, float *to) {
    const op_call *c = j->s.c;
    const int64_t rows = j->s.N * j->s.k;
    if (j->how != ACT8) {
        j->x = to;
        gather(&j->s, &c->in[0], to, (ar_type)c->attr->experts.matmul.compute);
        return;
    }
    j->levels = act8_rows_at(c->in[1].type, rows, j->K, to);
    pool_run(pool_for(c, rows * j->K), round_share, j,
             ceil_div(rows, ROUND_ROWS));
}

static void experts(const op_call *c) {
    const tensor *w = &c->in[1];
    product_job j = {.s = sorted_of(c, &c->in[2], w->dim[0]),
                     .K = w->dim[1],
                     .F = w->dim[2],
                     .how = how_of(c)};
    const int64_t rows = j.s.N * j.s.k;
    j.y = (float *)c->work + ints_of(&j.s);
    sort_rows(&j.s);
    if (j.s.n_used > 0) {
        sort_x(&j, j.y + rows * j.F);
        j.block = columns_of(&j);
        j.n_blocks = ceil_div(j.F, j.block);
        pool_run(c->threads, product_share, &j, j.s.n_used * j.n_blocks);
    }
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
