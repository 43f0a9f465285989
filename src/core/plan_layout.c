/* plan_layout.c - offsets of values in one block.
 *
 * Largest first, each into the smallest gap among those placed already that
 * are in use at the same time ("greedy by size": Pisarchyk and Lee 2020,
 * "Efficient memory management for deep neural net inference"). */
#include <stdlib.h>
#include <string.h>

#include "core/plan_parts.h"
#include "quant/quant.h"

typedef struct piece {
    uint32_t first, last; /* steps */
    int64_t size, offset; /* bytes */
    ref storage;
} piece;

static int by_size(const void *x, const void *y) {
    const piece *a = x, *b = y;
    if (a->size != b->size) return a->size < b->size ? 1 : -1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a->storage < b->storage ? -1 : a->storage > b->storage;
}

/* The owners of live storages, largest first; NULL on no memory. */
static piece *find_pieces(planner *p, size_t *n_pieces) {
    const graph *g = p->g;
    size_t n = 0;
    piece *all = arena_new(&p->mem, piece, (size_t)p->n_steps * MAX_OUTPUTS);
    for (uint32_t s = 0; all && s < p->n_steps; s++) {
        const node *at = &g->nodes[p->steps[s]];
        for (int k = 0; k < at->n_out; k++) {
            const ref r = ref_make(p->steps[s], k);
            if (at->out[k].storage != r || p->owner[r] != r) continue;
            const size_t size =
                ar_type_size(at->out[k].type, shape_count(&at->out[k].shape));
            all[n++] = (piece){
                p->first[r], p->last[r],
                (int64_t)((size + PLAN_ALIGN - 1) & ~(size_t)(PLAN_ALIGN - 1)),
                0, r};
        }
    }
    if (n) qsort(all, n, sizeof *all, by_size);
    *n_pieces = n;
    return all;
}

/* The best offset for x among n placed pieces sorted by offset. */
static int64_t find_gap(const piece *placed, size_t n, const piece *x) {
    int64_t end = 0, best = -1, best_size = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        const piece *o = &placed[i];
        if (o->first > x->last || o->last < x->first) continue;
        const int64_t gap = o->offset - end;
        if (gap >= x->size && gap < best_size) best = end, best_size = gap;
        if (o->offset + o->size > end) end = o->offset + o->size;
    }
    return best < 0 ? end : best;
}

static void insert(piece *placed, size_t n, const piece *x) {
    size_t low = 0, high = n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (placed[mid].offset <= x->offset)
            low = mid + 1;
        else
            high = mid;
    }
    memmove(placed + low + 1, placed + low, (n - low) * sizeof *placed);
    placed[low] = *x;
}

ar_status plan_layout(planner *p, int64_t *offsets, size_t *block_size,
                      ar_error *err) {
    size_t n;
    piece *pieces = find_pieces(p, &n);
    piece *placed = arena_new(&p->mem, piece, n);
    if (!pieces || !placed) return plan_no_memory(err, p->g);
    int64_t top = 0;
    for (size_t i = 0; i < n; i++) {
        piece *x = &pieces[i];
        x->offset = find_gap(placed, i, x);
        int64_t end;
        if (__builtin_add_overflow(x->offset, x->size, &end))
            return error_set(err, AR_RANGE,
                             "the values of the graph need more "
                             "memory than can be addressed");
        if (end > top) top = end;
        insert(placed, i, x);
        offsets[x->storage] = x->offset;
    }
    *block_size = (size_t)top;
    return AR_OK;
}
