/* train_graphs.c - building the graphs of training. */
#include "train/train_graphs.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum { ALIGN = 64 };

static int64_t aligned(int64_t size) {
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

train_places train_places_of(const train_shape *s) {
    const int64_t n = s->rows * s->tokens;
    const int64_t ids = aligned(n * 4);
    const int64_t reals = aligned((int64_t)ar_type_size(s->type, n));
    return (train_places){
        .ids = 0,
        .targets = ids,
        .dlogp = 2 * ids,
        .in_size = 2 * ids + reals,
        .logp = 0,
        .sum = reals,
        .out_size = reals + ALIGN,
    };
}

/* ---- the model ---- */

static bool is_transposed(const train_shape *s, const param_spec *p) {
    return p->matrix && s->config->conv1d;
}

/* Leaves for every weight; 0 and an error in g on no memory. */
static ref *param_leaves(graph *g, const train_shape *s) {
    ref *leaf = mem_new(ref, s->params->n);
    if (!leaf) {
        graph_fail(g, AR_NOMEM, "out of memory for a graph");
        return NULL;
    }
    for (int i = 0; i < s->params->n; i++) {
        const param_spec *p = &s->params->spec[i];
        leaf[i] =
            graph_param(g, p->name, s->type, p->shape, TRAIN_PARAMS, p->offset);
    }
    return leaf;
}

/* log p(target) of every position, [B T]. */
static ref build_logp(graph *g, const train_shape *s, const ref *leaf) {
    const train_places at = train_places_of(s);
    const int64_t n = s->rows * s->tokens;
    decoder d = {
        .g = g,
        .config = s->config,
        .params = s->params,
        .param = leaf,
        .type = s->type,
        .matmul = {.compute = s->compute},
        .n_rows = s->rows,
        .n_tokens = s->tokens,
        .ids = graph_input(g, "ids", AR_I32, shape1(n), TRAIN_IN, at.ids),
    };
    const ref targets =
        graph_input(g, "targets", AR_I32, shape1(n), TRAIN_IN, at.targets);
    const ref hidden = decoder_hidden(&d);
    struct xent_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.softcap = s->config->logit_softcap;
    attr.compute = s->compute;
    return graph_xent(g, hidden, decoder_head(&d), targets, &attr);
}

static void store_logp(graph *g, const train_shape *s, ref logp) {
    const train_places at = train_places_of(s);
    const ref out = graph_state(g, "logp", s->type, shape1(s->rows * s->tokens),
                                TRAIN_OUT, at.logp);
    graph_store(g, out, logp);
}

void train_graph_forward(graph *g, const train_shape *s) {
    graph_open(g);
    ref *leaf = param_leaves(g, s);
    if (!leaf) return;
    store_logp(g, s, build_logp(g, s, leaf));
    mem_free(leaf);
}

void train_graph_grad(graph *g, const train_shape *s, bool add) {
    graph_open(g);
    const int n = s->params->n;
    ref *leaf = param_leaves(g, s);
    ref *grad = mem_new(ref, n);
    if (leaf && grad) {
        const train_places at = train_places_of(s);
        const ref logp = build_logp(g, s, leaf);
        const ref dlogp =
            graph_input(g, "dlogp", s->type, shape1(s->rows * s->tokens),
                        TRAIN_IN, at.dlogp);
        graph_grad(g, logp, dlogp, leaf, n, s->recompute, grad);
        for (int i = 0; i < n; i++) {
            const param_spec *p = &s->params->spec[i];
            if (!grad[i]) continue; /* stays zero */
            const ref state = graph_state(g, p->name, s->type, p->shape,
                                          TRAIN_GRADS, p->offset);
            if (add)
                graph_accumulate(g, state, grad[i]);
            else
                graph_store(g, state, grad[i]);
        }
        store_logp(g, s, logp);
    } else {
        graph_fail(g, AR_NOMEM, "out of memory for a graph");
    }
    mem_free(leaf);
    mem_free(grad);
}

/* ---- over the whole block ---- */

/* Elements of the block of weights; the gaps between tensors are zero. */
static shape block_shape(const train_shape *s) {
    return shape1(s->params->size / (int64_t)ar_type_size(s->type, 1));
}

void train_graph_zero(graph *g, const train_shape *s) {
    graph_open(g);
    const shape all = block_shape(s);
    const ref grads = graph_state(g, "grads", s->type, all, TRAIN_GRADS, 0);
    graph_store(g, grads, graph_broadcast(g, graph_scalar(g, s->type, 0), all));
}

void train_graph_norm(graph *g, const train_shape *s) {
    graph_open(g);
    const train_places at = train_places_of(s);
    const ref grads =
        graph_input(g, "grads", s->type, block_shape(s), TRAIN_GRADS, 0);
    const ref sum = graph_state(g, "sum", AR_F64, shape1(1), TRAIN_OUT, at.sum);
    graph_store(g, sum, graph_reduce_as(g, REDUCE_SUM_SQR, grads, 0, AR_F64));
}

void train_graph_average(graph *g, const train_shape *s, int n_groups) {
    graph_open(g);
    const shape all = block_shape(s);
    const ref p = graph_input(g, "params", s->type, all, TRAIN_PARAMS, 0);
    const ref ema = graph_state(g, "ema", s->type, all, TRAIN_EMA, 0);
    const ref h = graph_input(g, "ema decay", AR_F64, shape1(HYPER_SIZE),
                              TRAIN_HYPER, (int64_t)n_groups * HYPER_SIZE * 8);
    const ref rest = graph_cast(g, graph_slice(g, h, 0, 0, 1), s->type);
    graph_store(g, ema,
                graph_add(g, ema, graph_mul(g, graph_sub(g, p, ema), rest)));
}

/* ---- optimisers ---- */

static ar_status place_states(optim_layout *l, const train_shape *s,
                              ar_error *err) {
    for (int i = 0; i < s->params->n; i++) {
        const param_spec *p = &s->params->spec[i];
        TRY(optim_group_of(&l->groups, p, &l->group_of[i], err));
        const optim_group *group = &l->groups.group[l->group_of[i]];
        for (int k = 0; k < optim_table[group->kind].n_states; k++) {
            optim_state *state = &l->state[l->n_states++];
            state->param = i;
            state->index = k;
            state->shape = optim_state_shape(group, p, is_transposed(s, p), k);
            state->offset = l->size;
            l->size += aligned(
                (int64_t)ar_type_size(s->type, shape_count(&state->shape)));
        }
    }
    return AR_OK;
}

ar_status optim_layout_open(optim_layout *out, const train_shape *s,
                            const json_t *groups, ar_error *err) {
    memset(out, 0, sizeof *out);
    TRY(optim_groups_read(&out->groups, groups, err));
    out->group_of = mem_new(int, s->params->n);
    out->state = mem_new(optim_state, 2 * s->params->n);
    ar_status status = AR_OK;
    if (!out->group_of || !out->state)
        status = error_set(err, AR_NOMEM, "out of memory for the optimiser");
    if (status == AR_OK) status = place_states(out, s, err);
    if (status != AR_OK) optim_layout_close(out);
    return status;
}

void optim_layout_close(optim_layout *l) {
    mem_free(l->group_of);
    mem_free(l->state);
    memset(l, 0, sizeof *l);
}

void train_graph_update(graph *g, const train_shape *s, const optim_layout *l) {
    graph_open(g);
    ref hyper[MAX_GROUPS];
    for (int i = 0; i < l->groups.n; i++)
        hyper[i] =
            graph_input(g, l->groups.group[i].name, AR_F64, shape1(HYPER_SIZE),
                        TRAIN_HYPER, (int64_t)i * HYPER_SIZE * 8);
    int k = 0;
    for (int i = 0; i < s->params->n; i++) {
        const param_spec *spec = &s->params->spec[i];
        const optim_group *group = &l->groups.group[l->group_of[i]];
        optim_param p = {
            .group = group,
            .spec = spec,
            .type = s->type,
            .transposed = is_transposed(s, spec),
            .p = graph_state(g, spec->name, s->type, spec->shape, TRAIN_PARAMS,
                             spec->offset),
            .grad = graph_input(g, spec->name, s->type, spec->shape,
                                TRAIN_GRADS, spec->offset),
            .hyper = hyper[l->group_of[i]],
        };
        for (; k < l->n_states && l->state[k].param == i; k++)
            p.state[l->state[k].index] =
                graph_state(g, spec->name, s->type, l->state[k].shape,
                            TRAIN_STATES, l->state[k].offset);
        optim_table[group->kind].build(g, &p);
    }
}
