/* cpu.h - the inside of the CPU backend: what a kernel sees of a step.
 *
 * A step is one node with every pointer resolved.  `run` may cut its work
 * into shares with pool_run; how it cuts depends on shapes alone, so results
 * do not depend on the number of threads. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "backend/cpu/kernels.h"
#include "base/thread.h"
#include "core/backend.h"

/* One operand in memory: a strided view. */
typedef struct tensor {
    void *data; /* element [0, 0, ..]; NULL = an absent optional input */
    ar_type type;
    int rank;
    int64_t dim[MAX_DIMS], stride[MAX_DIMS]; /* elements */
} tensor;

typedef struct op_call {
    enum op_id op;
    const op_attr *attr;
    int n_in, n_out;
    tensor in[MAX_INPUTS], out[MAX_OUTPUTS];
    void *work;           /* work_size(g, n) bytes of this step's scratch */
    pool *threads;        /* NULL = the caller alone */
    const cpu_kernels *k; /* the table of this device; NULL in the reference */
    unsigned char *scratch; /* see cpu_scratch */
    bool blas; /* training products may go to the vendor's library */
} op_call;

typedef void cpu_op_fn(const op_call *c);

/* The plain kernels, in float and in double: every op, every layout.  F64 if
 * any float operand is F64.  They run in the calling thread. */
extern cpu_op_fn *const cpu_ref_f32[OP_COUNT];
extern cpu_op_fn *const cpu_ref_f64[OP_COUNT];
/* Bytes of c->work that either of them needs; looks at types and shapes. */
size_t cpu_ref_work_size(enum op_id op, const op_call *c);

/* A fast implementation of an op.  `fits` looks at types, shapes and strides
 * (pointers are not yet resolved); the first row that fits is used, the
 * reference otherwise.  Rows are in fast_*.c, gathered in fast.def. */
typedef struct cpu_fast {
    enum op_id op;
    bool (*fits)(const op_call *c);
    cpu_op_fn *run;
    size_t (*work_size)(const op_call *c); /* NULL = none */
    const char *name;
} cpu_fast;
extern const cpu_fast *const cpu_fast_ops[]; /* NULL-terminated */

/* Scratch private to a worker, for packing: cpu_scratch(worker) has at least
 * CPU_SCRATCH_SIZE bytes, aligned to 64, allocated when the device opens. */
enum { CPU_SCRATCH_SIZE = 4 << 20 };
void *cpu_scratch(const op_call *c, int worker);

static inline int64_t tensor_count(const tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}
bool tensor_contiguous(const tensor *t);
/* Of blocks, the second operand of a product: do they lie along the sum, or
 * along the result's columns? */
static inline bool tensor_blocks_along_k(const tensor *b) {
    return b->stride[b->rank - 2] == 1;
}

#endif
