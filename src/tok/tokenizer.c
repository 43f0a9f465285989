/* tokenizer.c - the public calls, but for encoding and files. */
#include "tok/tokenizer.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/encoder.h"
#include "tok/tokenizer_json.h"

ar_status tokenizer_new(ar_tokenizer **out, ar_error *err) {
    *out = mem_new(ar_tokenizer, 1);
    if (!*out) return error_set(err, AR_NOMEM, "out of memory for a tokenizer");
    arena_open(&(*out)->memory, 1 << 14);
    (*out)->bos = (*out)->eos = -1;
    (*out)->kind = &model_bpe;
    (*out)->bpe.unknown = (*out)->unigram.unknown = -1;
    (*out)->wordpiece.unknown = -1;
    return AR_OK;
}

void ar_tokenizer_close(ar_tokenizer *tok) {
    if (!tok) return;
    for (int i = 0; i < tok->n_steps; i++) pattern_close(tok->steps[i].pattern);
    for (int i = 0; i < tok->n_normalizers; i++)
        pattern_close(tok->normalizers[i].pattern);
    added_set_close(&tok->raw);
    added_set_close(&tok->normalized);
    bpe_close(&tok->bpe);
    unigram_close(&tok->unigram);
    trie_close(&tok->wordpiece.tokens);
    vocab_close(&tok->vocab);
    arena_close(&tok->memory);
    mem_free(tok);
}

int32_t tokenizer_added_id(const ar_tokenizer *tok, const char *name) {
    for (int32_t i = 0; i < tok->n_added; i++)
        if (!strcmp(tok->added[i].name, name)) return tok->added[i].id;
    return -1;
}

enum mark { MARK_bos, MARK_eos };
static const struct {
    enum mark which;
    const char *name;
} marks[] = {
#define MARK(which, name) {MARK_##which, name},
#include "tok/marks.def"
#undef MARK
};

/* The first special token of the list that the vocabulary has. */
static int32_t find_mark(const ar_tokenizer *tok, enum mark which) {
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (marks[i].which != which) continue;
        const int32_t id = tokenizer_added_id(tok, marks[i].name);
        if (id >= 0 && (tok->vocab.tokens[id].flags & TOKEN_SPECIAL)) return id;
    }
    return -1;
}

/* What is looked for after normalising has itself to be normalised. */
static ar_status normalize_added(ar_tokenizer *tok, added_token *a,
                                 text rooms[2], ar_error *err) {
    size_t n = a->size;
    TRY(tokenizer_normalize(tok, &a->bytes, &n, rooms, err));
    if (n == a->size && a->bytes == a->name) return AR_OK;
    if (!n || n > ADDED_MAX_BYTES)
        return error_set(err, AR_FORMAT,
                         "added token \"%.80s\" cannot be normalised", a->name);
    a->size = (uint32_t)n;
    TRY(tokenizer_keep(tok, a->bytes, n, &a->bytes, err));
    /* the library also decodes it to that */
    if (tok->vocab.tokens[a->id].flags & TOKEN_MODEL) return AR_OK;
    return vocab_replace(&tok->vocab, a->id, a->bytes, n, err);
}

static ar_status prepare_added(ar_tokenizer *tok, ar_error *err) {
    text rooms[2] = {{0}};
    ar_status s = AR_OK;
    for (int32_t i = 0; i < tok->n_added && s == AR_OK; i++)
        if (tok->added[i].normalized && !tok->added[i].as_is)
            s = normalize_added(tok, &tok->added[i], rooms, err);
    text_close(&rooms[0]);
    text_close(&rooms[1]);
    TRY(s);
    TRY(added_set_open(&tok->raw, tok->added, tok->n_added, false, err));
    return added_set_open(&tok->normalized, tok->added, tok->n_added, true,
                          err);
}

ar_status tokenizer_keep(ar_tokenizer *tok, const char *p, size_t n,
                         const char **out, ar_error *err) {
    *out = arena_text(&tok->memory, p, n);
    if (*out) return AR_OK;
    return error_set(err, AR_NOMEM, "out of memory for a tokenizer");
}

