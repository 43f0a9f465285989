/* fast_lm.c - EMBED and its gradient, rotary positions. */
#include <math.h>
#include <string.h>

#include "backend/cpu/fast_rows.h"
#include "quant/quant.h"

static bool rows_fit(const tensor *t) {
    if (t->type != AR_F32 || t->rank == 0) return false;
    return t->dim[t->rank - 1] == 1 || t->stride[t->rank - 1] == 1;
}

static int64_t last_dim(const tensor *t) { return t->dim[t->rank - 1]; }

/* Element i of I32 ids. */
static int32_t id_of(const tensor *ids, const row_walk *w, int64_t i) {
    int64_t at[ROW_TENSORS];
    row_walk_at(w, i / w->n, at);
    return ((const int32_t *)ids->data)[at[0] + i % w->n * w->step[0]];
}

/* ---- EMBED: rows of a table of any type ---- */

typedef struct embed_job {
    const op_call *c;
    row_walk ids;
    int64_t n_rows, per_share;
    size_t size; /* of a row, bytes */
} embed_job;

static bool embed_fits(const op_call *c) {
    const tensor *table = &c->in[0];
    return (table->dim[1] == 1 || table->stride[1] == 1) &&
           tensor_contiguous(&c->out[0]) && c->in[1].type == AR_I32;
}

static void embed_share(void *ctx, int64_t share, int worker) {
    (void)worker;
    const embed_job *j = ctx;
    const tensor *table = &j->c->in[0], *ids = &j->c->in[1];
    const int64_t end = smaller((share + 1) * j->per_share, j->n_rows);
    for (int64_t r = share * j->per_share; r < end; r++) {
        const int32_t id = id_of(ids, &j->ids, r);
        char *y = (char *)j->c->out[0].data + (size_t)r * j->size;
        const char *row = (const char *)table->data;
        if (id < 0 || id >= table->dim[0]) {
            memset(y, 0, j->size);
            continue;
        }
        row += ar_type_size(table->type, id * table->stride[0]);
        if (quant_is_block(table->type))
            quant_decode(table->type, row, (float *)(void *)y, table->dim[1]);
        else
            memcpy(y, row, j->size);
    }
}

static void embed(const op_call *c) {
    const tensor *table = &c->in[0];
    const int64_t n = table->dim[1];
    embed_job j = {.c = c,
                   .n_rows = tensor_count(&c->in[1]),
                   .per_share = n >= SHARE_ELEMENTS ? 1 : SHARE_ELEMENTS,
                   .size = ar_type_size(c->out[0].type, n)};
    if (n == 0 || j.n_rows == 0) return;
    if (n < SHARE_ELEMENTS) j.per_share /= n;
    row_walk_init(&j.ids, (const tensor *[]){&c->in[1]}, 1, false);
    pool_run(pool_for(c, n * j.n_rows), embed_share, &j,
             ceil_div(j.n_rows, j.per_share));
}

const cpu_fast fast_embed = {OP_EMBED, embed_fits, embed, NULL, "rows"};

/* ---- EMBED_DW ----
 *
 * The rows of dy with one id are a list that rises: head [V], next [N] in
 * work, -1 = end.  A share owns some rows of the table, and in a small table
 * only some columns, so every sum is made by one thread, in the order of
 * rows. */

enum { COLUMNS = 256, TABLE_ROWS = 32, LARGE_TABLE = 1024 };

typedef struct embed_dw_job {
    const op_call *c;
    row_walk dy;
    const float *base; /* [V, C] or NULL */
    int32_t *head, *next;
    int64_t n_table, n, table_rows, columns, n_columns;
} embed_dw_job;

static bool embed_dw_fits(const op_call *c) {
    const tensor *dw = &c->out[0];
    const bool base = c->n_in > 2 && c->in[2].data;
    return rows_fit(&c->in[1]) && c->in[0].type == AR_I32 &&
           dw->type == AR_F32 && tensor_contiguous(dw) &&
           (!base || tensor_contiguous(&c->in[2])) && dw->dim[0] < INT32_MAX &&
           tensor_count(&c->in[0]) < INT32_MAX;
}

static size_t embed_dw_work(const op_call *c) {
    return (size_t)(c->out[0].dim[0] + tensor_count(&c->in[0])) *
           sizeof(int32_t);
}

static void list_rows(const embed_dw_job *j) {
    const tensor *ids = &j->c->in[0];
    row_walk w;
    row_walk_init(&w, (const tensor *[]){ids}, 1, false);
    memset(j->head, 0xff, (size_t)j->n_table * sizeof *j->head);
    for (int64_t r = tensor_count(ids) - 1; r >= 0; r--) {
        const int32_t id = id_of(ids, &w, r);
        if (id < 0 || id >= j->n_table) continue;
        j->next[r] = j->head[id];
        j->head[id] = (int32_t)r;
    }
}

/* Columns [col, col + n) of one row of the table. */
static void sum_row(const embed_dw_job *j, int64_t id, int64_t col, int64_t n) {
    const op_call *c = j->c;
    float *y = (float *)c->out[0].data + id * j->n + col;
    for (int32_t r = j->head[id]; r >= 0; r = j->next[r]) {
        int64_t at[ROW_TENSORS];
        row_walk_at(&j->dy, r, at);
        c->k->add(n, y, 1, (const float *)c->in[1].data + at[0] + col, 1, y);
    }
}

