/* gpu_measure.c - what a device does at best with the kernels that it has: a
 * square product, and a copy. */
#include "backend/gpu/backend_gpu.h"
#include "base/clock.h"
#include "base/error.h"

enum { MOST = 8192, LEAST = 128, STATE, INPUT };
#define ENOUGH 0.04 /* seconds of one run */

/* Seconds of the second of two runs. */
static ar_status time_graph(device *d, const graph *g, buffer *b, double *out,
                            ar_error *err) {
    program *p;
    TRY(gpu_compile(d, g, &p, err));
    ar_status s = AR_OK;
    for (int i = 0; i < 3 && s == AR_OK; i++) {
        const double start = clock_now();
        s = gpu_run(p, b, 1, NULL, err);
        if (s == AR_OK) s = d->driver->wait(d->context, err);
        *out = clock_now() - start;
    }
    gpu_release(p);
    return s;
}

/* y = x x, or y = x, of n by n numbers that lie behind each other. */
static ar_status time_square(device *d, int64_t n, bool product, double *out,
                             ar_error *err) {
    const size_t size = (size_t)(n * n) * 4;
    buffer b = {.size = 2 * size};
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(n, n), 0, 0);
    const ref y = graph_state(&g, "y", AR_F32, shape2(n, n), 0, (int64_t)size);
    const struct matmul_attr attr = {0};
    graph_store(&g, y, product ? graph_matmul(&g, x, x, &attr) : x);
    ar_status s = graph_status(&g, err);
    if (s == AR_OK) s = d->driver->alloc(d->context, b.size, &b.handle, err);
    if (s == AR_OK) s = time_graph(d, &g, &b, out, err);
    if (b.handle) d->driver->free(d->context, b.handle);
    graph_close(&g);
    return s;
}

ar_status gpu_measure(device *d, device_speed *out, ar_error *err) {
    double seconds = 0;
    for (int64_t n = LEAST; n <= MOST && seconds < ENOUGH; n *= 2) {
        TRY(time_square(d, n, true, &seconds, err));
        out->flops = 2.0 * (double)(n * n * n) / seconds;
    }
    seconds = 0;
    for (int64_t n = LEAST; n <= MOST && seconds < ENOUGH; n *= 2) {
        TRY(time_square(d, n, false, &seconds, err));
        out->bandwidth = 8.0 * (double)(n * n) / seconds;
    }
    return AR_OK;
}
