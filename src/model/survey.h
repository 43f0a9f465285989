/* survey.h - what can be said of a model's files, whether or not it runs.
 *
 * Where ar_model_open wants a model that is whole, this takes any file of
 * weights that can be read and says what is missing, and what belongs to
 * nothing. */
#ifndef MODEL_SURVEY_H
#define MODEL_SURVEY_H

#include "format/weights.h"
#include "model/config.h"
#include "model/params_parts.h"

/* What a tensor of the files is for the model. */
enum tensor_use { TENSOR_USED, TENSOR_PASSED_OVER, TENSOR_UNKNOWN };

typedef struct survey {
    char folder[4096]; /* or the file */
    weights *files;
    char arch[96];       /* as the files call it; "" if they do not */
    bool known;          /* config and params hold */
    ar_error why;        /* if not known */
    model_config config; /* zeros if not known */
    param_list params;
    unsigned char *use; /* [weights_count] enum tensor_use; all used if not
                           known */
} survey;

/* A folder, a run (its newest checkpoint) or a file of weights.  Errors: AR_IO,
 * AR_FORMAT, AR_SHAPE or AR_RANGE (damage), AR_UNSUPPORTED (a kind of file or
 * tensor), AR_NOMEM. */
ar_status survey_open(survey **out, const char *path, ar_error *err);
void survey_close(survey *s); /* NULL is fine */

#endif
