/* emit.h - what emitters share: operands as arguments, shapes of launches. */
#ifndef GPU_EMIT_H
#define GPU_EMIT_H

#include "backend/gpu/dialect_types.h"
#include "backend/gpu/gpu.h"
#include "backend/gpu/kernels/args.h"
#include "quant/quant.h"

/* ---- operands ---- */

int64_t emit_count(const gpu_tensor *t);
bool emit_dense(const gpu_tensor *t);
/* Along the last dimension; rank 0 is one row of one. */
int64_t emit_last(const gpu_tensor *t);
int64_t emit_rows(const gpu_tensor *t);
/* Two dimensions, all before them 1? */
bool emit_one_matrix(const gpu_tensor *t);

/* Aligned to the last of five dimensions. */
tensor_args emit_tensor(const gpu_tensor *t);
/* Strides in the order of the dimensions, of which there are at most four. */
heads_args emit_heads(const gpu_tensor *t);
/* The same dimension among five. */
static inline int32_t emit_axis(const gpu_tensor *t, int axis) {
    return axis + MAX_DIMS - t->rank;
}

/* ---- launches: nothing where there is nothing to do ---- */

/* A lane for each of n. */
void emit_flat(gpu_list *l, enum gpu_kernel_id k, int64_t n, gpu_pointers p,
               const void *args, size_t args_size);
/* A group of GROUP_LANES for each of n. */
void emit_groups(gpu_list *l, enum gpu_kernel_id k, int64_t n, gpu_pointers p,
                 const void *args, size_t args_size);

/* Scratch of a call, from `offset` bytes on. */
gpu_tensor emit_work(int64_t offset);

/* ---- what plain kernels fit ---- */

bool fits_plain(const gpu_call *c); /* plain types, no result in double */
bool fits_wide(const gpu_call *c);  /* plain types; doubles are moved, or
                                       computed in kernels/wide.h */

#define EMITTER(op, file_name, fits, work, emit)                               \
    const gpu_op gpu_##file_name = {OP_##op, #file_name, fits, work, emit};

#endif
