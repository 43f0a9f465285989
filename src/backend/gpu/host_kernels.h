/* host_kernels.h - kernels as the host runs them.
 *
 * A flat kernel has no barrier: its lanes may run one after the other in a
 * loop.  The others need every lane alive at once, as fibres or threads; each
 * is called with a count of one. */
#ifndef GPU_HOST_KERNELS_H
#define GPU_HOST_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a lane is; its kernel advances index by step, count times. */
typedef struct host_lane {
    int32_t index, lanes; /* of the group */
    int32_t count, step;
    uint32_t group[3], groups[3];
    unsigned char *shared; /* of the group, HOST_SHARED_SIZE bytes */
    size_t shared_used;
} host_lane;

enum { HOST_SHARED_SIZE = 48 << 10 };

typedef struct host_kernel {
    void (*enter)(host_lane *l, const void *args, void *const *pointers);
    bool flat;
    int n_pointers;
} host_kernel;

/* gpu_narrow_: compiled without doubles. */
#define KERNEL(name, ...)                                                      \
    extern const host_kernel gpu_host_##name, gpu_narrow_##name;
#define CUDA_KERNEL(...)
#include "backend/gpu/gpu_kernels.def"
#undef KERNEL

/* The next size bytes of the group's memory: the same for every lane, since
 * all come by the same places in the same order. */
void *host_shared(host_lane *l, size_t size);

/* All lanes of the group meet here. */
void host_barrier(void);

#endif
