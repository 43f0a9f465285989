/* fast_state.c - STORE, ACCUMULATE, STORE_ROWS and the optimisers' steps. */
#include <string.h>

#include "backend/cpu/fast_move.h"
#include "quant/quant.h"

/* ---- STORE ---- */

static bool store_fits(const op_call *c) {
    return move_fits(&c->out[0], &c->in[1]);
}
static void store(const op_call *c) {
    if (c->out[0].data != c->in[1].data) move_run(c, &c->out[0], &c->in[1]);
}
const cpu_fast fast_store = {OP_STORE, store_fits, store, NULL, "rows"};

/* ---- ACCUMULATE: y += x ---- */

static bool accumulate_fits(const op_call *c) {
    return all_f32((const tensor *[]){&c->out[0], &c->in[1]}, 2) &&
           tensor_contiguous(&c->out[0]);
}

static void accumulate_part(const op_call *c, const row_walk *w,
                            const int64_t *at, int64_t n) {
    float tmp[ROW_PART];
    const float *x = floats_of(&c->in[1], at[1], w->step[1], n, tmp);
    float *y = (float *)c->out[0].data + at[0];
    c->k->add(n, y, 1, x, 1, y);
}

static void accumulate(const op_call *c) {
    row_walk w;
    row_walk_init(&w, (const tensor *[]){&c->out[0], &c->in[1]}, 2, false);
    row_walk_run(&w, c, ROW_PART, accumulate_part);
}
const cpu_fast fast_accumulate = {OP_ACCUMULATE, accumulate_fits, accumulate,
                                  NULL, "vec"};

/* ---- STORE_ROWS: y[rows[i]] = x[i], quantised if y has blocks ----
 *
 * A share owns the rows of the state whose number leaves a given remainder,
 * so of two rows with one number the later one stays. */

enum { ROW_SHARES = 16 };

typedef struct rows_job {
    const op_call *c;
    int64_t n_shares, n; /* elements of a row */
    size_t size;         /* bytes of a row of x */
} rows_job;

/* Does a row of t have no gaps? */
static bool row_is_dense(const tensor *t) {
    tensor row = *t;
    row.dim[0] = 1;
    return tensor_contiguous(&row);
}

static bool store_rows_fits(const op_call *c) {
    const tensor *y = &c->out[0], *x = &c->in[2];
    const bool same = x->type == y->type;
    return (same || (quant_is_block(y->type) && x->type == AR_F32)) &&
           c->in[1].type == AR_I32 && row_is_dense(x) && row_is_dense(y);
}

static void rows_share(void *ctx, int64_t share, int worker) {
    (void)worker;
    const rows_job *j = ctx;
    const tensor *y = &j->c->out[0], *x = &j->c->in[2], *rows = &j->c->in[1];
    for (int64_t i = 0; i < x->dim[0]; i++) {
        const int64_t row = ((const int32_t *)rows->data)[i * rows->stride[0]];
        if (row < 0 || row >= y->dim[0] || row % j->n_shares != share) continue;
        const void *from =
            (const char *)x->data + ar_type_size(x->type, i * x->stride[0]);
        void *to = (char *)y->data + ar_type_size(y->type, row * y->stride[0]);
        if (x->type == y->type)
            memcpy(to, from, j->size);
        else
            type_encode_f32(y->type, from, to, j->n);
    }
}

static void store_rows(const op_call *c) {
    const tensor *x = &c->in[2];
    const int64_t count = tensor_count(x);
    if (count == 0) return;
    rows_job j = {.c = c,
                  .n_shares =
                      smaller(ceil_div(count, SHARE_ELEMENTS), ROW_SHARES),
                  .n = count / x->dim[0],
                  .size = ar_type_size(x->type, count / x->dim[0])};
    pool_run(pool_for(c, count), rows_share, &j, j.n_shares);
}
const cpu_fast fast_store_rows = {OP_STORE_ROWS, store_rows_fits, store_rows,
                                  NULL, "rows"};

/* ---- optimisers: p, g, m [, v], h; one pass, dense ---- */

static bool step_fits(const op_call *c) {
    const tensor *h = &c->in[c->n_in - 1];
    for (int i = 0; i < c->n_in - 1; i++)
        if (c->in[i].type != AR_F32 || !tensor_contiguous(&c->in[i]))
            return false;
    return h->type == AR_F64 && tensor_contiguous(h);
}

static const double *hyper(const op_call *c) { return c->in[c->n_in - 1].data; }

static float *state_at(const op_call *c, int i, const int64_t *at) {
    return (float *)c->out[i].data + at[0];
}

static void sgd_part(const op_call *c, const row_walk *w, const int64_t *at,
                     int64_t n) {
    (void)w;
    c->k->opt_sgd(n, state_at(c, 0, at), (const float *)c->in[1].data + at[0],
                  state_at(c, 1, at), hyper(c), c->attr->sgd.nesterov);
}

static void adamw_part(const op_call *c, const row_walk *w, const int64_t *at,
                       int64_t n) {
    (void)w;
    c->k->opt_adamw(n, state_at(c, 0, at), (const float *)c->in[1].data + at[0],
                    state_at(c, 1, at), state_at(c, 2, at), hyper(c));
}

static void lion_part(const op_call *c, const row_walk *w, const int64_t *at,
                      int64_t n) {
    (void)w;
    c->k->opt_lion(n, state_at(c, 0, at), (const float *)c->in[1].data + at[0],
                   state_at(c, 1, at), hyper(c));
}

static void step(const op_call *c, row_part_fn *fn) {
    row_walk w;
    row_walk_init(&w, (const tensor *[]){&c->out[0]}, 1, false);
    row_walk_run(&w, c, SHARE_ELEMENTS, fn);
}

static void sgd(const op_call *c) { step(c, sgd_part); }
static void adamw(const op_call *c) { step(c, adamw_part); }
static void lion(const op_call *c) { step(c, lion_part); }
const cpu_fast fast_sgd = {OP_OPT_SGD, step_fits, sgd, NULL, "vec"};
const cpu_fast fast_adamw = {OP_OPT_ADAMW, step_fits, adamw, NULL, "vec"};
const cpu_fast fast_lion = {OP_OPT_LION, step_fits, lion, NULL, "vec"};
