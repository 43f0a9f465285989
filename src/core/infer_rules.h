/* infer_rules.h - what the shape rules share.
 *
 * A rule sees its node before it is appended and adds the outputs.  Sentences
 * need not name the op: graph_append puts it in front. */
#ifndef CORE_INFER_RULES_H
#define CORE_INFER_RULES_H

#include <inttypes.h>

#include "base/error.h"
#include "core/graph.h"
#include "core/op_rules.h"
#include "quant/quant.h"

/* Input i, NULL if it is absent. */
static inline const value *infer_in(const graph *g, const node *n, int i) {
    return i < n->n_in && n->in[i] ? graph_value(g, n->in[i]) : NULL;
}

/* Errors: AR_SHAPE if a dim is below 1, or there are too many elements. */
ar_status infer_check_shape(const shape *s, ar_error *err);

/* Add a dense output with memory of its own. */
ar_status infer_out(node *n, ar_type t, const shape *s, ar_error *err);
/* Add an output that looks at the storage v names. */
void infer_view_out(node *n, const value *v);
/* Input i is a dense look at a STATE; the next output is its new version. */
ar_status infer_new_version(const graph *g, node *n, int i, ar_error *err);
/* Strides and offset of a dense value of v's shape. */
void infer_dense(value *v);

/* The input called `name` must be as said, else AR_SHAPE. */
ar_status infer_need_type(const char *name, const value *v, ar_type t,
                          ar_error *err);
ar_status infer_need_float(const char *name, const value *v, ar_error *err);
/* A float type or blocks of numbers: what weights may be. */
ar_status infer_need_weight(const char *name, const value *v, ar_error *err);
/* Blocks lie along the last dimension of what holds them and are read whole:
 * only MATMUL's b and the matrices of MATMUL_EXPERTS, contiguous along k,
 * EMBED's table, the state of STORE_ROWS, the pools of ATTENTION_PAGED, and
 * reshapes that keep rows and slices of whole blocks may have them. */
ar_status infer_check_blocks(const graph *g, const node *n, ar_error *err);
/* F32 or F64. */
ar_status infer_need_real(const char *name, const value *v, ar_error *err);
ar_status infer_need_rank(const char *name, const value *v, int rank,
                          ar_error *err);
ar_status infer_need_shape(const char *name, const value *v, const shape *want,
                           ar_error *err);
/* Type and shape. */
ar_status infer_need_like(const char *name, const value *v, const value *want,
                          ar_error *err);
ar_status infer_need_axis(const value *x, int axis, ar_error *err);

/* Fill *compute if it is 0 and check it against the type of the operands. */
ar_status infer_compute(int32_t *compute, const value *a, ar_error *err);

/* The strides of x seen in shape s; false if that takes a copy. */
bool infer_reshape_view(const value *x, const shape *s, value *out);

#endif
