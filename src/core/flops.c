/* flops.c - what a node costs: floating-point operations and bytes moved. */
#include "core/cost.h"

/* Of ops whose cost follows their elements: how many operations each element
 * of one value takes.  A transcendental function counts as 4. */
typedef struct cost {
    double per_element;
    int input; /* 1 + the input that is counted, 0 = output 0 */
} cost;

static const cost costs[OP_COUNT] = {
    [OP_UNARY] = {6, 0},         [OP_UNARY_DX] = {8, 0},
    [OP_BINARY] = {3, 0},        [OP_GATED] = {6, 0},
    [OP_GATED_DX] = {12, 0},     [OP_REDUCE] = {1, 1},
    [OP_TOPK] = {1, 1},          [OP_CUMSUM] = {1, 0},
    [OP_GATHER_DX] = {1, 2},     [OP_SOFTMAX] = {7, 0},
    [OP_SOFTMAX_DX] = {4, 0},    [OP_RMS_NORM] = {4, 0},
    [OP_RMS_NORM_DX] = {9, 0},   [OP_RMS_NORM_DW] = {5, 1},
    [OP_LAYER_NORM] = {7, 0},    [OP_LAYER_NORM_DX] = {14, 0},
    [OP_LAYER_NORM_DW] = {8, 1}, [OP_EMBED_DW] = {1, 2},
    [OP_ROPE_TABLE] = {10, 0},   [OP_ROPE] = {3, 0},
    [OP_RANDOM] = {10, 0},       [OP_ACCUMULATE] = {1, 0},
    [OP_OPT_SGD] = {6, 0},       [OP_OPT_ADAMW] = {15, 0},
    [OP_OPT_LION] = {9, 0},
};

static double count(const value *v) { return (double)shape_count(&v->shape); }

/* Pairs of a query and a key it sees. */
static double seen_pairs(const struct attention_attr *a, int64_t n_queries,
                         int64_t n_keys) {
    double pairs = 0;
    for (int64_t i = 0; i < n_queries; i++) {
        const int64_t here = i + n_keys - n_queries;
        int64_t last = n_keys - 1, first = 0;
        if (a->causal && here < last) last = here;
        if (a->window > 0 && here - a->window + 1 > first)
            first = here - a->window + 1;
        if (last >= first) pairs += (double)(last - first + 1);
    }
    return pairs;
}

/* q [B, T, H, D], k [B, S, G, D], v [B, S, G, E].  Forward: q kᵀ and p v.
 * Backward: q kᵀ, do vᵀ, pᵀ do, ds k, dsᵀ q. */
static double attention_flops(const graph *g, const node *n) {
    const shape q = graph_shape(g, n->in[0]), k = graph_shape(g, n->in[1]);
    const shape v = graph_shape(g, n->in[2]);
    const double d = (double)q.dim[3], e = (double)v.dim[3];
    const double pairs = seen_pairs(&n->attr.attention, q.dim[1], k.dim[1]) *
                         (double)q.dim[0] * (double)q.dim[2];
    return 2 * pairs * (n->op == OP_ATTENTION ? d + e : 3 * d + 2 * e);
}

/* q [N, H, D], v pool [P, page, G, E], table [S, M]: as if every sequence
 * filled its pages. */
static double paged_flops(const graph *g, const node *n) {
    const shape q = graph_shape(g, n->in[0]), v = graph_shape(g, n->in[2]);
    const shape table = graph_shape(g, n->in[3]);
    const double keys = (double)table.dim[1] * (double)v.dim[1];
    return 2 * keys * (double)q.dim[0] * (double)q.dim[1] *
           (double)(q.dim[2] + v.dim[3]);
}

/* x [N, C], w [V, C]: logits; backward also dx and dw. */
static double xent_flops(const graph *g, const node *n) {
    const shape x = graph_shape(g, n->in[0]), w = graph_shape(g, n->in[1]);
    const double logits = 2 * (double)shape_count(&x) * (double)w.dim[0];
    return n->op == OP_XENT ? logits : 3 * logits;
}

/* Every element of a state is multiplied by its decay, added to and read; with
 * beta it is read once more before.  Backward about three times that. */
static double scan_flops(const graph *g, const node *n) {
    const int rows = n->op == OP_SCAN_ROWS;
    const double elements =
        count(graph_value(g, n->in[rows + 2])) *
        (double)shape_last(&graph_value(g, n->in[rows + 1])->shape);
    const bool beta = n->n_in == op_table[n->op].max_in;
    return (n->op == OP_SCAN_DX ? 3 : 1) * (beta ? 7 : 5) * elements;
}

