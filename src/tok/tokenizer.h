/* tokenizer.h - what an open tokenizer consists of. */
#ifndef TOK_TOKENIZER_H
#define TOK_TOKENIZER_H

#include <stdbool.h>

#include "arcane/tokenizer.h"
#include "base/arena.h"
#include "tok/added.h"
#include "tok/bpe.h"
#include "tok/decode.h"
#include "tok/normalize.h"
#include "tok/pieces.h"
#include "tok/unigram.h"
#include "tok/vocab.h"
#include "tok/wordpiece.h"

/* The parts of tokenizer.json that are written back as they were read. */
enum tokenizer_part {
    PART_NORMALIZER,
    PART_PRE_TOKENIZER,
    PART_POST_PROCESSOR,
    PART_DECODER,
    PART_COUNT,
};

enum { TOKENIZER_MAX_NORMALIZERS = 16, TOKENIZER_MAX_TEMPLATE = 64 };

typedef struct model_kind model_kind; /* encoder.h */

struct ar_tokenizer {
    arena memory; /* names and such */
    vocab vocab;
    const model_kind *kind; /* which of these is used */
    bpe bpe;
    unigram unigram;
    wordpiece wordpiece;

    added_token *added; /* [n_added], by id */
    int32_t n_added;
    added_set raw, normalized; /* those found before and after normalising */

    normalizer normalizers[TOKENIZER_MAX_NORMALIZERS];
    int n_normalizers;
    cut_step steps[PIECES_MAX_STEPS];
    int n_steps;
    bool byte_level; /* the steps ended in ByteLevel */
    decode_step decoders[DECODE_MAX_STEPS];
    int n_decoders;

    /* what the post-processor puts around the ids */
    int32_t before[TOKENIZER_MAX_TEMPLATE], after[TOKENIZER_MAX_TEMPLATE];
    int n_before, n_after;

    bool from_json;               /* it can be written as tokenizer.json */
    const char *json[PART_COUNT]; /* NULL for null */
    int32_t bos, eos;
    bool bos_usual; /* a text begins with bos, if nothing says otherwise */
};

/* An empty one, to be filled by a reader or a trainer.  Errors: AR_NOMEM. */
ar_status tokenizer_new(ar_tokenizer **out, ar_error *err);
/* Once vocabulary, merges, parts and added tokens are there: build what
 * searching needs and find bos and eos.  Errors: AR_NOMEM. */
ar_status tokenizer_finish(ar_tokenizer *tok, ar_error *err);
/* The id of an added token by its name, or -1. */
int32_t tokenizer_added_id(const ar_tokenizer *tok, const char *name);

/* One more normaliser or decoder step.  Errors: AR_UNSUPPORTED (too many). */
ar_status tokenizer_add_normalizer(ar_tokenizer *tok, normalizer n,
                                   ar_error *err);
ar_status tokenizer_add_decoder(ar_tokenizer *tok, decode_step d,
                                ar_error *err);
ar_status tokenizer_add_step(ar_tokenizer *tok, cut_step step,
                             const char *pattern, ar_error *err);
/* The steps of BertPreTokenizer. */
ar_status tokenizer_add_bert_steps(ar_tokenizer *tok, ar_error *err);
/* A copy of n bytes owned by the tokenizer.  Errors: AR_NOMEM. */
ar_status tokenizer_keep(ar_tokenizer *tok, const char *p, size_t n,
                         const char **out, ar_error *err);

/* Normalise a text: as normalize_fn, in two rooms used in turn. */
ar_status tokenizer_normalize(const ar_tokenizer *tok, const char **p,
                              size_t *n, text rooms[2], ar_error *err);

#endif
