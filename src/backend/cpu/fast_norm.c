/* fast_norm.c - RMS_NORM, LAYER_NORM, SOFTMAX and gradients, row by row.
 *
 * Gradients of weights are sums over rows: blocks of rows, whose number
 * depends on the shape, give partial sums in work [block][1 or 2][C], added in
 * the order of blocks. */
#include <string.h>

#include "backend/cpu/fast_rows.h"

/* Elements of every row side by side. */
static bool rows_fit(const tensor *t) {
    if (t->type != AR_F32 || t->rank == 0) return false;
    return t->dim[t->rank - 1] == 1 || t->stride[t->rank - 1] == 1;
}

/* Absent, or floats side by side. */
static bool weight_fits(const op_call *c, int i) {
    if (i >= c->n_in || !c->in[i].data) return true;
    return c->in[i].type == AR_F32 && tensor_contiguous(&c->in[i]);
}

static const float *weight_of(const op_call *c, int i) {
    return i < c->n_in ? c->in[i].data : NULL;
}

static int64_t row_size(const op_call *c) {
    return c->in[0].dim[c->in[0].rank - 1];
}

static void run_rows(const op_call *c, const tensor *const *t, int n,
                     row_part_fn *fn) {
    row_walk w;
    row_walk_init(&w, t, n, true);
    row_walk_run(&w, c, INT64_MAX, fn);
}

static const float *row_of(const tensor *t, int64_t at) {
    return (const float *)t->data + at;
}
static float *out_row(const op_call *c, int64_t at) {
    return (float *)c->out[0].data + at;
}

/* ---- forward: y, x ---- */

static bool norm_fits(const op_call *c) {
    return rows_fit(&c->in[0]) && rows_fit(&c->out[0]) && weight_fits(c, 1) &&
           weight_fits(c, 2);
}

static void rms_row(const op_call *c, const row_walk *w, const int64_t *at,
                    int64_t n) {
    (void)w;
    const struct norm_attr *a = &c->attr->norm;
    c->k->rms_norm(n, row_of(&c->in[0], at[1]), weight_of(c, 1), (float)a->eps,
                   (float)a->offset, out_row(c, at[0]));
}

static void layer_row(const op_call *c, const row_walk *w, const int64_t *at,
                      int64_t n) {
    (void)w;
    c->k->layer_norm(n, row_of(&c->in[0], at[1]), weight_of(c, 1),
                     weight_of(c, 2), (float)c->attr->norm.eps,
                     out_row(c, at[0]));
}

static void forward(const op_call *c, row_part_fn *fn) {
    run_rows(c, (const tensor *[]){&c->out[0], &c->in[0]}, 2, fn);
}

static void rms_norm(const op_call *c) { forward(c, rms_row); }
static void layer_norm(const op_call *c) { forward(c, layer_row); }
const cpu_fast fast_rms_norm = {OP_RMS_NORM, norm_fits, rms_norm, NULL, "vec"};
const cpu_fast fast_layer_norm = {OP_LAYER_NORM, norm_fits, layer_norm, NULL,
                                  "vec"};

/* ---- dx: dx, x, dy ---- */

static bool norm_dx_fits(const op_call *c) {
    return rows_fit(&c->in[0]) && rows_fit(&c->in[2]) && rows_fit(&c->out[0]) &&
           weight_fits(c, 1);
}

static void rms_dx_row(const op_call *c, const row_walk *w, const int64_t *at,
                       int64_t n) {
    (void)w;
    const struct norm_attr *a = &c->attr->norm;
    c->k->rms_norm_dx(n, row_of(&c->in[0], at[1]), weight_of(c, 1),
                      row_of(&c->in[2], at[2]), (float)a->eps, (float)a->offset,
                      out_row(c, at[0]));
}

static void layer_dx_row(const op_call *c, const row_walk *w, const int64_t *at,
                         int64_t n) {
    (void)w;
    c->k->layer_norm_dx(n, row_of(&c->in[0], at[1]), weight_of(c, 1),
                        row_of(&c->in[2], at[2]), (float)c->attr->norm.eps,
                        out_row(c, at[0]));
}

static void backward(const op_call *c, row_part_fn *fn) {
    run_rows(c, (const tensor *[]){&c->out[0], &c->in[0], &c->in[2]}, 3, fn);
}

static void rms_norm_dx(const op_call *c) { backward(c, rms_dx_row); }
static void layer_norm_dx(const op_call *c) { backward(c, layer_dx_row); }
const cpu_fast fast_rms_norm_dx = {OP_RMS_NORM_DX, norm_dx_fits, rms_norm_dx,
                                   NULL, "vec"};
const cpu_fast fast_layer_norm_dx = {OP_LAYER_NORM_DX, norm_dx_fits,
                                     layer_norm_dx, NULL, "vec"};

/* ---- dw: x, dy -> dw [C], db [C] ---- */

enum { MIN_BLOCK = 64, MAX_BLOCKS = 64, COLUMNS = 256 };

typedef struct dw_job {
    const op_call *c;
    row_walk w;
    int64_t block, n_blocks; /* rows of a block */
    float *sums;             /* [n_blocks][n_out][C] */
} dw_job;

