/* plan.c - planning a graph: order, shared memory, offsets, totals. */
#include "core/plan.h"

#include "core/plan_parts.h"
#include "quant/quant.h"

/* Offsets of the constants that are read, and where the caller's leaves are. */
static void place_leaves(const planner *p, place *places, size_t *const_size) {
    const graph *g = p->g;
    size_t at = 0;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        place *to = &places[ref_make(i, 0)];
        if (n->op == OP_CONST) {
            if (!p->live[i]) continue;
            *to = (place){SLOT_CONST, (int64_t)at};
            at += ar_type_size(n->out[0].type, shape_count(&n->out[0].shape));
            at = (at + PLAN_ALIGN - 1) & ~(size_t)(PLAN_ALIGN - 1);
        } else if (op_table[n->op].flags & OP_LEAF) {
            *to = (place){n->attr.leaf.slot, n->attr.leaf.offset};
        }
    }
    *const_size = at;
}

static void place_values(const planner *p, const int64_t *offsets,
                         place *places) {
    for (uint32_t s = 0; s < p->n_steps; s++) {
        const node *n = &p->g->nodes[p->steps[s]];
        for (int k = 0; k < n->n_out; k++) {
            const ref r = ref_make(p->steps[s], k), owner = p->owner[r];
            if (n->out[k].storage != r) continue;
            if (op_table[graph_node(p->g, owner)->op].flags & OP_LEAF)
                places[r] = (place){places[owner].slot,
                                    places[owner].offset + p->shift[r]};
            else
                places[r] = (place){SLOT_BLOCK, offsets[owner]};
        }
    }
}

/* Keep the steps that are left and add up what they need. */
static void finish(plan *out, const planner *p, uint32_t *steps,
                   plan_work_fn *work, void *device) {
    for (uint32_t s = 0; s < p->n_steps; s++) {
        if (p->dropped[s]) continue;
        const node *n = &p->g->nodes[p->steps[s]];
        steps[out->n_steps++] = p->steps[s];
        out->flops += node_flops(p->g, n);
        out->bytes += node_bytes(p->g, n);
        const size_t size = work ? work(device, p->g, n) : 0;
        if (size > out->work_size) out->work_size = size;
    }
    out->steps = steps;
}

static ar_status build(plan *out, planner *p, plan_work_fn *work, void *device,
                       ar_error *err) {
    const size_t n_refs = (size_t)p->g->n_nodes * MAX_OUTPUTS;
    TRY(graph_status(p->g, err));
    TRY(plan_order(p, err));
    TRY(plan_share(p, err));
    int64_t *offsets = arena_new(&p->mem, int64_t, n_refs);
    place *places = arena_new(&out->mem, place, n_refs);
    uint32_t *steps = arena_new(&out->mem, uint32_t, p->n_steps);
    if (!offsets || !places || !steps) return plan_no_memory(err, p->g);
    TRY(plan_layout(p, offsets, &out->block_size, err));
    place_leaves(p, places, &out->const_size);
    place_values(p, offsets, places);
    out->places = places;
    finish(out, p, steps, work, device);
    return AR_OK;
}

ar_status plan_build(plan *out, const graph *g, plan_work_fn *work,
                     void *device, ar_error *err) {
    *out = (plan){.g = g};
    arena_open(&out->mem, (size_t)1 << 12);
    planner p = {.g = g};
    arena_open(&p.mem, (size_t)1 << 16);
    const ar_status status = build(out, &p, work, device, err);
    arena_close(&p.mem);
    if (status) plan_close(out);
    return status;
}

void plan_close(plan *p) {
    arena_close(&p->mem);
    *p = (plan){0};
}
