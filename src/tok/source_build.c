/* source_build.c - a tokenizer out of the metadata of a model file. */
#include "tok/source_build.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/byte_chars.h"
#include "tok/encoder.h"

tokenizer_source tokenizer_source_default(void) {
    return (tokenizer_source){.bos = -1,
                              .eos = -1,
                              .unknown = -1,
                              .separator = -1,
                              .cls = -1,
                              .add_bos = -1,
                              .add_eos = -1,
                              .add_space_prefix = -1,
                              .squeeze_spaces = -1};
}

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for a tokenizer");
}

static enum source_type type_of(const tokenizer_source *s, size_t i) {
    return s->types ? (enum source_type)s->types[i] : SOURCE_NORMAL;
}

/* tok->added has room for all tokens of a source. */
ar_status source_add_special(ar_tokenizer *tok, int32_t id, source_text name,
                             bool special, ar_error *err) {
    const unsigned flags = TOKEN_ADDED | (special ? TOKEN_SPECIAL : 0);
    TRY(vocab_set(&tok->vocab, id, name.p, name.n, flags | TOKEN_RAW, err));
    if (!name.n || name.n > ADDED_MAX_BYTES) return AR_OK; /* never found */
    added_token a = {.size = (uint32_t)name.n, .id = id, .special = special};
    TRY(tokenizer_keep(tok, name.p, name.n, &a.name, err));
    a.bytes = a.name;
    tok->added[tok->n_added++] = a;
    return AR_OK;
}

/* A token that is found before all else, in the normalised text, where spaces
 * are U+2581; GGUF files write it with spaces. */
static ar_status add_user_defined(ar_tokenizer *tok, int32_t id, source_text t,
                                  ar_error *err) {
    TRY(source_add_special(tok, id, t, false, err));
    if (!tok->n_added || tok->added[tok->n_added - 1].id != id) return AR_OK;
    added_token *a = &tok->added[tok->n_added - 1];
    a->normalized = a->as_is = true;
    if (!memchr(t.p, ' ', t.n)) return AR_OK;
    text marked = {0};
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] == ' ')
            text_adds(&marked, "\xE2\x96\x81");
        else
            text_add(&marked, t.p + i, 1);
    ar_status s = text_status(&marked, err);
    if (s == AR_OK && marked.size > ADDED_MAX_BYTES)
        tok->n_added--; /* never found */
    else if (s == AR_OK)
        s = tokenizer_keep(tok, marked.data, marked.size, &a->bytes, err);
    a->size = (uint32_t)marked.size;
    text_close(&marked);
    return s;
}

/* One token of a SentencePiece vocabulary. */
static ar_status add_piece(ar_tokenizer *tok, const tokenizer_source *s,
                           size_t i, ar_error *err) {
    const int32_t id = (int32_t)i;
    source_text t = s->tokens[i];
    unsigned flags = TOKEN_MODEL;
    switch (type_of(s, i)) {
    case SOURCE_CONTROL: return source_add_special(tok, id, t, true, err);
    case SOURCE_USER_DEFINED: return add_user_defined(tok, id, t, err);
    case SOURCE_UNKNOWN:
        t = s->unknown_text.n ? s->unknown_text
                              : (source_text){" \xE2\x81\x87 ", 5};
        flags = TOKEN_RAW;
        break;
    case SOURCE_BYTE:
    case SOURCE_UNUSED: flags |= TOKEN_APART; break;
    default: break;
    }
    return vocab_set(&tok->vocab, id, t.p, t.n, flags, err);
}

static bool has_bytes(const tokenizer_source *s) {
    for (size_t i = 0; i < s->n_tokens; i++)
        if (type_of(s, i) == SOURCE_BYTE) return true;
    return false;
}

/* What SentencePiece does around its models. */
static ar_status add_pieces(ar_tokenizer *tok, const tokenizer_source *s,
                            bool squeeze, ar_error *err) {
    const char *map = NULL;
    normalizer f = {.fn = normalize_sentencepiece,
                    .verbatim = &tok->normalized,
                    .dummy_prefix = s->add_space_prefix != 0,
                    .squeeze = squeeze,
                    .suffix = s->space_suffix > 0,
                    .escape = true};
    if (s->charsmap.n) {
        TRY(tokenizer_keep(tok, s->charsmap.p, s->charsmap.n, &map, err));
        TRY(charsmap_open(&f.map, map, s->charsmap.n, err));
    }
    TRY(tokenizer_add_normalizer(tok, f, err));
    TRY(tokenizer_add_decoder(tok,
                              (decode_step){.fn = decode_sentencepiece,
                                            .from = "\xE2\x96\x81",
                                            .prefix = f.dummy_prefix || squeeze,
                                            .squeeze = squeeze},
                              err));
    TRY(tokenizer_add_decoder(
        tok, (decode_step){.fn = decode_bytes, .chars = true}, err));
    for (size_t i = 0; i < s->n_tokens; i++) TRY(add_piece(tok, s, i, err));
    return AR_OK;
}

