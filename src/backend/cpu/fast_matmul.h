/* fast_matmul.h - MATMUL as products of matrices. */
#ifndef CPU_FAST_MATMUL_H
#define CPU_FAST_MATMUL_H

#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm.h"

/* The common part of the fits of MATMUL: float operands that gemm_args can
 * describe, an F32 result with contiguous rows, an F32 bias. */
bool matmul_is_gemm(const op_call *c);
int64_t matmul_batch(const op_call *c);             /* products in the call */
gemm_args matmul_args(const op_call *c, int64_t i); /* of product i */

#endif
