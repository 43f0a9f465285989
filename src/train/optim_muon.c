/* optim_muon.c - Muon and NorMuon, composed from products and reductions.
 *
 * With the gradient g, momentum mu, learning rate lr, decay wd:
 *   buf = buf + (1 - mu) (g - buf)
 *   u   = g + mu (buf - g)                              Nesterov
 *   X   = u / (c |u| + e), then n times, as X of fewer rows than columns,
 *         A = X X',  X = a X + (b A + c A A) X          orthogonal
 * MUON     p = p - lr wd p - lr s X,   s = sqrt(max(1, rows / columns))
 * NORMUON  vm = mean(X X) over the longer axis of X, v += (1 - beta2)(vm - v),
 *          X scaled by 1 / sqrt(v), then so that |X| is as before;
 *          p = p - lr s (X + wd p [X p >= 0])
 * Sources: K. Jordan, Muon (2024); Amsel et al., The Polar Express (2025);
 * Li et al., NorMuon (2025); karpathy/autoresearch, train.py.  A matrix that
 * is stored [in, out] counts its rows as columns. */
#include <math.h>
#include <string.h>

#include "train/optim.h"

/* Indices into the eight numbers of a step. */
enum { H_LR, H_MU, H_ONE_MINUS_MU, H_DECAY, H_ONE_MINUS_BETA2, H_SCALE };

void optim_hyper_muon(const optim_group *group, const optim_moment *m,
                      double *h) {
    const double mu = ramp_at(&group->number[NUMBER_MOMENTUM], m->clock);
    h[H_LR] = m->rate * ramp_at(&group->number[NUMBER_LR], m->clock);
    h[H_MU] = mu;
    h[H_ONE_MINUS_MU] = 1 - mu;
    h[H_DECAY] = ramp_at(&group->number[NUMBER_WEIGHT_DECAY], m->clock);
    h[H_ONE_MINUS_BETA2] = 1 - ramp_at(&group->number[NUMBER_BETA2], m->clock);
    h[H_SCALE] = m->scale;
}

