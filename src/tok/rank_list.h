/* rank_list.h - byte-level BPE as a list of tokens, where the pair that makes
 * the token of the lowest rank is merged first (tiktoken, Mistral). */
#ifndef TOK_RANK_LIST_H
#define TOK_RANK_LIST_H

#include "tok/tokenizer.h"

typedef struct rank_list {
    ar_tokenizer *tok; /* being built */
    int32_t first_id;  /* of rank 0 */
    int64_t max_id;    /* ids above ask for too much */
    text room;
} rank_list;

/* An empty tokenizer that cuts texts by a pattern, with room for n_special
 * tokens; n_tokens is how many there may be in all.  Close the list in any
 * case.  Errors: as pattern_open. */
ar_status rank_list_open(rank_list *r, const char *source, size_t n_special,
                         size_t n_tokens, ar_error *err);
/* The bytes in base64.  Errors: AR_FORMAT, AR_NOMEM, AR_RANGE. */
ar_status rank_list_add(rank_list *r, const char *coded, size_t n, int64_t rank,
                        ar_error *err);
ar_status rank_list_add_special(rank_list *r, const char *name, size_t n,
                                int64_t id, ar_error *err);
/* The tokenizer, which is then the caller's. */
ar_status rank_list_finish(rank_list *r, ar_tokenizer **out, ar_error *err);
void rank_list_close(rank_list *r);

#endif