static void plan_blocks(int64_t n_rows, int64_t *block, int64_t *n_blocks) {
    *block = ceil_div(n_rows, MAX_BLOCKS);
    if (*block < MIN_BLOCK) *block = MIN_BLOCK;
    *n_blocks = ceil_div(n_rows, *block);
}

static bool norm_dw_fits(const op_call *c) {
    bool fits = rows_fit(&c->in[0]) && rows_fit(&c->in[1]);
    for (int i = 0; i < c->n_out; i++)
        fits =
            fits && c->out[i].type == AR_F32 && tensor_contiguous(&c->out[i]);
    return fits && row_size(c) > 0;
}

static size_t norm_dw_work(const op_call *c) {
    int64_t block, n_blocks;
    plan_blocks(tensor_count(&c->in[0]) / row_size(c), &block, &n_blocks);
    return (size_t)(n_blocks * c->n_out * row_size(c)) * sizeof(float);
}

static void dw_block(void *ctx, int64_t share, int worker) {
    (void)worker;
    const dw_job *j = ctx;
    const op_call *c = j->c;
    const int64_t n = j->w.n, first = share * j->block;
    const int64_t end = smaller(first + j->block, j->w.n_rows);
    const float eps = (float)c->attr->norm.eps;
    float *dw = j->sums + share * c->n_out * n;
    int64_t at[ROW_TENSORS];
    memset(dw, 0, (size_t)(c->n_out * n) * sizeof *dw);
    row_walk_at(&j->w, first, at);
    for (int64_t r = first; r < end; r++) {
        const float *x = row_of(&c->in[0], at[0]);
        const float *dy = row_of(&c->in[1], at[1]);
        if (c->op == OP_LAYER_NORM_DW)
            c->k->layer_norm_dw(n, x, dy, eps, dw, dw + n);
        else
            c->k->rms_norm_dw(n, x, dy, eps, dw);
        row_walk_next(&j->w, r, at);
    }
}

/* Columns of dw, then of db: the sum of the blocks. */
static void dw_join(void *ctx, int64_t share, int worker) {
    (void)worker;
    const dw_job *j = ctx;
    const op_call *c = j->c;
    const int64_t per_row = ceil_div(j->w.n, COLUMNS);
    const int64_t k = share / per_row, at = share % per_row * COLUMNS;
    const int64_t n = smaller(COLUMNS, j->w.n - at);
    float *y = (float *)c->out[k].data + at;
    memset(y, 0, (size_t)n * sizeof *y);
    for (int64_t b = 0; b < j->n_blocks; b++)
        c->k->add(n, y, 1, j->sums + (b * c->n_out + k) * j->w.n + at, 1, y);
}

static void norm_dw(const op_call *c) {
    dw_job j = {.c = c, .sums = c->work};
    row_walk_init(&j.w, (const tensor *[]){&c->in[0], &c->in[1]}, 2, true);
    plan_blocks(j.w.n_rows, &j.block, &j.n_blocks);
    pool_run(pool_for(c, j.w.n * j.w.n_rows), dw_block, &j, j.n_blocks);
    pool_run(pool_for(c, j.w.n * j.n_blocks), dw_join, &j,
             c->n_out * ceil_div(j.w.n, COLUMNS));
}

const cpu_fast fast_rms_norm_dw = {OP_RMS_NORM_DW, norm_dw_fits, norm_dw,
                                   norm_dw_work, "vec"};
const cpu_fast fast_layer_norm_dw = {OP_LAYER_NORM_DW, norm_dw_fits, norm_dw,
                                     norm_dw_work, "vec"};

/* ---- SOFTMAX ---- */

static bool softmax_fits(const op_call *c) {
    return rows_fit(&c->in[0]) && rows_fit(&c->out[0]);
}

static void softmax_row(const op_call *c, const row_walk *w, const int64_t *at,
                        int64_t n) {
    (void)w;
    const float *x = row_of(&c->in[0], at[1]);
    float *y = out_row(c, at[0]);
    const float sum = c->k->exp_sub_sum(n, x, c->k->max(n, x), y);
    c->k->scale(n, y, 1 / sum, 0, y);
}

static void softmax(const op_call *c) { forward(c, softmax_row); }
const cpu_fast fast_softmax = {OP_SOFTMAX, softmax_fits, softmax, NULL, "vec"};

static bool softmax_dx_fits(const op_call *c) {
    return rows_fit(&c->in[0]) && rows_fit(&c->in[1]) && rows_fit(&c->out[0]);
}

/* dx = y (dy - sum(y dy)) */
static void softmax_dx_row(const op_call *c, const row_walk *w,
                           const int64_t *at, int64_t n) {
    (void)w;
    const float *y = row_of(&c->in[0], at[1]);
    const float *dy = row_of(&c->in[1], at[2]);
    float *dx = out_row(c, at[0]);
    c->k->scale(n, dy, 1, -c->k->dot(n, y, dy), dx);
    c->k->mul(n, dx, y, dx);
}

static void softmax_dx(const op_call *c) {
    run_rows(c, (const tensor *[]){&c->out[0], &c->in[0], &c->in[1]}, 3,
             softmax_dx_row);
}
const cpu_fast fast_softmax_dx = {OP_SOFTMAX_DX, softmax_dx_fits, softmax_dx,
                                  NULL, "vec"};
