/* read_sentencepiece.c - SentencePiece models (sentencepiece_model.proto). */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/file_kinds.h"
#include "tok/protobuf.h"
#include "tok/tokenizer.h"
#include "tok/tokenizer_source.h"

/* Field numbers. */
enum { MODEL_PIECE = 1, MODEL_TRAINER, MODEL_NORMALIZER };
enum { PIECE_TEXT = 1, PIECE_SCORE, PIECE_TYPE };
enum {
    TRAINER_MODEL = 3,
    TRAINER_SUFFIX = 24,
    TRAINER_UNKNOWN_TEXT = 44,
    TRAINER_UNKNOWN,
    TRAINER_BOS,
    TRAINER_EOS,
};
enum {
    NORMALIZER_MAP = 2,
    NORMALIZER_PREFIX,
    NORMALIZER_SQUEEZE,
    NORMALIZER_ESCAPE,
};
enum { MODEL_UNIGRAM = 1, MODEL_BPE = 2 };

/* A model being read; the texts are borrowed from the file. */
typedef struct model_file {
    tokenizer_source source;
    source_text *tokens; /* [capacity] */
    float *scores;
    int32_t *types;
    size_t n, capacity;
    uint64_t model;
    source_text unknown, bos, eos; /* names */
} model_file;

static ar_status grow(model_file *m, ar_error *err) {
    if (m->n < m->capacity) return AR_OK;
    const size_t n = m->capacity ? 2 * m->capacity : 1024;
    if (n > 2 * (size_t)VOCAB_MAX)
        return error_set(err, AR_RANGE, "more than %d pieces", VOCAB_MAX);
    source_text *tokens = mem_realloc(m->tokens, n * sizeof *tokens);
    if (tokens) m->tokens = tokens;
    float *scores = tokens ? mem_realloc(m->scores, n * sizeof *scores) : NULL;
    if (scores) m->scores = scores;
    int32_t *types = scores ? mem_realloc(m->types, n * sizeof *types) : NULL;
    if (!types)
        return error_set(err, AR_NOMEM, "out of memory for a vocabulary");
    m->types = types;
    m->capacity = n;
    return AR_OK;
}

static proto_reader reader_of(const proto_field *f) {
    const unsigned char *p = (const unsigned char *)f->bytes;
    return (proto_reader){p, p + f->size};
}

static bool is_text(const proto_field *f, uint32_t number) {
    return f->number == number && f->type == PROTO_BYTES;
}

static bool is_number(const proto_field *f, uint32_t number) {
    return f->number == number && f->type == PROTO_VARINT;
}

static source_text text_of(const proto_field *f) {
    return (source_text){f->bytes, f->size};
}

static ar_status read_piece(model_file *m, proto_reader r, ar_error *err) {
    proto_field f;
    bool found;
    source_text t = {"", 0};
    float score = 0;
    uint64_t type = SOURCE_NORMAL;
    TRY(grow(m, err));
    for (;;) {
        TRY(proto_next(&r, &f, &found, err));
        if (!found) break;
        if (is_text(&f, PIECE_TEXT)) t = text_of(&f);
        if (f.number == PIECE_SCORE && f.type == PROTO_32)
            score = proto_float(&f);
        if (is_number(&f, PIECE_TYPE)) type = f.value;
    }
    if (!t.n || type < SOURCE_NORMAL || type > SOURCE_BYTE)
        return error_set(err, AR_FORMAT, "piece %zu is empty or of type %llu",
                         m->n, (unsigned long long)type);
    m->tokens[m->n] = t;
    m->scores[m->n] = score;
    m->types[m->n++] = (int32_t)type;
    return AR_OK;
}

