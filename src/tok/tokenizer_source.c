/* tokenizer_source.c - a tokenizer as the metadata of a model file has it. */
#include "tok/tokenizer_source.h"

#include <string.h>

#include "base/error.h"
#include "tok/source_build.h"

/* Kinds of models by the name that GGUF gives them. */
static const struct {
    const char *name;
    ar_status (*build)(ar_tokenizer *tok, const tokenizer_source *s,
                       ar_error *err);
    int add_bos, add_eos; /* -1: as the pre-tokenizer says */
} rows[] = {
    {"llama", source_build_bpe, 1, 0},
    {"gpt2", source_build_bytes, -1, 0},
    {"bert", source_build_wordpiece, 1, 1},
    {"t5", source_build_unigram, 0, 1},
};

/* -1 is none; else it has to be a token. */
static ar_status check_id(const ar_tokenizer *tok, const char *name, int32_t id,
                          ar_error *err) {
    if (id == -1 || vocab_has(&tok->vocab, id)) return AR_OK;
    return error_set(err, AR_FORMAT, "the %s id %d is no token", name, id);
}

static ar_status set_marks(ar_tokenizer *tok, const tokenizer_source *s,
                           int add_bos, int add_eos, ar_error *err) {
    const int32_t bos = s->bos >= 0 ? s->bos : s->cls,
                  eos = s->eos >= 0 ? s->eos : s->separator;
    TRY(check_id(tok, "bos", bos, err));
    TRY(check_id(tok, "eos", eos, err));
    TRY(check_id(tok, "unknown", s->unknown, err));
    tok->bos = bos;
    tok->eos = eos;
    if (add_bos < 0) add_bos = tok->bos_usual;
    if (add_bos && bos >= 0) tok->before[tok->n_before++] = bos;
    if (add_eos && eos >= 0) tok->after[tok->n_after++] = eos;
    return AR_OK;
}

static ar_status build(ar_tokenizer *tok, const tokenizer_source *s,
                       ar_error *err) {
    if (!s->n_tokens || s->n_tokens >= VOCAB_MAX)
        return error_set(err, AR_RANGE, "a vocabulary of %zu tokens",
                         s->n_tokens);
    tok->added = arena_new(&tok->memory, added_token, s->n_tokens);
    if (!tok->added)
        return error_set(err, AR_NOMEM, "out of memory for a tokenizer");
    for (size_t i = 0; s->model && i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(s->model, rows[i].name) != 0) continue;
        TRY(rows[i].build(tok, s, err));
        TRY(set_marks(tok, s, s->add_bos >= 0 ? s->add_bos : rows[i].add_bos,
                      s->add_eos >= 0 ? s->add_eos : rows[i].add_eos, err));
        return tokenizer_finish(tok, err);
    }
    return error_set(err, AR_UNSUPPORTED,
                     "a tokenizer of the model \"%.80s\" is not supported",
                     s->model ? s->model : "");
}

ar_status tokenizer_from_source(ar_tokenizer **out, const tokenizer_source *s,
                                ar_error *err) {
    *out = NULL;
    ar_tokenizer *tok;
    TRY(tokenizer_new(&tok, err));
    const ar_status status = build(tok, s, err);
    if (status != AR_OK) {
        ar_tokenizer_close(tok);
        return status;
    }
    *out = tok;
    return AR_OK;
}
