/* act8.h - products of rows of x with lines of w straight from its blocks.
 *
 * The chain of quant/levels.h, in two parts that MATMUL and MATMUL_EXPERTS
 * share.  Rows of x become levels once; lines of w are unpacked 16 lines and
 * some elements at a time to a panel in the first-level cache, which all rows
 * of x use while it is there.  The bits of y[m, n] depend on row m of x and
 * line n of w alone.
 *
 *   act8_rows x = act8_rows_at(t, m, k, work);        act8_rows_size bytes
 *   act8_rows_round(&x, r, &source, line, scratch);   for every row r
 *   act8_product p = {kernels, &x, 0, m, y, ldy};
 *   act8_multiply(&p, &w, first, end, scratch);       for every share of w */
#ifndef CPU_ACT8_H
#define CPU_ACT8_H

#include "backend/cpu/gemm_pack.h"
#include "quant/levels.h"

/* Rows of x as levels, in memory of the caller. */
typedef struct act8_rows {
    quant_form form; /* of the weights that they are multiplied with */
    int64_t k, n_groups, n_blocks;
    float *scale, *sums; /* [m][n_blocks], [m][n_groups] */
    int32_t *start;      /* [m][n_groups] */
    int8_t *levels;      /* [m][k] */
} act8_rows;

/* For weights of a type t that has levels; `memory` is aligned as floats are
 * and, for the size alone, may be NULL. */
size_t act8_rows_size(ar_type t, int64_t m, int64_t k);
act8_rows act8_rows_at(ar_type t, int64_t m, int64_t k, void *memory);

/* Row `row` from a line of `from`; scratch [k], for lines that are not plain
 * numbers side by side. */
void act8_rows_round(const act8_rows *x, int64_t row, const gemm_source *from,
                     int64_t line, float *scratch);
void act8_rows_copy(const act8_rows *x, int64_t from, int64_t to);

/* A matrix in blocks along k. */
typedef struct act8_lines {
    ar_type type;
    const uint8_t *data;
    int64_t n, stride; /* lines; bytes from one to the next */
} act8_lines;

/* Rows [row, row + m) of x and where the first has its results. */
typedef struct act8_product {
    const cpu_kernels *k;
    const act8_rows *x;
    int64_t row, m;
    float *y; /* [m][ldy] */
    int64_t ldy;
} act8_product;

/* Lines in a share for m rows of x, whole tiles: few enough for the threads of
 * any machine, and at few rows so many that most tiles follow one that asked
 * for them. */
int64_t act8_share(const act8_lines *w, int64_t m);

/* y[m, n] for lines first <= n < end, first in whole tiles of 16. */
enum { ACT8_SCRATCH = 512 << 10 };
void act8_multiply(const act8_product *p, const act8_lines *w, int64_t first,
                   int64_t end, void *scratch);

#endif
