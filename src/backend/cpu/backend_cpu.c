/* backend_cpu.c - the CPU behind core/backend.h: compile once, run many. */
#include "backend/cpu/backend_cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/blas.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "core/leaves.h"

static int count(void) { return 1; }

static void cpu_close(device *d) {
    if (!d) return;
    if (d->scratch)
        mem_block_free(d->scratch,
                       (size_t)pool_threads(d->threads) * CPU_SCRATCH_SIZE);
    pool_close(d->threads);
    mem_free(d);
}

static ar_status choose_kernels(device *d, const device_options *opt,
                                ar_error *err) {
    const char *want =
        opt && opt->kernels ? opt->kernels : getenv("ARCANE_CPU");
    if (want && !strcmp(want, "reference")) return AR_OK;
    d->kernels = cpu_kernels_find(want);
    if (!d->kernels)
        return error_set(err, AR_UNSUPPORTED,
                         "kernels \"%s\": no such table, or not for this CPU",
                         want ? want : "default");
    if (!opt || !opt->blas) return AR_OK;
    if (!blas_open(opt->blas))
        return error_set(err, AR_UNSUPPORTED, "%s: not found on this machine",
                         opt->blas);
    d->blas = true;
    return AR_OK;
}

static ar_status cpu_open(int index, const device_options *opt, device **out,
                          ar_error *err) {
    *out = NULL;
    if (index) return error_set(err, AR_RANGE, "cpu %d: there is one", index);
    device *d = mem_new(device, 1);
    if (!d) return error_set(err, AR_NOMEM, "no memory for a device");
    ar_status s = choose_kernels(d, opt, err);
    if (s == AR_OK) s = pool_open(&d->threads, opt ? opt->n_threads : 0, err);
    if (s == AR_OK) {
        d->scratch = mem_block_alloc((size_t)pool_threads(d->threads) *
                                     CPU_SCRATCH_SIZE);
        if (!d->scratch)
            s = error_set(err, AR_NOMEM, "no memory for packing buffers");
    }
    if (s != AR_OK)
        cpu_close(d);
    else
        *out = d;
    return s;
}

static void cpu_caps(const device *d, device_caps *out) {
    *out = (device_caps){.memory = mem_available(),
                         .host_memory = true,
                         .reference = !d->kernels};
    snprintf(out->name, sizeof out->name, "cpu (%s, %d threads)",
             d->kernels ? d->kernels->isa : "reference",
             pool_threads(d->threads));
}

static bool cpu_supports(const device *d, const graph *g, const node *n,
                         const char **reason) {
    (void)d, (void)g;
    if ((op_table[n->op].flags & (OP_LEAF | OP_VIEW)) || cpu_ref_f32[n->op])
        return true;
    *reason = "no kernel";
    return false;
}

/* ---- memory: the host's ---- */

static ar_status cpu_alloc(device *d, size_t size, buffer *out, ar_error *err) {
    (void)d;
    *out = (buffer){.host = mem_block_alloc(size), .handle = 1, .size = size};
    if (out->host) return AR_OK;
    *out = (buffer){0};
    return error_set(err, AR_NOMEM, "no memory for %.1f MiB",
                     (double)size / 1048576.0);
}

static ar_status cpu_import(device *d, const void *p, size_t size, buffer *out,
                            ar_error *err) {
    (void)d, (void)err;
    *out = (buffer){.host = (void *)p, .size = size};
    return AR_OK;
}

static void cpu_free(device *d, buffer *b) {
    (void)d;
    if (b->handle) mem_block_free(b->host, b->size);
    *b = (buffer){0};
}

static ar_status check_range(const buffer *b, size_t at, size_t n,
                             ar_error *err) {
    if (at <= b->size && n <= b->size - at) return AR_OK;
    return error_set(err, AR_RANGE, "bytes %zu to %zu of a buffer of %zu", at,
                     at + n, b->size);
}

static ar_status cpu_write(device *d, buffer *dst, size_t at, const void *src,
                           size_t n, ar_error *err) {
    (void)d;
    TRY(check_range(dst, at, n, err));
    if (n) memcpy((char *)dst->host + at, src, n);
    return AR_OK;
}

static ar_status cpu_read(device *d, const buffer *src, size_t at, void *dst,
                          size_t n, ar_error *err) {
    (void)d;
    TRY(check_range(src, at, n, err));
    if (n) memcpy(dst, (const char *)src->host + at, n);
    return AR_OK;
}

static ar_status cpu_copy(device *d, buffer *dst, size_t dst_at,
                          const buffer *src, size_t src_at, size_t n,
                          ar_error *err) {
    TRY(check_range(src, src_at, n, err));
    return cpu_write(d, dst, dst_at, (const char *)src->host + src_at, n, err);
}

/* ---- programs ---- */

static void cpu_release(program *p) {
    if (!p) return;
    mem_block_free(p->block, p->block_size);
    mem_block_free(p->constants, p->const_size);
    mem_block_free(p->work, p->work_size);
    mem_free(p->steps);
    plan_close(&p->plan);
    mem_free(p);
}

/* The place of an operand: that of its storage, plus the view's offset. */
static void locate(program *p, ref r, int32_t *slot, int64_t *offset) {
    const value *v = graph_value(p->g, r);
    const place at = p->plan.places[v->storage];
    *slot = at.slot;
    *offset = at.offset + (int64_t)ar_type_size(v->type, v->offset);
}

