/* gpu_program.c - programs: compiled to a list of launches, and run.
 *
 * When a program is run again over the same memory and the driver can record,
 * its launches are recorded once and then sent as one. */
#include <string.h>

#include "backend/gpu/backend_gpu.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "core/leaves.h"

/* ---- compiling ---- */

static void forget_recorded(program *p) {
    if (p->recorded)
        p->device->driver->graph_free(p->device->context, p->recorded);
    p->recorded = NULL;
}

void gpu_release(program *p) {
    if (!p) return;
    const gpu_driver *driver = p->device->driver;
    const gpu_address memory[] = {p->block, p->constants, p->work};
    driver->wait(p->device->context, NULL);
    forget_recorded(p);
    for (int i = 0; i < 3; i++)
        if (memory[i]) driver->free(p->device->context, memory[i]);
    arena_close(&p->list.mem);
    mem_free(p->list.parts);
    mem_free(p->steps);
    mem_free(p->bases);
    mem_free(p->last);
    mem_free(p->used);
    plan_close(&p->plan);
    mem_free(p);
}

static size_t work_of(void *ctx, const graph *g, const node *n) {
    gpu_call c;
    gpu_call_init(ctx, g, n, NULL, &c);
    const gpu_op *o = gpu_op_find(&c);
    return o && o->work_size ? o->work_size(&c) : 0;
}

static ar_status write_constants(program *p, ar_error *err) {
    const device *d = p->device;
    for (uint32_t i = 1; i < p->g->n_nodes; i++) {
        const node *n = &p->g->nodes[i];
        const place at = p->plan.places[ref_make(i, 0)];
        if (n->op != OP_CONST || at.slot != SLOT_CONST) continue;
        TRY(d->driver->write(
            d->context, p->constants + (gpu_address)at.offset,
            n->attr.data.data,
            ar_type_size(n->out[0].type, shape_count(&n->out[0].shape)), err));
    }
    return AR_OK;
}

/* Slots of leaves that are read or written: how many there are up to the last,
 * and which (NULL: only count). */
static int find_slots(const program *p, bool *used) {
    int n = 0;
    for (uint32_t i = 1; i < p->g->n_nodes; i++) {
        const enum op_id op = p->g->nodes[i].op;
        const int slot = p->plan.places[ref_make(i, 0)].slot;
        if (!(op_table[op].flags & OP_LEAF) || op == OP_CONST || slot < 0)
            continue;
        if (used) used[slot] = true;
        if (slot >= n) n = slot + 1;
    }
    return n;
}

static ar_status take_memory(program *p, ar_error *err) {
    const device *d = p->device;
    const plan *at = &p->plan;
    p->n_slots = find_slots(p, NULL);
    p->steps = mem_new(gpu_step, at->n_steps);
    p->bases = mem_new(gpu_address, p->n_slots);
    p->last = mem_new(gpu_address, p->n_slots);
    p->used = mem_new(bool, p->n_slots);
    if (!p->steps || !p->bases || !p->last || !p->used)
        return error_set(err, AR_NOMEM, "no memory for a program");
    find_slots(p, p->used);
    TRY(d->driver->alloc(d->context, at->block_size, &p->block, err));
    TRY(d->driver->alloc(d->context, at->const_size, &p->constants, err));
    return d->driver->alloc(d->context, at->work_size, &p->work, err);
}

static ar_status emit_steps(program *p, ar_error *err) {
    for (uint32_t i = 0; i < p->plan.n_steps; i++) {
        const node *n = &p->g->nodes[p->plan.steps[i]];
        gpu_call c;
        gpu_call_init(p->device, p->g, n, &p->plan, &c);
        const gpu_op *o = gpu_op_find(&c);
        if (!o)
            return error_set(err, AR_UNSUPPORTED,
                             "%s: %s has no kernel that fits",
                             p->device->driver->name, op_table[n->op].name);
        gpu_step *s = &p->steps[i];
        *s = (gpu_step){.op = n->op,
                        .name = o->name,
                        .first = p->list.n_parts,
                        .flops = node_flops(p->g, n),
                        .bytes = node_bytes(p->g, n)};
        o->emit(&p->list, &c);
        s->end = p->list.n_parts;
        if (p->list.error.code != AR_OK)
            return error_set(err, p->list.error.code, "%s",
                             p->list.error.message);
    }
    return AR_OK;
}

