/* eval.h - loss, perplexity and bits per byte of a text.
 *
 * A text is cut into windows of T tokens, `stride` tokens apart.  The first
 * window counts all of its targets, each later one its last `stride`, so that
 * every token is counted once, and with stride < T each but the first few is
 * predicted from at least T - stride tokens before it. */
#ifndef TRAIN_EVAL_H
#define TRAIN_EVAL_H

#include "arcane/tokenizer.h"
#include "infer/engine.h"

typedef struct eval_result {
    double nats;      /* sum of -log p */
    int64_t n_tokens; /* targets counted */
    int64_t n_bytes;  /* of text that they stand for; 0 without a tokenizer */
} eval_result;

double eval_loss(const eval_result *r);          /* nats a token */
double eval_perplexity(const eval_result *r);    /* e^loss */
double eval_bits_per_byte(const eval_result *r); /* NaN if n_bytes is 0 */

/* Scores rows: inputs, targets I32 [B, T] -> log p [B, T]. */
typedef ar_status eval_score(void *ctx, const int32_t *inputs,
                             const int32_t *targets, double *logp,
                             ar_error *err);

typedef struct eval_windows {
    const int32_t *ids; /* [n_ids] */
    int64_t n_ids;
    const ar_tokenizer *tok; /* for bytes; may be NULL */
    int64_t rows, tokens;    /* B, T */
    int64_t stride;          /* 0 = T */
    int64_t max_windows;     /* 0 = all; else so many, evenly spread, T apart */
    eval_score *score;
    void (*progress)(void *ctx, double done); /* may be NULL */
    void *ctx;
} eval_windows;

/* Errors: AR_RANGE (fewer than two tokens), AR_NOMEM, those of score. */
ar_status eval_windows_run(const eval_windows *w, eval_result *out,
                           ar_error *err);

typedef struct eval_options {
    ar_engine_options engine; /* but for tokens and sessions */
    int64_t tokens;           /* T; 0 = the model's context, at most 1024 */
    int64_t stride;           /* 0 = T */
    void (*progress)(void *ctx, double done); /* may be NULL */
    void *ctx;
} eval_options;
eval_options eval_options_default(void);

/* A text of n bytes under a model.  A beginning-of-sequence token, if the
 * tokenizer has one, goes before it.  Errors: AR_RANGE (a vocabulary that is
 * not the model's, windows longer than its context, an empty text), and those
 * of ar_engine_open and ar_session_feed. */
ar_status eval_text(const ar_model *m, const ar_tokenizer *tok,
                    const char *text, size_t n, const eval_options *opt,
                    eval_result *out, ar_error *err);

#endif
