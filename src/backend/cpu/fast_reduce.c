/* fast_reduce.c - REDUCE along one axis or over everything.
 *
 * Two ways: lines, where the elements of one result lie side by side (the last
 * axis, or all of a dense tensor), in blocks of 65536; and columns, where the
 * results do (the first axis of [N, C]), in at most 64 blocks of rows.  The
 * blocks' results are in work, and are joined in their order. */
#include <string.h>

#include "backend/cpu/fast_rows.h"

enum {
    LINE_BLOCK = 65536, /* elements */
    MIN_ROWS = 32,      /* of a block of rows */
    MAX_BLOCKS = 64,
    COLUMNS = 4096, /* results computed side by side */
};

typedef struct reduction {
    const op_call *c;
    int kind;
    bool lines;
    row_walk w;              /* y and the first elements of x's lines */
    int64_t n, stride;       /* along the axis */
    int64_t block, n_blocks; /* elements along the axis in a block */
    int64_t n_columns, columns, per_share;
} reduction;

static bool type_fits(int kind, ar_type t) {
    switch (kind) {
    case REDUCE_ARGMAX: return t == AR_I32;
    case REDUCE_SUM_SQR: return t == AR_F32 || t == AR_F64;
    default: return t == AR_F32;
    }
}

static void plan_lines(reduction *r) {
    r->lines = true;
    r->block = LINE_BLOCK;
    r->n_blocks = ceil_div(r->n, r->block);
    r->per_share = r->n >= SHARE_ELEMENTS ? 1 : SHARE_ELEMENTS / r->n;
}

static void plan_columns(reduction *r) {
    r->block = ceil_div(r->n, MAX_BLOCKS);
    if (r->block < MIN_ROWS) r->block = MIN_ROWS;
    r->n_blocks = ceil_div(r->n, r->block);
    r->columns = smaller(r->w.n, COLUMNS);
    r->n_columns = ceil_div(r->w.n, r->columns);
    const int64_t cost = r->columns * smaller(r->block, r->n);
    r->per_share = cost >= SHARE_ELEMENTS ? 1 : SHARE_ELEMENTS / cost;
}

static bool plan_reduction(reduction *r, const op_call *c) {
    const struct reduce_attr *a = &c->attr->reduce;
    const tensor *x = &c->in[0], *y = &c->out[0];
    *r = (reduction){.c = c, .kind = a->kind};
    if (x->type != AR_F32 || !type_fits(a->kind, y->type) ||
        tensor_count(x) == 0 || !tensor_contiguous(y))
        return false;
    tensor start = *x;
    if (a->axis < 0 || x->rank == 0) {
        r->n = tensor_count(x);
        r->stride = 1;
        row_walk_init(&r->w, (const tensor *[]){y}, 1, false);
        if (tensor_contiguous(x)) plan_lines(r);
        return r->lines;
    }
    r->n = x->dim[a->axis];
    r->stride = x->stride[a->axis];
    start.dim[a->axis] = 1;
    row_walk_init(&r->w, (const tensor *[]){y, &start}, 2, false);
    const bool sums = a->kind == REDUCE_SUM || a->kind == REDUCE_MEAN;
    if (r->stride == 1 || r->n == 1)
        plan_lines(r);
    else if (sums && r->w.step[0] == 1 && r->w.step[1] == 1)
        plan_columns(r);
    else
        return false;
    return true;
}

static bool reduce_fits(const op_call *c) {
    reduction r;
    return plan_reduction(&r, c);
}

static size_t reduce_work(const op_call *c) {
    reduction r;
    plan_reduction(&r, c);
    if (r.n_blocks == 1) return 0;
    const size_t each = r.lines ? sizeof(double) : sizeof(float);
    return (size_t)(r.n_blocks * r.w.n_rows * r.w.n) * each;
}

/* ---- lines ---- */

static bool larger(float a, float b) { return a > b || (a != a && b == b); }

/* The first of the largest. */
static int64_t first_largest(const cpu_kernels *k, int64_t n, const float *x) {
    const float max = k->max(n, x);
    for (int64_t i = 0; i < n; i++)
        if (x[i] == max || x[i] != x[i]) return i;
    return 0;
}

/* Offsets of result number i in y and of its line in x. */
static void line_at(const reduction *r, int64_t i, int64_t *at) {
    at[1] = 0;
    row_walk_at(&r->w, i / r->w.n, at);
    at[0] += i % r->w.n * r->w.step[0];
    at[1] += i % r->w.n * r->w.step[1];
}

/* An ARGMAX is counted from the start of the line. */
static double reduce_block(const reduction *r, const float *line, int64_t b) {
    const cpu_kernels *k = r->c->k;
    const int64_t first = b * r->block, n = smaller(r->block, r->n - first);
    const float *x = line + first;
    switch (r->kind) {
    case REDUCE_SUM_SQR: return k->sum_sqr(n, x);
    case REDUCE_MAX: return k->max(n, x);
    case REDUCE_ARGMAX: return (double)(first + first_largest(k, n, x));
    default: return k->sum(n, x);
    }
}

