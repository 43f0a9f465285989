/* source_bytes.c - byte-level BPE out of the metadata of a model file. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/byte_chars.h"
#include "tok/source_build.h"

enum { MAX_PATTERNS = 6 };

static const struct {
    const char *name;
    int flags;
    const char *patterns[MAX_PATTERNS + 1]; /* NULL behind them */
} pre_rows[] = {
#define WHOLE PRE_WHOLE
#define BOS PRE_BOS
#define NFC PRE_NFC
#define PRE(name, flags, ...) {name, flags, {__VA_ARGS__}},
#include "tok/pretokenizers.def"
#undef PRE
#undef WHOLE
#undef BOS
#undef NFC
};

ar_status source_add_steps(ar_tokenizer *tok, const char *pre, int *flags,
                           ar_error *err) {
    for (size_t i = 0; i < sizeof pre_rows / sizeof *pre_rows; i++) {
        if (strcmp(pre, pre_rows[i].name) != 0) continue;
        *flags = pre_rows[i].flags;
        for (const char *const *p = pre_rows[i].patterns; *p; p++)
            TRY(tokenizer_add_step(tok, (cut_step){.behavior = CUT_ISOLATED},
                                   *p, err));
        return AR_OK;
    }
    return error_set(err, AR_UNSUPPORTED,
                     "pre-tokenizer \"%.80s\" is not supported", pre);
}

/* The bytes that a name stands for; text->size of them.  False if some
 * character stands for none. */
static bool add_decoded(text *t, source_text name) {
    char few[256], *bytes = name.n <= sizeof few ? few : mem_alloc(name.n);
    if (!bytes) {
        t->failed = 1;
        return true;
    }
    const long k = byte_chars_decode(name.p, name.n, bytes);
    if (k > 0) text_add(t, bytes, (size_t)k);
    if (bytes != few) mem_free(bytes);
    return k >= 0;
}

static ar_status add_token(ar_tokenizer *tok, const tokenizer_source *s,
                           size_t i, text *room, ar_error *err) {
    const source_text name = s->tokens[i];
    const int type = s->types ? s->types[i] : SOURCE_NORMAL;
    const int32_t id = (int32_t)i;
    if (type == SOURCE_CONTROL || type == SOURCE_UNKNOWN)
        return source_add_special(tok, id, name, true, err);
    if (type == SOURCE_USER_DEFINED)
        return source_add_special(tok, id, name, false, err);
    text_clear(room);
    text_adds(room, "");
    const bool known = add_decoded(room, name);
    TRY(text_status(room, err));
    if (!known || type == SOURCE_UNUSED)
        return vocab_set(&tok->vocab, id, name.p, name.n, TOKEN_RAW, err);
    return vocab_set(&tok->vocab, id, room->data, room->size, TOKEN_MODEL, err);
}

/* The tokens of the first n bytes, of the others and of all, or -1. */
static void find_parts(const vocab *v, const text *t, size_t n, int32_t *left,
                       int32_t *right, int32_t *all) {
    const uint64_t l = vocab_hash(t->data, n),
                   r = vocab_hash(t->data + n, t->size - n),
                   a = vocab_hash(t->data, t->size);
    vocab_touch(v, l);
    vocab_touch(v, r);
    vocab_touch(v, a);
    *left = vocab_find_hashed(v, t->data, n, l);
    *right = vocab_find_hashed(v, t->data + n, t->size - n, r);
    *all = vocab_find_hashed(v, t->data, t->size, a);
}

/* "left right"; a space can stand for itself only at the very start. */
static ar_status add_merge(ar_tokenizer *tok, source_text m, int32_t rank,
                           text *room, ar_error *err) {
    const vocab *v = &tok->vocab;
    const char *space = m.n > 1 ? memchr(m.p + 1, ' ', m.n - 1) : NULL;
    text_clear(room);
    text_adds(room, "");
    bool known =
        space && add_decoded(room, (source_text){m.p, (size_t)(space - m.p)});
    const size_t n = room->size;
    known = known &&
            add_decoded(room, (source_text){space + 1,
                                            (size_t)(m.p + m.n - space) - 1});
    TRY(text_status(room, err));
    int32_t left = -1, right = -1, id = -1;
    if (known) find_parts(v, room, n, &left, &right, &id);
    if (left < 0 || right < 0 || id < 0)
        return error_set(err, AR_FORMAT,
                         "merge number %d, \"%.*s\", is not of two tokens that "
                         "make one",
                         rank, (int)(m.n < 80 ? m.n : 80), m.p);
    bpe_add(&tok->bpe, left, right, rank, id);
    return AR_OK;
}

static ar_status add_all(ar_tokenizer *tok, const tokenizer_source *s,
                         text *room, ar_error *err) {
    for (size_t i = 0; i < s->n_tokens; i++)
        TRY(add_token(tok, s, i, room, err));
    TRY(vocab_index(&tok->vocab, err));
    TRY(bpe_open(&tok->bpe, (int32_t)s->n_merges, err));
    for (size_t i = 0; i < s->n_merges; i++)
        TRY(add_merge(tok, s->merges[i], (int32_t)i, room, err));
    return AR_OK;
}

/* "gpt2": merges in order. */
ar_status source_build_bytes(ar_tokenizer *tok, const tokenizer_source *s,
                             ar_error *err) {
    int flags = 0;
    TRY(source_add_steps(tok, s->pre ? s->pre : "default", &flags, err));
    if (flags & PRE_NFC)
        TRY(tokenizer_add_normalizer(tok, (normalizer){.fn = normalize_nfc},
                                     err));
    if (s->n_merges >= VOCAB_MAX)
        return error_set(err, AR_RANGE, "%zu merges", s->n_merges);
    text room = {0};
    const ar_status status = add_all(tok, s, &room, err);
    text_close(&room);
    TRY(status);
    tok->byte_level = true;
    tok->bpe.ignore_merges = flags & PRE_WHOLE;
    tok->bos_usual = flags & PRE_BOS;
    return AR_OK;
}
