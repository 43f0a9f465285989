/* ane_lower.h - from nodes of a graph to a program of the Neural Engine.
 *
 * The engine works on fp16 tensors [1, C, 1, S]: channels first.  A graph's
 * value [.., T, C] crosses the border of a program so: channel c of row t lies
 * at [0, c, 0, t], rows counted over all leading dims.  Every float type of
 * the graph is fp16 there; the host converts.
 *
 *   TRY(ane_lower(&g, NULL, NULL, &p, err));      a whole graph
 *   mil_print(ane_get_program(p), &text);
 *   ports = ane_ports(p, &n);                     what to bind
 *   TRY(ane_weight_file(p, &data, &size, err));   "weights/weight.bin"
 *   ane_lowered_close(p);
 *
 * Nothing here has run on the hardware. */
#ifndef ANE_LOWER_H
#define ANE_LOWER_H

#include "backend/ane/mil_blob.h"
#include "core/graph.h"

enum ane_norm {
    ANE_NORM_AUTO,    /* DOUBLED where size and eps allow it, else SCALED */
    ANE_NORM_MUL,     /* x * rsqrt(mean(x x) + eps); |x| below 255 */
    ANE_NORM_DOUBLED, /* half of layer_norm([x, -x]) */
    ANE_NORM_SCALED   /* of x / max|x|: no overflow, any eps */
};
enum ane_rope { ANE_ROPE_SLICES, ANE_ROPE_MATRIX };

typedef struct ane_lower_options {
    enum ane_norm norm;
    enum ane_rope rope;
    int64_t max_chunk; /* widest result of one product; 0 = 16384 */
    /* The bytes of a leaf that becomes a constant, in the leaf's type and row
     * major; NULL: the leaf is an input.  Without the function only CONST
     * nodes are constants.  Valid until ane_lower returns; called often. */
    const void *(*weight)(void *context, const graph *g, ref leaf);
    void *context;
} ane_lower_options;

enum ane_port_kind {
    ANE_VALUE,    /* the elements of `value` */
    ANE_ONE_HOT,  /* of I32 [N]: channel r of position n is 1 if it is r */
    ANE_PAGE_MASK /* of a paged attention node: channel = row, position = slot
                     of the pool; ANE_MASKED where the row does not see it,
                     else the logarithm of how often (0: once).  `value` is
                     output 0 of the node. */
};
#define ANE_MASKED (-10000.0f)

/* One surface of the program.  Names in order are in alphabetical order. */
typedef struct ane_port {
    const char *name;
    enum ane_port_kind kind;
    ref value;     /* whose elements; of outputs too */
    ref leaf;      /* outputs: the state that it is stored to, 0 if none */
    mil_type type; /* [1, channels, 1, positions], fp16 */
    int32_t channel_dims; /* trailing dims of the value that are channels */
    int64_t first; /* of its channels in the value: wide values have several
                      ports */
    int64_t base;  /* > 0: indices; index = channel 0 * base + channel 1 */
} ane_port;

typedef struct ane_lowered ane_lowered;

/* Lower the nodes i with in[i] set (NULL: all) into one function "main".
 * Inputs are what they read and do not compute; outputs, in order of nodes,
 * what STOREs write and what other nodes read.  NULL options: defaults.
 * Errors: AR_UNSUPPORTED with the node and the reason; AR_NOMEM, AR_RANGE. */
ar_status ane_lower(const graph *g, const bool *in,
                    const ane_lower_options *opt, ane_lowered **out,
                    ar_error *err);
void ane_lowered_close(ane_lowered *p);

const mil_program *ane_get_program(const ane_lowered *p);
const ane_port *ane_inputs(const ane_lowered *p, int *n);
const ane_port *ane_outputs(const ane_lowered *p, int *n);
#define ANE_WEIGHT_PATH "@model_path/weights/weight.bin"
/* Owned by p; size 0 if the program has no constants in the file. */
ar_status ane_weight_file(ane_lowered *p, const void **data, size_t *size,
                          ar_error *err);

/* ---- the host's side ---- surfaces here are packed [channels, positions];
 * g is the graph that was lowered.  x: the whole value, row major.  Ports with
 * `first` fill their part of it. */
void ane_pack(const graph *g, const ane_port *p, const float *x, uint16_t *out);
void ane_unpack(const graph *g, const ane_port *p, const uint16_t *x,
                float *out); /* of an index: one number a position */
void ane_pack_one_hot(const ane_port *p, const int32_t *rows, uint16_t *out);
/* table [S, M], sequence [N], position [N]: of the attention node, dense. */
void ane_pack_mask(const graph *g, const ane_port *p, const int32_t *table,
                   const int32_t *sequence, const int32_t *position,
                   uint16_t *out);

/* Can ane_lower do the node?  If not, *reason (static) says why.  Sizes inside
 * (weights as inputs wider than 16384) are found by ane_lower only. */
bool ane_supports(const graph *g, const node *n, const char **reason);

#endif
