/* host_threads.h - up to HOST_THREADS_MAX lanes of a group as threads. */
#ifndef GPU_HOST_THREADS_H
#define GPU_HOST_THREADS_H

#include "backend/gpu/host_lanes.h"

typedef struct host_threads host_threads;

ar_status host_threads_open(host_threads **out, ar_error *err);
void host_threads_close(host_threads *t); /* NULL is allowed */

/* Lanes [first, first + HOST_THREADS_MAX) of the group that l is of, at once;
 * returns when they are done. */
void host_threads_run(host_threads *t, const host_job *job, const host_lane *l,
                      int32_t first);

/* Called by a lane: waits for the others. */
void host_threads_barrier(void);

#endif
