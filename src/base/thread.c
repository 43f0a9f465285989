/* thread.c - one pool of threads, which sleeps when it has nothing to do.
 *
 * A round of work is announced by one 64-bit word `gate`: the round number in
 * the high half, the next share to hand out in the low half, so a worker that
 * wakes late can never take a share of a round that is already over.  Workers
 * spin for some microseconds before they sleep: a step of a model is a chain
 * of short rounds, and waking costs more than most of them.  With more threads
 * than processors spinning only steals time, so the pool then sleeps at once.
 */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#define SPIN_SECONDS 30e-6

struct pool {
    int n_threads; /* the caller counted */
    bool spin;
    pool_fn *fn;
    void *ctx;
    _Atomic int64_t n_shares;
    _Atomic uint64_t gate;      /* round << 32 | next share */
    _Atomic int64_t unfinished; /* shares of this round not yet done */
    _Atomic int64_t sleepers;
    _Atomic bool closing, waiting; /* the caller sleeps on `end` */
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    int caller; /* the processor that workers keep off, -1 = none yet */
    struct worker {
        pool *pool;
        pthread_t thread;
        int index;
    } * workers;
};

#if defined(__x86_64__) || defined(__i386__)
static inline void relax(void) { __builtin_ia32_pause(); }
#elif defined(__aarch64__)
static inline void relax(void) { __asm__ volatile("yield"); }
#else
static inline void relax(void) {}
#endif

/* Read what another thread changes before it looks at what was stored here just
 * now.  A read-modify-write: emulators (QEMU 7.2) let a plain load pass a store
 * though both are sequentially consistent, and a thread then sleeps for ever.
 */
static int64_t load_in_order(_Atomic int64_t *x) {
    return atomic_fetch_add(x, 0);
}

/* cgroup v2: "max 100000" or "200000 100000" (quota and period). */
static int cgroup_limit(void) {
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!f) return 0;
    char line[64] = "";
    const bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    if (!got || line[0] == 'm') return 0;
    char *rest;
    const long quota = strtol(line, &rest, 10), period = strtol(rest, NULL, 10);
    if (quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}

int pool_processors(void) {
    int n = (int)sysconf(_SC_NPROCESSORS_ONLN);
#ifdef CPU_COUNT
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
#endif
    const int limit = cgroup_limit();
    if (limit && limit < n) n = limit;
    return n < 1 ? 1 : n > POOL_MAX_THREADS ? POOL_MAX_THREADS : n;
}

/* Take shares of `round` until there are none. */
static void work_on(pool *p, uint32_t round, int worker) {
    uint64_t gate = p->gate;
    while ((uint32_t)(gate >> 32) == round) {
        const int64_t share = (uint32_t)gate;
        if (share >= p->n_shares) return;
        if (!atomic_compare_exchange_weak(&p->gate, &gate, gate + 1)) continue;
        p->fn(p->ctx, share, worker);
        if (atomic_fetch_sub(&p->unfinished, 1) == 1 && p->waiting) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_broadcast(&p->end);
            pthread_mutex_unlock(&p->lock);
        }
        gate = p->gate;
    }
}

static bool round_changed(pool *p, uint32_t seen) {
    return (uint32_t)(p->gate >> 32) != seen || p->closing;
}

static void wait_for_round(pool *p, uint32_t seen) {
    if (p->spin) {
        const double until = clock_now() + SPIN_SECONDS;
        do {
            for (int i = 0; i < 64; i++) {
                if (round_changed(p, seen)) return;
                relax();
            }
        } while (clock_now() < until);
    }
    pthread_mutex_lock(&p->lock);
    p->sleepers++;
    while (!round_changed(p, seen)) pthread_cond_wait(&p->begin, &p->lock);
    p->sleepers--;
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg) {
    struct worker *w = arg;
    pool *p = w->pool;
    uint32_t seen = 0;
    for (;;) {
        wait_for_round(p, seen);
        if (p->closing) return NULL;
        seen = (uint32_t)(p->gate >> 32);
        work_on(p, seen, w->index);
    }
}