static const double polar[][3] = {
    {8.156554524902461, -22.48329292557795, 15.878769915207462},
    {4.042929935166739, -2.808917465908714, 0.5000178451051316},
    {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
    {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
    {2.3465413258596377, -1.7097828382687081, 0.42323551169305323},
};
static const double quintic[3] = {3.4445, -4.7750, 2.0315};

/* Coefficients of iteration i; the last of Polar Express repeats. */
static const double *coefficients(const optim_group *group, int i) {
    if (group->method == MUON_QUINTIC) return quintic;
    return polar[i < 4 ? i : 4];
}

/* f(a x + b). */
static ref unary(graph *g, enum unary_kind kind, ref x, double a, double b) {
    op_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.unary.kind = kind;
    attr.unary.a = a;
    attr.unary.b = b;
    return graph_op(g, OP_UNARY, &attr, &x, 1);
}

static ref transpose(graph *g, ref x, bool yes) {
    return yes ? graph_transpose(g, x) : x;
}

/* Number i of the step, [1] in the run's type. */
static ref number(graph *g, const optim_param *p, int i) {
    return graph_cast(g, graph_slice(g, p->hyper, 0, i, 1), p->type);
}

/* sqrt(sum x x), [1]; summed in double. */
static ref norm(graph *g, ref x) {
    const ar_type t = graph_type(g, x);
    const ref sum = graph_reduce_as(g, REDUCE_SUM_SQR, x, -1, AR_F64);
    return graph_cast(g, unary(g, UNARY_SQRT, sum, 1, 0), t);
}

/* u [r, c] of norm `size`, r <= c, made orthogonal.  A is symmetric, so A A is
 * written as A A': of a product with the same transposed, backends compute
 * half. */
static ref orthogonal(graph *g, const optim_group *group, ref u, ref size) {
    const double factor = group->method == MUON_QUINTIC ? 1 : 1.02;
    const double eps = group->method == MUON_QUINTIC ? 1e-7 : 1e-6;
    ref x = graph_mul(g, u, unary(g, UNARY_RECIPROCAL, size, factor, eps));
    for (int i = 0; i < group->steps; i++) {
        const double *c = coefficients(group, i);
        const ref a = graph_matmul(g, x, graph_transpose(g, x), NULL);
        const ref aa = graph_matmul(g, a, graph_transpose(g, a), NULL);
        const ref b = graph_axpby(g, c[1], a, c[2], aa);
        x = graph_axpby(g, c[0], x, 1, graph_matmul(g, b, x, NULL));
    }
    return x;
}

/* NorMuon's second moment of x [r, c], r >= c or not: each row, or column,
 * of the shorter axis gets its own scale. */
static ref normalized(graph *g, const optim_param *p, ref x) {
    const shape s = graph_shape(g, x);
    const int axis = s.dim[0] >= s.dim[1] ? 1 : 0;
    const double n = (double)s.dim[axis];
    const ref vm =
        graph_affine(g, graph_reduce(g, REDUCE_SUM_SQR, x, axis), 1 / n, 0);
    const ref step = graph_mul(g, graph_sub(g, vm, p->state[1]),
                               number(g, p, H_ONE_MINUS_BETA2));
    const ref v = graph_store(g, p->state[1], graph_add(g, p->state[1], step));
    const ref floor_v =
        graph_binary(g, BINARY_MAX, v, graph_scalar(g, p->type, 1e-10));
    const ref scale = unary(g, UNARY_RSQRT, floor_v, 1, 0);
    const ref before = graph_reduce(g, REDUCE_SUM, vm, -1);
    const ref after = graph_reduce(
        g, REDUCE_SUM,
        graph_mul(g, graph_affine(g, vm, n, 0), graph_mul(g, scale, scale)),
        -1);
    const ref ratio = graph_binary(
        g, BINARY_DIV, unary(g, UNARY_SQRT, before, n, 0),
        graph_binary(g, BINARY_MAX, unary(g, UNARY_SQRT, after, 1, 0),
                     graph_scalar(g, p->type, 1e-10)));
    return graph_mul(g, x, graph_mul(g, scale, ratio));
}

/* p after the step: x is the direction, rows / columns its shape as a map. */
static ref stepped(graph *g, const optim_param *p, ref weight, ref x) {
    const shape s = graph_shape(g, x);
    const double aspect = (double)s.dim[0] / (double)s.dim[1];
    const ref lr = number(g, p, H_LR);
    const ref lr_x = graph_affine(g, lr, sqrt(aspect > 1 ? aspect : 1), 0);
    const ref move = graph_mul(g, x, lr_x);
    ref decay;
    if (p->group->kind == OPTIM_NORMUON) {
        const ref zero = graph_scalar(g, p->type, 0);
        const ref agree =
            graph_binary(g, BINARY_GE, graph_mul(g, x, weight), zero);
        decay = graph_mul(g, graph_mul(g, weight, agree),
                          graph_mul(g, lr_x, number(g, p, H_DECAY)));
    } else {
        decay = graph_mul(g, weight, graph_mul(g, lr, number(g, p, H_DECAY)));
    }
    return graph_sub(g, weight, graph_add(g, move, decay));
}

void optim_build_muon(graph *g, const optim_param *p) {
    const ref grad = graph_mul(g, p->grad, number(g, p, H_SCALE));
    const ref change = graph_mul(g, graph_sub(g, grad, p->state[0]),
                                 number(g, p, H_ONE_MINUS_MU));
    const ref buf =
        graph_store(g, p->state[0], graph_add(g, p->state[0], change));
    const ref u = graph_add(
        g, grad, graph_mul(g, graph_sub(g, buf, grad), number(g, p, H_MU)));
    /* As a map [out, in]; then with at most as many rows as columns. */
    const ref map = transpose(g, u, p->transposed);
    const shape s = graph_shape(g, map);
    const bool tall = s.dim[0] > s.dim[1];
    ref x = orthogonal(g, p->group, transpose(g, map, tall), norm(g, u));
    x = transpose(g, x, tall);
    if (p->group->kind == OPTIM_NORMUON) x = normalized(g, p, x);
    const ref weight = transpose(g, p->p, p->transposed);
    const ref next = stepped(g, p, weight, x);
    graph_store(g, p->p, transpose(g, next, p->transposed));
}

shape optim_state_shape(const optim_group *group, const param_spec *s,
                        bool transposed, int i) {
    if (group->kind != OPTIM_NORMUON || i == 0) return s->shape;
    const int64_t rows = s->shape.dim[transposed ? 1 : 0];
    const int64_t columns = s->shape.dim[transposed ? 0 : 1];
    return rows >= columns ? shape2(rows, 1) : shape2(1, columns);
}
