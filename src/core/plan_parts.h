/* plan_parts.h - the stages of planning: order, sharing, layout. */
#ifndef CORE_PLAN_PARTS_H
#define CORE_PLAN_PARTS_H

#include "base/error.h"
#include "core/plan.h"

enum { PLAN_ALIGN = 64 }; /* bytes; every value starts at a multiple */

/* What the stages know of the graph.  A storage is in use from the step that
 * computes it to the last that reads it, or any view of it. */
typedef struct planner {
    const graph *g;
    arena mem; /* owns the arrays below */

    /* plan_order */
    bool *live;      /* by node: an effect needs it */
    uint32_t *steps; /* nodes in order of execution */
    uint32_t n_steps;
    uint32_t *position; /* by node: its step */

    /* plan_share */
    uint32_t *first, *last; /* by storage: steps; last counts all sharers */
    ref *owner;             /* by storage: whose memory it has, often its own */
    int64_t *shift; /* by storage: bytes from the start of the owner's */
    bool *dropped;  /* by step: a STORE that has nothing left to do */
} planner;

/* Find the live nodes and put them in order: the lowest index first whose
 * inputs are there and whose state has been read by all that must still see
 * the old version. */
ar_status plan_order(planner *p, ar_error *err);

/* Find which storages can share memory: results written over an input that
 * nobody needs any more, and results written where a STORE would copy them. */
ar_status plan_share(planner *p, ar_error *err);

/* Give each owner an offset in one block.  offsets: by ref. */
ar_status plan_layout(planner *p, int64_t *offsets, size_t *block_size,
                      ar_error *err);

static inline ar_status plan_no_memory(ar_error *err, const graph *g) {
    return error_set(err, AR_NOMEM, "out of memory to plan %u nodes",
                     g->n_nodes);
}

#endif
