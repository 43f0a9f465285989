/* rank_list.c - byte-level BPE as a list of tokens by rank. */
#include "tok/rank_list.h"

#include "base/error.h"
#include "base/mem.h"
#include "tok/base64.h"
#include "tok/source_build.h"

/* Ids may leave gaps, but not so many that a small file asks for much. */
enum { GAPS_PER_TOKEN = 16, MORE_GAPS = 1 << 16 };

ar_status rank_list_open(rank_list *r, const char *source, size_t n_special,
                         size_t n_tokens, ar_error *err) {
    *r = (rank_list){0};
    r->max_id = (int64_t)(GAPS_PER_TOKEN * n_tokens + MORE_GAPS);
    if (r->max_id >= VOCAB_MAX) r->max_id = VOCAB_MAX - 1;
    TRY(tokenizer_new(&r->tok, err));
    r->tok->byte_level = true;
    if (n_special >= VOCAB_MAX)
        return error_set(err, AR_RANGE, "%zu special tokens", n_special);
    r->tok->added = arena_new(&r->tok->memory, added_token, n_special);
    if (!r->tok->added)
        return error_set(err, AR_NOMEM, "out of memory for a tokenizer");
    return tokenizer_add_step(
        r->tok,
        (cut_step){.behavior = CUT_ISOLATED, .dialect = PATTERN_TIKTOKEN},
        source, err);
}

void rank_list_close(rank_list *r) {
    ar_tokenizer_close(r->tok);
    text_close(&r->room);
    *r = (rank_list){0};
}

static ar_status check_id(const rank_list *r, int64_t id, ar_error *err) {
    if (id >= 0 && id <= r->max_id) return AR_OK;
    return error_set(err, AR_RANGE, "id %lld is not within 0 to %lld",
                     (long long)id, (long long)r->max_id);
}

ar_status rank_list_add(rank_list *r, const char *coded, size_t n, int64_t rank,
                        ar_error *err) {
    TRY(check_id(r, rank, err));
    TRY(check_id(r, rank + r->first_id, err));
    text_clear(&r->room);
    TRY(base64_decode(&r->room, coded, n, err));
    if (!r->room.size)
        return error_set(err, AR_FORMAT, "the token of rank %lld is empty",
                         (long long)rank);
    return vocab_set(&r->tok->vocab, (int32_t)rank + r->first_id, r->room.data,
                     r->room.size, TOKEN_MODEL, err);
}

ar_status rank_list_add_special(rank_list *r, const char *name, size_t n,
                                int64_t id, ar_error *err) {
    TRY(check_id(r, id, err));
    return source_add_special(r->tok, (int32_t)id, (source_text){name, n}, true,
                              err);
}

static ar_status add_pairs(ar_tokenizer *tok, ar_error *err) {
    int32_t *ranks = mem_new(int32_t, tok->vocab.n);
    if (!ranks)
        return error_set(err, AR_NOMEM, "out of memory for a tokenizer");
    for (int32_t id = 0; id < tok->vocab.n; id++) ranks[id] = id;
    const ar_status s = source_add_pairs(tok, ranks, false, err);
    mem_free(ranks);
    return s;
}

ar_status rank_list_finish(rank_list *r, ar_tokenizer **out, ar_error *err) {
    TRY(add_pairs(r->tok, err));
    r->tok->bpe.ignore_merges = true;
    TRY(tokenizer_finish(r->tok, err));
    *out = r->tok;
    r->tok = NULL;
    return AR_OK;
}