/* w [C, K] for each element of x. */
static double conv_flops(const graph *g, const node *n) {
    if (n->op == OP_CONV1D_DW)
        return 2 * count(graph_value(g, n->in[0])) * (double)n->attr.conv.k;
    const int rows = n->op == OP_CONV1D_ROWS;
    return 2 * count(graph_value(g, n->in[rows])) *
           (double)shape_last(&graph_value(g, n->in[rows + 1])->shape);
}

/* Matrices times their own transpose: a symmetric result, half of which has to
 * be computed. */
static bool is_symmetric(const graph *g, const node *n) {
    const value *a = graph_value(g, n->in[0]), *b = graph_value(g, n->in[1]);
    const int rank = a->shape.rank;
    if (a->storage != b->storage || a->offset != b->offset) return false;
    for (int i = 0; i < rank; i++) {
        const int j = i < rank - 2 ? i : 2 * rank - 3 - i;
        if (a->shape.dim[i] != b->shape.dim[j] || a->stride[i] != b->stride[j])
            return false;
    }
    return n->n_in < 3 || !n->in[2];
}

static double matmul_flops(const graph *g, const node *n) {
    const shape a = graph_shape(g, n->in[0]);
    const double sums = count(&n->out[0]);
    const bool bias = n->n_in > 2 && n->in[2];
    const double all = 2 * sums * (double)shape_last(&a) + (bias ? sums : 0);
    return is_symmetric(g, n) ? all / 2 : all;
}

static double experts_flops(const graph *g, const node *n) {
    const shape x = graph_shape(g, n->in[0]);
    return 2 * count(&n->out[0]) * (double)shape_last(&x);
}

static double experts_dw_flops(const graph *g, const node *n) {
    const double rows = count(graph_value(g, n->in[0]));
    return 2 * rows * count(&n->out[0]) / (double)n->attr.experts.n;
}

/* Of ops whose cost follows something else. */
static double (*const special[OP_COUNT])(const graph *g, const node *n) = {
    [OP_MATMUL] = matmul_flops,
    [OP_MATMUL_EXPERTS] = experts_flops,
    [OP_MATMUL_EXPERTS_DW] = experts_dw_flops,
    [OP_ATTENTION] = attention_flops,
    [OP_ATTENTION_DQKV] = attention_flops,
    [OP_ATTENTION_PAGED] = paged_flops,
    [OP_XENT] = xent_flops,
    [OP_XENT_DXW] = xent_flops,
    [OP_SCAN] = scan_flops,
    [OP_SCAN_DX] = scan_flops,
    [OP_SCAN_ROWS] = scan_flops,
    [OP_CONV1D] = conv_flops,
    [OP_CONV1D_DW] = conv_flops,
    [OP_CONV1D_ROWS] = conv_flops,
};

double node_flops(const graph *g, const node *n) {
    if (special[n->op]) return special[n->op](g, n);
    const cost *c = &costs[n->op];
    const value *v =
        c->input ? graph_value(g, n->in[c->input - 1]) : &n->out[0];
    return c->per_element == 0 ? 0 : c->per_element * count(v);
}

/* ---- bytes ---- */

enum { BLOCK = 256 }; /* whole blocks of every type */

double value_bytes(const value *v) {
    double n = 1;
    for (int i = 0; i < v->shape.rank; i++)
        if (v->stride[i] != 0 || v->shape.dim[i] == 0)
            n *= (double)v->shape.dim[i];
    return n / BLOCK * (double)ar_type_size(v->type, BLOCK);
}

static double smaller(double a, double b) { return a < b ? a : b; }

double node_input_bytes(const graph *g, const node *n, int k) {
    const double all = value_bytes(graph_value(g, n->in[k]));
    switch (n->op) {
    case OP_MATMUL_EXPERTS: { /* the matrices that ids can name */
        const shape w = graph_shape(g, n->in[1]);
        const double one = all / (double)w.dim[0];
        const double rows = count(graph_value(g, n->in[2]));
        return k == 1 ? smaller(all, rows * one) : all;
    }
    case OP_EMBED: /* the rows that ids name */
    case OP_GATHER: return k == 0 ? smaller(all, value_bytes(&n->out[0])) : all;
    case OP_STORE: /* the state is only written */
    case OP_STORE_ROWS: return k == 0 ? 0 : all;
    default: return all;
    }
}

bool node_input_repeated(const node *n, int k) {
    for (int i = 0; i < k; i++)
        if (n->in[i] == n->in[k]) return true;
    return false;
}

double node_bytes(const graph *g, const node *n) {
    double bytes = 0;
    if (op_table[n->op].flags & (OP_LEAF | OP_VIEW)) return 0;
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k] && !node_input_repeated(n, k))
            bytes += node_input_bytes(g, n, k);
    if (n->op == OP_STORE_ROWS)
        return bytes + value_bytes(graph_value(g, n->in[2]));
    for (int k = 0; k < n->n_out; k++) bytes += value_bytes(&n->out[k]);
    return bytes;
}
