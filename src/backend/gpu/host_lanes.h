/* host_lanes.h - running the groups of a launch on the host.
 *
 * Lanes of a group are fibres of one thread, which take turns at barriers; or
 * one thread each, so that the thread sanitizer sees what they share.  Fibres
 * run in rising order between two barriers, or in falling and rising order by
 * turns: a kernel whose result depends on it lacks a barrier. */
#ifndef GPU_HOST_LANES_H
#define GPU_HOST_LANES_H

#include "backend/gpu/host_kernels.h"
#include "base/thread.h"

enum {
    HOST_LANES_MAX = 256,  /* of a group */
    HOST_THREADS_MAX = 32, /* of a group whose lanes are threads */
};

typedef struct host_lanes host_lanes;

typedef struct host_job {
    const host_kernel *kernel;
    uint32_t groups[3];
    int32_t lanes;
    const void *args;
    void *const *pointers;
} host_job;

ar_status host_lanes_open(host_lanes **out, bool threads, bool backward,
                          ar_error *err);
void host_lanes_close(host_lanes *h); /* NULL is allowed */

/* Returns when all groups are done.  AR_DEVICE where lanes are threads and
 * those of a group that meet are more than there are. */
ar_status host_lanes_run(host_lanes *h, const host_job *job, ar_error *err);

#endif
