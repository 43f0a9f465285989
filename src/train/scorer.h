/* scorer.h - log-probabilities of targets under a model, forward only. */
#ifndef TRAIN_SCORER_H
#define TRAIN_SCORER_H

#include "model/model.h"
#include "train/train_device.h"

typedef struct scorer scorer;

/* Weights are read from the model's files and converted.  Errors: AR_USAGE
 * (unknown device), AR_RANGE (more tokens than the model's context), AR_NOMEM
 * and those of loading. */
ar_status scorer_open(scorer **out, const model *m, const char *device_name,
                      const device_options *opt, int64_t rows, int64_t tokens,
                      ar_error *err);
void scorer_close(scorer *s);

/* inputs, targets I32 [B, T] -> log p [B, T], 0 where the target is -1. */
ar_status scorer_run(scorer *s, const int32_t *inputs, const int32_t *targets,
                     double *logp, ar_error *err);

#endif
