/* model_kinds.c - the table of kinds of models. */
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/encoder.h"
#include "tok/tokenizer_json.h"

/* U+2581, which stands for a space. */
static const char mark[] = "\xE2\x96\x81";
enum { MARK_SIZE = sizeof mark - 1 };

/* Whether a merge joins a mark to what is in front of it and is none. */
static bool joins_at_mark(const vocab *v, const bpe_merge *m) {
    const uint64_t pair = m->key - 1;
    const int32_t a = (int32_t)(pair >> 24), b = (int32_t)(pair & 0xFFFFFF);
    const token *left = &v->tokens[a], *right = &v->tokens[b];
    if (right->size < MARK_SIZE ||
        memcmp(vocab_bytes(v, b), mark, MARK_SIZE) != 0)
        return false;
    return left->size < MARK_SIZE ||
           memcmp(vocab_bytes(v, a) + left->size - MARK_SIZE, mark,
                  MARK_SIZE) != 0;
}

/* Where no merge can reach over the start of a word, words are pieces: the
 * ids are the same, and most words have been seen before. */
static ar_status cut_words(ar_tokenizer *tok, ar_error *err) {
    const bpe *b = &tok->bpe;
    if (!b->chars || b->ignore_merges || tok->n_steps == PIECES_MAX_STEPS ||
        vocab_find(&tok->vocab, mark, MARK_SIZE) < 0)
        return AR_OK;
    for (size_t i = 0; i < b->n_slots; i++)
        if (b->slots[i].key && joins_at_mark(&tok->vocab, &b->slots[i]))
            return AR_OK;
    return tokenizer_add_step(tok, (cut_step){.behavior = CUT_ISOLATED},
                              "\xE2\x96\x81*[^\xE2\x96\x81]+|\xE2\x96\x81+",
                              err);
}

static ar_status finish_bpe(ar_tokenizer *tok, ar_error *err) {
    TRY(bpe_find_first(&tok->bpe, &tok->vocab, err));
    return cut_words(tok, err);
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
