/* train_int.h - a run in progress: what the loop's files share. */
#ifndef TRAIN_TRAIN_INT_H
#define TRAIN_TRAIN_INT_H

#include "train/run_log.h"
#include "train/train.h"

enum { RUN_PATH = 4096 };

typedef struct train_run_state {
    settings s; /* complete */
    model_config config;
    char run[RUN_PATH];
    int lock; /* of the run's folder; -1: none */
    train_callbacks call;
    budget budget;
    double *replay; /* progress by step, or NULL */
    int64_t n_replay;
    double flops_per_token;

    corpus corpus;
    loader *loader;
    trainer *t;
    run_log *log, *log_copy;   /* the copy may be NULL */
    int32_t *inputs, *targets; /* [accumulate, B, T] */
    int32_t *val;              /* held-out tokens, or NULL */
    int64_t n_val;
    char *config_text, *tokenizer_text; /* extra files of a checkpoint */

    /* saved and restored */
    int64_t step, tokens;
    double seconds, warm_progress;
    double mean_nats, mean_tokens, mean_bytes; /* moving, of one step */
    eval_result final;                         /* n_tokens 0: none yet */

    /* of this session */
    int64_t saved_step; /* -1: none */
    double start_progress, start_seconds;
    double mean_seconds, mean_steps; /* moving; their ratio: of one step */
} train_run_state;

/* train_open.c: everything up to the first step. */
ar_status run_open(train_run_state *r, const settings *s, const char *run,
                   enum train_mode mode, const train_callbacks *call,
                   ar_error *err);
void run_close(train_run_state *r);
void run_note(const train_run_state *r, const char *sentence);

/* train_save.c */
ar_status run_save(train_run_state *r, ar_error *err);
ar_status run_restore(train_run_state *r, ar_error *err);

/* train_loop.c: the share of the budget used up. */
double run_progress(const train_run_state *r);

#endif