static ar_status check_scores(const tokenizer_source *s, ar_error *err) {
    if (!s->scores)
        return error_set(err, AR_FORMAT, "a vocabulary without scores");
    for (size_t i = 0; i < s->n_tokens; i++)
        if (!(s->scores[i] > -1e30F && s->scores[i] < 1e30F))
            return error_set(err, AR_FORMAT, "the score of token %zu is %g", i,
                             (double)s->scores[i]);
    return AR_OK;
}

/* "llama": BPE over characters, the pair of the best score first. */
ar_status source_build_bpe(ar_tokenizer *tok, const tokenizer_source *s,
                           ar_error *err) {
    TRY(check_scores(s, err));
    TRY(add_pieces(tok, s, s->squeeze_spaces > 0, err));
    int32_t *ranks = mem_new(int32_t, s->n_tokens);
    if (!ranks) return no_memory(err);
    ar_status status = source_rank(s, ranks, err);
    if (status == AR_OK) status = source_add_pairs(tok, ranks, true, err);
    mem_free(ranks);
    TRY(status);
    tok->bpe.chars = tok->bpe.fuse_unknown = true;
    tok->bpe.byte_fallback = has_bytes(s);
    tok->bpe.unknown = s->unknown;
    return AR_OK;
}

/* "t5": a sum of scores, in float as SentencePiece has it. */
ar_status source_build_unigram(ar_tokenizer *tok, const tokenizer_source *s,
                               ar_error *err) {
    unigram *u = &tok->unigram;
    TRY(check_scores(s, err));
    tok->kind = &model_unigram;
    TRY(add_pieces(tok, s, s->squeeze_spaces != 0, err));
    u->scores = mem_new(double, s->n_tokens);
    if (!u->scores) return no_memory(err);
    u->n_scores = (int32_t)s->n_tokens;
    float worst = 0;
    bool any = false;
    for (size_t i = 0; i < s->n_tokens; i++) {
        u->scores[i] = (double)s->scores[i];
        if (type_of(s, i) != SOURCE_NORMAL) continue;
        if (!any || s->scores[i] < worst) worst = s->scores[i];
        any = true;
    }
    u->unknown_score = (double)(worst - (float)UNIGRAM_PENALTY);
    u->single = true;
    u->unknown = s->unknown;
    u->byte_fallback = has_bytes(s);
    return AR_OK;
}

/* "bert": tokens with U+2581 in front begin a word, others go on with it. */
static ar_status add_word(ar_tokenizer *tok, const tokenizer_source *s,
                          size_t i, ar_error *err) {
    const source_text t = s->tokens[i];
    const enum source_type type = type_of(s, i);
    if (type == SOURCE_CONTROL || type == SOURCE_UNKNOWN)
        return source_add_special(tok, (int32_t)i, t, true, err);
    if (type == SOURCE_USER_DEFINED)
        return source_add_special(tok, (int32_t)i, t, false, err);
    if (t.n >= 3 && !memcmp(t.p, "\xE2\x96\x81", 3))
        return vocab_set(&tok->vocab, (int32_t)i, t.p + 3, t.n - 3, TOKEN_MODEL,
                         err);
    text name = {0};
    text_adds(&name, "##");
    text_add(&name, t.p, t.n);
    ar_status status = text_status(&name, err);
    if (status == AR_OK)
        status = vocab_set(&tok->vocab, (int32_t)i, name.data, name.size,
                           TOKEN_MODEL, err);
    text_close(&name);
    return status;
}

ar_status source_build_wordpiece(ar_tokenizer *tok, const tokenizer_source *s,
                                 ar_error *err) {
    tok->kind = &model_wordpiece;
    tok->wordpiece.prefix = "##";
    tok->wordpiece.max_chars = 100;
    tok->wordpiece.unknown = s->unknown;
    const normalizer f = {.fn = normalize_bert,
                          .clean = true,
                          .chinese = true,
                          .accents = true,
                          .lower = true};
    TRY(tokenizer_add_normalizer(tok, f, err));
    TRY(tokenizer_add_bert_steps(tok, err));
    TRY(tokenizer_add_decoder(
        tok,
        (decode_step){.fn = decode_wordpiece, .from = "##", .cleanup = true},
        err));
    for (size_t i = 0; i < s->n_tokens; i++) TRY(add_word(tok, s, i, err));
    return AR_OK;
}
