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
 *   ar_generator_open(&g, s, NULL, &err);
 *   ar_generator_begin(g, ids, n, NULL, &err);
 *   ar_write_options o = ar_write_options_default();
 *   o.tokenizer = tokenizer, o.sampler = sampler, o.on_text = print;
 *   ar_generator_write(g, &o, &result, &err);
 *   ar_generator_close(g); */
#ifndef AR_GENERATE_H
#define AR_GENERATE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/grammar.h"
#include "arcane/sample.h"
#include "arcane/session.h"
#include "arcane/tokenizer.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* A text that is being written; it owns room for the tokens of a context. */
typedef struct ar_generator ar_generator;

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

typedef struct ar_write_options {
    int64_t n;                     /* tokens at most; 0 = as the context has */
    const ar_tokenizer *tokenizer; /* NULL: on_text is never called */
    ar_sampler *sampler;           /* NULL: the likeliest token, always */
    ar_grammar_mask *mask;         /* what may be written; NULL = all */
    /* Tokens [n_ends] that end the text and are no part of it, -1 is none;
     * NULL = ar_model_ends. */
    const int32_t *ends;
    int n_ends;
    /* [n_stops], at most 64: the text ends in front of the first of them, also
     * where tokens cut it. */
    const char *const *stops;
    int n_stops;
    unsigned flags; /* AR_MIDDLE: the text goes on with the prompt's;
                       AR_SPECIAL: special tokens are shown */
    /* A token, before its text; ar_generator_logits are its own.  Nullable. */
    bool (*on_token)(void *ctx, int32_t id);
    /* A piece of the text, as soon as it is sure, in whole characters; n bytes
     * of UTF-8 without a NUL, borrowed.  Nullable.  false from either stops;
     * text that was held back still comes. */
    bool (*on_text)(void *ctx, const char *text, size_t n);
    void *ctx;
    const volatile sig_atomic_t *cancel; /* stops when not 0; Nullable */
} ar_write_options;
/* AR_MIDDLE, no limits, nobody is told. */
ar_write_options ar_write_options_default(void);

typedef enum ar_write_end {
    AR_END_LENGTH,  /* n tokens, or the context is full */
    AR_END_TOKEN,   /* one of ends */
    AR_END_STOP,    /* a stop string */
    AR_END_GRAMMAR, /* nothing may follow */
    AR_END_CALLER   /* on_token, on_text or cancel */
} ar_write_end;

typedef struct ar_write_result {
    int64_t n; /* tokens written, without one that ended the text */
    ar_write_end end;
    const char *stop; /* of stops, the one that was found; else NULL */
} ar_write_result;

/* Write behind the text: ar_generator_next until the text ends.  What was
 * written is in ar_generator_text, a token that ended it there too, the last.
 * o NULL = the default options; out Nullable.  Errors: those of
 * ar_generator_next and ar_grammar_mask_allowed; AR_RANGE (a stop string that
 * is empty, longer than 1024 bytes, no UTF-8, or without a tokenizer; n_ends
 * without ends); AR_NOMEM.  The text has what was written until then. */
ar_status ar_generator_write(ar_generator *g, const ar_write_options *o,
                             ar_write_result *out, ar_error *err);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
