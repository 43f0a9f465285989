/* cost.c - seconds of a node: work, movement, and starting the threads.
 *
 * The three are added: the kernels read far ahead, but a core that waits for
 * memory seldom computes.  Of each op two parts are known: how much of the
 * device's best rate its arithmetic reaches, and how much of the bandwidth.
 * They are ratios, measured once (docs/performance/model.md), so that they hold
 * for machines of other sizes. */
#include "core/cost.h"

#include "quant/levels.h"
#include "quant/quant.h"

typedef struct op_rate {
    double work, move; /* 0: no work; 0.7 of the bandwidth */
} op_rate;

static const op_rate rates[OP_COUNT] = {
    [OP_MATMUL] = {0.92, 0.5},
    [OP_MATMUL_EXPERTS] = {0.85, 0.5},
    [OP_MATMUL_EXPERTS_DW] = {0.85, 0.5},
    [OP_XENT] = {0.83, 0.5},
    [OP_XENT_DXW] = {0.83, 0.5},
    [OP_ATTENTION] = {0.65, 1},
    [OP_ATTENTION_DQKV] = {0.62, 1},
    [OP_ATTENTION_PAGED] = {0.53, 1},
    [OP_SCAN] = {0.2, 1},
    [OP_SCAN_DX] = {0.2, 1},
    [OP_SCAN_ROWS] = {0.2, 1},
    [OP_CONV1D] = {0.2, 1},
    [OP_CONV1D_DW] = {0.2, 1},
    [OP_CONV1D_ROWS] = {0.2, 1},
    [OP_UNARY] = {0.25, 0.9},
    [OP_UNARY_DX] = {0.3, 0.9},
    [OP_GATED] = {0.25, 0.9},
    [OP_GATED_DX] = {0.25, 0.9},
    [OP_BINARY] = {0, 0.9},
    [OP_CONCAT] = {0, 0.5},
    [OP_REDUCE] = {0.16, 1},
    [OP_SOFTMAX] = {0.1, 1},
    [OP_SOFTMAX_DX] = {0.1, 1},
    [OP_RMS_NORM] = {0.25, 0.9},
    [OP_RMS_NORM_DX] = {0.08, 0.9},
    [OP_RMS_NORM_DW] = {0.35, 0.9},
    [OP_LAYER_NORM] = {0.2, 0.9},
    [OP_LAYER_NORM_DX] = {0.12, 0.9},
    [OP_LAYER_NORM_DW] = {0.3, 0.9},
    [OP_ROPE] = {0.2, 1},
    [OP_EMBED] = {0, 0.22},
    [OP_EMBED_DW] = {0, 0.65},
    [OP_STORE] = {0, 0.25},
    [OP_OPT_ADAMW] = {0.5, 2.3}, /* what it writes it has just read */
    [OP_OPT_LION] = {0.5, 2},
    [OP_OPT_SGD] = {0.5, 1.7},
};
static const double other_move = 0.7;

/* Of MATMUL with attribute exact, whose sums have a chain of their own. */
static const double exact_work = 0.8;
/* Of products of levels: the part of their rate, and of the bandwidth. */
static const double levels_work = 0.86, levels_move = 0.9;

/* A tile of keys that the diagonal cuts is computed whole: so many keys more
 * for each query. */
static const double half_tile = 32;
/* f32 operations that a pair of a query and a key costs besides the products
 * with it, in ATTENTION_PAGED. */
static const double paged_pair = 650;

static bool has_levels(const graph *g, const node *n) {
    quant_form f;
    const struct matmul_attr *a = &n->attr.matmul;
    return (n->op == OP_MATMUL || n->op == OP_MATMUL_EXPERTS) && a->act8 &&
           quant_form_of(graph_type(g, n->in[1]), &f);
}

/* f32 operations that unpacking a weight to levels costs. */
static double unpack_work(ar_type t) {
    switch (t) {
    case AR_Q4_0:
    case AR_Q4_K: return 1.6;
    case AR_Q4_1: return 2.2;
    case AR_Q8_0: return 2.4;
    default: return 3.4; /* bits from two places, or a table */
    }
}

static double levels_seconds(const graph *g, const node *n,
                             const device_speed *s) {
    const value *w = graph_value(g, n->in[1]);
    const double weights =
        node_input_bytes(g, n, 1) /
        ((double)ar_type_size(w->type, quant_block(w->type)) /
         (double)quant_block(w->type));
    return weights * unpack_work(w->type) / s->flops +
           node_flops(g, n) / (s->levels * levels_work);
}

