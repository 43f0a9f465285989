/* graph.h - building, differentiating and rewriting a graph of ops.
 *
 * Building never fails half-way: the first error is kept in the graph, every
 * later call returns 0, and graph_status() reports it once at the end.  So
 * model code is straight-line expressions with no checks between them.
 *
 *   graph g;
 *   graph_open(&g);
 *   ref x = graph_input(&g, "x", AR_F32, shape2(4, 8), SLOT_IN, 0);
 *   ref w = graph_param(&g, "w", AR_F32, shape2(8, 8), SLOT_WEIGHTS, 0);
 *   ref y = graph_linear(&g, x, w, 0);
 *   ref out = graph_state(&g, "y", AR_F32, shape2(4, 8), SLOT_OUT, 0);
 *   graph_store(&g, out, y);
 *   TRY(graph_status(&g, err));
 *   ... graph_rewrite, plan_build, backend compile ...
 *   graph_close(&g); */
#ifndef CORE_GRAPH_H
#define CORE_GRAPH_H

#include "base/arena.h"
#include "core/op.h"

/* A repeated part of a model: "layer" 3.  Equal regions have equal hashes. */
typedef struct region {
    const char *name;
    int32_t index;
    uint32_t first, end; /* nodes [first, end) were built inside it */
} region;

struct graph {
    arena mem;        /* names, constants */
    node *nodes;      /* nodes[0] is unused, so ref 0 means none */
    uint32_t n_nodes; /* nodes[0] included */
    uint32_t capacity;
    region *regions;
    int32_t n_regions, region_capacity, open_region; /* -1 = none open */
    uint8_t *stale;   /* by ref: a newer version of this state exists */
    uint32_t *consts; /* hash table of CONST nodes; 0 = free */
    uint32_t n_consts, const_capacity;
    ar_error error;
};

