/* decoder_moe.c - the feed-forward branch of a layer that chooses among
 * experts.
 *
 *   scores = softmax or sigmoid of x router
 *   ids    = the k best, of the best groups where there are groups
 *   y      = scale sum over k of weight[k] expert[ids[k]](x) + shared(x)
 *
 * Ids have no gradient: it goes to the router by way of the weights (Shazeer
 * et al. 2017; groups and the bias: DeepSeek-V3 technical report, 2.1.2). */
#include <math.h>

#include "model/decoder_int.h"

/* Every weight a token gives, and the experts it gives them to: [R, k]. */
typedef struct routing {
    ref weights, ids;
} routing;

static routing topk(graph *g, ref x, int64_t k) {
    const op_attr a = {.topk = {.k = k}};
    const ref values = graph_op(g, OP_TOPK, &a, &x, 1);
    return (routing){values, graph_output(g, values, 1)};
}

static ref gather(graph *g, ref x, ref ids) {
    return graph_op(g, OP_GATHER, NULL, (const ref[]){x, ids}, 2);
}

/* What groups are chosen by: x [R, G, E / G] -> [R, G]. */
static ref group_scores(const decoder_state *s, ref x) {
    graph *g = s->g;
    const shape out = shape2(s->rows, s->c->n_expert_groups);
    if (s->c->group_score == GROUP_BEST)
        return graph_reshape(g, graph_reduce(g, REDUCE_MAX, x, 2), out);
    return graph_reshape(
        g, graph_reduce(g, REDUCE_SUM, topk(g, x, 2).weights, 2), out);
}

/* x [R, E] with -infinity outside of the best groups. */
static ref in_groups(const decoder_state *s, ref x) {
    graph *g = s->g;
    const int64_t R = s->rows, n = s->c->n_expert_groups;
    const int64_t each = s->c->n_experts / n;
    const ref parts = graph_reshape(g, x, shape3(R, n, each));
    const ref best = topk(g, group_scores(s, parts), s->c->n_groups_used).ids;
    const ref ones = graph_broadcast(g, graph_scalar(g, graph_type(g, x), 1),
                                     shape2(R, s->c->n_groups_used));
    const op_attr a = {.axis = {.n = n}};
    ref mask = graph_op(g, OP_GATHER_DX, &a, (const ref[]){best, ones}, 2);
    mask = graph_broadcast(g, graph_reshape(g, mask, shape3(R, n, 1)),
                           shape3(R, n, each));
    const ref none = graph_broadcast(
        g, graph_scalar(g, graph_type(g, x), -INFINITY), shape3(R, n, each));
    return graph_reshape(g, graph_select(g, mask, parts, none),
                         shape2(R, s->c->n_experts));
}

/* Experts by score, with the bias that is for the choice alone. */
static ref choose(const decoder_state *s, ref scores, int layer) {
    graph *g = s->g;
    const model_config *c = s->c;
    ref x = scores;
    if (c->route_bias)
        x = graph_add(g, x,
                      graph_cast(g, decoder_param(s, ROLE_ROUTE_BIAS, layer),
                                 s->d->type));
    if (c->n_groups_used < c->n_expert_groups) x = in_groups(s, x);
    return topk(g, x, c->n_experts_used).ids;
}

static routing route(const decoder_state *s, ref x, int layer) {
    graph *g = s->g;
    const model_config *c = s->c;
    const ref logits = decoder_linear(s, x, ROLE_ROUTER, layer);
    if (c->route == ROUTE_CHOSEN) {
        routing r = topk(g, logits, c->n_experts_used);
        r.weights = graph_softmax(g, r.weights);
        return r;
    }
    const ref scores = c->route == ROUTE_SIGMOID
                           ? graph_unary(g, UNARY_SIGMOID, logits)
                           : graph_softmax(g, logits);
    routing r = {.ids = choose(s, scores, layer)};
    r.weights = gather(g, scores, r.ids);
    if (!c->norm_topk) return r;
    ref sum = graph_reduce(g, REDUCE_SUM, r.weights, 1);
    if (c->route == ROUTE_SIGMOID) /* which may all be 0 */
        sum = graph_affine(g, sum, 1, 1e-20);
    r.weights = graph_binary(g, BINARY_DIV, r.weights, sum);
    return r;
}

/* x [R, ..] or [R, k, ..] times the matrices of the chosen experts, plus the
 * bias of each where the model has one: [R, k, ..]. */
