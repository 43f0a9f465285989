/* measure.c - what this CPU can do at best: products and memory.
 *
 * Each figure is the best of a few short spans, so that another process that
 * takes a core for a moment does not count. */
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/backend_cpu.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

enum {
    DEPTH = 256,      /* of the products that are repeated */
    ROWS = 32,        /* of activations with a panel of levels */
    NEAR = 256 << 10, /* bytes that stay in the second-level cache */
    FAR = 64 << 20,   /* bytes read by each thread: beyond the caches */
    SPANS = 24,
    STARTS = 101, /* of all threads */
    /* Of a last-level cache, for each thread that shares it: what servers and
     * desktops have or more.  The system's own figure is that of the host. */
    CACHE_SHARE = 8 << 20,
};
#define SPAN 0.003    /* seconds */
#define SHORT 0.00001 /* of a share that is started and waited for */

typedef struct work {
    device *d;
    unsigned char *memory;  /* FAR for every thread */
    _Atomic int64_t rounds; /* done by all threads */
} work;

static float *room(const work *w, int worker) {
    return (float *)(void *)(w->d->scratch + (size_t)worker * CPU_SCRATCH_SIZE);
}

/* The micro-kernel on panels that stay in the first cache. */
static void multiply(void *ctx, int64_t share, int worker) {
    (void)share;
    work *w = ctx;
    const cpu_kernels *k = w->d->kernels;
    float *a = room(w, worker);
    float *b = a + DEPTH * k->gemm.mr, *c = b + DEPTH * k->gemm.nr;
    const int64_t floats = c + k->gemm.mr * k->gemm.nr - a;
    memset(a, 0, (size_t)floats * sizeof *a);
    const double until = clock_now() + SPAN;
    int64_t n = 0;
    do {
        for (int i = 0; i < 64; i++, n++)
            k->gemm_tile(DEPTH, a, b, c, k->gemm.nr, k->gemm.mr, k->gemm.nr,
                         true);
    } while (clock_now() < until);
    w->rounds += n;
}

/* A panel of levels with rows of activations, all in the first cache. */
static void multiply_levels(void *ctx, int64_t share, int worker) {
    (void)share;
    enum { GROUPS = DEPTH / 32 };
    work *w = ctx;
    unsigned char *p = (unsigned char *)room(w, worker);
    memset(p, 0, CPU_SCRATCH_SIZE / 4);
    float *f = (float *)(void *)(p + DEPTH * (PANEL8 + ROWS));
    float *y = f + 8 * GROUPS * (PANEL8 + ROWS);
    const dot8_args a = {.k = DEPTH,
                         .group = 32,
                         .top = 63,
                         .levels = p,
                         .scale = f,
                         .minimum = f,
                         .ld_x = DEPTH,
                         .ld_blocks = GROUPS,
                         .ld_groups = GROUPS,
                         .x = (const int8_t *)p + DEPTH * PANEL8,
                         .x_scale = f,
                         .start = (const int32_t *)(const void *)f,
                         .sums = f};
    const double until = clock_now() + SPAN;
    int64_t n = 0;
    do {
        for (int i = 0; i < 16; i++, n++)
            w->d->kernels->dot8(&a, ROWS, y, PANEL8, false);
    } while (clock_now() < until);
    w->rounds += n;
}

static void read_far(void *ctx, int64_t share, int worker) {
    (void)worker;
    const work *w = ctx;
    w->d->kernels->max(
        FAR / (int64_t)sizeof(float),
        (const float *)(const void *)(w->memory + (size_t)share * FAR));
}

static void read_near(void *ctx, int64_t share, int worker) {
    (void)share;
    work *w = ctx;
    const float *x = room(w, worker);
    const double until = clock_now() + SPAN;
    int64_t n = 0;
    do {
        w->d->kernels->max(NEAR / (int64_t)sizeof *x, x);
        n++;
    } while (clock_now() < until);
    w->rounds += n;
}

static void wait_short(void *ctx, int64_t share, int worker) {
    (void)ctx, (void)share, (void)worker;
    const double until = clock_now() + SHORT;
    while (clock_now() < until) {}
}

/* Rounds of fn a second, all threads together. */
static double best_rate(work *w, pool_fn *fn) {
    double best = 0;
    for (int i = 0; i < SPANS; i++) {
        w->rounds = 0;
        const double start = clock_now();
        pool_run(w->d->threads, fn, w, pool_threads(w->d->threads));
        const double rate = (double)w->rounds / (clock_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static double time_once(work *w, pool_fn *fn) {
    const double start = clock_now();
    pool_run(w->d->threads, fn, w, pool_threads(w->d->threads));
    return clock_now() - start;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Not the fastest: by chance much of it was still in a cache. */
static double read_seconds(work *w) {
    double seconds[SPANS];
    for (int i = 0; i < SPANS; i++) seconds[i] = time_once(w, read_far);
    qsort(seconds, SPANS, sizeof *seconds, by_value);
    return seconds[SPANS / 4];
}

/* What a share for every thread takes beyond its own time.  The least: where a
 * core is taken, the caller does the shares one after the other. */
static double start_seconds(work *w) {
    double least = 1;
    for (int i = 0; i < STARTS; i++) {
        const double seconds = time_once(w, wait_short) - SHORT;
        if (seconds < least) least = seconds;
    }
    return least > 0 ? least : 0;
}

_Static_assert((int)NEAR <= (int)CPU_SCRATCH_SIZE, "scratch");

ar_status cpu_measure(device *d, device_speed *out, ar_error *err) {
    const int n = pool_threads(d->threads);
    const size_t size = (size_t)n * FAR;
    if (!d->kernels)
        return error_set(err, AR_UNSUPPORTED,
                         "the plain kernels are not measured");
    work w = {.d = d, .memory = mem_block_alloc(size)};
    if (!w.memory) return error_set(err, AR_NOMEM, "no memory to measure with");
    memset(w.memory, 0, size); /* pages are only real when written */
    const gemm_geometry *t = &d->kernels->gemm;
    *out = (device_speed){
        .flops = 2.0 * DEPTH * t->mr * t->nr * best_rate(&w, multiply),
        .levels = 2.0 * DEPTH * ROWS * PANEL8 * best_rate(&w, multiply_levels),
        .cached = (double)NEAR * best_rate(&w, read_near),
        .bandwidth = (double)size / read_seconds(&w),
        .cache_size = (double)n * CACHE_SHARE,
        .dispatch = n > 1 ? start_seconds(&w) : 0,
    };
    mem_block_free(w.memory, size);
    return AR_OK;
}
