/* read_model.c - the "model" of tokenizer.json. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/byte_chars.h"
#include "tok/encoder.h"
#include "tok/tokenizer_json.h"

/* Ids may leave gaps, but not so many that a small file asks for much. */
enum { GAPS_PER_TOKEN = 16, MORE_GAPS = 1 << 16 };

static ar_status read_token(ar_tokenizer *tok, const char *name,
                            const json_t *value, size_t n_tokens,
                            ar_error *err) {
    int32_t id;
    TRY(id_read(value, name, &id, err));
    if ((size_t)id > GAPS_PER_TOKEN * n_tokens + MORE_GAPS)
        return error_set(err, AR_RANGE,
                         "the id of \"%.80s\" is %d in a vocabulary of %zu "
                         "tokens",
                         name, id, n_tokens);
    const size_t n = strlen(name);
    if (!tok->byte_level)
        return vocab_set(&tok->vocab, id, name, n, TOKEN_MODEL, err);
    char few[256], *bytes = n <= sizeof few ? few : mem_alloc(n);
    if (!bytes)
        return error_set(err, AR_NOMEM, "out of memory for a vocabulary");
    const long k = byte_chars_decode(name, n, bytes);
    const ar_status s =
        k >= 0
            ? vocab_set(&tok->vocab, id, bytes, (size_t)k, TOKEN_MODEL, err)
            : vocab_set(&tok->vocab, id, name, n, TOKEN_MODEL | TOKEN_RAW, err);
    if (bytes != few) mem_free(bytes);
    return s;
}

static ar_status read_vocab(ar_tokenizer *tok, json_t *ids, ar_error *err) {
    if (!json_is_object(ids))
        return error_set(err, AR_FORMAT, "model: \"vocab\" is not an object");
    const size_t n = json_object_size(ids);
    const char *name;
    json_t *value;
    json_object_foreach(ids, name, value)
        TRY(read_token(tok, name, value, n, err));
    return AR_OK;
}

/* The two names of a merge, put one after the other in `t` with a NUL behind
 * each: "a b" or ["a", "b"]. */
static ar_status split_merge(const json_t *m, text *t, size_t rank,
                             ar_error *err) {
    text_clear(t);
    const char *s = json_string_value(m);
    const char *space = s ? strchr(s, ' ') : NULL;
    if (space && !strchr(space + 1, ' ')) {
        text_add(t, s, strlen(s) + 1);
        if (!t->failed) t->data[space - s] = 0;
        return text_status(t, err);
    }
    const char *a = json_string_value(json_array_get(m, 0));
    const char *b = json_string_value(json_array_get(m, 1));
    if (!a || !b || json_array_size(m) != 2)
        return error_set(err, AR_FORMAT,
                         "model: merge number %zu is not a pair of tokens",
                         rank);
    text_add(t, a, strlen(a) + 1);
    text_add(t, b, strlen(b) + 1);
    return text_status(t, err);
}

static ar_status find_token(const json_t *ids, const char *name, int32_t *id,
                            size_t rank, ar_error *err) {
    const json_t *v = json_object_get(ids, name);
    if (!v)
        return error_set(err, AR_FORMAT,
                         "model: merge number %zu has \"%.80s\", which is not "
                         "in the vocabulary",
                         rank, name);
    *id = (int32_t)json_integer_value(v); /* read_vocab has checked it */
    return AR_OK;
}

static ar_status read_merge(ar_tokenizer *tok, const json_t *ids,
                            const json_t *m, size_t rank, text *t,
                            ar_error *err) {
    int32_t left = 0, right = 0, joined = 0;
    TRY(split_merge(m, t, rank, err));
    const size_t n = strlen(t->data);
    TRY(find_token(ids, t->data, &left, rank, err));
    TRY(find_token(ids, t->data + n + 1, &right, rank, err));
    memmove(t->data + n, t->data + n + 1, t->size - n - 1);
    t->data[t->size - 2] = 0; /* both names are now one */
    TRY(find_token(ids, t->data, &joined, rank, err));
    bpe_add(&tok->bpe, left, right, (int32_t)rank, joined);
    return AR_OK;
}

static ar_status read_merges(ar_tokenizer *tok, const json_t *ids,
                             const json_t *merges, ar_error *err) {
    const size_t n = json_array_size(merges);
    if (!json_is_array(merges) || n >= VOCAB_MAX)
        return error_set(err, AR_FORMAT,
                         "model: \"merges\" is not a list of fewer than 2^24");
    TRY(bpe_open(&tok->bpe, (int32_t)n, err));
    text t = {0};
    ar_status s = AR_OK;
    for (size_t i = 0; i < n && s == AR_OK; i++) {
        const json_t *m = json_array_get(merges, i);
        const char *line = json_string_value(m);
        if (line && !strncmp(line, "#version", 8)) continue;
        s = read_merge(tok, ids, m, i, &t, err);
    }
    text_close(&t);
    return s;
}

