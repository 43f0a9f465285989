/* random.h - a model of random weights, to time a shape without a file of it.
 */
#ifndef MODEL_RANDOM_H
#define MODEL_RANDOM_H

#include "model/export_mix.h"

/* Write a GGUF file at path: a preset's configuration, matrices with the types
 * of a mix, normal with deviation 0.02 (a few rows of each, repeated); vectors
 * are ones.  Errors: AR_UNSUPPORTED where GGUF has no form of the model, those
 * of config_preset and of gguf.h. */
ar_status random_gguf(const char *path, const char *preset, export_mix *mix,
                      ar_error *err);

#endif
