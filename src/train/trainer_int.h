/* trainer_int.h - the inside of a trainer. */
#ifndef TRAIN_TRAINER_INT_H
#define TRAIN_TRAINER_INT_H

#include "train/trainer.h"

struct trainer {
    model_config config;
    param_list params;
    train_shape shape;
    train_places at;
    optim_layout optim;
    schedule schedule;

    train_device dev;
    buffer buffers[TRAIN_SLOTS];
    compiled forward, grad, zero, norm, update, average;

    int64_t accumulate;
    double clip, clip_eps, ema;
    bool dynamic;   /* the loss scale moves */
    int64_t growth; /* good steps before it doubles */
    void *rows;     /* [B T] of the run's type: dlogp, log p */

    /* the state that changes, beside the buffers */
    int64_t n_updates; /* steps that changed the weights */
    double loss_scale;
    int64_t n_good; /* since the scale last changed */
};

#endif
