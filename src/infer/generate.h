/* generate.h - one token after the other, several computed at once where
 * guesses allow.
 *
 * Guessed tokens are computed in one step with the last one; a token is drawn
 * from the logits of its position as always, and the first guess that is not
 * what was drawn ends the step.  So the text is, token for token, that of plain
 * decoding with the same seed, greedy or sampled (Leviathan et al. 2023 keep
 * the distribution; draws that are a function of seed and position keep the
 * very tokens).
 *
 *   TRY(ar_generator_open(&g, s, NULL, err));
 *   TRY(ar_generator_begin(g, ids, n, NULL, err));
 *   while (...) TRY(ar_generator_next(g, sampler, &id, err));
 *   ar_generator_close(g); */
#ifndef INFER_GENERATE_H
#define INFER_GENERATE_H

#include "infer/engine.h"
#include "infer/sample.h"

typedef struct generator generator;

typedef struct ar_generate_options {
    /* In a step; 0 = plain decoding, as for models with a state; 8, at most
     * 16. */
    int64_t max_guesses;
    bool always; /* guess that many in every step, whether it pays or not */
    ar_engine
        *draft; /* a smaller model that guesses, borrowed; NULL: look-up */
} ar_generate_options;
ar_generate_options ar_generate_options_default(void);

/* What guessing did. */
typedef struct ar_generate_stats {
    int64_t tokens, steps;  /* written; of the model */
    int64_t guessed, right; /* tokens */
} ar_generate_stats;

/* The session is borrowed until ar_generator_close.  Errors: AR_RANGE
 * (max_guesses; a draft of another vocabulary), AR_NOMEM, AR_FULL (the draft
 * has no session left). */
ar_status ar_generator_open(ar_generator **out, ar_session *s,
                            const ar_generate_options *o, ar_error *err);
/* The session keeps what is sure: all tokens but the last. */
void ar_generator_close(ar_generator *g);

/* Make ids [n], n >= 1, the text: ar_session_sync, its options and errors. */
ar_status ar_generator_begin(ar_generator *g, const int32_t *ids, int64_t n,
                             const ar_sync_options *o, ar_error *err);

/* The next token, which is then part of the text.  Errors: AR_RANGE where the
 * context is full; those of ar_session_feed and ar_sampler_next; the text is
 * then unchanged. */
ar_status ar_generator_next(ar_generator *g, ar_sampler *from, int32_t *id,
                            ar_error *err);

/* Logits [V] that the last token was drawn from; valid until the next call. */
const double *ar_generator_logits(const ar_generator *g);
/* The text so far: *n ids, borrowed until the next call. */
const int32_t *ar_generator_text(const ar_generator *g, int64_t *n);
ar_generate_stats ar_generator_stats(const ar_generator *g);

#endif
