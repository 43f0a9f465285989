/* measure.c - what this CPU can do at best: multiply-adds and memory. */
#include <string.h>

#include "backend/cpu/backend_cpu.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

enum {
    DEPTH = 256,      /* of the product that is repeated */
    BLOCK = 64 << 20, /* bytes read by each thread: beyond the caches */
};
#define SPEND 0.08 /* seconds for one measurement */

typedef struct work {
    device *d;
    unsigned char *memory; /* BLOCK for every thread */
    _Atomic int64_t tiles; /* register tiles done */
} work;

/* The micro-kernel on panels that stay in the first cache. */
static void multiply(void *ctx, int64_t share, int worker) {
    (void)share;
    work *w = ctx;
    const cpu_kernels *k = w->d->kernels;
    float *a =
        (float *)(void *)(w->d->scratch + (size_t)worker * CPU_SCRATCH_SIZE);
    float *b = a + DEPTH * k->gemm.mr, *c = b + DEPTH * k->gemm.nr;
    const int64_t floats = c + k->gemm.mr * k->gemm.nr - a;
    memset(a, 0, (size_t)floats * sizeof *a);
    const double until = clock_now() + SPEND;
    int64_t n = 0;
    do {
        for (int i = 0; i < 64; i++, n++)
            k->gemm_tile(DEPTH, a, b, c, k->gemm.nr, k->gemm.mr, k->gemm.nr,
                         true);
    } while (clock_now() < until);
    w->tiles += n;
}

static void read_memory(void *ctx, int64_t share, int worker) {
    (void)worker;
    work *w = ctx;
    const uint64_t *p =
        (const uint64_t *)(const void *)(w->memory + (size_t)share * BLOCK);
    uint64_t sum[8] = {0};
    for (size_t i = 0; i < BLOCK / sizeof *p; i += 8)
        for (int j = 0; j < 8; j++) sum[j] += p[i + (size_t)j];
    /* so that the reads are not left out */
    for (int j = 0; j < 8; j++) w->tiles += (int64_t)(sum[j] & 1);
}

static double measure_flops(work *w) {
    const cpu_kernels *k = w->d->kernels;
    const double start = clock_now();
    pool_run(w->d->threads, multiply, w, pool_threads(w->d->threads));
    const double tile = 2.0 * DEPTH * k->gemm.mr * k->gemm.nr;
    return (double)w->tiles * tile / (clock_now() - start);
}

static double measure_bandwidth(work *w) {
    const int n = pool_threads(w->d->threads);
    double best = 0;
    for (int i = 0; i < 3; i++) {
        const double start = clock_now();
        pool_run(w->d->threads, read_memory, w, n);
        const double rate = (double)n * BLOCK / (clock_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

ar_status cpu_measure(device *d, double *flops, double *bandwidth,
                      ar_error *err) {
    const size_t size = (size_t)pool_threads(d->threads) * BLOCK;
    if (!d->kernels)
        return error_set(err, AR_UNSUPPORTED,
                         "the plain kernels are not measured");
    work w = {.d = d, .memory = mem_block_alloc(size)};
    if (!w.memory) return error_set(err, AR_NOMEM, "no memory to measure with");
    memset(w.memory, 1, size); /* pages are only real when written */
    *flops = measure_flops(&w);
    *bandwidth = measure_bandwidth(&w);
    mem_block_free(w.memory, size);
    return AR_OK;
}
