/* grad_views.c - gradients of views and of ops that only move elements. */
#include "core/grad.h"

void grad_reshape(graph *g, uint32_t index, const ref *dy, const bool *need,
                  ref *dx) {
    const node n = g->nodes[index];
    if (need[0]) dx[0] = graph_reshape(g, dy[0], graph_shape(g, n.in[0]));
}

void grad_permute(graph *g, uint32_t index, const ref *dy, const bool *need,
                  ref *dx) {
    const node n = g->nodes[index];
    const shape s = graph_shape(g, n.in[0]);
    int inverse[MAX_DIMS] = {0};
    for (int i = 0; i < s.rank; i++) inverse[n.attr.view.v[i]] = i;
    if (need[0]) dx[0] = graph_permute(g, dy[0], inverse);
}

void grad_slice(graph *g, uint32_t index, const ref *dy, const bool *need,
                ref *dx) {
    const node n = g->nodes[index];
    const struct view_attr *v = &n.attr.view;
    const int64_t size = graph_shape(g, n.in[0]).dim[v->axis];
    op_attr attr = {0};
    attr.view.axis = v->axis;
    attr.view.v[0] = v->v[0];
    attr.view.v[1] = size;
    attr.view.v[2] = v->v[2];
    if (need[0]) dx[0] = graph_op(g, OP_PAD, &attr, dy, 1);
}

/* The parts' gradients side by side; zeros for parts without one. */
void grad_split(graph *g, uint32_t index, const ref *dy, const bool *need,
                ref *dx) {
    const node n = g->nodes[index];
    if (!need[0]) return;
    ref part[MAX_OUTPUTS];
    for (int i = 0; i < n.n_out; i++)
        part[i] = dy[i]
                      ? dy[i]
                      : grad_zeros(g, grad_type(n.out[i].type), n.out[i].shape);
    dx[0] = n.n_out == 1 ? part[0]
                         : graph_concat(g, part, n.n_out, n.attr.view.axis);
}

/* Runs of neighbouring dims that are all summed or all kept become one dim,
 * so that a bias or a scalar needs one sum. */
typedef struct runs {
    shape merged;
    bool summed[MAX_DIMS];
} runs;

static runs find_runs(const shape *from, const shape *to) {
    runs r = {0};
    const int lead = to->rank - from->rank;
    for (int i = 0; i < to->rank; i++) {
        if (to->dim[i] == 1) continue;
        const bool summed = i < lead || from->dim[i - lead] == 1;
        const int last = r.merged.rank - 1;
        if (last >= 0 && r.summed[last] == summed) {
            r.merged.dim[last] *= to->dim[i];
        } else {
            r.merged.dim[last + 1] = to->dim[i];
            r.summed[last + 1] = summed;
            r.merged.rank++;
        }
    }
    return r;
}

void grad_broadcast(graph *g, uint32_t index, const ref *dy, const bool *need,
                    ref *dx) {
    const node n = g->nodes[index];
    if (!need[0]) return;
    const shape from = graph_shape(g, n.in[0]);
    const runs r = find_runs(&from, &n.out[0].shape);
    ref sum = r.merged.rank ? graph_reshape(g, dy[0], r.merged) : dy[0];
    for (int i = 0; i < r.merged.rank; i++)
        if (r.summed[i]) sum = graph_reduce(g, REDUCE_SUM, sum, i);
    dx[0] = graph_reshape(g, sum, from);
}

void grad_copy(graph *g, uint32_t index, const ref *dy, const bool *need,
               ref *dx) {
    (void)g, (void)index;
    if (need[0]) dx[0] = dy[0];
}

void grad_cast(graph *g, uint32_t index, const ref *dy, const bool *need,
               ref *dx) {
    const ref x = g->nodes[index].in[0];
    if (need[0]) dx[0] = graph_cast(g, dy[0], grad_type(graph_type(g, x)));
}

void grad_concat(graph *g, uint32_t index, const ref *dy, const bool *need,
                 ref *dx) {
    const node n = g->nodes[index];
    const int axis = n.attr.axis.axis;
    int64_t start = 0;
    for (int k = 0; k < n.n_in; k++) {
        const int64_t size = graph_shape(g, n.in[k]).dim[axis];
        if (need[k]) dx[k] = graph_slice(g, dy[0], axis, start, size);
        start += size;
    }
}
