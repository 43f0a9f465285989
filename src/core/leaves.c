/* leaves.c - checking what a caller binds to the leaves of a program. */
#include "core/leaves.h"

#include "base/error.h"

ar_status leaves_check(const plan *p, const buffer *buffers, int n_buffers,
                       ar_error *err) {
    for (uint32_t i = 1; i < p->g->n_nodes; i++) {
        const node *n = &p->g->nodes[i];
        if (!(op_table[n->op].flags & OP_LEAF) || n->op == OP_CONST) continue;
        const place at = p->places[ref_make(i, 0)];
        if (at.slot < 0) continue; /* not used */
        if (at.slot >= n_buffers)
            return error_set(err, AR_RANGE,
                             "%d buffers for a program with %d or more",
                             n_buffers, (int)at.slot + 1);
        const size_t size =
            ar_type_size(n->out[0].type, shape_count(&n->out[0].shape));
        const buffer *b = &buffers[at.slot];
        if (at.offset >= 0 && (size_t)at.offset <= b->size &&
            size <= b->size - (size_t)at.offset)
            continue;
        return error_set(err, AR_RANGE, "\"%s\" lies outside its buffer",
                         n->name ? n->name : "a leaf");
    }
    return AR_OK;
}
