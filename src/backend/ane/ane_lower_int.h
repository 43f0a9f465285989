/* ane_lower_int.h - what the parts of the lowering share.
 *
 * A value of the graph has up to four forms in the program, made when they
 * are asked for and kept:
 *
 *   CHANNEL [1, C, 1, S]   C: last dim, S: all others
 *   PLAIN   the graph's dims
 *   HEADS   [B, H, D, N]   of [.., N, H, D]; B: the dims before
 *   MERGED  [1, H D, 1, B N]  the same: CHANNEL of [.., N, H D]
 *
 * A form may have 1 where the value repeats (broadcast); ane_full undoes it. */
#ifndef ANE_LOWER_INT_H
#define ANE_LOWER_INT_H

#include "backend/ane/ane_lower.h"
#include "base/arena.h"

enum ane_form { CHANNEL, PLAIN, HEADS, MERGED, ANE_FORMS };

enum {
    ANE_MAX_EXTENT = 16384,   /* of the last two axes, on every chip */
    ANE_MAX_CHANNELS = 65536, /* of the others */
    ANE_MAX_INDEX = 2048,     /* whole numbers that fp16 has */
    ANE_MAX_PARTS = 256,
    ANE_INLINE = 16 /* elements; larger constants are in the file */
};

/* A value too wide for one tensor: its channels in parts, CHANNEL form. */
typedef struct ane_parts {
    int n;
    mil_ref part[ANE_MAX_PARTS];
} ane_parts;

typedef struct ane_entry {
    mil_ref form[ANE_FORMS];
    ane_parts *parts;
    int64_t base; /* > 0: CHANNEL form is an index, see ane_port */
} ane_entry;

typedef struct lower {
    const graph *g;
    const bool *in;
    ane_lower_options opt;
    mil_program *p;
    mil_blob_writer *blob;
    arena mem;
    ane_entry *entry; /* by ref */
    ane_port *ports[2];
    mil_ref *port_ref[2]; /* outputs: the value before it has its name */
    int n_ports[2], capacity[2];
    int n_names;
    ar_error err;
    ar_status status;
} lower;

/* The first failure sticks; returns 0. */
mil_ref ane_fail(lower *l, ar_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define ANE_FAILED(l) ((l)->status || mil_status((l)->p, NULL))

/* ---- one statement each (ane_build.c) ---- 0 in, 0 out. */
mil_type ane_type(const lower *l, mil_ref x);
mil_ref ane_const(lower *l, mil_type t, const uint16_t *half);
mil_ref ane_number(lower *l, double x); /* plain fp16 */
mil_ref ane_unary(lower *l, const char *kind, mil_ref x);
/* operands are broadcast; y may be a plain number */
mil_ref ane_binary(lower *l, const char *kind, mil_ref x, mil_ref y);
mil_ref ane_scale(lower *l, mil_ref x, double a); /* a x */
mil_ref ane_shift(lower *l, mil_ref x, double b); /* x + b */
mil_ref ane_affine(lower *l, mil_ref x, double a, double b);
mil_ref ane_eps(lower *l, const char *kind, mil_ref x, double epsilon);
mil_ref ane_compare(lower *l, const char *kind, mil_ref x, mil_ref y);
mil_ref ane_select(lower *l, mil_ref cond, mil_ref a, mil_ref b);
mil_ref ane_reduce(lower *l, const char *kind, mil_ref x, int axis);
mil_ref ane_softmax(lower *l, mil_ref x, int axis);
mil_ref ane_layer_norm(lower *l, mil_ref x, int axis, double eps);
mil_ref ane_matmul(lower *l, mil_ref x, mil_ref y, bool tx, bool ty);
mil_ref ane_conv(lower *l, mil_ref x, mil_ref weight); /* 1x1 */
mil_ref ane_reshape(lower *l, mil_ref x, int rank, const int64_t *dim);
mil_ref ane_transpose(lower *l, mil_ref x, const int *perm);
mil_ref ane_slice(lower *l, mil_ref x, int axis, int64_t start, int64_t n,
                  int64_t step);
mil_ref ane_concat(lower *l, const mil_ref *x, int n, int axis);
mil_ref ane_cast(lower *l, mil_ref x, enum mil_dtype t);
/* x repeated to these dims, of its rank. */
mil_ref ane_repeat(lower *l, mil_ref x, const int64_t *dim);
static inline mil_ref ane_reshape4(lower *l, mil_ref x, int64_t a, int64_t b,
                                   int64_t c, int64_t d) {
    return ane_reshape(l, x, 4, (int64_t[]){a, b, c, d});
}
static inline mil_ref ane_transpose4(lower *l, mil_ref x, int a, int b, int c,
                                     int d) {
    return ane_transpose(l, x, (int[]){a, b, c, d});
}

/* ---- forms of the graph's values (ane_forms.c) ---- */
typedef struct ane_dims {
    int rank;
    int64_t dim[MAX_DIMS];
} ane_dims;
ane_dims ane_form_dims(const shape *s, enum ane_form f);
mil_ref ane_get(lower *l, ref r, enum ane_form f);  /* may be broadcast */
mil_ref ane_full(lower *l, ref r, enum ane_form f); /* is not */
bool ane_has(const lower *l, ref r, enum ane_form f);
void ane_set(lower *l, ref r, enum ane_form f, mil_ref x);
/* Both operands have it already; else CHANNEL. */
enum ane_form ane_common(const lower *l, const ref *r, int n);
/* Are the elements known now? */
bool ane_is_constant(const lower *l, ref r);
/* fp16 elements of a constant, row major, in l->mem; NULL after failing. */
const uint16_t *ane_elements(lower *l, ref r);
/* A port that reads `r`, in CHANNEL form. */
mil_ref ane_input(lower *l, ref r, enum ane_port_kind kind, int64_t channels,
                  int64_t positions, int channel_dims);
void ane_output(lower *l, ref value, ref leaf);

/* ---- the operations: each sets the forms of the node's outputs ---- */
typedef void ane_lowering(lower *l, const node *n, ref out);
/* NULL, or why not. */
typedef const char *ane_check(const graph *g, const node *n);
#define ANE_OP(op, lowering, check)                                            \
    ane_lowering lowering;                                                     \
    ane_check check;
#include "backend/ane/ane_ops.def"
#undef ANE_OP

mil_ref ane_function(lower *l, enum unary_kind kind, mil_ref x);
/* x / sqrt(mean(x x) + eps) along an axis. */
mil_ref ane_rms(lower *l, mil_ref x, int axis, double eps);

/* Program and ports, from what was built: names, and only what is needed. */
ar_status ane_finish(lower *l, mil_program **out, ar_error *err);

#endif
