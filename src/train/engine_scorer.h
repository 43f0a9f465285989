/* engine_scorer.h - log-probabilities of targets as an engine gives them: with
 * weights as the file has them and keys as the cache has them. */
#ifndef TRAIN_ENGINE_SCORER_H
#define TRAIN_ENGINE_SCORER_H

#include "infer/engine.h"

typedef struct engine_scorer engine_scorer;

/* Rows of at most `tokens`, one after the other.  Errors: as engine_open;
 * AR_RANGE (more tokens than the model's context). */
ar_status engine_scorer_open(engine_scorer **out, const model *m,
                             engine_options o, int64_t rows, int64_t tokens,
                             ar_error *err);
void engine_scorer_close(engine_scorer *s);

/* inputs, targets I32 [B, T] -> log p [B, T], 0 where the target is -1. */
ar_status engine_scorer_run(engine_scorer *s, const int32_t *inputs,
                            const int32_t *targets, double *logp,
                            ar_error *err);

#endif
