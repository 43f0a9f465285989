/* gpu_call.c - from a node to a call, and the list of launches. */
#include <assert.h>
#include <string.h>

#include "backend/gpu/backend_gpu.h"
#include "base/error.h"
#include "base/mem.h"

static gpu_tensor tensor_of(const graph *g, ref r, const plan *p) {
    const value *v = graph_value(g, r);
    gpu_tensor t = {.type = v->type,
                    .rank = v->shape.rank,
                    .slot = NO_SLOT,
                    .present = true};
    memcpy(t.dim, v->shape.dim, sizeof t.dim);
    memcpy(t.stride, v->stride, sizeof t.stride);
    if (!p) return t;
    const place at = p->places[v->storage];
    t.slot = at.slot;
    t.offset = at.offset + (int64_t)ar_type_size(v->type, v->offset);
    return t;
}

void gpu_call_init(const device *d, const graph *g, const node *n,
                   const plan *p, gpu_call *c) {
    *c = (gpu_call){.op = n->op,
                    .attr = &n->attr,
                    .n_in = n->n_in,
                    .n_out = n->n_out,
                    .info = &d->info};
    const uint32_t index = (uint32_t)(n - g->nodes);
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) c->in[i] = tensor_of(g, n->in[i], p);
    for (int i = 0; i < n->n_out; i++)
        c->out[i] = tensor_of(g, ref_make(index, i), p);
}

const gpu_op *gpu_op_find(const gpu_call *c) {
    for (const gpu_op *const *o = gpu_ops; *o; o++)
        if ((*o)->op == c->op && (*o)->fits(c)) return *o;
    return NULL;
}

static ar_status grow(gpu_list *l) {
    if (l->n_parts < l->capacity) return AR_OK;
    const size_t n = l->capacity ? 2 * l->capacity : 64;
    gpu_part *parts = mem_realloc(l->parts, n * sizeof *parts);
    if (!parts) return AR_NOMEM;
    l->parts = parts;
    l->capacity = n;
    return AR_OK;
}

void gpu_emit(gpu_list *l, enum gpu_kernel_id k, const uint32_t groups[3],
              uint32_t lanes, gpu_pointers p, const void *args,
              size_t args_size) {
    assert(p.n <= GPU_MAX_POINTERS && args_size <= GPU_MAX_ARGS);
    if (l->error.code != AR_OK) return;
    gpu_part part = {.kernel = k,
                     .groups = {groups[0], groups[1], groups[2]},
                     .lanes = lanes,
                     .n_pointers = p.n,
                     .args = arena_copy(&l->mem, args, args_size),
                     .args_size = args_size};
    gpu_kernel *built;
    if (!part.args || grow(l) != AR_OK) {
        error_set(&l->error, AR_NOMEM, "no memory for a program");
        return;
    }
    for (int i = 0; i < p.n; i++) {
        const gpu_tensor *t = p.at[i];
        const bool present = t && t->present;
        part.pointers[i].slot = present ? t->slot : NO_SLOT;
        part.pointers[i].offset = present ? t->offset : 0;
    }
    if (gpu_kernel_get(l->device, k, &built, &l->error) == AR_OK)
        l->parts[l->n_parts++] = part;
}

void gpu_need_shared(gpu_list *l, uint32_t size) {
    if (l->error.code == AR_OK) l->parts[l->n_parts - 1].shared_size = size;
}
