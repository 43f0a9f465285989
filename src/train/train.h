/* train.h - the top header of the train layer: a training run in a folder.
 *
 *   settings s;
 *   settings_default(&s);
 *   TRY(settings_set(&s, "text", "corpus.txt", err));   see settings.h
 *   TRY(train_run(&s, "runs/a", TRAIN_NEW, &callbacks, &result, err));
 *
 *   runs/a/settings.json       every setting, as --config reads it
 *          tokenizer.json      trained on the text, or the one given
 *          train-00000.bin     token shards (val-00000.bin: held out)
 *          heldout.txt         the held-out text itself
 *          data.json           what the shards were made from
 *          log.jsonl           one line a step
 *          loss.svg loss.png   the curves
 *          step-00001000/      checkpoints, each of them a model folder */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "train/budget.h"
#include "train/corpus.h"
#include "train/eval.h"
#include "train/grads.h"
#include "train/importance.h"
#include "train/loader.h"
#include "train/optim.h"
#include "train/plot.h"
#include "train/settings.h"
#include "train/trainer.h"

/* Where a run is, after a step. */
typedef struct train_progress {
    int64_t step;           /* updates so far */
    double progress;        /* share of the budget, 0 to 1 */
    double loss, smoothed;  /* nats a token; smoothed: mean of the last ~10 */
    double bits_per_byte;   /* of the smoothed loss; NaN without a tokenizer */
    double grad_norm, rate; /* rate: the schedule's factor */
    int64_t tokens;
    double tokens_per_second, seconds, seconds_left;
} train_progress;

typedef struct train_eval {
    int64_t step;
    double loss, bits_per_byte; /* on held-out tokens; NaN as above */
    double ema_loss;            /* of the averaged weights; NaN without EMA */
    bool whole;                 /* of all held-out tokens: the one at the end */
} train_eval;

/* Any of them may be NULL. */
typedef struct train_callbacks {
    void *ctx;
    /* Preparing: "reading the text", "training the tokenizer", "encoding". */
    void (*stage)(void *ctx, const char *what, double done);
    void (*step)(void *ctx, const train_progress *p);
    void (*eval)(void *ctx, const train_eval *e);
    void (*note)(void *ctx, const char *sentence);
    /* Asked after every step: true = save and return AR_CANCELLED. */
    bool (*stop)(void *ctx);
} train_callbacks;

typedef struct train_result {
    int64_t steps, tokens; /* of the whole run, resumed parts included */
    int64_t n_params;
    double seconds; /* spent in steps */
    double loss;    /* smoothed, of the last step */
    bool has_val;
    eval_result val;   /* on all held-out tokens, at the end */
    bool already_done; /* the budget had been used up before */
} train_result;

enum train_mode {
    TRAIN_NEW,    /* an error if the folder holds a checkpoint */
    TRAIN_RESUME, /* an error if it does not */
    TRAIN_EITHER, /* resume if there is something to resume */
};

/* Train until the budget of the settings is used up.  Settings are copied and
 * completed; the complete ones are in RUN/settings.json.  A resumed run is bit
 * for bit the run that was never interrupted.
 * Errors: AR_CANCELLED (stop said so; the work is saved), AR_USAGE and
 * AR_FORMAT for settings that do not fit, AR_RANGE (a loss that is not finite,
 * too little text), AR_IO (nothing that was saved is lost), AR_NOMEM. */
ar_status train_run(const settings *s, const char *run, enum train_mode mode,
                    const train_callbacks *callbacks, train_result *out,
                    ar_error *err);

/* The settings that a run was started with; settings_close them.
 * Errors: AR_IO, AR_FORMAT. */
ar_status train_settings_of(settings *out, const char *run, ar_error *err);

/* The model that settings describe, with n_vocab entries (0: what the settings
 * or the preset say); data.seq is set if it was 0 and the rest is resolved.
 * For `arcane plan`.  Errors: AR_USAGE, AR_FORMAT, AR_RANGE. */
ar_status train_model_of(settings *s, model_config *out, int64_t n_vocab,
                         ar_error *err);

#endif
