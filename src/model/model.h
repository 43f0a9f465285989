/* model.h - the top header of the model layer: a model as it lies on disk. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "arcane/model.h"
#include "format/weights.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/export.h"
#include "model/export_mix.h"
#include "model/params.h"
#include "model/random.h"
#include "model/survey.h"

struct ar_model {
    model_config config;
    param_list params;
    weights *files;    /* mapped; tensors are converted when loaded */
    char folder[4096]; /* or the GGUF file */
};

#endif
