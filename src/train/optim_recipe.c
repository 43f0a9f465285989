/* optim_recipe.c - the groups and schedules that an architecture starts with.
 *
 * A recipe only writes what the settings left open; the result stands in the
 * settings of the run, where it can be read and changed. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "train/optim.h"

/* What a recipe says where the settings do not. */
typedef struct defaults {
    double lr, matrix_lr, weight_decay, clip, final;
    enum schedule_shape shape;
    int64_t warmup;
} defaults;

/* ORDER: enum recipe.  AdamW's numbers are those of GPT-2-sized runs
 * (nanoGPT), Muon's those of K. Jordan's, ar's those of autoresearch. */
static const defaults recipe_defaults[] = {
    [RECIPE_SGD] = {0.1, 0, 0, 1, 0.1, SCHEDULE_COSINE, 100},
    [RECIPE_ADAMW] = {1e-3, 0, 0.1, 1, 0.1, SCHEDULE_COSINE, 100},
    [RECIPE_LION] = {1e-4, 0, 1, 1, 0.1, SCHEDULE_COSINE, 100},
    [RECIPE_MUON] = {1e-3, 0.02, 0.1, 1, 0.1, SCHEDULE_COSINE, 100},
    [RECIPE_NORMUON] = {1e-3, 0.02, 0.1, 1, 0.1, SCHEDULE_COSINE, 100},
    [RECIPE_AR] = {1, 0.04, 0.2, 0, 0, SCHEDULE_WARMDOWN, 0},
};

static ramp fixed(double x) { return (ramp){x, x, 0}; }

static optim_group *add_group(optim_groups *groups, const char *name,
                              const char *term, enum optim_kind kind) {
    optim_group *group = &groups->group[groups->n++];
    memset(group, 0, sizeof *group);
    memcpy(group->name, name, strlen(name) + 1);
    memcpy(group->term[0], term, strlen(term) + 1);
    group->n_terms = 1;
    group->kind = kind;
    group->steps = 5;
    return group;
}

static void set_numbers(optim_group *group, const settings *s, double lr,
                        double decay) {
    group->number[NUMBER_LR] = fixed(lr);
    group->number[NUMBER_BETA1] = fixed(s->beta1);
    group->number[NUMBER_BETA2] = fixed(s->beta2);
    group->number[NUMBER_EPS] = fixed(s->eps);
    group->number[NUMBER_WEIGHT_DECAY] = fixed(decay);
    group->number[NUMBER_MOMENTUM] = fixed(s->momentum);
}

/* One optimiser, decay on tensors of two dimensions; Muon's matrices first. */
static void plain_groups(optim_groups *groups, const settings *s) {
    static const enum optim_kind kinds[] = {
        [RECIPE_SGD] = OPTIM_SGD,         [RECIPE_ADAMW] = OPTIM_ADAMW,
        [RECIPE_LION] = OPTIM_LION,       [RECIPE_MUON] = OPTIM_MUON,
        [RECIPE_NORMUON] = OPTIM_NORMUON,
    };
    enum optim_kind kind = kinds[s->recipe];
    if (optim_table[kind].matrices) {
        optim_group *m = add_group(groups, "matrices", "matrix", kind);
        set_numbers(m, s, s->matrix_lr, s->weight_decay);
        kind = OPTIM_ADAMW;
    }
    set_numbers(add_group(groups, "decay", "2d", kind), s, s->lr,
                s->weight_decay);
    set_numbers(add_group(groups, "rest", "*", kind), s, s->lr, 0);
}

/* karpathy/autoresearch, train.py, setup_optimizer; lr scales all of its
 * AdamW rates. */
static void ar_groups(optim_groups *groups, const settings *s,
                      const model_config *c) {
    static const struct {
        const char *name, *term;
        double lr, beta1;
        bool scaled, lambda;
    } rows[] = {
        {"head", "role:head", 0.004, 0.8, true, false},
        {"embeddings", "role:embed", 0.6, 0.8, true, false},
        {"value embeddings", "role:value_embed", 0.6, 0.8, true, false},
        {"residual lambdas", "role:resid_lambdas", 0.005, 0.8, false, true},
        {"x0 lambdas", "role:x0_lambdas", 0.5, 0.96, false, true},
    };
    const double width = pow((double)c->n_embd / 768, -0.5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        optim_group *group =
            add_group(groups, rows[i].name, rows[i].term, OPTIM_ADAMW);
        set_numbers(group, s, s->lr * rows[i].lr * (rows[i].scaled ? width : 1),
                    0);
        group->number[NUMBER_BETA1] = fixed(rows[i].beta1);
        group->number[NUMBER_BETA2] = fixed(0.95);
        group->number[NUMBER_EPS] =
            fixed(rows[i].lambda ? s->lambda_eps : 1e-10);
    }
    optim_group *m = add_group(groups, "matrices", "matrix", OPTIM_NORMUON);
    set_numbers(m, s, s->matrix_lr, 0);
    m->number[NUMBER_MOMENTUM] = (ramp){0.85, s->momentum, 300};
    m->number[NUMBER_WEIGHT_DECAY] = (ramp){s->weight_decay, 0, 0};
    /* What other architectures have besides: norms, biases, positions. */
    set_numbers(add_group(groups, "rest", "*", OPTIM_ADAMW), s, s->lr * 1e-3,
                0);
}

static ar_status make_groups(settings *s, const model_config *c,
                             ar_error *err) {
    optim_groups *groups = &(optim_groups){.n = 0};
    if (s->recipe == RECIPE_AR)
        ar_groups(groups, s, c);
    else
        plain_groups(groups, s);
    s->groups = optim_groups_json(groups);
    if (!s->groups) return error_set(err, AR_NOMEM, "out of memory");
    return AR_OK;
}

ar_status optim_resolve(settings *s, const model_config *c, ar_error *err) {
    if (s->recipe == RECIPE_AUTO)
        s->recipe = c->lambdas ? RECIPE_AR : RECIPE_ADAMW;
    const defaults *d = &recipe_defaults[s->recipe];
    if (s->lr == 0) s->lr = d->lr;
    if (s->matrix_lr == 0) s->matrix_lr = d->matrix_lr;
    if (s->weight_decay < 0) s->weight_decay = d->weight_decay;
    if (s->clip < 0) s->clip = d->clip;
    if (s->shape == SCHEDULE_AUTO) s->shape = (int)d->shape;
    if (s->warmup < 0) s->warmup = d->warmup;
    if (s->final < 0) s->final = d->final;
    if (s->loss_scale == 0)
        s->loss_scale = s->compute == COMPUTE_F16 ? 65536 : 1;
    if (s->groups) return AR_OK;
    return make_groups(s, c, err);
}
