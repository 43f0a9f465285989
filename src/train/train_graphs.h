/* train_graphs.h - the graphs that training is made of.
 *
 *   forward  ids, targets -> log-probability of each target
 *   grad     the same, and the gradient of every weight, stored or added
 *   zero     gradients = 0
 *   norm     sum of squares of all gradients
 *   update   one step of every optimiser
 *   average  EMA of the weights
 *
 * They share one set of buffers, by slot. */
#ifndef TRAIN_GRAPHS_H
#define TRAIN_GRAPHS_H

#include "model/decoder.h"
#include "train/optim.h"

enum train_slot {
    TRAIN_PARAMS, /* weights, as param_list lays them out */
    TRAIN_GRADS,  /* their gradients, in the same places */
    TRAIN_STATES, /* what optimisers keep */
    TRAIN_EMA,    /* average of the weights */
    TRAIN_IN,     /* ids, targets, dlogp of one micro-step */
    TRAIN_OUT,    /* log-probabilities; the sum of squares */
    TRAIN_HYPER,  /* F64 [8] of each group; one more for the EMA */
    TRAIN_SLOTS
};

typedef struct train_shape {
    const model_config *config;
    const param_list *params;
    ar_type type;         /* F32 or F64 */
    ar_type compute;      /* of products: F32, BF16, F16; F64 with F64 */
    int64_t rows, tokens; /* B, T */
    bool recompute;
} train_shape;

/* Bytes from the start of TRAIN_IN and TRAIN_OUT. */
typedef struct train_places {
    int64_t ids, targets, dlogp, in_size; /* I32, I32, type [B T] */
    int64_t logp, sum, out_size;          /* type [B T], F64 [1] */
} train_places;
train_places train_places_of(const train_shape *s);

/* An array that an optimiser keeps for a parameter. */
typedef struct optim_state {
    int param, index;
    shape shape;
    int64_t offset; /* bytes in TRAIN_STATES */
} optim_state;

typedef struct optim_layout {
    optim_groups groups;
    int *group_of;      /* by parameter */
    optim_state *state; /* in the order of parameters, then index */
    int n_states;
    int64_t size; /* bytes of TRAIN_STATES */
} optim_layout;

ar_status optim_layout_open(optim_layout *out, const train_shape *s,
                            const json_t *groups, ar_error *err);
void optim_layout_close(optim_layout *l);

/* Each opens and fills *g; the caller closes it. */
void train_graph_forward(graph *g, const train_shape *s);
void train_graph_grad(graph *g, const train_shape *s, bool add);
void train_graph_zero(graph *g, const train_shape *s);
void train_graph_norm(graph *g, const train_shape *s);
void train_graph_update(graph *g, const train_shape *s, const optim_layout *l);
void train_graph_average(graph *g, const train_shape *s, int n_groups);

#endif
