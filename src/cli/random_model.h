/* random_model.h - a model of random weights, of a shape that was named. */
#ifndef CLI_RANDOM_MODEL_H
#define CLI_RANDOM_MODEL_H

#include "arcane/model.h"

/* spec: SHAPE or SHAPE:MIX, a preset and a type or mix as `arcane quantize
 * --to` has them; default q4_k_m.  Its file is written to `keep`, or to the
 * folder for such files, from where it goes at once (NULL). */
ar_status random_model_open(ar_model **out, const char *spec, const char *keep,
                            ar_error *err);

#endif
