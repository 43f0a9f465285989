/* grads.h - the loss of a batch and the gradient of every weight, in a file. */
#ifndef TRAIN_GRADS_H
#define TRAIN_GRADS_H

#include "core/backend.h"
#include "model/model.h"

/* Rows of ids; inputs and targets I32 [rows, tokens], targets -1 = ignored. */
typedef struct grads_batch {
    const int32_t *inputs, *targets;
    int64_t rows, tokens;
} grads_batch;

/* Write `loss` F64 [1] (mean of -log p over targets >= 0) and d loss / d
 * weight of every weight under its name in the model file, F32, or F64 on
 * "reference-f64".  *loss may be NULL.  Errors: AR_RANGE (an id not in the
 * vocabulary, a row longer than the context), AR_IO, AR_NOMEM. */
ar_status grads_run(const ar_model *m, const grads_batch *batch,
                    const char *device_name, const device_options *opt,
                    const char *path, double *loss, ar_error *err);

#endif
