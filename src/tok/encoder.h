/* encoder.h - kinds of models, and one at work. */
#ifndef TOK_ENCODER_H
#define TOK_ENCODER_H

#include "tok/sink.h"
#include "tok/tokenizer.h"

/* One kind of model.  `run` is what encoding needs, for one thread. */
struct model_kind {
    const char *type; /* as tokenizer.json has it */
    /* What the model needs once the vocabulary is complete. */
    ar_status (*finish)(ar_tokenizer *tok, ar_error *err);
    ar_status (*open)(void **run, const ar_tokenizer *tok, ar_error *err);
    /* Ids of a piece, at most one per byte; n > 0. */
    ar_status (*piece)(void *run, id_sink *sink, const char *p, size_t n,
                       ar_error *err);
    void (*close)(void *run);
    /* Its settings, vocabulary and merges as members of a JSON object; `name`
     * is room to work in. */
    ar_status (*write)(const ar_tokenizer *tok, text *out, text *name,
                       ar_error *err);
};

extern const model_kind model_bpe, model_unigram, model_wordpiece;

/* A model at work on one text, for one thread. */
typedef struct encoder encoder;
ar_status encoder_open(encoder **out, const ar_tokenizer *tok, id_sink *sink,
                       ar_error *err);
/* Errors: AR_NOMEM, AR_RANGE. */
ar_status encoder_piece(encoder *r, const char *p, size_t n, ar_error *err);
void encoder_close(encoder *r);

#endif
