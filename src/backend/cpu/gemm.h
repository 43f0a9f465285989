/* gemm.h - C (+)= alpha A B + bias of strided f32, bf16 or f16 operands, and of
 * B in blocks along its columns, which gives the bits of its decoded numbers.
 *
 * The chain of additions of one element of C is fixed by k and the kernel
 * table alone: k is cut into equal blocks of at most k->gemm.kc; a block is
 * summed in order from 0; blocks are added in order to the bias, to the old C
 * (add) or to nothing.  So the three ways to run below give the same bits, for
 * any number of threads and any m and n.  A times its own transpose (a and b
 * name the same memory) is symmetric bit for bit; half of it is computed.
 *
 *   gemm_args a = {.m = T, .n = O, .k = C,
 *                  .a = {x, AR_F32, C, 1},        x [T, C]
 *                  .b = {w, AR_F32, 1, C},        w [O, C], transposed
 *                  .c = y, .ldc = O};
 *   gemm_run(&a, k, threads, work);               gemm_work_size(&a, k) bytes
 *   gemm_serial(&a, k, scratch);                  GEMM_SERIAL_SIZE bytes  */
#ifndef CPU_GEMM_H
#define CPU_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/types.h"
#include "backend/cpu/kernels.h"
#include "base/thread.h"

/* A matrix in memory: element [i, j] is data[i * rs + j * cs] of type F32,
 * BF16 or F16; strides in elements, any sign or 0.  B may also be of a block
 * type: then cs is 1 and rs whole blocks. */
typedef struct gemm_view {
    const void *data;
    ar_type type;
    int64_t rs, cs;
} gemm_view;

typedef struct gemm_args {
    int64_t m, n, k;   /* any may be 0 */
    gemm_view a;       /* [m, k] */
    gemm_view b;       /* [k, n] */
    float *c;          /* [m, n], rows contiguous; aliases neither operand */
    int64_t ldc;       /* elements from one row of C to the next */
    bool add;          /* add to C instead of overwriting it */
    float alpha;       /* factor of A B; 0 means 1 */
    const float *bias; /* [n] added to every row, or NULL; not with add */
    ar_type compute;   /* AR_BF16, AR_F16: operands are rounded to it while
                          packing (before alpha); anything else: as they are */
} gemm_args;

/* Bytes of scratch for gemm_run, aligned to 64; from the shape alone. */
size_t gemm_work_size(const gemm_args *g, const cpu_kernels *k);

/* On the pool's threads (NULL: the caller alone). */
void gemm_run(const gemm_args *g, const cpu_kernels *k, pool *threads,
              void *work);

/* In the calling thread with little scratch, for small products inside a share
 * of some other op: half of cpu_scratch does. */
enum { GEMM_SERIAL_SIZE = 2 << 20 };
void gemm_serial(const gemm_args *g, const cpu_kernels *k, void *scratch);

/* The parts, for ops that use a packed operand several times.  Panels of A are
 * [k][mr], of B [k][nr], one after the other, edges padded with zeros; sizes in
 * bytes.  gemm_panels is one block of k: it sums from 0 in order and then adds
 * to C or overwrites it. */
size_t gemm_a_size(const cpu_kernels *k, int64_t m, int64_t kc);
size_t gemm_b_size(const cpu_kernels *k, int64_t kc, int64_t n);
void gemm_pack_a(const cpu_kernels *k, gemm_view a, int64_t m, int64_t kc,
                 float alpha, ar_type compute, float *packed);
void gemm_pack_b(const cpu_kernels *k, gemm_view b, int64_t kc, int64_t n,
                 ar_type compute, float *packed);
void gemm_panels(const cpu_kernels *k, int64_t m, int64_t n, int64_t kc,
                 const float *a, const float *b, float *c, int64_t ldc,
                 bool add);

#endif
