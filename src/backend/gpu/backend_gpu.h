/* backend_gpu.h - the inside of the GPU backends: a device, a program. */
#ifndef GPU_BACKEND_GPU_H
#define GPU_BACKEND_GPU_H

#include "backend/gpu/gpu.h"

enum { GPU_MAX_MODULES = 64 };

typedef struct gpu_file {
    const char *name; /* "move.cl" */
    gpu_module *module;
} gpu_file;

struct device {
    const gpu_driver *driver;
    gpu_context *context;
    gpu_info info;
    gpu_file files[GPU_MAX_MODULES]; /* built so far */
    int n_files;
    gpu_kernel *kernels[GPU_KERNEL_COUNT]; /* NULL: not asked for yet */
    bool profiling;
    op_time times[OP_COUNT];
};

/* A launch of a program, its operands not yet at an address. */
typedef struct gpu_part {
    enum gpu_kernel_id kernel;
    uint32_t groups[3], lanes, shared_size;
    int n_pointers;
    struct {
        int32_t slot;
        int64_t offset;
    } pointers[GPU_MAX_POINTERS]; /* slot NO_SLOT: address 0 */
    const void *args;             /* in gpu_list.mem */
    size_t args_size;
} gpu_part;

enum { NO_SLOT = -4 };

struct gpu_list {
    arena mem;
    gpu_part *parts;
    size_t n_parts, capacity;
    device *device;
    ar_error error;
};

/* A step of the plan: its launches. */
typedef struct gpu_step {
    enum op_id op;
    const char *name; /* of the emitter */
    size_t first, end;
    double flops, bytes;
} gpu_step;

struct program {
    device *device;
    const graph *g;
    plan plan;
    gpu_list list;
    gpu_step *steps;
    gpu_address block, constants, work;
    gpu_address *bases, *last; /* by slot: of this run, of the one before */
    bool *used;                /* by slot: a leaf is there */
    int n_slots;
    gpu_graph *recorded; /* the launches for the addresses of `last` */
    bool cannot_record;
};

/* The compiled kernel, built with its file when first asked for. */
ar_status gpu_kernel_get(device *d, enum gpu_kernel_id k, gpu_kernel **out,
                         ar_error *err);

/* Types, shapes and strides of a node's operands; with a plan, also where they
 * are. */
void gpu_call_init(const device *d, const graph *g, const node *n,
                   const plan *p, gpu_call *c);
/* The first emitter that fits, or NULL. */
const gpu_op *gpu_op_find(const gpu_call *c);

/* See core/backend.h. */
ar_status gpu_compile(device *d, const graph *g, program **out, ar_error *err);
ar_status gpu_run(program *p, const buffer *buffers, int n_buffers, ticket *out,
                  ar_error *err);
void gpu_stats(const program *p, program_stats *out);
void gpu_release(program *p);
ar_status gpu_measure(device *d, device_speed *out, ar_error *err);

#endif
