/* normalize.h - what is done to a text before it is cut into pieces. */
#ifndef TOK_NORMALIZE_H
#define TOK_NORMALIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "tok/added.h"
#include "tok/charsmap.h"
#include "tok/pattern.h"

typedef struct normalizer normalizer;

/* One way to normalise: *p and *n become the result, which is the text itself
 * where nothing changes, else lives in `room`.  Bytes that are not UTF-8 stay
 * as they are, if not said otherwise.  Errors: AR_NOMEM. */
typedef ar_status normalize_fn(const normalizer *self, const char **p,
                               size_t *n, text *room, ar_error *err);

struct normalizer {
    normalize_fn *fn;
    const char *from, *to; /* Replace, Prepend; owned by the tokenizer */
    pattern *pattern;      /* Replace by a pattern; owned by this */
    charsmap map;          /* Precompiled, SentencePiece; may be empty */
    bool left, right;      /* Strip */
    bool clean, chinese, accents, lower; /* BertNormalizer */
    /* SentencePiece */
    const added_set *verbatim; /* left as it is */
    bool dummy_prefix, squeeze, suffix, escape;
};

normalize_fn normalize_nfc, normalize_nfd, normalize_nfkc, normalize_nfkd;
normalize_fn normalize_lowercase, normalize_strip_accents, normalize_strip;
normalize_fn normalize_prepend, normalize_replace, normalize_bert;
normalize_fn normalize_precompiled;
/* As SentencePiece's Normalizer: the map, white space, the dummy prefix, and
 * U+FFFD for each byte that is not UTF-8. */
normalize_fn normalize_sentencepiece;

#endif
