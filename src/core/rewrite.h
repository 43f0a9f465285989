/* rewrite.h - what rewrite rules see; private to core.
 *
 * A pass builds the graph `out` node by node from `src`.  A REWRITE rule is
 * called for each node about to be built. */
#ifndef CORE_REWRITE_H
#define CORE_REWRITE_H

#include "core/graph.h"

typedef struct rewrite_slot rewrite_slot;

typedef struct rewriter {
    const graph *src;
    graph *out;
    arena mem;
    bool *live;     /* by node of src */
    uint32_t *uses; /* by node of src: inputs of live nodes that read it */
    ref *instead;   /* by ref of src: read this one for it, 0 = itself */
    ref *built;     /* by node of src: its output 0 in out */
    uint8_t *state; /* by node of src: how far it is built */
    uint32_t *stack;
    rewrite_slot **table; /* expressions built so far, by hash */
    size_t n_slots;       /* a power of two */
    int32_t region;       /* of the node being built */
    bool changed;
} rewriter;

/* n is node `index` of src with inputs in out; n->out is that of src.  Gives
 * the ref that takes the place of output 0, or 0 to leave n alone. */
typedef ref rewrite_rule(rewriter *r, const node *n, uint32_t index);
/* Fills r->instead. */
typedef void rewrite_redirect(rewriter *r);

#define REDIRECT(name, function, text) rewrite_redirect function;
#define REWRITE(name, function, text) rewrite_rule function;
#include "core/rewrites.def"

/* A node of out with this op; an equal one that exists already if there is. */
ref rewrite_build(rewriter *r, enum op_id op, const op_attr *attr,
                  const ref *in, int n_in);
/* The ref of src that stands for r in this pass. */
static inline ref rewrite_read(const rewriter *r, ref x) {
    return r->instead[x] ? r->instead[x] : x;
}
/* Input k of node `index` of src is read by nobody else. */
bool rewrite_read_once(const rewriter *r, uint32_t index, int k);

#endif
