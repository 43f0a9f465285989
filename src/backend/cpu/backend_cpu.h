/* backend_cpu.h - the CPU device: threads, a kernel table, host memory. */
#ifndef CPU_BACKEND_CPU_H
#define CPU_BACKEND_CPU_H

#include "backend/cpu/cpu.h"

struct device {
    pool *threads;
    const cpu_kernels *kernels; /* NULL = the plain kernels only */
    unsigned char *scratch;     /* CPU_SCRATCH_SIZE for every worker */
    bool blas;                  /* training products go to the vendor's BLAS */
    bool profiling;
    op_time times[OP_COUNT];
};

/* One node made ready: which function, and where its operands lie. */
typedef struct cpu_step {
    op_call call; /* data pointers are filled in at each run */
    cpu_op_fn *run;
    const char *kernel; /* name of the fast row, or "reference" */
    double flops, bytes;
    struct {
        int32_t slot;
        int64_t offset; /* bytes to element [0, 0, ..] */
    } in[MAX_INPUTS], out[MAX_OUTPUTS];
} cpu_step;

struct program {
    device *device;
    const graph *g;
    plan plan;
    cpu_step *steps;
    unsigned char *block, *constants, *work;
    size_t block_size, const_size, work_size;
};

/* Choose the kernel of a step whose call has shapes but no pointers yet. */
void cpu_step_choose(const device *d, cpu_step *s);
size_t cpu_step_work(const device *d, const graph *g, const node *n);
/* Shapes, strides and types of a node's operands; data stays NULL except that
 * a present input has a non-NULL placeholder, so that absent ones show. */
void cpu_call_init(const device *d, const graph *g, const node *n, op_call *c);

/* See core/backend.h. */
ar_status cpu_measure(device *d, device_speed *out, ar_error *err);

/* Is the value an absent optional input? */
static inline bool tensor_absent(const tensor *t) { return !t->data; }

#endif
