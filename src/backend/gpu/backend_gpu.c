/* backend_gpu.c - core/backend.h over the drivers of GPUs. */
#include "backend/gpu/backend_gpu.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static void gpu_close(device *d) {
    if (!d) return;
    d->driver->close(d->context);
    mem_free(d);
}

static ar_status open_on(const gpu_driver *driver, int index, device **out,
                         ar_error *err) {
    *out = NULL;
    device *d = mem_new(device, 1);
    if (!d) return error_set(err, AR_NOMEM, "no memory for a device");
    d->driver = driver;
    const ar_status s = driver->open(index, &d->context, err);
    if (s != AR_OK) {
        mem_free(d);
        return s;
    }
    driver->info(d->context, &d->info);
    *out = d;
    return AR_OK;
}

static void gpu_caps(const device *d, device_caps *out) {
    gpu_info info;
    d->driver->info(d->context, &info);
    *out = (device_caps){.memory = info.memory, .host_memory = info.unified};
    snprintf(out->name, sizeof out->name, "%s (%.80s)", d->driver->name,
             info.name);
}

static bool gpu_supports(const device *d, const graph *g, const node *n,
                         const char **reason) {
    if (op_table[n->op].flags & (OP_LEAF | OP_VIEW)) return true;
    gpu_call c;
    gpu_call_init(d, g, n, NULL, &c);
    if (gpu_op_find(&c)) return true;
    *reason = "no kernel for these types";
    for (int i = 0; i < c.n_out; i++)
        if (c.out[i].type == AR_F64) *reason = "results in double";
    return false;
}

/* ---- memory ---- */

static ar_status gpu_alloc(device *d, size_t size, buffer *out, ar_error *err) {
    gpu_address a;
    *out = (buffer){0};
    TRY(d->driver->alloc(d->context, size, &a, err));
    *out = (buffer){.handle = a, .size = size};
    if (d->info.unified) out->host = (void *)(uintptr_t)a;
    return AR_OK;
}

static ar_status gpu_import(device *d, const void *p, size_t size, buffer *out,
                            ar_error *err) {
    *out = (buffer){0};
    if (d->info.unified) {
        gpu_address a;
        TRY(d->driver->import(d->context, p, size, &a, err));
        *out =
            (buffer){.host = (void *)(uintptr_t)p, .handle = a, .size = size};
        return AR_OK;
    }
    TRY(gpu_alloc(d, size, out, err));
    const ar_status s = d->driver->write(d->context, out->handle, p, size, err);
    if (s != AR_OK) {
        d->driver->free(d->context, out->handle);
        *out = (buffer){0};
    }
    return s;
}

static void gpu_free(device *d, buffer *b) {
    if (b->handle) d->driver->free(d->context, b->handle);
    *b = (buffer){0};
}

static ar_status check_range(const buffer *b, size_t at, size_t n,
                             ar_error *err) {
    if (at <= b->size && n <= b->size - at) return AR_OK;
    return error_set(err, AR_RANGE, "bytes %zu to %zu of a buffer of %zu", at,
                     at + n, b->size);
}

static ar_status gpu_write(device *d, buffer *dst, size_t at, const void *src,
                           size_t n, ar_error *err) {
    TRY(check_range(dst, at, n, err));
    return d->driver->write(d->context, dst->handle + at, src, n, err);
}

static ar_status gpu_read(device *d, const buffer *src, size_t at, void *dst,
                          size_t n, ar_error *err) {
    TRY(check_range(src, at, n, err));
    return d->driver->read(d->context, src->handle + at, dst, n, err);
}

static ar_status gpu_copy(device *d, buffer *dst, size_t dst_at,
                          const buffer *src, size_t src_at, size_t n,
                          ar_error *err) {
    TRY(check_range(src, src_at, n, err));
    TRY(check_range(dst, dst_at, n, err));
    return d->driver->copy(d->context, dst->handle + dst_at,
                           src->handle + src_at, n, err);
}

/* ---- the rest ---- */

static ar_status gpu_wait(device *d, ticket t, ar_error *err) {
    (void)t;
    return d->driver->wait(d->context, err);
}

static void gpu_profile(device *d, bool on, op_time *times) {
    if (times) memcpy(times, d->times, sizeof d->times);
    if (on && !d->profiling) memset(d->times, 0, sizeof d->times);
    d->profiling = on;
}

/* One set of functions; what differs is the driver that they call. */
#define GPU_BACKEND(id, text, driver)                                          \
    static int count_##id(void) {                                              \
        const char *why;                                                       \
        return (driver).count(&why);                                           \
    }                                                                          \
    static ar_status open_##id(int index, const device_options *opt,           \
                               device **out, ar_error *err) {                  \
        (void)opt;                                                             \
        return open_on(&(driver), index, out, err);                            \
    }                                                                          \
    const backend backend_##id = {                                             \
        .name = (text),                                                        \
        .count = count_##id,                                                   \
        .open = open_##id,                                                     \
        .close = gpu_close,                                                    \
        .caps = gpu_caps,                                                      \
        .supports = gpu_supports,                                              \
        .measure = gpu_measure,                                                \
        .alloc = gpu_alloc,                                                    \
        .import = gpu_import,                                                  \
        .free = gpu_free,                                                      \
        .write = gpu_write,                                                    \
        .read = gpu_read,                                                      \
        .copy = gpu_copy,                                                      \
        .compile = gpu_compile,                                                \
        .run = gpu_run,                                                        \
        .wait = gpu_wait,                                                      \
        .stats = gpu_stats,                                                    \
        .profile = gpu_profile,                                                \
        .release = gpu_release,                                                \
    };

/* backends.h declares them: this folder does not include it */
extern const backend backend_cuda, backend_opencl, backend_gpu_host;
GPU_BACKEND(gpu_host, "gpu-host", gpu_host)
GPU_BACKEND(cuda, "cuda", gpu_cuda)
GPU_BACKEND(opencl, "opencl", gpu_opencl)
