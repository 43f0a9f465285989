/* backend_null.c - a device that plans and counts and computes nothing.
 *
 * It answers what a program would cost: bytes by kind, flops, and the time a
 * machine of given speed would take.  Buffers have sizes but no memory, so a
 * model of any size can be planned anywhere. */
#include "backend/backends.h"
#include "base/error.h"
#include "base/mem.h"

struct device {
    bool profiling;
};

struct program {
    plan plan;
};

static int count(void) { return 1; }

static ar_status null_open(int index, const device_options *opt, device **out,
                           ar_error *err) {
    (void)opt;
    *out = NULL;
    if (index) return error_set(err, AR_RANGE, "null %d: there is one", index);
    *out = mem_new(device, 1);
    return *out ? AR_OK : error_set(err, AR_NOMEM, "no memory for a device");
}

static void null_close(device *d) { mem_free(d); }

static void null_caps(const device *d, device_caps *out) {
    (void)d;
    *out = (device_caps){.name = "null (plans, computes nothing)",
                         .host_memory = true, /* as those it plans for */
                         .reference = true};
}

static bool null_supports(const device *d, const graph *g, const node *n,
                          const char **reason) {
    (void)d, (void)g, (void)n, (void)reason;
    return true;
}

static ar_status null_measure(device *d, device_speed *out, ar_error *err) {
    (void)d, (void)out;
    return error_set(err, AR_UNSUPPORTED, "the null device computes nothing");
}

static ar_status null_alloc(device *d, size_t size, buffer *out,
                            ar_error *err) {
    (void)d, (void)err;
    *out = (buffer){.handle = 1, .size = size};
    return AR_OK;
}

static ar_status null_import(device *d, const void *p, size_t size, buffer *out,
                             ar_error *err) {
    (void)p;
    return null_alloc(d, size, out, err);
}

static void null_free(device *d, buffer *b) {
    (void)d;
    *b = (buffer){0};
}

static ar_status null_write(device *d, buffer *dst, size_t at, const void *src,
                            size_t n, ar_error *err) {
    (void)d, (void)src;
    if (at <= dst->size && n <= dst->size - at) return AR_OK;
    return error_set(err, AR_RANGE, "bytes %zu to %zu of a buffer of %zu", at,
                     at + n, dst->size);
}

static ar_status null_read(device *d, const buffer *src, size_t at, void *dst,
                           size_t n, ar_error *err) {
    (void)d, (void)src, (void)at, (void)dst, (void)n;
    return error_set(err, AR_UNSUPPORTED, "the null device has no numbers");
}

static ar_status null_copy(device *d, buffer *dst, size_t dst_at,
                           const buffer *src, size_t src_at, size_t n,
                           ar_error *err) {
    buffer from = *src;
    TRY(null_write(d, &from, src_at, NULL, n, err));
    return null_write(d, dst, dst_at, NULL, n, err);
}

static void null_release(program *p) {
    if (!p) return;
    plan_close(&p->plan);
    mem_free(p);
}

static ar_status null_compile(device *d, const graph *g, program **out,
                              ar_error *err) {
    *out = NULL;
    TRY(graph_status(g, err));
    program *p = mem_new(program, 1);
    if (!p) return error_set(err, AR_NOMEM, "no memory for a program");
    const ar_status s = plan_build(&p->plan, g, NULL, d, err);
    if (s != AR_OK)
        null_release(p);
    else
        *out = p;
    return s;
}

static ar_status null_run(program *p, const buffer *buffers, int n_buffers,
                          ticket *out, ar_error *err) {
    (void)p, (void)buffers, (void)n_buffers, (void)err;
    if (out) *out = 0;
    return AR_OK;
}

static ar_status null_wait(device *d, ticket t, ar_error *err) {
    (void)d, (void)t, (void)err;
    return AR_OK;
}

static void null_stats(const program *p, program_stats *out) {
    *out = (program_stats){p->plan.block_size, p->plan.const_size,
                           p->plan.work_size,  p->plan.n_steps,
                           p->plan.flops,      p->plan.bytes};
}

static void null_profile(device *d, bool on, op_time *times) {
    for (int i = 0; times && i < OP_COUNT; i++) times[i] = (op_time){0};
    d->profiling = on;
}

const backend backend_null = {
    .name = "null",
    .count = count,
    .open = null_open,
    .close = null_close,
    .caps = null_caps,
    .supports = null_supports,
    .measure = null_measure,
    .alloc = null_alloc,
    .import = null_import,
    .free = null_free,
    .write = null_write,
    .read = null_read,
    .copy = null_copy,
    .compile = null_compile,
    .run = null_run,
    .wait = null_wait,
    .stats = null_stats,
    .profile = null_profile,
    .release = null_release,
};
