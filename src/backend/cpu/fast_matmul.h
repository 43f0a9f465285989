/* fast_matmul.h - MATMUL as products of matrices. */
#ifndef CPU_FAST_MATMUL_H
#define CPU_FAST_MATMUL_H

#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm_pack.h"

/* The common part of the fits of MATMUL: float operands that gemm_args can
 * describe, an F32 result with contiguous rows, an F32 bias. */
bool matmul_is_gemm(const op_call *c);
int64_t matmul_batch(const op_call *c);             /* products in the call */
gemm_args matmul_args(const op_call *c, int64_t i); /* of product i */

/* ---- by rows, the chain of inference ---- */

/* Rows x [m, k] and their results y [m, ..]. */
typedef struct exact_rows {
    int64_t m, k;
    const float *x; /* contiguous along k */
    int64_t ld_x;
    float *y;
    int64_t ld_y;
} exact_rows;

enum { MATMUL_EXACT_MAX_K = CPU_SCRATCH_SIZE / 4 / 4 }; /* four rows fit */

/* y[m, first + o] = row m of x times line first + o of w, o < n; the bits of
 * an element depend on these two alone.  n <= matmul_exact_block. */
void matmul_exact_rows(const exact_rows *x, const gemm_source *w, int64_t first,
                       int64_t n, float *scratch);
/* Lines of w in a share that m rows are multiplied with. */
int64_t matmul_exact_block(const gemm_source *w, int64_t m, int64_t k);

#endif
