/* optim_element.c - optimisers that work element by element: one op each.
 *
 * Their formulas are those of ops.def; here the eight numbers of a step. */
#include <math.h>
#include <string.h>

#include "train/optim.h"

static double number(const optim_group *group, enum optim_number i,
                     const optim_moment *m) {
    return ramp_at(&group->number[i], m->clock);
}

void optim_build_sgd(graph *g, const optim_param *p) {
    op_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.sgd.nesterov = p->group->nesterov;
    const ref in[] = {p->p, p->grad, p->state[0], p->hyper};
    graph_op(g, OP_OPT_SGD, &attr, in, 4);
}

void optim_hyper_sgd(const optim_group *group, const optim_moment *m,
                     double *h) {
    h[0] = m->rate * number(group, NUMBER_LR, m);
    h[1] = number(group, NUMBER_MOMENTUM, m);
    h[2] = number(group, NUMBER_WEIGHT_DECAY, m);
    h[3] = m->scale;
    h[4] = m->n_updates == 0;
}

void optim_build_adamw(graph *g, const optim_param *p) {
    op_attr attr;
    memset(&attr, 0, sizeof attr);
    const ref in[] = {p->p, p->grad, p->state[0], p->state[1], p->hyper};
    graph_op(g, OP_OPT_ADAMW, &attr, in, 5);
}

void optim_hyper_adamw(const optim_group *group, const optim_moment *m,
                       double *h) {
    const double t = (double)(m->n_updates + 1);
    const double beta1 = number(group, NUMBER_BETA1, m);
    const double beta2 = number(group, NUMBER_BETA2, m);
    h[0] = m->rate * number(group, NUMBER_LR, m);
    h[1] = beta1;
    h[2] = beta2;
    h[3] = number(group, NUMBER_EPS, m);
    h[4] = number(group, NUMBER_WEIGHT_DECAY, m);
    h[5] = 1 - pow(beta1, t);
    h[6] = 1 - pow(beta2, t);
    h[7] = m->scale;
}

void optim_build_lion(graph *g, const optim_param *p) {
    op_attr attr;
    memset(&attr, 0, sizeof attr);
    const ref in[] = {p->p, p->grad, p->state[0], p->hyper};
    graph_op(g, OP_OPT_LION, &attr, in, 4);
}

void optim_hyper_lion(const optim_group *group, const optim_moment *m,
                      double *h) {
    h[0] = m->rate * number(group, NUMBER_LR, m);
    h[1] = number(group, NUMBER_BETA1, m);
    h[2] = number(group, NUMBER_BETA2, m);
    h[3] = number(group, NUMBER_WEIGHT_DECAY, m);
    h[4] = m->scale;
}
