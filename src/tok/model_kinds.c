/* model_kinds.c - the table of kinds of models. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/encoder.h"
#include "tok/tokenizer_json.h"

static ar_status finish_bpe(ar_tokenizer *tok, ar_error *err) {
    return bpe_find_first(&tok->bpe, &tok->vocab, err);
}

static ar_status open_bpe(void **run, const ar_tokenizer *tok, ar_error *err) {
    return bpe_run_open((bpe_run **)run, &tok->bpe, &tok->vocab, err);
}

static ar_status piece_bpe(void *run, id_sink *sink, const char *p, size_t n,
                           ar_error *err) {
    return bpe_run_piece(run, sink, p, n, err);
}

static void close_bpe(void *run) { bpe_run_close(run); }

const model_kind model_bpe = {"BPE",     finish_bpe, open_bpe,
                              piece_bpe, close_bpe,  write_bpe};

/* Bytes of all tokens of the model. */
static size_t model_bytes(const vocab *v) {
    size_t n = 0;
    for (int32_t id = 0; id < v->n; id++)
        if (v->tokens[id].flags & TOKEN_MODEL) n += v->tokens[id].size;
    return n;
}

static ar_status finish_unigram(ar_tokenizer *tok, ar_error *err) {
    unigram *u = &tok->unigram;
    const vocab *v = &tok->vocab;
    TRY(trie_open(&u->tokens, model_bytes(v), err));
    for (int32_t id = 0; id < u->n_scores; id++)
        if ((v->tokens[id].flags & (TOKEN_MODEL | TOKEN_APART)) == TOKEN_MODEL)
            trie_add(&u->tokens, 1, vocab_bytes(v, id), v->tokens[id].size, id);
    for (int i = 0; i < 256; i++) u->byte_id[i] = vocab_find_byte(v, i);
    return AR_OK;
}

static ar_status open_unigram(void **run, const ar_tokenizer *tok,
                              ar_error *err) {
    return unigram_run_open((unigram_run **)run, &tok->unigram, &tok->vocab,
                            err);
}

static ar_status piece_unigram(void *run, id_sink *sink, const char *p,
                               size_t n, ar_error *err) {
    return unigram_run_piece(run, sink, p, n, err);
}

static void close_unigram(void *run) { unigram_run_close(run); }

const model_kind model_unigram = {"Unigram",     finish_unigram, open_unigram,
                                  piece_unigram, close_unigram,  write_unigram};

static ar_status finish_wordpiece(ar_tokenizer *tok, ar_error *err) {
    wordpiece *w = &tok->wordpiece;
    const vocab *v = &tok->vocab;
    const size_t k = strlen(w->prefix);
    TRY(trie_open(&w->tokens, 2 * model_bytes(v), err));
    for (int32_t id = 0; id < v->n; id++) {
        const token *t = &v->tokens[id];
        const char *p = vocab_bytes(v, id);
        if (!(t->flags & TOKEN_MODEL) || !t->size) continue;
        trie_add(&w->tokens, WORD_START, p, t->size, id);
        if (t->size > k && !memcmp(p, w->prefix, k))
            trie_add(&w->tokens, WORD_INSIDE, p + k, t->size - k, id);
    }
    return AR_OK;
}

static ar_status open_wordpiece(void **run, const ar_tokenizer *tok,
                                ar_error *err) {
    (void)err;
    *run = (void *)&tok->wordpiece;
    return AR_OK;
}

static ar_status piece_wordpiece(void *run, id_sink *sink, const char *p,
                                 size_t n, ar_error *err) {
    (void)err;
    wordpiece_add(run, sink, p, n);
    return AR_OK;
}

static void close_wordpiece(void *run) { (void)run; /* the tokenizer's */ }

const model_kind model_wordpiece = {"WordPiece",     finish_wordpiece,
                                    open_wordpiece,  piece_wordpiece,
                                    close_wordpiece, write_wordpiece};