static void wait_for_end(pool *p) {
    if (p->spin) {
        const double until = clock_now() + SPIN_SECONDS;
        while (p->unfinished && clock_now() < until) relax();
    }
    if (!p->unfinished) return;
    /* whoever has the last share lost its processor: sleep, do not steal */
    pthread_mutex_lock(&p->lock);
    p->waiting = true;
    while (load_in_order(&p->unfinished)) pthread_cond_wait(&p->end, &p->lock);
    p->waiting = false;
    pthread_mutex_unlock(&p->lock);
}

/* Workers keep off the caller's processor: a woken thread can be put there
 * though others are idle, and then has to wait for the caller. */
#ifdef CPU_COUNT
static void place_workers(pool *p) {
    const int here = sched_getcpu();
    cpu_set_t set;
    if (here < 0 || here == p->caller || !p->spin) return;
    if (pthread_getaffinity_np(pthread_self(), sizeof set, &set)) return;
    CPU_CLR(here, &set);
    if (CPU_COUNT(&set) < p->n_threads - 1) return;
    for (int i = 1; i < p->n_threads; i++)
        pthread_setaffinity_np(p->workers[i].thread, sizeof set, &set);
    p->caller = here;
}
#else
static void place_workers(pool *p) { (void)p; }
#endif

void pool_run(pool *p, pool_fn *fn, void *ctx, int64_t n_shares) {
    if (n_shares <= 0) return;
    if (!p || p->n_threads == 1 || n_shares == 1) {
        for (int64_t i = 0; i < n_shares; i++) fn(ctx, i, 0);
        return;
    }
    /* A closed round comes first: a worker still looking at the last one must
     * not take a share by the new count. */
    const uint32_t round = (uint32_t)(p->gate >> 32) + 2;
    p->gate = (uint64_t)(round - 1) << 32 | UINT32_MAX;
    p->fn = fn;
    p->ctx = ctx;
    p->n_shares = n_shares;
    p->unfinished = n_shares;
    p->gate = (uint64_t)round << 32;
    place_workers(p);
    if (load_in_order(&p->sleepers)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->begin);
        pthread_mutex_unlock(&p->lock);
    }
    work_on(p, round, 0);
    wait_for_end(p);
}

static ar_status start_workers(pool *p, ar_error *err) {
    for (int i = 1; i < p->n_threads; i++) {
        p->workers[i] = (struct worker){.pool = p, .index = i};
        if (pthread_create(&p->workers[i].thread, NULL, worker_main,
                           &p->workers[i])) {
            p->n_threads = i; /* so that pool_close joins those that run */
            return error_set(err, AR_DEVICE, "thread %d could not be started",
                             i);
        }
    }
    return AR_OK;
}

ar_status pool_open(pool **out, int n_threads, ar_error *err) {
    *out = NULL;
    if (n_threads < 0 || n_threads > POOL_MAX_THREADS)
        return error_set(err, AR_RANGE, "%d threads: between 1 and %d",
                         n_threads, POOL_MAX_THREADS);
    pool *p = mem_new(pool, 1);
    if (!p) return error_set(err, AR_NOMEM, "no memory for a thread pool");
    p->n_threads = n_threads ? n_threads : pool_processors();
    p->caller = -1;
    p->spin = p->n_threads <= pool_processors();
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begin, NULL);
    pthread_cond_init(&p->end, NULL);
    p->workers = mem_new(struct worker, p->n_threads);
    ar_status s = p->workers
                      ? start_workers(p, err)
                      : error_set(err, AR_NOMEM, "no memory for a thread pool");
    if (s != AR_OK)
        pool_close(p);
    else
        *out = p;
    return s;
}

void pool_close(pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; p->workers && i < p->n_threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->begin);
    pthread_cond_destroy(&p->end);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->workers);
    mem_free(p);
}

int pool_threads(const pool *p) { return p ? p->n_threads : 1; }
