/* decode.h - tokens to text, one after the other.
 *
 * Steps follow each other as in the "decoder" of tokenizer.json: each sees
 * tokens as strings and hands on others.  Nothing waits longer than it must,
 * so that the same steps serve a text that is just being made. */
#ifndef TOK_DECODE_H
#define TOK_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/tokenizer.h"
#include "base/text.h"

enum { DECODE_MAX_STEPS = 8 };

typedef struct decode_run decode_run;
typedef struct decode_step decode_step;

/* One token, n bytes, at a step: hands it on with decode_next. */
typedef void decode_fn(decode_run *r, int step, const char *p, size_t n);

struct decode_step {
    decode_fn *fn;
    const char *from, *to; /* Replace, Metaspace, Strip, WordPiece */
    int start, stop;       /* Strip */
    bool fused;            /* all tokens before this step are one string */
    bool prefix;           /* Metaspace: drop the mark of the first token */
    bool squeeze;          /* SentencePiece: also of those after it, until
                            * there is text */
    bool cleanup;          /* WordPiece */
    bool chars;            /* bytes: valid characters survive in a bad run */
};

decode_fn decode_replace, decode_metaspace, decode_strip, decode_wordpiece,
    decode_bytes, decode_spaced, decode_pass, decode_sentencepiece;

typedef void decode_emit(void *ctx, const char *p, size_t n);

struct decode_run {
    const ar_tokenizer *tok;
    decode_emit *emit;
    void *ctx;
    bool stream; /* bytes of characters are not held back */
    struct {
        size_t index; /* tokens, or characters stripped, so far */
        bool done;
        text room;
    } at[DECODE_MAX_STEPS];
};

/* As if there had been text already. */
void decode_in_middle(decode_run *r);
/* Feed one id that is in the vocabulary; then say that no more comes. */
void decode_feed(decode_run *r, int32_t id);
void decode_end(decode_run *r);
/* Errors: AR_NOMEM if there was no room at some step. */
ar_status decode_close(decode_run *r, ar_error *err);
void decode_next(decode_run *r, int step, const char *p, size_t n);

/* Find how many bytes of a text each token stands for.  Errors: AR_NOMEM. */
ar_status decode_measure(ar_tokenizer *tok, ar_error *err);

#endif
