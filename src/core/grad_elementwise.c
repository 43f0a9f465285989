/* grad_elementwise.c - gradients of ops that work element by element. */
#include "core/grad.h"

/* y = f(a x + b): dx = a f'(a x + b) dy */
void grad_unary(graph *g, uint32_t index, const ref *dy, const bool *need,
                ref *dx) {
    const node n = g->nodes[index];
    const struct unary_attr *u = &n.attr.unary;
    if (!need[0] || u->kind == UNARY_SIGN) return;
    if (u->kind == UNARY_IDENTITY) {
        dx[0] = grad_scale(g, dy[0], u->a);
    } else if (u->kind == UNARY_NEG) {
        dx[0] = grad_scale(g, dy[0], -u->a);
    } else {
        const ref in[] = {grad_meet(g, n.in[0], dy[0]), dy[0]};
        dx[0] = graph_op(g, OP_UNARY_DX, &n.attr, in, 2);
    }
}

static ref scaled(graph *g, enum binary_kind kind, double alpha, ref a,
                  double beta, ref b) {
    op_attr attr = {0};
    attr.binary.kind = kind;
    attr.binary.alpha = alpha;
    attr.binary.beta = beta;
    const ref in[] = {a, b};
    return graph_op(g, OP_BINARY, &attr, in, 2);
}

/* y = (alpha a)(beta b) */
static void grad_mul(graph *g, const node *n, ref dy, const bool *need,
                     ref *dx) {
    const double s = n->attr.binary.alpha * n->attr.binary.beta;
    for (int k = 0; k < 2; k++)
        if (need[k])
            dx[k] =
                scaled(g, BINARY_MUL, s, dy, 1, grad_meet(g, n->in[1 - k], dy));
}

/* y = alpha a / (beta b): da = alpha dy / (beta b), db = -y dy / b */
static void grad_div(graph *g, const node *n, ref y, ref dy, const bool *need,
                     ref *dx) {
    const struct binary_attr *t = &n->attr.binary;
    const ref b = grad_meet(g, n->in[1], dy);
    if (need[0]) dx[0] = scaled(g, BINARY_DIV, t->alpha, dy, t->beta, b);
    if (need[1]) {
        const ref ydy = scaled(g, BINARY_MUL, -1, dy, 1, grad_meet(g, y, dy));
        dx[1] = scaled(g, BINARY_DIV, 1, ydy, 1, b);
    }
}

/* The gradient goes to the operand that was taken; on a tie to b, as the
 * kernels take b. */
static void grad_extreme(graph *g, const node *n, ref dy, const bool *need,
                         ref *dx) {
    const struct binary_attr *t = &n->attr.binary;
    const bool max = t->kind == BINARY_MAX;
    const ref mask = scaled(g, max ? BINARY_GT : BINARY_GE, t->alpha, n->in[0],
                            t->beta, n->in[1]);
    const ref zero = grad_zeros(g, graph_type(g, dy), graph_shape(g, dy));
    for (int k = 0; k < 2; k++) {
        if (!need[k]) continue;
        const ref d = grad_scale(g, dy, k ? t->beta : t->alpha);
        const bool where_set = max == (k == 0);
        dx[k] = where_set ? graph_select(g, mask, d, zero)
                          : graph_select(g, mask, zero, d);
    }
}

/* Comparisons are flat: no gradient. */
void grad_binary(graph *g, uint32_t index, const ref *dy, const bool *need,
                 ref *dx) {
    const node n = g->nodes[index];
    const struct binary_attr *t = &n.attr.binary;
    switch (t->kind) {
    case BINARY_ADD:
    case BINARY_SUB:
        if (need[0]) dx[0] = grad_scale(g, dy[0], t->alpha);
        if (need[1])
            dx[1] = grad_scale(g, dy[0],
                               t->kind == BINARY_SUB ? -t->beta : t->beta);
        break;
    case BINARY_MUL: grad_mul(g, &n, dy[0], need, dx); break;
    case BINARY_DIV:
        grad_div(g, &n, ref_make(index, 0), dy[0], need, dx);
        break;
    case BINARY_MAX:
    case BINARY_MIN: grad_extreme(g, &n, dy[0], need, dx); break;
    default: break;
    }
}

void grad_select(graph *g, uint32_t index, const ref *dy, const bool *need,
                 ref *dx) {
    const ref c = g->nodes[index].in[0];
    if (!need[1] && !need[2]) return;
    const ref zero = grad_zeros(g, graph_type(g, dy[0]), graph_shape(g, dy[0]));
    if (need[1]) dx[1] = graph_select(g, c, dy[0], zero);
    if (need[2]) dx[2] = graph_select(g, c, zero, dy[0]);
}

void grad_gated(graph *g, uint32_t index, const ref *dy, const bool *need,
                ref *dx) {
    const node n = g->nodes[index];
    const ref in[] = {grad_meet(g, n.in[0], dy[0]),
                      grad_meet(g, n.in[1], dy[0]), dy[0]};
    const ref d = graph_op(g, OP_GATED_DX, &n.attr, in, 3);
    for (int k = 0; k < 2; k++)
        if (need[k]) dx[k] = graph_output(g, d, k);
}