void graph_open(graph *g); /* allocates nothing, cannot fail */
void graph_close(graph *g);
ar_status graph_status(const graph *g, ar_error *err);
/* Record an error as a builder would; returns 0. */
ref graph_fail(graph *g, ar_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

const node *graph_node(const graph *g, ref r);
const value *graph_value(const graph *g, ref r); /* of r != 0 */
shape graph_shape(const graph *g, ref r);        /* rank 0 for ref 0 */
ar_type graph_type(const graph *g, ref r);

/* The general builder: append one node and return its output 0. */
ref graph_op(graph *g, enum op_id op, const op_attr *attr, const ref *in,
             int n_in);
/* Output i of the node that r belongs to. */
ref graph_output(const graph *g, ref r, int i);

/* ---- leaves ---- name is copied; slot and offset: see struct leaf_attr. */
ref graph_param(graph *g, const char *name, ar_type t, shape s, int slot,
                int64_t offset);
ref graph_state(graph *g, const char *name, ar_type t, shape s, int slot,
                int64_t offset);
ref graph_input(graph *g, const char *name, ar_type t, shape s, int slot,
                int64_t offset);
ref graph_const(graph *g, ar_type t, shape s, const void *data); /* copied */
/* One number of type t, shape [1]. */
ref graph_scalar(graph *g, ar_type t, double x);

/* ---- views ---- */
ref graph_reshape(graph *g, ref x, shape s); /* copies if it must */
ref graph_permute(graph *g, ref x, const int *order);
ref graph_transpose(graph *g, ref x); /* swaps the last two dims */
ref graph_slice(graph *g, ref x, int axis, int64_t start, int64_t size);
/* Up to 4 parts along axis; use graph_output(g, r, i) for the others. */
ref graph_split(graph *g, ref x, int axis, const int64_t *sizes, int n);
ref graph_broadcast(graph *g, ref x, shape s);

/* ---- element by element ---- binary operands are broadcast to each other. */
ref graph_copy(graph *g, ref x);
ref graph_cast(graph *g, ref x, ar_type t); /* x itself if it has type t */
ref graph_unary(graph *g, enum unary_kind kind, ref x);
ref graph_affine(graph *g, ref x, double a, double b); /* a x + b */
ref graph_binary(graph *g, enum binary_kind kind, ref a, ref b);
ref graph_axpby(graph *g, double alpha, ref a, double beta, ref b);
ref graph_add(graph *g, ref a, ref b);
ref graph_sub(graph *g, ref a, ref b);
ref graph_mul(graph *g, ref a, ref b);
ref graph_select(graph *g, ref c, ref a, ref b);
ref graph_gated(graph *g, enum unary_kind kind, ref gate, ref up);
ref graph_softcap(graph *g, ref x, double cap); /* cap tanh(x / cap) */
ref graph_concat(graph *g, const ref *x, int n, int axis);

/* ---- over an axis ---- */
ref graph_reduce(graph *g, enum reduce_kind kind, ref x, int axis);
ref graph_reduce_as(graph *g, enum reduce_kind kind, ref x, int axis,
                    ar_type t);
ref graph_softmax(graph *g, ref x);
ref graph_rms_norm(graph *g, ref x, ref w, double eps, double offset);
ref graph_layer_norm(graph *g, ref x, ref w, ref b, double eps);

/* ---- products ---- */
ref graph_matmul(graph *g, ref a, ref b, const struct matmul_attr *attr);
/* x [.., C] times w [O, C] transposed, plus bias [O] or 0 -> [.., O]. */
ref graph_linear(graph *g, ref x, ref w, ref bias,
                 const struct matmul_attr *attr);
/* x [N, C] or [N, k, C] times the matrices of w [E, O, C] that ids [N, k] name,
 * transposed -> [N, k, O]. */
ref graph_experts(graph *g, ref x, ref w, ref ids,
                  const struct matmul_attr *attr);

/* ---- language models ---- */
ref graph_embed(graph *g, ref table, ref ids);
/* cos is output 0, sin output 1. */
ref graph_rope_table(graph *g, ref positions, ref frequencies, double scale,
                     ar_type t);
ref graph_rope(graph *g, ref x, ref table, bool interleaved, bool inverse);
ref graph_attention(graph *g, ref q, ref k, ref v,
                    const struct attention_attr *attr);
ref graph_xent(graph *g, ref x, ref w, ref targets,
               const struct xent_attr *attr);

/* ---- state ---- each returns the new version; the old one is stale. */
ref graph_store(graph *g, ref state, ref x);
ref graph_accumulate(graph *g, ref state, ref x);
ref graph_store_rows(graph *g, ref state, ref rows, ref x);

/* ---- regions ---- do not nest. */
void graph_region_begin(graph *g, const char *name, int index);
void graph_region_end(graph *g);
/* Structural hash: ops, attributes, shapes and wiring, not names or slots. */
uint64_t graph_region_hash(const graph *g, int region);

/* ---- passes ---- */

/* Append the backward pass: grads[i] = d(sum of loss * dloss) / d wrt[i], or
 * 0 where the loss does not depend on it.  dloss has loss's shape and type.
 * With recompute, the forward nodes of every region are emitted again in the
 * backward pass, so that only region inputs stay alive between the passes. */
void graph_grad(graph *g, ref loss, ref dloss, const ref *wrt, int n_wrt,
                bool recompute, ref *grads);

/* Build in *out (opened here) an equal graph with the rules of rewrites.def
 * applied, common subexpressions joined and dead nodes gone.  Leaves keep
 * slots and offsets.  Recomputed nodes are not joined with the first pass. */
ar_status graph_rewrite(const graph *g, graph *out, ar_error *err);

/* Multiply-adds count two.  0 for ops that only move data. */
double node_flops(const graph *g, const node *n);
/* Bytes read and written by a perfect implementation. */
double node_bytes(const graph *g, const node *n);
/* Append a line for each node, for people. */
struct text;
void graph_dump(const graph *g, struct text *out);

#endif