ar_status tokenizer_add_normalizer(ar_tokenizer *tok, normalizer n,
                                   ar_error *err) {
    if (tok->n_normalizers < TOKENIZER_MAX_NORMALIZERS) {
        tok->normalizers[tok->n_normalizers++] = n;
        return AR_OK;
    }
    pattern_close(n.pattern);
    return error_set(err, AR_UNSUPPORTED, "more than %d normalizers",
                     TOKENIZER_MAX_NORMALIZERS);
}

ar_status tokenizer_add_decoder(ar_tokenizer *tok, decode_step d,
                                ar_error *err) {
    if (tok->n_decoders == DECODE_MAX_STEPS)
        return error_set(err, AR_UNSUPPORTED, "more than %d decoders",
                         DECODE_MAX_STEPS);
    tok->decoders[tok->n_decoders++] = d;
    return AR_OK;
}

ar_status tokenizer_add_step(ar_tokenizer *tok, cut_step step,
                             const char *source, ar_error *err) {
    if (tok->n_steps == PIECES_MAX_STEPS)
        return error_set(err, AR_UNSUPPORTED, "more than %d pre_tokenizers",
                         PIECES_MAX_STEPS);
    if (source) TRY(pattern_open_as(&step.pattern, source, step.dialect, err));
    tok->steps[tok->n_steps++] = step;
    return AR_OK;
}

ar_status tokenizer_finish(ar_tokenizer *tok, ar_error *err) {
    TRY(prepare_added(tok, err));
    TRY(vocab_index(&tok->vocab, err));
    TRY(tok->kind->finish(tok, err));
    TRY(decode_measure(tok, err));
    if (tok->n_before) tok->bos = tok->before[0];
    if (tok->bos < 0) tok->bos = find_mark(tok, MARK_bos);
    if (tok->eos < 0) tok->eos = find_mark(tok, MARK_eos);
    return AR_OK;
}

ar_status tokenizer_normalize(const ar_tokenizer *tok, const char **p,
                              size_t *n, text rooms[2], ar_error *err) {
    for (int i = 0; i < tok->n_normalizers; i++) {
        const normalizer *f = &tok->normalizers[i];
        /* one step may leave the text where another put it */
        const bool in_first = rooms[0].data && *p >= rooms[0].data &&
                              *p <= rooms[0].data + rooms[0].size;
        TRY(f->fn(f, p, n, &rooms[in_first], err));
    }
    return AR_OK;
}

/* No merges, no specials, the whole text one piece. */
static ar_status fill_bytes(ar_tokenizer *tok, ar_error *err) {
    for (int i = 0; i < 256; i++)
        TRY(vocab_set(&tok->vocab, i, &(char){(char)i}, 1, TOKEN_MODEL, err));
    TRY(bpe_open(&tok->bpe, 0, err));
    TRY(tokenizer_set_parts(
        tok,
        "{\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":false,\"trim_offsets\":true,"
        "\"use_regex\":false},\"post_processor\":null,\"decoder\":{\"type\":"
        "\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
        "\"use_regex\":true}}",
        err));
    return tokenizer_finish(tok, err);
}

ar_status ar_tokenizer_bytes(ar_tokenizer **out, ar_error *err) {
    *out = NULL;
    ar_tokenizer *tok;
    TRY(tokenizer_new(&tok, err));
    const ar_status s = fill_bytes(tok, err);
    if (s != AR_OK) {
        ar_tokenizer_close(tok);
        return s;
    }
    *out = tok;
    return AR_OK;
}

int32_t ar_tokenizer_vocab(const ar_tokenizer *tok) { return tok->vocab.n; }
int32_t ar_tokenizer_bos(const ar_tokenizer *tok) { return tok->bos; }
int32_t ar_tokenizer_eos(const ar_tokenizer *tok) { return tok->eos; }

int32_t ar_tokenizer_bytes_of(const ar_tokenizer *tok, int32_t id) {
    if (!vocab_has(&tok->vocab, id)) return 0;
    const token *t = &tok->vocab.tokens[id];
    return t->flags & TOKEN_SPECIAL ? 0 : (int32_t)t->shown;
}