/* Settings that change what is encoded, and are not known here. */
static ar_status reject_settings(const ar_tokenizer *tok, const json_t *o,
                                 ar_error *err) {
    static const char *const names[] = {"continuing_subword_prefix",
                                        "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value;
        TRY(field_text(o, "model", names[i], &value, err));
        if (value && *value)
            return error_set(err, AR_UNSUPPORTED, "model: %s is not supported",
                             names[i]);
    }
    const json_t *dropout = json_object_get(o, "dropout");
    if (dropout && !json_is_null(dropout) && json_number_value(dropout) != 0)
        return error_set(err, AR_UNSUPPORTED,
                         "model: dropout is not supported");
    bool fallback;
    TRY(field_bool(o, "model", "byte_fallback", false, &fallback, err));
    if (fallback && tok->byte_level)
        return error_set(err, AR_UNSUPPORTED,
                         "model: byte_fallback with ByteLevel is not "
                         "supported");
    return AR_OK;
}

static ar_status read_bpe(ar_tokenizer *tok, const json_t *o, ar_error *err) {
    json_t *ids = json_object_get(o, "vocab");
    TRY(reject_settings(tok, o, err));
    TRY(read_vocab(tok, ids, err));
    TRY(read_merges(tok, ids, json_object_get(o, "merges"), err));
    bpe *b = &tok->bpe;
    b->chars = !tok->byte_level;
    TRY(field_bool(o, "model", "byte_fallback", false, &b->byte_fallback, err));
    TRY(field_bool(o, "model", "fuse_unk", false, &b->fuse_unknown, err));
    TRY(field_bool(o, "model", "ignore_merges", false, &b->ignore_merges, err));
    const char *unknown;
    TRY(field_text(o, "model", "unk_token", &unknown, err));
    const json_t *id = unknown ? json_object_get(ids, unknown) : NULL;
    if (id) b->unknown = (int32_t)json_integer_value(id);
    return AR_OK;
}

/* ["token", score] */
static ar_status read_scored(ar_tokenizer *tok, const json_t *pair, int32_t id,
                             ar_error *err) {
    const char *name = json_string_value(json_array_get(pair, 0));
    const json_t *score = json_array_get(pair, 1);
    if (!name || !json_is_number(score) || json_array_size(pair) != 2)
        return error_set(err, AR_FORMAT,
                         "model: entry %d of \"vocab\" is not a token and "
                         "its score",
                         id);
    unigram *u = &tok->unigram;
    u->scores[id] = json_number_value(score);
    if (u->scores[id] < u->unknown_score) u->unknown_score = u->scores[id];
    return vocab_set(&tok->vocab, id, name, strlen(name), TOKEN_MODEL, err);
}

static ar_status read_scores(ar_tokenizer *tok, const json_t *list,
                             ar_error *err) {
    unigram *u = &tok->unigram;
    const size_t n = json_array_size(list);
    if (!n || n >= VOCAB_MAX)
        return error_set(err, AR_FORMAT,
                         "model: \"vocab\" is not a list of 1 to 2^24 tokens");
    u->scores = mem_new(double, n);
    if (!u->scores)
        return error_set(err, AR_NOMEM, "out of memory for a vocabulary");
    u->unknown_score = INFINITY;
    for (size_t i = 0; i < n; i++)
        TRY(read_scored(tok, json_array_get(list, i), (int32_t)i, err));
    u->n_scores = (int32_t)n;
    u->unknown_score -= UNIGRAM_PENALTY;
    return AR_OK;
}

static ar_status read_unigram(ar_tokenizer *tok, const json_t *o,
                              ar_error *err) {
    tok->kind = &model_unigram;
    unigram *u = &tok->unigram;
    TRY(read_scores(tok, json_object_get(o, "vocab"), err));
    TRY(field_bool(o, "model", "byte_fallback", false, &u->byte_fallback, err));
    const json_t *unknown = json_object_get(o, "unk_id");
    if (!unknown || json_is_null(unknown)) return AR_OK;
    TRY(id_read(unknown, "unk_id", &u->unknown, err));
    if (u->unknown < u->n_scores) return AR_OK;
    return error_set(err, AR_FORMAT, "model: unk_id %d is no token",
                     u->unknown);
}

static ar_status read_wordpiece(ar_tokenizer *tok, const json_t *o,
                                ar_error *err) {
    tok->kind = &model_wordpiece;
    wordpiece *w = &tok->wordpiece;
    const json_t *ids = json_object_get(o, "vocab"),
                 *max = json_object_get(o, "max_input_chars_per_word");
    const char *prefix, *unknown;
    TRY(field_text(o, "model", "continuing_subword_prefix", &prefix, err));
    TRY(field_text(o, "model", "unk_token", &unknown, err));
    if (!prefix) prefix = "##";
    TRY(tokenizer_keep(tok, prefix, strlen(prefix), &w->prefix, err));
    TRY(read_vocab(tok, (json_t *)ids, err));
    const json_t *id = json_object_get(ids, unknown ? unknown : "[UNK]");
    if (!id)
        return error_set(err, AR_FORMAT,
                         "model: unk_token \"%.80s\" is not in the vocabulary",
                         unknown ? unknown : "[UNK]");
    w->unknown = (int32_t)json_integer_value(id);
    w->max_chars = json_is_integer(max) ? json_integer_value(max) : 100;
    return AR_OK;
}

static const part_row rows[] = {{"BPE", read_bpe},
                                {"Unigram", read_unigram},
                                {"WordPiece", read_wordpiece}};
const part_table model_table = {"model", NULL, rows,
                                sizeof rows / sizeof *rows};