static ref experts(const decoder_state *s, ref x, ref ids, enum param_role role,
                   int layer) {
    graph *g = s->g;
    ref w = decoder_param(s, role, layer);
    if (s->c->experts_turned) w = graph_transpose(g, w);
    const ref y = graph_experts(g, x, w, ids, &s->d->matmul);
    /* ORDER: params.def: the bias of a stack is the role after it. */
    const ref bias = s->c->bias_experts
                         ? decoder_param(s, (enum param_role)(role + 1), layer)
                         : 0;
    return bias ? graph_add(g, y, decoder_look_up(s, bias, ids)) : y;
}

/* Columns first, first + 2 ... of x [R, k, 2 F]. */
static ref alternate(const decoder_state *s, ref x, int64_t first) {
    op_attr a = {0};
    a.view.axis = 2;
    a.view.v[0] = first;
    a.view.v[1] = s->c->n_ff_expert;
    a.view.v[2] = 2;
    return graph_op(s->g, OP_SLICE, &a, &x, 1);
}

static ref bound(graph *g, ref x, enum binary_kind kind, double limit) {
    return graph_binary(g, kind, x, graph_scalar(g, graph_type(g, x), limit));
}

/* f(gate) up; or gpt-oss's (up + 1) gate sigmoid(alpha gate), both bounded. */
static ref activate(const decoder_state *s, ref gate, ref up) {
    graph *g = s->g;
    const double limit = s->c->gate_limit, alpha = s->c->gate_alpha;
    if (limit > 0) {
        gate = bound(g, gate, BINARY_MIN, limit);
        up = bound(g, bound(g, up, BINARY_MIN, limit), BINARY_MAX, -limit);
    }
    if (alpha == 0) return graph_gated(g, s->c->act, gate, up);
    /* silu(alpha x) = alpha x sigmoid(alpha x) */
    const ref y = graph_gated(g, UNARY_SILU, graph_affine(g, gate, alpha, 0),
                              graph_affine(g, up, 1, 1));
    return graph_affine(g, y, 1 / alpha, 0);
}

/* [R, k, C]: what each of the chosen experts gives. */
static ref chosen(const decoder_state *s, ref x, ref ids, int layer) {
    ref gate, up;
    if (s->c->experts_fused) {
        const ref both = experts(s, x, ids, ROLE_EXPERTS_GATE_UP, layer);
        gate = alternate(s, both, 0);
        up = alternate(s, both, 1);
    } else {
        gate = experts(s, x, ids, ROLE_EXPERTS_GATE, layer);
        up = experts(s, x, ids, ROLE_EXPERTS_UP, layer);
    }
    return experts(s, activate(s, gate, up), ids, ROLE_EXPERTS_DOWN, layer);
}

/* The MLP that every token has beside its experts: [R, C]. */
static ref shared(const decoder_state *s, ref x, int layer) {
    graph *g = s->g;
    const struct matmul_attr *m = &s->d->matmul;
    const ref gate =
        graph_linear(g, x, decoder_param(s, ROLE_SHARED_GATE, layer), 0, m);
    const ref up =
        graph_linear(g, x, decoder_param(s, ROLE_SHARED_UP, layer), 0, m);
    const ref y = graph_linear(g, graph_gated(g, s->c->act, gate, up),
                               decoder_param(s, ROLE_SHARED_DOWN, layer), 0, m);
    if (!s->c->shared_gate) return y;
    const ref w = graph_reshape(g, decoder_param(s, ROLE_SHARED_ROUTER, layer),
                                shape2(1, s->c->n_embd));
    return graph_mul(
        g, y, graph_unary(g, UNARY_SIGMOID, graph_linear(g, x, w, 0, m)));
}

ref decoder_moe(const decoder_state *s, ref x, int layer) {
    graph *g = s->g;
    const model_config *c = s->c;
    const routing r = route(s, x, layer);
    ref w = graph_reshape(g, r.weights, shape3(s->rows, c->n_experts_used, 1));
    if (c->routed_scale != 1) w = graph_affine(g, w, c->routed_scale, 0);
    ref y = graph_mul(g, w, chosen(s, x, r.ids, layer));
    y = graph_reshape(g, graph_reduce(g, REDUCE_SUM, y, 1),
                      shape2(s->rows, c->n_embd));
    if (config_shared_width(c) > 0) y = graph_add(g, y, shared(s, x, layer));
    return y;
}
