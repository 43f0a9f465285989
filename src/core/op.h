/* op.h - what the framework knows about an operation.
 *
 * A node is an op, its attributes, its inputs and its outputs.  A `ref` names
 * one output of one node.  A `value` is where an output's elements are: a
 * storage (the ref that owns the memory), an offset and strides, so views
 * cost nothing. */
#ifndef CORE_OP_H
#define CORE_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "arcane/status.h"
#include "arcane/types.h"

enum { MAX_DIMS = 5, MAX_INPUTS = 16, MAX_OUTPUTS = 4 };

enum op_id {
#define OP(name, ...) OP_##name,
#include "core/ops.def"
#undef OP
    OP_COUNT
};

enum unary_kind {
#define UNARY(name, ...) UNARY_##name,
#include "core/unary.def"
#undef UNARY
    UNARY_COUNT
};

enum binary_kind {
#define BINARY(name, ...) BINARY_##name,
#include "core/binary.def"
#undef BINARY
    BINARY_COUNT
};

enum reduce_kind {
#define REDUCE_KIND(name, ...) REDUCE_##name,
#include "core/reduce.def"
#undef REDUCE_KIND
    REDUCE_COUNT
};

/* Row-major, innermost dimension last.  Rank 0 is one element. */
typedef struct shape {
    int rank;
    int64_t dim[MAX_DIMS];
} shape;

static inline shape shape1(int64_t a) { return (shape){1, {a}}; }
static inline shape shape2(int64_t a, int64_t b) { return (shape){2, {a, b}}; }
static inline shape shape3(int64_t a, int64_t b, int64_t c) {
    return (shape){3, {a, b, c}};
}
static inline shape shape4(int64_t a, int64_t b, int64_t c, int64_t d) {
    return (shape){4, {a, b, c, d}};
}

int64_t shape_count(const shape *s);
bool shape_equal(const shape *a, const shape *b);
int64_t shape_last(const shape *s); /* innermost dim, 1 for rank 0 */
/* "[2, 3]" into text[SHAPE_TEXT]; returns text. */
enum { SHAPE_TEXT = 96 };
const char *shape_text(const shape *s, char *text);

/* node index * MAX_OUTPUTS + output; 0 = none (node 0 is never used). */
typedef uint32_t ref;
static inline ref ref_make(uint32_t node, int out) {
    return node * MAX_OUTPUTS + (uint32_t)out;
}
static inline uint32_t ref_node(ref r) { return r / MAX_OUTPUTS; }
static inline int ref_out(ref r) { return (int)(r % MAX_OUTPUTS); }

typedef struct value {
    ar_type type;
    shape shape;
    int64_t stride[MAX_DIMS]; /* elements; 0 repeats (broadcast) */
    int64_t offset;           /* elements from the start of the storage */
    ref storage;              /* the ref that owns the memory */
} value;

/* Row-major without gaps; the offset may be anything.  Strides of dims of size
 * 1 are kept as a dense value has them, so dense strides compare equal. */
bool value_is_dense(const value *v);
/* The same elements of one storage, in the same order. */
bool value_same_layout(const value *a, const value *b);

/* Where the memory of a leaf comes from.  A program is run with an array of
 * buffers; `slot` is the index into it. */
enum leaf_residency { RESIDENT, PAGED }; /* PAGED: loaded by the host later */

struct leaf_attr {
    int32_t slot;
    int32_t residency;
    int64_t offset; /* bytes from the start of the buffer */
};
/* CONST: the data, in the graph's arena; equal bytes are one constant. */
struct const_attr { const void *data; };
struct view_attr { int32_t axis, pad; int64_t v[MAX_DIMS]; };
struct unary_attr { int32_t kind, pad; double a, b; }; /* y = f(a*x + b) */
struct binary_attr { int32_t kind, pad; double alpha, beta; };
struct cast_attr { int32_t type; };
struct gated_attr { int32_t kind; };            /* a unary kind */
struct reduce_attr { int32_t kind, axis, type; }; /* type 0: as the input */
struct topk_attr { int64_t k; };
struct axis_attr { int32_t axis, pad; int64_t n; };
/* compute: AR_F32/AR_F64 as is; AR_BF16/AR_F16: operands are rounded to that
 * type when packed, sums stay f32.  exact: the inference chain, the same bits
 * for any number of rows.  act8: where b has levels (quant/levels.h, which says
 * what is computed) and compute is F32 or F64, a is rounded to 8 bits; it has
 * no gradient of its own. */
