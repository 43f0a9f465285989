/* fast_rows.h - operands of one shape walked side by side, in shares.
 *
 * Dimensions that every operand passes without a jump are joined, so a dense
 * tensor is one row, and adding a bias [C] to [B, T, C] is B T rows.  Rows are
 * cut into parts and the parts dealt into shares of some tens of kilobytes;
 * all of it depends on shapes and strides alone.
 *
 *   row_walk w;
 *   row_walk_init(&w, (const tensor *[]){y, x}, 2, false);
 *   row_walk_run(&w, c, ROW_PART, double_part);
 *
 *   static void double_part(const op_call *c, const row_walk *w,
 *                           const int64_t *at, int64_t n) {
 *       y[at[0] .. + n] = 2 x[at[1] + i * w->step[1]] ... */
#ifndef CPU_FAST_ROWS_H
#define CPU_FAST_ROWS_H

#include "backend/cpu/cpu.h"

enum {
    ROW_TENSORS = 5,       /* operands at most */
    ROW_PART = 2048,       /* elements of a part, where n is free */
    SHARE_ELEMENTS = 8192, /* of each operand in a share, about */
    SMALL_ELEMENTS = 4096, /* less is done by the caller alone */
};

typedef struct row_walk {
    int n_tensors, rank;   /* rank: dimensions besides the row */
    int64_t dim[MAX_DIMS]; /* rows in each of them */
    int64_t stride[ROW_TENSORS][MAX_DIMS];
    int64_t n_rows, n;         /* n: elements of a row */
    int64_t step[ROW_TENSORS]; /* from element to element of a row */
    int64_t weight;            /* what an element costs; 1 = a few cycles */
} row_walk;

/* All of t have the dimensions of t[0].  With keep_last, a row is the last
 * dimension, otherwise as long as it gets. */
void row_walk_init(row_walk *w, const tensor *const *t, int n, bool keep_last);

/* Offsets of the first elements of a row. */
void row_walk_at(const row_walk *w, int64_t row, int64_t *at);
/* From the offsets of a row to those of the next. */
void row_walk_next(const row_walk *w, int64_t row, int64_t *at);

/* n elements of every operand, from the offsets `at` on. */
typedef void row_part_fn(const op_call *c, const row_walk *w, const int64_t *at,
                         int64_t n);
void row_walk_run(const row_walk *w, const op_call *c, int64_t part,
                  row_part_fn *fn);

/* The pool for work on so many elements: NULL if it is not worth waking. */
static inline pool *pool_for(const op_call *c, int64_t n_elements) {
    return n_elements <= SMALL_ELEMENTS ? NULL : c->threads;
}

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static inline bool all_f32(const tensor *const *t, int n) {
    for (int i = 0; i < n; i++)
        if (t[i]->type != AR_F32) return false;
    return true;
}

/* n floats from `at` on, `step` apart, side by side: the memory itself if it
 * has that form, else copied to tmp [n]. */
const float *floats_of(const tensor *t, int64_t at, int64_t step, int64_t n,
                       float *tmp);

#endif
