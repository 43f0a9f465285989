/* thread.h - one pool of threads, which sleeps when it has nothing to do.
 *
 * Work is cut into shares whose number depends on the shapes alone; threads
 * take shares by an atomic counter.  Who computes a share never changes its
 * value, so results are the same for any number of threads. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <stdint.h>

#include "arcane/status.h"

typedef struct pool pool;

/* Most threads a pool can have. */
enum { POOL_MAX_THREADS = 256 };

/* Processors this process may use (affinity and cgroup limits counted). */
int pool_processors(void);

/* A pool of n_threads, the caller being one of them; 0 = pool_processors().
 * Errors: AR_NOMEM, AR_DEVICE, AR_RANGE. */
ar_status pool_open(pool **out, int n_threads, ar_error *err);
void pool_close(pool *p);
int pool_threads(const pool *p); /* 1 for NULL */

/* Call fn(ctx, share, worker) for every share in [0, n_shares) and return
 * when all are done.  `worker` in [0, pool_threads) names the thread, for
 * scratch memory.  A NULL pool runs everything in the caller. */
typedef void pool_fn(void *ctx, int64_t share, int worker);
void pool_run(pool *p, pool_fn *fn, void *ctx, int64_t n_shares);

#endif
