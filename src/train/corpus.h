/* corpus.h - the tokens that a run trains on and the tokenizer they are of. */
#ifndef TRAIN_CORPUS_H
#define TRAIN_CORPUS_H

#include <stdbool.h>

#include "arcane/tokenizer.h"
#include "train/settings.h"

typedef struct corpus {
    char **train, **val; /* paths of shards */
    int64_t n_train, n_val;
    ar_tokenizer *tok; /* NULL: shards of unknown origin */
} corpus;

typedef struct corpus_hooks {
    void *ctx;
    void (*stage)(void *ctx, const char *what, double done); /* may be NULL */
    bool (*stop)(void *ctx);                                 /* may be NULL */
} corpus_hooks;

/* From shards (data.tokens, data.folder), or from text: what a run's folder
 * already has from the same text is used again; else the tokenizer is trained
 * or read, the text's last part held out, and the shards written.  A trained
 * tokenizer has n_vocab entries.  Errors: AR_USAGE (neither text nor tokens),
 * AR_RANGE (no text, a vocabulary too small), AR_IO, AR_FORMAT, AR_CANCELLED,
 * AR_NOMEM. */
ar_status corpus_open(corpus *out, const settings *s, const char *run,
                      int32_t n_vocab, const corpus_hooks *hooks,
                      ar_error *err);
void corpus_close(corpus *c);

/* Encode documents into shards FOLDER/NAME-00000.bin and on, each document
 * with the beginning-of-sequence token, if there is one, in front: `arcane
 * data prepare`.  Writes how many tokens there are and the bytes of text. */
typedef struct corpus_counts {
    int64_t n_documents, n_tokens, n_bytes, n_shards;
} corpus_counts;
/* The next document or NULL at the end, borrowed until the next call. */
typedef ar_status corpus_next(void *ctx, const char **text, size_t *n,
                              ar_error *err);
ar_status corpus_write(const ar_tokenizer *tok, corpus_next *next, void *ctx,
                       const char *folder, const char *name, corpus_counts *out,
                       ar_error *err);

#endif
