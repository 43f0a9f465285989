/* ane_check.c - what of a graph the engine can do, and why not the rest. */
#include "backend/ane/ane_lower_int.h"
#include "quant/quant.h"

static bool is_half(ar_type t) {
    return t == AR_F32 || t == AR_F16 || t == AR_BF16;
}

static const char *check_size(const value *v) {
    const ane_dims d = ane_form_dims(&v->shape, CHANNEL);
    if (d.dim[3] > ANE_MAX_EXTENT) return "more than 16384 rows";
    return NULL;
}

/* The types of inputs from the first to n, and of all results. */
static const char *check_from(const graph *g, const node *n, int first,
                              int end) {
    for (int i = 0; i < n->n_out; i++) {
        if (!is_half(n->out[i].type))
            return "the result is not F32, F16 or BF16";
        const char *why = check_size(&n->out[i]);
        if (why) return why;
    }
    for (int i = first; i < end && i < n->n_in; i++)
        if (n->in[i] && !is_half(graph_type(g, n->in[i])))
            return "an operand is not F32, F16 or BF16";
    return NULL;
}

const char *check_float(const graph *g, const node *n) {
    return check_from(g, n, 0, n->n_in);
}

/* The program has fp16 only: another float type changes nothing, but a
 * rounding to one that is not there would be lost. */
const char *check_cast(const graph *g, const node *n) {
    if (n->out[0].type == AR_BF16 && graph_type(g, n->in[0]) != AR_BF16)
        return "BF16 rounding";
    return check_float(g, n);
}

const char *check_select(const graph *g, const node *n) {
    const node *c = graph_node(g, n->in[0]);
    const bool leaf = op_table[c->op].flags & OP_LEAF;
    if (!leaf && !is_half(c->out[ref_out(n->in[0])].type))
        return "a condition that is not a leaf or a float";
    return check_from(g, n, 1, 3);
}

const char *check_reduce(const graph *g, const node *n) {
    const struct reduce_attr *a = &n->attr.reduce;
    const shape s = graph_shape(g, n->in[0]);
    if (!is_half(graph_type(g, n->in[0])))
        return "an operand is not F32, F16 or BF16";
    if (a->kind != REDUCE_ARGMAX) return check_float(g, n);
    if (a->axis == s.rank - 1)
        return shape_last(&s) > ANE_MAX_INDEX * ANE_MAX_PARTS
                   ? "an axis too long for its indices"
                   : NULL;
    const int64_t size = a->axis < 0 ? shape_count(&s) : s.dim[a->axis];
    return size > ANE_MAX_INDEX ? "indices beyond 2048 are not exact" : NULL;
}

const char *check_norm(const graph *g, const node *n) {
    return check_float(g, n);
}

const char *check_matmul(const graph *g, const node *n) {
    if (n->attr.matmul.act8) return "rows rounded to 8 bits";
    const ar_type w = graph_type(g, n->in[1]);
    const node *leaf = graph_node(g, graph_value(g, n->in[1])->storage);
    const bool weight = leaf->op == OP_PARAM || leaf->op == OP_CONST;
    if (w == AR_F64 || (!is_half(w) && !(quant_is_block(w) && weight)))
        return "a matrix of that type that is no weight";
    if (n->n_in > 2 && n->in[2] && !is_half(graph_type(g, n->in[2])))
        return "a bias that is not F32, F16 or BF16";
    return check_from(g, n, 0, 1);
}

const char *check_attention(const graph *g, const node *n) {
    const shape q = graph_shape(g, n->in[0]), k = graph_shape(g, n->in[1]);
    const struct attention_attr *a = &n->attr.attention;
    if (a->causal && q.dim[1] > k.dim[1]) return "queries that see no key";
    if (a->window > 0 && !a->causal && q.dim[1] > k.dim[1])
        return "queries that see no key";
    if (k.dim[1] >= ANE_MAX_EXTENT) return "more than 16383 keys";
    if (q.dim[2] / k.dim[2] * q.dim[1] > ANE_MAX_EXTENT)
        return "more than 16384 rows share keys";
    return check_float(g, n);
}

const char *check_paged(const graph *g, const node *n) {
    const shape k = graph_shape(g, n->in[1]);
    if (k.dim[0] * k.dim[1] > ANE_MAX_EXTENT) return "more than 16384 keys";
    return check_from(g, n, 0, 3);
}

static const char *whole_state(const graph *g, const node *n) {
    const value *s = graph_value(g, n->in[0]);
    const value *leaf = graph_value(g, s->storage);
    if (s->offset != 0 || !value_is_dense(s) ||
        shape_count(&s->shape) != shape_count(&leaf->shape))
        return "a part of a state";
    return NULL;
}

const char *check_store(const graph *g, const node *n) {
    const node *x = graph_node(g, n->in[1]);
    const char *why = whole_state(g, n);
    if (why) return why;
    if (x->op == OP_REDUCE && x->attr.reduce.kind == REDUCE_ARGMAX) return NULL;
    return check_float(g, n);
}

const char *check_store_rows(const graph *g, const node *n) {
    const char *why = whole_state(g, n);
    if (why) return why;
    if (!(op_table[graph_node(g, n->in[1])->op].flags & OP_LEAF))
        return "rows that are not a leaf";
    if (n->out[0].shape.dim[0] > ANE_MAX_EXTENT) return "more than 16384 rows";
    if (!is_half(graph_type(g, n->in[2])))
        return "an operand is not F32, F16 or BF16";
    return check_from(g, n, 0, 1);
}

/* ---- the list ---- */

static ane_check *const checks[OP_COUNT] = {
#define ANE_OP(op, lowering, check) [OP_##op] = check,
#include "backend/ane/ane_ops.def"
#undef ANE_OP
};

static const char *elsewhere(enum op_id op) {
    switch (op) {
    case OP_EMBED: return "rows of a table are fetched on the CPU";
    case OP_ROPE_TABLE: return "angles are computed in F64 on the CPU";
    case OP_XENT:
    case OP_XENT_DXW: return "the loss is computed on the CPU";
    case OP_RANDOM: return "random numbers come from the CPU";
    default: return "the engine has no such operation";
    }
}

bool ane_supports(const graph *g, const node *n, const char **reason) {
    const char *why = NULL;
    if (op_table[n->op].flags & OP_LEAF) return true;
    if (checks[n->op])
        why = checks[n->op](g, n);
    else
        why = elsewhere(n->op);
    if (why && reason) *reason = why;
    return why == NULL;
}