/* What the sums start from, in the rows of one share. */
static void start_rows(const embed_dw_job *j, int64_t first, int64_t end,
                       int64_t col, int64_t n) {
    float *y = (float *)j->c->out[0].data;
    if (j->base == y) return;
    if (n == j->n) { /* one piece */
        n *= end - first;
        end = first + 1;
    }
    for (int64_t id = first; id < end; id++) {
        const int64_t at = id * j->n + col;
        if (j->base)
            memcpy(y + at, j->base + at, (size_t)n * sizeof *y);
        else
            memset(y + at, 0, (size_t)n * sizeof *y);
    }
}

static void embed_dw_share(void *ctx, int64_t share, int worker) {
    (void)worker;
    const embed_dw_job *j = ctx;
    const int64_t col = share % j->n_columns * j->columns;
    const int64_t n = smaller(j->columns, j->n - col);
    const int64_t first = share / j->n_columns * j->table_rows;
    const int64_t end = smaller(first + j->table_rows, j->n_table);
    start_rows(j, first, end, col, n);
    for (int64_t id = first; id < end; id++) sum_row(j, id, col, n);
}

static void embed_dw(const op_call *c) {
    const tensor *dw = &c->out[0];
    embed_dw_job j = {.c = c,
                      .base = c->n_in > 2 ? c->in[2].data : NULL,
                      .head = c->work,
                      .n_table = dw->dim[0],
                      .n = dw->dim[1]};
    if (tensor_count(dw) == 0) return;
    j.next = j.head + j.n_table;
    j.table_rows = j.n_table < LARGE_TABLE ? 1 : TABLE_ROWS;
    j.columns = j.n_table < LARGE_TABLE ? smaller(j.n, COLUMNS) : j.n;
    j.n_columns = ceil_div(j.n, j.columns);
    row_walk_init(&j.dy, (const tensor *[]){&c->in[1]}, 1, true);
    list_rows(&j);
    pool_run(pool_for(c, tensor_count(dw) + tensor_count(&c->in[1])),
             embed_dw_share, &j,
             ceil_div(j.n_table, j.table_rows) * j.n_columns);
}

const cpu_fast fast_embed_dw = {OP_EMBED_DW, embed_dw_fits, embed_dw,
                                embed_dw_work, "vec"};

/* ---- ROPE: y, x [.., N, H, D] ---- */

static bool rope_fits(const op_call *c) {
    return rows_fit(&c->in[0]) && rows_fit(&c->in[1]) && rows_fit(&c->in[2]) &&
           c->out[0].type == AR_F32 && tensor_contiguous(&c->out[0]);
}

static void rope_row(const op_call *c, const row_walk *w, const int64_t *at,
                     int64_t n) {
    (void)w;
    const tensor *x = &c->in[0], *cosines = &c->in[1], *sines = &c->in[2];
    const struct rope_attr *a = &c->attr->rope;
    const int64_t half = last_dim(cosines);
    const int64_t row = at[0] / n; /* y has no gaps */
    const int64_t position = row / x->dim[x->rank - 2] % x->dim[x->rank - 3];
    const float *from = (const float *)x->data + at[1];
    float *to = (float *)c->out[0].data + at[0];
    c->k->rope(half, a->interleaved, from,
               (const float *)cosines->data + position * cosines->stride[0],
               (const float *)sines->data + position * sines->stride[0],
               a->inverse ? -1 : 1, to);
    if (n > 2 * half)
        memcpy(to + 2 * half, from + 2 * half,
               (size_t)(n - 2 * half) * sizeof *to);
}

static void rope(const op_call *c) {
    row_walk w;
    row_walk_init(&w, (const tensor *[]){&c->out[0], &c->in[0]}, 2, true);
    row_walk_run(&w, c, INT64_MAX, rope_row);
}

const cpu_fast fast_rope = {OP_ROPE, rope_fits, rope, NULL, "vec"};

/* ---- ROPE_TABLE: angles in double, rows in shares ---- */

enum { TRIG_COST = 32 }; /* of a sine and a cosine, in elements */

static bool rope_table_fits(const op_call *c) {
    return c->out[0].type == AR_F32 && tensor_contiguous(&c->out[0]) &&
           tensor_contiguous(&c->out[1]) && c->in[0].type == AR_I32;
}

/* One row of cos and sin: at[0] is position * R/2. */
static void rope_table_row(const op_call *c, const row_walk *w,
                           const int64_t *at, int64_t n) {
    (void)w;
    const tensor *positions = &c->in[0], *frequencies = &c->in[1];
    const double scale = c->attr->rope_table.scale;
    const int64_t row = at[0] / n;
    const double p =
        ((const int32_t *)positions->data)[row * positions->stride[0]];
    const double *f = frequencies->data;
    float *cosines = (float *)c->out[0].data + at[0];
    float *sines = (float *)c->out[1].data + at[0];
    for (int64_t i = 0; i < n; i++) {
        const double angle = p * f[i * frequencies->stride[0]];
        cosines[i] = (float)(cos(angle) * scale);
        sines[i] = (float)(sin(angle) * scale);
    }
}

static void rope_table(const op_call *c) {
    row_walk w;
    row_walk_init(&w, (const tensor *[]){&c->out[0]}, 1, true);
    w.weight = TRIG_COST;
    row_walk_run(&w, c, INT64_MAX, rope_table_row);
}

const cpu_fast fast_rope_table = {OP_ROPE_TABLE, rope_table_fits, rope_table,
                                  NULL, "rows"};
