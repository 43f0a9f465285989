/* source_build.h - the parts that tokenizers from sources are built with. */
#ifndef TOK_SOURCE_BUILD_H
#define TOK_SOURCE_BUILD_H

#include "tok/tokenizer.h"
#include "tok/tokenizer_source.h"

/* One token into the vocabulary, and among the added ones if its type says
 * so.  Errors: AR_NOMEM, AR_FORMAT, AR_RANGE. */
ar_status source_add_special(ar_tokenizer *tok, int32_t id, source_text name,
                             bool special, ar_error *err);

/* ranks [n_tokens]: 0 for the best of the finite scores; equals share one.
 * Errors: AR_NOMEM. */
ar_status source_rank(const tokenizer_source *s, int32_t *ranks, ar_error *err);

/* Every pair of tokens whose bytes together are a token becomes a merge, of
 * rank ranks[id]; with `chars` cuts are between characters only.  Ids that are
 * not of the model are left out.  Errors: AR_NOMEM, AR_RANGE. */
ar_status source_add_pairs(ar_tokenizer *tok, const int32_t *ranks, bool chars,
                           ar_error *err);

/* The steps of a name of pretokenizers.def.  Errors: AR_UNSUPPORTED with the
 * name. */
enum { PRE_WHOLE = 1, PRE_BOS = 2, PRE_NFC = 4 };
ar_status source_add_steps(ar_tokenizer *tok, const char *pre, int *flags,
                           ar_error *err);

ar_status source_build_bpe(ar_tokenizer *tok, const tokenizer_source *s,
                           ar_error *err);
ar_status source_build_unigram(ar_tokenizer *tok, const tokenizer_source *s,
                               ar_error *err);
ar_status source_build_wordpiece(ar_tokenizer *tok, const tokenizer_source *s,
                                 ar_error *err);
ar_status source_build_bytes(ar_tokenizer *tok, const tokenizer_source *s,
                             ar_error *err);

#endif