/* How much more than its flops causal attention computes. */
static double tile_factor(const graph *g, const node *n) {
    const shape q = graph_shape(g, n->in[0]), v = graph_shape(g, n->in[2]);
    const double d = (double)q.dim[3], e = (double)v.dim[3];
    const double each = 2 * (n->op == OP_ATTENTION ? d + e : 3 * d + 2 * e) *
                        (double)(q.dim[0] * q.dim[1] * q.dim[2]);
    const double flops = node_flops(g, n);
    return flops > 0 && n->attr.attention.causal ? 1 + half_tile * each / flops
                                                 : 1;
}

/* q [N, H, D], v pool [P, page, G, E], table [S, M]. */
static double paged_seconds(const graph *g, const node *n, const cost_run *r) {
    const shape q = graph_shape(g, n->in[0]), v = graph_shape(g, n->in[2]);
    const shape table = graph_shape(g, n->in[3]);
    const double window = (double)n->attr.paged.window;
    double keys = (double)table.dim[1] * (double)v.dim[1];
    if (r->keys > 0 && r->keys < keys) keys = r->keys;
    if (window > 0 && window < keys) keys = window;
    const double rate = r->speed->flops * rates[OP_ATTENTION_PAGED].work;
    const double each =
        2 * (double)(q.dim[2] + v.dim[3]) / rate + paged_pair / r->speed->flops;
    const double pool = value_bytes(graph_value(g, n->in[1])) +
                        value_bytes(graph_value(g, n->in[2]));
    const double row = pool / ((double)v.dim[0] * (double)v.dim[1]);
    return keys * (double)(q.dim[0] * q.dim[1]) * each +
           keys * row / r->speed->bandwidth;
}

static double work_seconds(const graph *g, const node *n, const cost_run *r) {
    const device_speed *s = r->speed;
    double part = rates[n->op].work;
    if (has_levels(g, n)) return levels_seconds(g, n, s);
    if (n->op == OP_MATMUL && n->attr.matmul.exact) part = exact_work;
    if (part == 0) return 0;
    double flops = node_flops(g, n);
    if (n->op == OP_ATTENTION || n->op == OP_ATTENTION_DQKV)
        flops *= tile_factor(g, n);
    return flops / (s->flops * part);
}

/* What stays in the caches from one use to the next. */
typedef struct places {
    bool leaves, values;
} places;

static bool is_leaf(const graph *g, ref x) {
    const ref at = graph_value(g, x)->storage;
    return op_table[g->nodes[ref_node(at)].op].flags & OP_LEAF;
}

static double rate_of(const graph *g, ref x, const places *near,
                      const device_speed *s) {
    return (is_leaf(g, x) ? near->leaves : near->values) ? s->cached
                                                         : s->bandwidth;
}

static double move_seconds(const graph *g, const node *n, const places *near,
                           const device_speed *s) {
    double seconds = 0;
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k] && !node_input_repeated(n, k))
            seconds +=
                node_input_bytes(g, n, k) / rate_of(g, n->in[k], near, s);
    const double out = near->values ? s->cached : s->bandwidth;
    for (int k = 0; k < n->n_out; k++) seconds += value_bytes(&n->out[k]) / out;
    const double part = has_levels(g, n) ? levels_move : rates[n->op].move;
    return seconds / (part > 0 ? part : other_move);
}

/* Short ops run in the caller.  Products start the threads twice: for their
 * operands, and for the tiles. */
static double start_seconds(const node *n, double seconds,
                            const device_speed *s) {
    if (seconds < s->dispatch) return 0;
    return (n->op == OP_MATMUL ? 2 : 1) * s->dispatch;
}

static double node_seconds(const graph *g, const node *n, const places *near,
                           const cost_run *r) {
    const double seconds =
        n->op == OP_ATTENTION_PAGED
            ? paged_seconds(g, n, r)
            : work_seconds(g, n, r) + move_seconds(g, n, near, r->speed);
    return seconds + start_seconds(n, seconds, r->speed);
}

double graph_seconds(const graph *g, const cost_run *r) {
    double seconds = 0, leaves = 0;
    for (uint32_t i = 1; i < g->n_nodes; i++)
        if (g->nodes[i].op == OP_PARAM)
            leaves += value_bytes(&g->nodes[i].out[0]);
    const places near = {.leaves = leaves < r->speed->cache_size,
                         .values = r->block_size < r->speed->cache_size};
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (op_table[n->op].flags & (OP_LEAF | OP_VIEW)) continue;
        seconds += node_seconds(g, n, &near, r);
    }
    return seconds;
}