static double join_two(const reduction *r, const float *line, double a,
                       double b) {
    switch (r->kind) {
    case REDUCE_MAX: return larger((float)b, (float)a) ? b : a;
    case REDUCE_ARGMAX:
        return larger(line[(int64_t)b], line[(int64_t)a]) ? b : a;
    default: return a + b;
    }
}

static void put_result(const reduction *r, int64_t at, double x) {
    const tensor *y = &r->c->out[0];
    if (y->type == AR_F64)
        ((double *)y->data)[at] = x;
    else if (y->type == AR_I32)
        ((int32_t *)y->data)[at] = (int32_t)x;
    else if (r->kind == REDUCE_MEAN)
        ((float *)y->data)[at] = (float)x / (float)r->n;
    else
        ((float *)y->data)[at] = (float)x;
}

static void lines_share(void *ctx, int64_t share, int worker) {
    (void)worker;
    const reduction *r = ctx;
    const int64_t n_items = r->w.n_rows * r->w.n * r->n_blocks;
    const int64_t end = smaller((share + 1) * r->per_share, n_items);
    for (int64_t i = share * r->per_share; i < end; i++) {
        int64_t at[ROW_TENSORS];
        line_at(r, i / r->n_blocks, at);
        const float *line = (const float *)r->c->in[0].data + at[1];
        const double x = reduce_block(r, line, i % r->n_blocks);
        if (r->n_blocks == 1)
            put_result(r, at[0], x);
        else
            ((double *)r->c->work)[i] = x;
    }
}

static void join_lines(const reduction *r) {
    const double *part = r->c->work;
    for (int64_t i = 0; i < r->w.n_rows * r->w.n; i++, part += r->n_blocks) {
        int64_t at[ROW_TENSORS];
        line_at(r, i, at);
        const float *line = (const float *)r->c->in[0].data + at[1];
        double x = part[0];
        for (int64_t b = 1; b < r->n_blocks; b++)
            x = join_two(r, line, x, part[b]);
        put_result(r, at[0], x);
    }
}

/* ---- columns ---- */

/* A share's piece of the results: n from `at` on in y and x. */
typedef struct piece {
    int64_t at[ROW_TENSORS], index, n; /* index: of the first result */
} piece;

static piece piece_of(const reduction *r, int64_t i) {
    piece p;
    const int64_t row = i / r->n_columns, col = i % r->n_columns * r->columns;
    row_walk_at(&r->w, row, p.at);
    p.at[0] += col;
    p.at[1] += col;
    p.index = row * r->w.n + col;
    p.n = smaller(r->columns, r->w.n - col);
    return p;
}

static void finish(const reduction *r, float *y, int64_t n) {
    if (r->kind == REDUCE_MEAN) r->c->k->scale(n, y, 1 / (float)r->n, -0.0f, y);
}

static void columns_item(const reduction *r, int64_t i) {
    const piece p = piece_of(r, i / r->n_blocks);
    const int64_t b = i % r->n_blocks, first = b * r->block;
    const int64_t end = smaller(first + r->block, r->n);
    const float *x = (const float *)r->c->in[0].data + p.at[1];
    float *y = (float *)r->c->out[0].data + p.at[0];
    if (r->n_blocks > 1)
        y = (float *)r->c->work + b * r->w.n_rows * r->w.n + p.index;
    memset(y, 0, (size_t)p.n * sizeof *y);
    r->c->k->add_rows(end - first, p.n, x + first * r->stride, r->stride, y);
    if (r->n_blocks == 1) finish(r, y, p.n);
}

static void columns_share(void *ctx, int64_t share, int worker) {
    (void)worker;
    const reduction *r = ctx;
    const int64_t n_items = r->w.n_rows * r->n_columns * r->n_blocks;
    const int64_t end = smaller((share + 1) * r->per_share, n_items);
    for (int64_t i = share * r->per_share; i < end; i++) columns_item(r, i);
}

static void join_columns(void *ctx, int64_t share, int worker) {
    (void)worker;
    const reduction *r = ctx;
    const piece p = piece_of(r, share);
    float *y = (float *)r->c->out[0].data + p.at[0];
    const float *part = (const float *)r->c->work + p.index;
    memset(y, 0, (size_t)p.n * sizeof *y);
    r->c->k->add_rows(r->n_blocks, p.n, part, r->w.n_rows * r->w.n, y);
    finish(r, y, p.n);
}

static void reduce(const op_call *c) {
    reduction r;
    plan_reduction(&r, c);
    pool *threads = pool_for(c, tensor_count(&c->in[0]));
    const int64_t n_pieces = r.w.n_rows * (r.lines ? r.w.n : r.n_columns),
                  n = n_pieces * r.n_blocks;
    pool_run(threads, r.lines ? lines_share : columns_share, &r,
             ceil_div(n, r.per_share));
    if (r.n_blocks == 1) return;
    if (r.lines)
        join_lines(&r);
    else
        pool_run(threads, join_columns, &r, n_pieces);
}

const cpu_fast fast_reduce = {OP_REDUCE, reduce_fits, reduce, reduce_work,
                              "vec"};
