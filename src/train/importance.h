/* importance.h - how much each column of a model's matrices matters on a text.
 *
 *     y = W x:  mean over tokens of x_i^2 is the importance of column i
 *
 * as a squared error of W's column i moves y by that much.  The forward graph
 * of training is run with sums of squares of the inputs of its products. */
#ifndef TRAIN_IMPORTANCE_H
#define TRAIN_IMPORTANCE_H

#include "arcane/tokenizer.h"
#include "format/imatrix.h"
#include "model/model.h"

typedef struct importance_options {
    const char *device; /* "cpu" */
    int n_threads;      /* 0 = all */
    int64_t tokens;     /* of a window; 0 = the model's context, at most 512 */
    int64_t most;       /* tokens of the text that count; 0 = all */
    void (*progress)(void *ctx, double done); /* may be NULL */
    void *ctx;
} importance_options;
importance_options importance_options_default(void);

/* Entries have the names of the matrices in a GGUF file.  Only whole windows
 * count; a text shorter than one is one.  The embedding and the head, which
 * is fused with the loss, have none.  Errors: AR_RANGE (no text, a vocabulary
 * that is not the model's), AR_NOMEM, those of the device. */
ar_status importance_measure(imatrix **out, const ar_model *m,
                             const ar_tokenizer *tok, const char *text,
                             size_t n, const importance_options *opt,
                             ar_error *err);

#endif
