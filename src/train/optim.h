/* optim.h - optimisers as graph builders, and groups of parameters by rule.
 *
 * A group says which parameters it takes, which optimiser updates them and
 * with what numbers.  The numbers of a step are an F64 [8] input of the update
 * program, so that schedules need no new program. */
#ifndef TRAIN_OPTIM_H
#define TRAIN_OPTIM_H

#include <jansson.h>

#include "model/params.h"
#include "train/schedule.h"
#include "train/settings.h"

enum optim_kind {
#define OPTIMIZER(id, ...) OPTIM_##id,
#include "train/optimizers.def"
#undef OPTIMIZER
    OPTIM_COUNT
};

/* Numbers of a group that may change from step to step. */
#define OPTIM_NUMBER_LIST(X)                                                   \
    X(LR, "lr", 0)                                                             \
    X(BETA1, "beta1", 0.9)                                                     \
    X(BETA2, "beta2", 0.95)                                                    \
    X(EPS, "eps", 1e-8)                                                        \
    X(WEIGHT_DECAY, "weight_decay", 0)                                         \
    X(MOMENTUM, "momentum", 0.95)

enum optim_number {
#define X(id, name, value) NUMBER_##id,
    OPTIM_NUMBER_LIST(X)
#undef X
        NUMBER_COUNT
};

/* Ways to make a matrix orthogonal. */
enum muon_method {
    MUON_POLAR,   /* Polar Express (Amsel et al. 2025), coefficients by step */
    MUON_QUINTIC, /* Newton-Schulz, quintic (Jordan 2024) */
};

enum { MAX_GROUPS = 32, MAX_TERMS = 16, TERM_SIZE = 96, HYPER_SIZE = 8 };

typedef struct optim_group {
    char name[32];
    enum optim_kind kind;
    char term[MAX_TERMS][TERM_SIZE];
    int n_terms;
    ramp number[NUMBER_COUNT];
    bool nesterov;           /* SGD */
    enum muon_method method; /* MUON, NORMUON */
    int steps;               /* iterations of the method, 5 */
} optim_group;

typedef struct optim_groups {
    optim_group group[MAX_GROUPS];
    int n;
} optim_groups;

/* From a list of objects:
 *   "match"      terms, of which one must hold: "*", "matrix" (a linear map
 *                inside a layer), "2d" (two dimensions or more), "decay" (the
 *                model wants decay on it), "role:NAME" (params.def), or a
 *                pattern for the name in the file ("*.attn.*")
 *   "optimizer"  a name of optimizers.def
 *   "lr"         a number or a ramp (schedule.h); required
 *   "name"       for the log; beta1, beta2, eps, weight_decay, momentum:
 *                numbers or ramps; nesterov; method "polar" or "quintic"; steps
 * Errors: AR_FORMAT naming the group and the key. */
ar_status optim_groups_read(optim_groups *out, const json_t *list,
                            ar_error *err);
/* The same list, with every number; NULL on no memory. */
json_t *optim_groups_json(const optim_groups *groups);

/* The group of a parameter: the first that matches.  Errors: AR_RANGE if none
 * does, or the optimiser takes matrices only and s is none. */
ar_status optim_group_of(const optim_groups *groups, const param_spec *s,
                         int *out, ar_error *err);

/* Fill in what the settings leave to the recipe: groups, shape and numbers of
 * the schedule, clipping.  After it, nothing in *s is "auto" and s->groups is
 * set.  Errors: AR_NOMEM, AR_FORMAT. */
ar_status optim_resolve(settings *s, const model_config *c, ar_error *err);

/* ---- one optimiser ---- */

/* A parameter in the update graph. */
typedef struct optim_param {
    const optim_group *group;
    const param_spec *spec;
    ar_type type;    /* of the parameter: F32 or F64 */
    bool transposed; /* a matrix stored [in, out] */
    ref p, grad;     /* STATE, INPUT */
    ref state[2];    /* STATE */
    ref hyper;       /* INPUT F64 [8] */
} optim_param;

typedef void optim_build(graph *g, const optim_param *p);
/* The numbers of one step: n_updates counts those made so far, rate is the
 * schedule's factor, scale multiplies the gradient. */
typedef struct optim_moment {
    const run_clock *clock;
    int64_t n_updates;
    double rate, scale;
} optim_moment;
typedef void optim_hyper(const optim_group *group, const optim_moment *m,
                         double *h);

optim_build optim_build_sgd, optim_build_adamw, optim_build_lion,
    optim_build_muon;
optim_hyper optim_hyper_sgd, optim_hyper_adamw, optim_hyper_lion,
    optim_hyper_muon;

typedef struct optim_info {
    const char *name;
    int n_states;
    bool matrices;
    optim_build *build;
    optim_hyper *hyper;
    const char *text;
} optim_info;
extern const optim_info optim_table[OPTIM_COUNT];

/* Shape of state i of a parameter. */
shape optim_state_shape(const optim_group *group, const param_spec *s,
                        bool transposed, int i);

#endif
