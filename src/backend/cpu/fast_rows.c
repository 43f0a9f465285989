/* fast_rows.c - operands of one shape walked side by side, in shares. */
#include "backend/cpu/fast_rows.h"

/* Does dimension b continue dimension a (the next outer one) everywhere? */
static bool joins(const tensor *const *t, int n, int a, int b) {
    for (int i = 0; i < n; i++)
        if (t[i]->stride[a] != t[i]->stride[b] * t[i]->dim[b]) return false;
    return true;
}

/* Dimension d of the operands becomes the next outer one of the walk. */
static void add_outer(row_walk *w, const tensor *const *t, int d) {
    for (int k = w->rank; k > 0; k--) {
        w->dim[k] = w->dim[k - 1];
        for (int i = 0; i < w->n_tensors; i++)
            w->stride[i][k] = w->stride[i][k - 1];
    }
    w->dim[0] = t[0]->dim[d];
    for (int i = 0; i < w->n_tensors; i++) w->stride[i][0] = t[i]->stride[d];
    w->rank++;
}

/* Dimension d is the row. */
static void set_row(row_walk *w, const tensor *const *t, int d) {
    w->n = t[0]->dim[d];
    for (int i = 0; i < w->n_tensors; i++)
        w->step[i] = w->n == 1 ? 1 : t[i]->stride[d];
}

void row_walk_init(row_walk *w, const tensor *const *t, int n, bool keep_last) {
    int d = t[0]->rank - 1, inner = -1; /* inner: the last one looked at */
    *w = (row_walk){.n_tensors = n, .n = 1, .n_rows = 1, .weight = 1};
    for (int i = 0; i < n; i++) w->step[i] = 1;
    if (keep_last && d >= 0) set_row(w, t, d--);
    for (; d >= 0; d--) {
        const int64_t size = t[0]->dim[d];
        if (size == 1) continue;
        const bool joined = inner >= 0 && joins(t, n, d, inner);
        if (joined && w->rank)
            w->dim[0] *= size;
        else if (joined)
            w->n *= size;
        else if (inner < 0 && !keep_last)
            set_row(w, t, d);
        else
            add_outer(w, t, d);
        inner = d;
    }
    for (int k = 0; k < w->rank; k++) w->n_rows *= w->dim[k];
}

void row_walk_at(const row_walk *w, int64_t row, int64_t *at) {
    for (int i = 0; i < w->n_tensors; i++) at[i] = 0;
    for (int k = w->rank - 1; k >= 0; k--) {
        const int64_t index = row % w->dim[k];
        row /= w->dim[k];
        for (int i = 0; i < w->n_tensors; i++) at[i] += index * w->stride[i][k];
    }
}

void row_walk_next(const row_walk *w, int64_t row, int64_t *at) {
    const int k = w->rank - 1;
    if (k < 0) return;
    if ((row + 1) % w->dim[k] == 0) {
        row_walk_at(w, row + 1, at);
        return;
    }
    for (int i = 0; i < w->n_tensors; i++) at[i] += w->stride[i][k];
}

typedef struct walk_job {
    const row_walk *w;
    const op_call *c;
    row_part_fn *fn;
    int64_t part, n_parts; /* elements of a part; parts of a row */
    int64_t n_items, per_share;
} walk_job;

static void run_share(void *ctx, int64_t share, int worker) {
    (void)worker;
    const walk_job *j = ctx;
    const row_walk *w = j->w;
    const int64_t end = smaller((share + 1) * j->per_share, j->n_items);
    int64_t item = share * j->per_share, start[ROW_TENSORS];
    row_walk_at(w, item / j->n_parts, start);
    while (item < end) {
        const int64_t row = item / j->n_parts;
        int64_t k = item % j->n_parts;
        for (; k < j->n_parts && item < end; k++, item++) {
            int64_t at[ROW_TENSORS];
            for (int i = 0; i < w->n_tensors; i++)
                at[i] = start[i] + k * j->part * w->step[i];
            j->fn(j->c, w, at, smaller(j->part, w->n - k * j->part));
        }
        if (item < end) row_walk_next(w, row, start);
    }
}

void row_walk_run(const row_walk *w, const op_call *c, int64_t part,
                  row_part_fn *fn) {
    if (w->n == 0 || w->n_rows == 0) return;
    walk_job j = {.w = w, .c = c, .fn = fn, .part = smaller(part, w->n)};
    j.n_parts = ceil_div(w->n, j.part);
    j.n_items = w->n_rows * j.n_parts;
    const int64_t cost = j.part * w->weight;
    j.per_share = cost >= SHARE_ELEMENTS ? 1 : SHARE_ELEMENTS / cost;
    pool_run(pool_for(c, w->n * w->n_rows * w->weight), run_share, &j,
             ceil_div(j.n_items, j.per_share));
}

const float *floats_of(const tensor *t, int64_t at, int64_t step, int64_t n,
                       float *tmp) {
    const float *x = (const float *)t->data + at;
    if (step == 1) return x;
    if (step == 0)
        for (int64_t i = 0; i < n; i++) tmp[i] = *x;
    else
        for (int64_t i = 0; i < n; i++) tmp[i] = x[i * step];
    return tmp;
}
