/* bpe_train.c - learns merges from a corpus.
 *
 * The corpus is cut into pieces, and each distinct piece, a word, is kept once
 * with its count.  Again and again the most frequent pair of neighbours, of
 * equals the smaller (left id, then right id), becomes a new token; only the
 * words that have it are looked at.  This is rustbpe's result
 * (github.com/karpathy/rustbpe, train_core_incremental). */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/byte_chars.h"
#include "tok/pair_table.h"
#include "tok/tokenizer_json.h"
#include "tok/utf8.h"
#include "tok/word_count.h"

enum { N_BYTES = 256, MAX_SPECIALS = 4096 };

/* GPT-4's, but for numbers: at most two digits a piece. */
static const char default_pattern[] =
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,2}|"
    " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
static const char *const default_specials[] = {"<|bos|>", NULL};

ar_bpe_options ar_bpe_options_default(void) {
    return (ar_bpe_options){.n_vocab = 4096};
}

typedef struct word {
    size_t offset; /* in training.ids */
    int32_t n;
    int64_t count;
} word;

typedef struct training {
    const ar_bpe_options *opt;
    const char *const *specials;
    int32_t n_specials, n_merges; /* merges wanted */
    ar_tokenizer *tok;
    word_count counted;
    word *words; /* [n_words] */
    size_t n_words;
    int32_t *ids;
    pair_table pairs;
} training;

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for training a tokenizer");
}

static ar_status check_specials(training *t, ar_error *err) {
    const char *const *s =
        t->opt->specials ? t->opt->specials : default_specials;
    t->specials = s;
    for (int32_t n = 0; s[n]; t->n_specials = ++n) {
        const size_t size = strlen(s[n]);
        if (n == MAX_SPECIALS)
            return error_set(err, AR_RANGE, "more than %d special tokens",
                             MAX_SPECIALS);
        if (!size || size > ADDED_MAX_BYTES || utf8_valid(s[n], size) < size)
            return error_set(err, AR_FORMAT,
                             "special token %d is empty, longer than %d bytes "
                             "or not UTF-8",
                             n, ADDED_MAX_BYTES);
        for (int32_t i = 0; i < n; i++)
            if (!strcmp(s[i], s[n]))
                return error_set(err, AR_FORMAT,
                                 "special token \"%.80s\" is given twice",
                                 s[n]);
    }
    const int32_t least = N_BYTES + t->n_specials;
    if (t->opt->n_vocab < least || t->opt->n_vocab > VOCAB_MAX)
        return error_set(err, AR_RANGE,
                         "a vocabulary of %d is not within %d (bytes and "
                         "special tokens) to %d",
                         t->opt->n_vocab, least, VOCAB_MAX);
    t->n_merges = t->opt->n_vocab - least;
    return AR_OK;
}