ar_status gpu_compile(device *d, const graph *g, program **out, ar_error *err) {
    *out = NULL;
    TRY(graph_status(g, err));
    program *p = mem_new(program, 1);
    if (!p) return error_set(err, AR_NOMEM, "no memory for a program");
    p->device = d;
    p->g = g;
    p->list.device = d;
    arena_open(&p->list.mem, 1 << 14);
    ar_status s = plan_build(&p->plan, g, work_of, d, err);
    if (s == AR_OK) s = take_memory(p, err);
    if (s == AR_OK) s = write_constants(p, err);
    if (s == AR_OK) s = emit_steps(p, err);
    if (s != AR_OK)
        gpu_release(p);
    else
        *out = p;
    return s;
}

/* ---- running ---- */

/* The address of each slot; on the host, memory of the caller's own counts. */
static ar_status find_bases(program *p, const buffer *buffers, ar_error *err) {
    const device *d = p->device;
    for (int i = 0; i < p->n_slots; i++) {
        const buffer *b = &buffers[i];
        if (!p->used[i]) continue;
        p->bases[i] = b->handle;
        if (b->handle || !b->size) continue;
        if (d->driver->lang != GPU_HOST || !d->info.unified)
            return error_set(err, AR_RANGE, "buffer %d is not of this device",
                             i);
        p->bases[i] = (gpu_address)(uintptr_t)b->host;
    }
    return AR_OK;
}

static gpu_address address(const program *p, int32_t slot, int64_t offset) {
    if (slot == NO_SLOT) return 0;
    const gpu_address base = slot == SLOT_BLOCK   ? p->block
                             : slot == SLOT_CONST ? p->constants
                             : slot == SLOT_WORK  ? p->work
                                                  : p->bases[slot];
    return base + (gpu_address)offset;
}

static ar_status launch_parts(const program *p, size_t first, size_t end,
                              ar_error *err) {
    const device *d = p->device;
    for (size_t i = first; i < end; i++) {
        const gpu_part *part = &p->list.parts[i];
        gpu_launch l = {
            .kernel = d->kernels[part->kernel],
            .groups = {part->groups[0], part->groups[1], part->groups[2]},
            .lanes = part->lanes,
            .shared_size = part->shared_size,
            .n_pointers = part->n_pointers,
            .args = part->args,
            .args_size = part->args_size};
        for (int k = 0; k < part->n_pointers; k++)
            l.pointers[k] =
                address(p, part->pointers[k].slot, part->pointers[k].offset);
        TRY(d->driver->launch(d->context, &l, err));
    }
    return AR_OK;
}

/* Step by step, waiting for each. */
static ar_status run_profiled(program *p, ar_error *err) {
    device *d = p->device;
    TRY(d->driver->wait(d->context, err));
    for (uint32_t i = 0; i < p->plan.n_steps; i++) {
        const gpu_step *s = &p->steps[i];
        const double start = clock_now();
        TRY(launch_parts(p, s->first, s->end, err));
        TRY(d->driver->wait(d->context, err));
        op_time *t = &d->times[s->op];
        t->seconds += clock_now() - start;
        t->flops += s->flops;
        t->bytes += s->bytes;
        t->calls++;
    }
    return AR_OK;
}

static ar_status record(program *p) {
    const device *d = p->device;
    TRY(d->driver->graph_begin(d->context, NULL));
    const ar_status s = launch_parts(p, 0, p->list.n_parts, NULL);
    TRY(d->driver->graph_end(d->context, &p->recorded, NULL));
    return s;
}

static ar_status run_parts(program *p, ar_error *err) {
    const device *d = p->device;
    const size_t size = (size_t)p->n_slots * sizeof *p->last;
    const bool same = !memcmp(p->bases, p->last, size);
    memcpy(p->last, p->bases, size);
    if (!same) forget_recorded(p);
    if (same && !p->recorded && d->driver->graph_begin && !p->cannot_record &&
        record(p) != AR_OK) {
        p->cannot_record = true;
        forget_recorded(p);
    }
    if (p->recorded)
        return d->driver->graph_launch(d->context, p->recorded, err);
    return launch_parts(p, 0, p->list.n_parts, err);
}

ar_status gpu_run(program *p, const buffer *buffers, int n_buffers, ticket *out,
                  ar_error *err) {
    TRY(leaves_check(&p->plan, buffers, n_buffers, err));
    TRY(find_bases(p, buffers, err));
    TRY(p->device->profiling ? run_profiled(p, err) : run_parts(p, err));
    if (out) *out = 0;
    return AR_OK;
}

void gpu_stats(const program *p, program_stats *out) {
    *out = (program_stats){p->plan.block_size, p->plan.const_size,
                           p->plan.work_size,  p->plan.n_steps,
                           p->plan.flops,      p->plan.bytes};
}
