/* source_pairs.c - merges out of tokens that have ranks themselves. */
#include "base/error.h"
#include "base/mem.h"
#include "tok/source_build.h"

/* Longer tokens are never made by merging: n cuts of n bytes each. */
enum { MAX_PAIR_BYTES = 1024 };

static bool takes_part(const vocab *v, int32_t id) {
    const token *t = &v->tokens[id];
    return (t->flags & TOKEN_MODEL) &&
           !(t->flags & (TOKEN_APART | TOKEN_RAW)) && t->size > 1 &&
           t->size <= MAX_PAIR_BYTES;
}

/* The two tokens that a cut at `at` gives; false if one is none. */
static bool cut_token(const vocab *v, int32_t id, uint32_t at, int32_t *left,
                      int32_t *right) {
    const char *p = vocab_bytes(v, id);
    *left = vocab_find(v, p, at);
    if (*left < 0 || (v->tokens[*left].flags & TOKEN_APART)) return false;
    *right = vocab_find(v, p + at, v->tokens[id].size - at);
    return *right >= 0 && !(v->tokens[*right].flags & TOKEN_APART);
}

/* Add the merges to the table, or only count them if there is none. */
static size_t add_merges(ar_tokenizer *tok, const int32_t *ranks, bool chars,
                         bool count_only) {
    const vocab *v = &tok->vocab;
    size_t n = 0;
    for (int32_t id = 0; id < v->n; id++) {
        if (!takes_part(v, id)) continue;
        const char *p = vocab_bytes(v, id);
        for (uint32_t at = 1; at < v->tokens[id].size; at++) {
            int32_t left, right;
            if (chars && (p[at] & 0xC0) == 0x80) continue;
            if (!cut_token(v, id, at, &left, &right)) continue;
            n++;
            if (!count_only) bpe_add(&tok->bpe, left, right, ranks[id], id);
        }
    }
    return n;
}

ar_status source_add_pairs(ar_tokenizer *tok, const int32_t *ranks, bool chars,
                           ar_error *err) {
    TRY(vocab_index(&tok->vocab, err));
    const size_t n = add_merges(tok, ranks, chars, true);
    if (n >= INT32_MAX / 2)
        return error_set(err, AR_RANGE, "a vocabulary of %zu merges", n);
    TRY(bpe_open(&tok->bpe, (int32_t)n, err));
    add_merges(tok, ranks, chars, false);
    return AR_OK;
}