static void prepare_step(program *p, cpu_step *s, uint32_t index) {
    const node *n = &p->g->nodes[index];
    cpu_call_init(p->device, p->g, n, &s->call);
    cpu_step_choose(p->device, s);
    s->flops = node_flops(p->g, n);
    s->bytes = node_bytes(p->g, n);
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) locate(p, n->in[i], &s->in[i].slot, &s->in[i].offset);
    for (int i = 0; i < n->n_out; i++)
        locate(p, ref_make(index, i), &s->out[i].slot, &s->out[i].offset);
}

static void fill_constants(program *p) {
    for (uint32_t i = 1; i < p->g->n_nodes; i++) {
        const node *n = &p->g->nodes[i];
        const place at = p->plan.places[ref_make(i, 0)];
        if (n->op != OP_CONST || at.slot != SLOT_CONST) continue;
        memcpy(p->constants + at.offset, n->attr.data.data,
               ar_type_size(n->out[0].type, shape_count(&n->out[0].shape)));
    }
}

static size_t work_of(void *d, const graph *g, const node *n) {
    return cpu_step_work(d, g, n);
}

static ar_status take_memory(program *p, ar_error *err) {
    p->block_size = p->plan.block_size;
    p->const_size = p->plan.const_size;
    p->work_size = p->plan.work_size;
    p->block = mem_block_alloc(p->block_size);
    p->constants = mem_block_alloc(p->const_size);
    p->work = mem_block_alloc(p->work_size);
    p->steps = mem_new(cpu_step, p->plan.n_steps);
    if (p->block && p->constants && p->work && p->steps) return AR_OK;
    return error_set(err, AR_NOMEM, "no memory for a program of %.1f MiB",
                     (double)(p->block_size + p->work_size) / 1048576.0);
}

static ar_status cpu_compile(device *d, const graph *g, program **out,
                             ar_error *err) {
    *out = NULL;
    TRY(graph_status(g, err));
    program *p = mem_new(program, 1);
    if (!p) return error_set(err, AR_NOMEM, "no memory for a program");
    p->device = d;
    p->g = g;
    ar_status s = plan_build(&p->plan, g, work_of, d, err);
    if (s == AR_OK) s = take_memory(p, err);
    if (s != AR_OK) {
        cpu_release(p);
        return s;
    }
    fill_constants(p);
    for (uint32_t i = 0; i < p->plan.n_steps; i++)
        prepare_step(p, &p->steps[i], p->plan.steps[i]);
    *out = p;
    return AR_OK;
}

static void *resolve(const program *p, const buffer *buffers, int32_t slot,
                     int64_t offset) {
    unsigned char *base = slot == SLOT_BLOCK   ? p->block
                          : slot == SLOT_CONST ? p->constants
                                               : buffers[slot].host;
    return base + offset;
}

static void run_step(program *p, cpu_step *s, const buffer *buffers) {
    op_call *c = &s->call;
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i].data)
            c->in[i].data = resolve(p, buffers, s->in[i].slot, s->in[i].offset);
    for (int i = 0; i < c->n_out; i++)
        c->out[i].data = resolve(p, buffers, s->out[i].slot, s->out[i].offset);
    c->work = p->work;
    if (!p->device->profiling) {
        s->run(c);
        return;
    }
    const double start = clock_now();
    s->run(c);
    op_time *t = &p->device->times[c->op];
    t->seconds += clock_now() - start;
    t->flops += s->flops;
    t->bytes += s->bytes;
    t->calls++;
}

static ar_status cpu_run(program *p, const buffer *buffers, int n_buffers,
                         ticket *out, ar_error *err) {
    TRY(leaves_check(&p->plan, buffers, n_buffers, err));
    for (uint32_t i = 0; i < p->plan.n_steps; i++)
        run_step(p, &p->steps[i], buffers);
    if (out) *out = 0;
    return AR_OK;
}

/* Runs are done when cpu_run returns. */
static ar_status cpu_wait(device *d, ticket t, ar_error *err) {
    (void)d, (void)t, (void)err;
    return AR_OK;
}

static void cpu_stats(const program *p, program_stats *out) {
    *out = (program_stats){p->block_size,   p->const_size, p->work_size,
                           p->plan.n_steps, p->plan.flops, p->plan.bytes};
}

static void cpu_profile(device *d, bool on, op_time *times) {
    if (times) memcpy(times, d->times, sizeof d->times);
    if (on && !d->profiling) memset(d->times, 0, sizeof d->times);
    d->profiling = on;
}

const backend backend_cpu = {
    .name = "cpu",
    .count = count,
    .open = cpu_open,
    .close = cpu_close,
    .caps = cpu_caps,
    .supports = cpu_supports,
    .measure = cpu_measure,
    .alloc = cpu_alloc,
    .import = cpu_import,
    .free = cpu_free,
    .write = cpu_write,
    .read = cpu_read,
    .copy = cpu_copy,
    .compile = cpu_compile,
    .run = cpu_run,
    .wait = cpu_wait,
    .stats = cpu_stats,
    .profile = cpu_profile,
    .release = cpu_release,
};