static ar_status read_trainer(model_file *m, proto_reader r, ar_error *err) {
    proto_field f;
    bool found;
    for (;;) {
        TRY(proto_next(&r, &f, &found, err));
        if (!found) return AR_OK;
        if (is_number(&f, TRAINER_MODEL)) m->model = f.value;
        if (is_number(&f, TRAINER_SUFFIX))
            m->source.space_suffix = f.value != 0;
        if (is_text(&f, TRAINER_UNKNOWN_TEXT))
            m->source.unknown_text = text_of(&f);
        if (is_text(&f, TRAINER_UNKNOWN)) m->unknown = text_of(&f);
        if (is_text(&f, TRAINER_BOS)) m->bos = text_of(&f);
        if (is_text(&f, TRAINER_EOS)) m->eos = text_of(&f);
    }
}

static ar_status read_normalizer(model_file *m, proto_reader r, ar_error *err) {
    proto_field f;
    bool found;
    for (;;) {
        TRY(proto_next(&r, &f, &found, err));
        if (!found) return AR_OK;
        if (is_text(&f, NORMALIZER_MAP)) m->source.charsmap = text_of(&f);
        if (is_number(&f, NORMALIZER_PREFIX))
            m->source.add_space_prefix = f.value != 0;
        if (is_number(&f, NORMALIZER_SQUEEZE))
            m->source.squeeze_spaces = f.value != 0;
        if (is_number(&f, NORMALIZER_ESCAPE) && !f.value)
            return error_set(err, AR_UNSUPPORTED,
                             "a model without escape_whitespaces is not "
                             "supported");
    }
}

static ar_status read_model(model_file *m, proto_reader r, ar_error *err) {
    proto_field f;
    bool found;
    for (;;) {
        TRY(proto_next(&r, &f, &found, err));
        if (!found) return AR_OK;
        if (is_text(&f, MODEL_PIECE)) TRY(read_piece(m, reader_of(&f), err));
        if (is_text(&f, MODEL_TRAINER))
            TRY(read_trainer(m, reader_of(&f), err));
        if (is_text(&f, MODEL_NORMALIZER))
            TRY(read_normalizer(m, reader_of(&f), err));
    }
}

/* The piece of a name and a type, or -1. */
static int32_t find_piece(const model_file *m, source_text name,
                          enum source_type type) {
    for (size_t i = 0; i < m->n; i++)
        if (m->types[i] == (int32_t)type && m->tokens[i].n == name.n &&
            !memcmp(m->tokens[i].p, name.p, name.n))
            return (int32_t)i;
    return -1;
}

static ar_status finish(model_file *m, ar_tokenizer **out, ar_error *err) {
    if (m->model != MODEL_UNIGRAM && m->model != MODEL_BPE)
        return error_set(err, AR_UNSUPPORTED,
                         "a SentencePiece model of type %llu is not supported",
                         (unsigned long long)m->model);
    tokenizer_source *s = &m->source;
    s->model = m->model == MODEL_BPE ? "llama" : "t5";
    s->tokens = m->tokens;
    s->scores = m->scores;
    s->types = m->types;
    s->n_tokens = m->n;
    s->unknown = find_piece(m, m->unknown, SOURCE_UNKNOWN);
    s->bos = find_piece(m, m->bos, SOURCE_CONTROL);
    s->eos = find_piece(m, m->eos, SOURCE_CONTROL);
    if (s->unknown < 0)
        return error_set(err, AR_FORMAT, "no unknown piece \"%.*s\"",
                         (int)(m->unknown.n < 80 ? m->unknown.n : 80),
                         m->unknown.p);
    return tokenizer_from_source(out, s, err);
}

ar_status read_sentencepiece(ar_tokenizer **out, const char *data, size_t size,
                             ar_error *err) {
    *out = NULL;
    model_file m = {.source = tokenizer_source_default(),
                    .model = MODEL_UNIGRAM,
                    .unknown = {"<unk>", 5},
                    .bos = {"<s>", 3},
                    .eos = {"</s>", 4}};
    m.source.add_space_prefix = m.source.squeeze_spaces = 1;
    const unsigned char *p = (const unsigned char *)data;
    ar_status s = read_model(&m, (proto_reader){p, p + size}, err);
    if (s == AR_OK) s = finish(&m, out, err);
    mem_free(m.tokens);
    mem_free(m.scores);
    mem_free(m.types);
    return s;
}