/* What will surround the merges in the file. */
static ar_status set_parts(training *t, ar_error *err) {
    const char *source = t->opt->pattern ? t->opt->pattern : default_pattern;
    const size_t n = strlen(source);
    if (utf8_valid(source, n) < n)
        return error_set(err, AR_FORMAT, "the pattern is not UTF-8");
    text j = {0};
    text_adds(&j, "{\"pre_tokenizer\":{\"type\":\"Sequence\","
                  "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                  "{\"Regex\":");
    json_add_string(&j, source, n);
    text_adds(&j, "},\"behavior\":\"Isolated\",\"invert\":false},"
                  "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                  "\"trim_offsets\":true,\"use_regex\":false}]},"
                  "\"decoder\":{\"type\":\"ByteLevel\","
                  "\"add_prefix_space\":true,\"trim_offsets\":true,"
                  "\"use_regex\":true}}");
    ar_status s = text_status(&j, err);
    if (s == AR_OK) s = tokenizer_set_parts(t->tok, j.data, err);
    text_close(&j);
    return s;
}

/* One byte has no neighbours to learn from. */
static ar_status count_piece(void *ctx, const char *p, size_t n,
                             ar_error *err) {
    if (n < 2) return AR_OK;
    if (n > INT32_MAX)
        return error_set(err, AR_RANGE, "a piece of more than 2^31 bytes");
    return word_count_add(&((training *)ctx)->counted, p, n, err);
}

static ar_status count_words(training *t, ar_text_next *next, void *ctx,
                             ar_error *err) {
    pieces *w;
    TRY(pieces_open(&w, t->tok->steps, t->tok->n_steps, count_piece, t, err));
    ar_status s = AR_OK;
    const char *p;
    size_t n, total = 0;
    while (s == AR_OK && next(ctx, &p, &n)) {
        if (n > (size_t)1 << 31)
            s = error_set(err, AR_RANGE, "a document of more than 2^31 bytes");
        else if (n)
            s = pieces_cut(w, p, n, true, err);
        total += n;
    }
    pieces_close(w);
    if (s == AR_OK && !total)
        return error_set(err, AR_FORMAT,
                         "the corpus to train a tokenizer on is empty");
    return s;
}

/* Words as ids of bytes; the texts themselves are not needed any more. */
static ar_status make_words(training *t, ar_error *err) {
    word_count *c = &t->counted;
    t->words = mem_new(word, c->n);
    t->ids = mem_new(int32_t, c->bytes.size);
    if (!t->words || !t->ids) return no_memory(err);
    for (size_t i = 0; i < c->n; i++)
        t->words[i] = (word){c->words[i].offset, (int32_t)c->words[i].size,
                             c->words[i].count};
    for (size_t i = 0; i < c->bytes.size; i++)
        t->ids[i] = (unsigned char)c->bytes.data[i];
    t->n_words = c->n;
    /* every merge makes the corpus shorter */
    if ((size_t)t->n_merges > c->bytes.size)
        t->n_merges = (int32_t)c->bytes.size;
    word_count_close(c);
    return AR_OK;
}

static ar_status count_pairs(training *t, ar_error *err) {
    for (size_t w = 0; w < t->n_words; w++) {
        const word *x = &t->words[w];
        const int32_t *ids = t->ids + x->offset;
        for (int32_t i = 0; i + 1 < x->n; i++)
            TRY(pair_table_add(&t->pairs, ids[i], ids[i + 1], (uint32_t)w,
                               x->count, err));
    }
    return pair_table_push_from(&t->pairs, 0, err);
}

/* Join a pair in one word, left to right, and count its new neighbours. */
static ar_status merge_word(training *t, uint32_t w, const pair *p,
                            int32_t new_id, ar_error *err) {
    word *x = &t->words[w];
    int32_t *ids = t->ids + x->offset, k = 0;
    const int32_t a = p->left, b = p->right;
    for (int32_t i = 0; i < x->n; i++, k++) {
        if (ids[i] != a || i + 1 == x->n || ids[i + 1] != b) {
            ids[k] = ids[i];
            continue;
        }
        if (k) {
            const int32_t left = ids[k - 1];
            pair_table_take(&t->pairs, left, a, x->count);
            TRY(pair_table_add(&t->pairs, left, new_id, w, x->count, err));
        }
        if (i + 2 < x->n) {
            const int32_t right = ids[i + 2];
            pair_table_take(&t->pairs, b, right, x->count);
            TRY(pair_table_add(&t->pairs, new_id, right, w, x->count, err));
        }
        ids[k] = new_id;
        i++;
    }
    x->n = k;
    return AR_OK;
}

/* The bytes of a new token, after those of its parts. */
static ar_status add_token(training *t, const pair *p, int32_t rank,
                           ar_error *err) {
    vocab *v = &t->tok->vocab;
    const token l = v->tokens[p->left], r = v->tokens[p->right];
    const int32_t id = N_BYTES + rank;
    text joined = {0};
    text_add(&joined, v->bytes.data + l.offset, l.size);
    text_add(&joined, v->bytes.data + r.offset, r.size);
    ar_status s = text_status(&joined, err);
    if (s == AR_OK)
        s = vocab_set(v, id, joined.data, joined.size, TOKEN_MODEL, err);
    if (s == AR_OK) bpe_add(&t->tok->bpe, p->left, p->right, rank, id);
    text_close(&joined);
    return s;
}

static ar_status merge_pair(training *t, pair found, int32_t rank,
                            ar_error *err) {
    const size_t first = t->pairs.n;
    TRY(add_token(t, &found, rank, err));
    for (uint32_t at = found.places; at; at = t->pairs.places[at - 1].next)
        TRY(merge_word(t, t->pairs.places[at - 1].word, &found, N_BYTES + rank,
                       err));
    return pair_table_push_from(&t->pairs, first, err);
}

static ar_status learn(training *t, ar_error *err) {
    TRY(bpe_open(&t->tok->bpe, t->n_merges, err));
    for (int32_t rank = 0; rank < t->n_merges; rank++) {
        pair *p = pair_table_pop(&t->pairs);
        if (!p) break; /* every word is one token: there is no more to learn */
        const size_t index = (size_t)(p - t->pairs.pairs);
        TRY(merge_pair(t, *p, rank, err));
        pair_table_release(&t->pairs, &t->pairs.pairs[index]);
        if (t->opt->progress && rank % 64 == 63)
            t->opt->progress(t->opt->ctx, (double)rank / t->n_merges);
    }
    if (t->opt->progress) t->opt->progress(t->opt->ctx, 1);
    return AR_OK;
}

/* A name that is a token already would be two tokens in the file. */
static ar_status check_name(const ar_tokenizer *tok, const char *name,
                            ar_error *err) {
    const size_t n = strlen(name);
    char bytes[ADDED_MAX_BYTES];
    const long k = byte_chars_decode(name, n, bytes);
    if (k < 0 || vocab_find(&tok->vocab, bytes, (size_t)k) < 0) return AR_OK;
    return error_set(err, AR_FORMAT,
                     "special token \"%.80s\" is also a piece of the text",
                     name);
}

static ar_status add_specials(training *t, ar_error *err) {
    ar_tokenizer *tok = t->tok;
    const int32_t first = tok->vocab.n;
    tok->added = arena_new(&tok->memory, added_token, t->n_specials);
    if (!tok->added) return no_memory(err);
    for (int32_t i = 0; i < t->n_specials; i++) {
        const size_t n = strlen(t->specials[i]);
        TRY(check_name(tok, t->specials[i], err));
        char *name = arena_text(&tok->memory, t->specials[i], n);
        if (!name) return no_memory(err);
        tok->added[i] = (added_token){.name = name,
                                      .bytes = name,
                                      .size = (uint32_t)n,
                                      .id = first + i,
                                      .special = true};
        tok->n_added++;
        TRY(vocab_set(&tok->vocab, first + i, name, n,
                      TOKEN_ADDED | TOKEN_SPECIAL | TOKEN_RAW, err));
    }
    return AR_OK;
}

/* The first special token begins every text, as Llama 3's files have it. */
static ar_status set_template(training *t, ar_error *err) {
    if (!t->n_specials) return AR_OK;
    text name = {0}, j = {0};
    json_add_string(&name, t->specials[0], strlen(t->specials[0]));
    const char *s = name.failed ? "" : name.data;
    text_addf(&j,
              "{\"post_processor\":{\"type\":\"TemplateProcessing\","
              "\"single\":[{\"SpecialToken\":{\"id\":%s,\"type_id\":0}},"
              "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],",
              s);
    text_addf(&j,
              "\"pair\":[{\"SpecialToken\":{\"id\":%s,\"type_id\":0}},"
              "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
              "{\"SpecialToken\":{\"id\":%s,\"type_id\":1}},"
              "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],",
              s, s);
    text_addf(&j,
              "\"special_tokens\":{%s:{\"id\":%s,\"ids\":[%d],"
              "\"tokens\":[%s]}}}}",
              s, s, t->tok->added[0].id, s);
    ar_status status = text_status(name.failed ? &name : &j, err);
    if (status == AR_OK) status = tokenizer_set_parts(t->tok, j.data, err);
    text_close(&j);
    text_close(&name);
    return status;
}

static ar_status run_training(training *t, ar_text_next *next, void *ctx,
                              ar_error *err) {
    TRY(check_specials(t, err));
    TRY(tokenizer_new(&t->tok, err));
    TRY(set_parts(t, err));
    TRY(count_words(t, next, ctx, err));
    for (int i = 0; i < N_BYTES; i++)
        TRY(vocab_set(&t->tok->vocab, i, &(char){(char)i}, 1, TOKEN_MODEL,
                      err));
    TRY(make_words(t, err));
    TRY(count_pairs(t, err));
    TRY(learn(t, err));
    TRY(vocab_index(&t->tok->vocab, err));
    TRY(add_specials(t, err));
    TRY(set_template(t, err));
    return tokenizer_finish(t->tok, err);
}

ar_status ar_tokenizer_train(ar_tokenizer **out, const ar_bpe_options *opt,
                             ar_text_next *next, void *ctx, ar_error *err) {
    *out = NULL;
    const ar_bpe_options fallback = ar_bpe_options_default();
    training t = {.opt = opt ? opt : &fallback};
    const ar_status s = run_training(&t, next, ctx, err);
    word_count_close(&t.counted);
    mem_free(t.words);
    mem_free(t.ids);
    pair_table_close(&t.pairs);
    if (s != AR_OK)
        ar_tokenizer_close(t.tok);
    else
        *out = t.tok;
    return s;
}
