/* gpu.h - from nodes to launches: what the emitters of kernels see.
 *
 * Compiling a program walks the plan and lets an emitter of the node's op add
 * launches to a list.  Operands are named by slot and byte offset until the
 * program runs, when buffers give them addresses.  Kernels are entries of
 * gpu_kernels.def; their text is written once in the dialect of lang/ (see
 * docs/internals/gpu.md) and their argument structures in kernels/args.h, which
 * both sides include.
 *
 * For every op there is a plain kernel that takes any layout and type, the
 * counterpart of the CPU's reference; faster ones come before it in the list
 * and say what they fit. */
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include "backend/gpu/gpu_driver.h"
#include "core/backend.h"
#include "core/graph.h"
#include "core/plan.h"

enum gpu_kernel_id {
#define KERNEL(name, ...) GPU_K_##name,
#include "backend/gpu/gpu_kernels.def"
#undef KERNEL
    GPU_KERNEL_COUNT
};

/* An operand: its layout, and where it will be. */
typedef struct gpu_tensor {
    ar_type type;
    int rank;
    int64_t dim[MAX_DIMS], stride[MAX_DIMS]; /* elements */
    int32_t slot;   /* of the program's buffers, or SLOT_BLOCK, SLOT_CONST,
                       SLOT_WORK */
    int64_t offset; /* bytes */
    bool present;   /* false: an optional input that is absent */
} gpu_tensor;

enum { SLOT_WORK = -3 }; /* scratch of plan.work_size */

typedef struct gpu_call {
    enum op_id op;
    const op_attr *attr;
    int n_in, n_out;
    gpu_tensor in[MAX_INPUTS], out[MAX_OUTPUTS];
    const gpu_info *info;
} gpu_call;

/* A list of launches under construction; the first error sticks. */
typedef struct gpu_list gpu_list;

/* Operands in the order of a kernel's pointers; NULL or an absent tensor gives
 * address 0. */
typedef struct gpu_pointers {
    const gpu_tensor *at[GPU_MAX_POINTERS];
    int n;
} gpu_pointers;

#define GPU_POINTERS(...)                                                      \
    ((gpu_pointers){{__VA_ARGS__},                                             \
                    sizeof((const gpu_tensor *[]){__VA_ARGS__}) /              \
                        sizeof(const gpu_tensor *)})

/* Add one launch.  args are copied (at most GPU_MAX_ARGS bytes). */
void gpu_emit(gpu_list *l, enum gpu_kernel_id k, const uint32_t groups[3],
              uint32_t lanes, gpu_pointers p, const void *args,
              size_t args_size);

/* Bytes of shared memory that the launch added last needs beyond what its text
 * declares. */
void gpu_need_shared(gpu_list *l, uint32_t size);

typedef struct gpu_op {
    enum op_id op;
    const char *name; /* for `arcane devices` and profiles */
    bool (*fits)(const gpu_call *c);
    size_t (*work_size)(
        const gpu_call *c); /* NULL = none; bytes of SLOT_WORK */
    void (*emit)(gpu_list *l, const gpu_call *c);
} gpu_op;

/* All emitters, fast ones before plain ones; NULL-terminated. */
extern const gpu_op *const gpu_ops[];

#endif
