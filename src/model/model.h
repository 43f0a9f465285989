/* model.h - the top header of the model layer: a model as it lies on disk. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "format/weights.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/export.h"
#include "model/export_mix.h"
#include "model/params.h"
#include "model/random.h"
#include "model/survey.h"

/* Read-only; any number of engines and trainers may use one. */
struct ar_model {
    model_config config;
    param_list params;
    weights *files;    /* mapped; tensors are converted when loaded */
    char folder[4096]; /* or the GGUF file */
} model;

/* A folder with config.json and safetensors, a GGUF file (of a split one, any
 * part), or a run (its newest checkpoint).  Errors: AR_IO, AR_FORMAT, AR_SHAPE,
 * AR_UNSUPPORTED. */
ar_status ar_model_open(ar_model **out, const char *path, ar_error *err);
void ar_model_close(ar_model *m);

#endif
