/* tokenizer.h - what an open tokenizer consists of. */
#ifndef TOK_TOKENIZER_H
#define TOK_TOKENIZER_H

#include <stdbool.h>

#include "arcane/tokenizer.h"
#include "base/arena.h"
#include "tok/added.h"
#include "tok/bpe.h"
#include "tok/normalize.h"
#include "tok/pieces.h"
#include "tok/vocab.h"

/* The parts of tokenizer.json that are written back as they were read. */
enum tokenizer_part {
    PART_NORMALIZER,
    PART_PRE_TOKENIZER,
    PART_POST_PROCESSOR,
    PART_DECODER,
    PART_COUNT,
};

enum { TOKENIZER_MAX_NORMALIZERS = 8, TOKENIZER_MAX_TEMPLATE = 64 };

struct ar_tokenizer {
    arena memory; /* names and such */
    vocab vocab;
    bpe bpe;

    added_token *added; /* [n_added], by id */
    int32_t n_added;
    added_set raw, normalized; /* those found before and after normalising */

    normalize_fn *normalizers[TOKENIZER_MAX_NORMALIZERS];
    int n_normalizers;
    cut_step steps[PIECES_MAX_STEPS];
    int n_steps;
    bool byte_level; /* the steps ended in ByteLevel */

    /* what the post-processor puts around the ids */
    int32_t before[TOKENIZER_MAX_TEMPLATE], after[TOKENIZER_MAX_TEMPLATE];
    int n_before, n_after;

    const char *json[PART_COUNT]; /* NULL for null */
    int32_t bos, eos;
};

/* An empty one, to be filled by a reader or a trainer.  Errors: AR_NOMEM. */
ar_status tokenizer_new(ar_tokenizer **out, ar_error *err);
/* Once vocabulary, merges, parts and added tokens are there: build what
 * searching needs and find bos and eos.  Errors: AR_NOMEM. */
ar_status tokenizer_finish(ar_tokenizer *tok, ar_error *err);
/* The id of an added token by its name, or -1. */
int32_t tokenizer_added_id(const ar_tokenizer *tok, const char *name);

/* Normalise a text: as normalize_fn, in two rooms used in turn. */
ar_status tokenizer_normalize(const ar_tokenizer *tok, const char **p,
                              size_t *n, text rooms[2], ar_error *err);

#endif
