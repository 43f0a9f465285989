/* plan.h - what runs when, and where every value lives, decided beforehand.
 *
 * A plan orders the live nodes of a graph and gives every value that is not
 * bound by the caller an offset in one block, from its first use to its last.
 * Nothing allocates while a program runs. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core/graph.h"

/* Slot -1 is the plan's own block, -2 the constants of the graph. */
enum { SLOT_BLOCK = -1, SLOT_CONST = -2 };

typedef struct place {
    int32_t slot;
    int64_t offset; /* bytes; of CONST: into the constants */
} place;

typedef struct plan {
    arena mem;      /* owns the arrays below */
    const graph *g; /* borrowed: outlives the plan */
    uint32_t n_steps;
    const uint32_t *steps; /* node indices in the order of execution, no leaves
                              or views */
    const place *places;   /* by ref: of the storage that owns the memory */
    size_t block_size;     /* bytes for values */
    size_t const_size;     /* bytes for constants */
    size_t work_size;      /* bytes of scratch, shared by all steps */
    double flops, bytes;   /* of one run */
} plan;

/* Scratch bytes that a device wants for one node; NULL = none. */
typedef size_t plan_work_fn(void *device, const graph *g, const node *n);

/* Values that caller wants to be findable after a run are stored to states.
 * A STORE whose source is computed for it alone is written in place.
 * Errors: AR_NOMEM. */
ar_status plan_build(plan *p, const graph *g, plan_work_fn *work, void *device,
                     ar_error *err);
void plan_close(plan *p);

#endif