struct matmul_attr { int32_t compute, exact, act8; };
/* n: matrices of MATMUL_EXPERTS_DW's result.  matmul is first, so that the
 * attribute may be read as that of MATMUL. */
struct experts_attr { struct matmul_attr matmul; int64_t n; };
struct norm_attr { double eps, offset; };       /* weight + offset is used */
struct rope_table_attr { double scale; int32_t type, pad; }; /* of cos, sin */
struct rope_attr { int32_t interleaved, inverse; };
/* causal: key j is seen by query i if j <= i + (S - T).  window > 0: and if
 * i + (S - T) - j < window.  softcap > 0: s = c tanh(s / c) before the mask. */
struct attention_attr { double scale, softcap; int64_t window; int32_t causal, pad; };
struct paged_attr { double scale, softcap; int64_t window, page; };
/* k: of CONV1D_DW, elements of a kernel. */
struct conv_attr { int64_t k; int32_t backwards, pad; };
struct xent_attr { double softcap; int32_t compute, pad; };
struct random_attr { int32_t kind, type; int64_t stream; shape shape; };
enum random_kind { RANDOM_UNIFORM, RANDOM_NORMAL };
struct embed_attr { int64_t rows; }; /* EMBED_DW: V of the table */
struct sgd_attr { int32_t nesterov; };

/* One typed struct per kind of op; always zeroed first, so that equal
 * attributes are equal bytes. */
typedef union op_attr {
    struct leaf_attr leaf;
    struct const_attr data;
    struct view_attr view;
    struct unary_attr unary;
    struct binary_attr binary;
    struct cast_attr cast;
    struct gated_attr gated;
    struct reduce_attr reduce;
    struct topk_attr topk;
    struct axis_attr axis;
    struct matmul_attr matmul;
    struct experts_attr experts;
    struct norm_attr norm;
    struct rope_table_attr rope_table;
    struct rope_attr rope;
    struct attention_attr attention;
    struct paged_attr paged;
    struct conv_attr conv;
    struct xent_attr xent;
    struct random_attr random;
    struct embed_attr embed;
    struct sgd_attr sgd;
} op_attr;

typedef struct node {
    enum op_id op;
    uint8_t n_in, n_out;
    int32_t region;     /* index into graph.regions, -1 = none */
    ref in[MAX_INPUTS]; /* 0 = an optional input that is absent */
    value out[MAX_OUTPUTS];
    op_attr attr;
    const char *name; /* of leaves, else NULL; owned by the graph's arena */
} node;

typedef struct graph graph;

/* Check inputs and attributes and fill n->n_out and n->out[] (type, shape; for
 * views also strides, offset and storage).  May adjust n->attr defaults.
 * Errors name the op and the shapes. */
typedef ar_status op_infer(const graph *g, node *n, ar_error *err);

/* Append nodes computing d(loss)/d(input k) and store their refs in dx[k]
 * (0 = none needed).  dy[i] is the gradient of output i, 0 where none.  Only
 * inputs with need[k] set matter. */
typedef void op_grad(graph *g, uint32_t index, const ref *dy, const bool *need,
                     ref *dx);

enum op_flag {
    OP_LEAF = 1,    /* bound to memory the caller gives */
    OP_VIEW = 2,    /* computes nothing */
    OP_EFFECT = 4,  /* writes state: kept even if no one uses its outputs */
    OP_INPLACE = 8, /* output 0 may take the storage of input 0 */
};

typedef struct op_info {
    const char *name;
    int min_in, max_in;
    unsigned flags;
    op_infer *infer;
    op_grad *grad; /* NULL: not differentiable */
    const char *text; /* one line for docs/reference/ops.md */
} op_info;

extern const op_info op_table[OP_COUNT];

#endif
