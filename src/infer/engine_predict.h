/* engine_predict.h - what prompts and answers will take, before they run. */
#ifndef INFER_ENGINE_PREDICT_H
#define INFER_ENGINE_PREDICT_H

#include "arcane/engine.h"
#include "core/cost.h"

/* Seconds that n tokens at once take behind `depth` others, the logits of the
 * last included, on a machine of that speed.  The engine may be on the null
 * device. */
double engine_predict(const ar_engine *e, const device_speed *speed,
                      int64_t depth, int64_t n);

#endif
