/* write_tokenizer.c - tokenizer.json, as the tokenizers library reads it. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "tok/byte_chars.h"
#include "tok/encoder.h"
#include "tok/tokenizer_json.h"

/* The name of a token in the file: its bytes, or the characters for them. */
static void add_name(const ar_tokenizer *tok, int32_t id, text *out) {
    const token *t = &tok->vocab.tokens[id];
    const char *bytes = vocab_bytes(&tok->vocab, id);
    if (t->flags & TOKEN_RAW || !tok->byte_level)
        text_add(out, bytes, t->size);
    else
        byte_chars_encode(out, bytes, t->size);
}

static void write_added(const ar_tokenizer *tok, text *out) {
    static const char *const words[2] = {"false", "true"};
    text_adds(out, "  \"added_tokens\": [");
    for (int32_t i = 0; i < tok->n_added; i++) {
        const added_token *a = &tok->added[i];
        text_addf(out, "%s\n    {\"id\": %d, \"content\": ", i ? "," : "",
                  a->id);
        json_add_string(out, a->name, strlen(a->name));
        text_addf(out,
                  ", \"single_word\": %s, \"lstrip\": %s, \"rstrip\": %s, "
                  "\"normalized\": %s, \"special\": %s}",
                  words[a->whole_word], words[a->left], words[a->right],
                  words[a->normalized], words[a->special]);
    }
    text_adds(out, tok->n_added ? "\n  ],\n" : "],\n");
}

static void write_vocab(const ar_tokenizer *tok, text *out, text *name) {
    const char *comma = "";
    text_adds(out, "    \"vocab\": {");
    for (int32_t id = 0; id < tok->vocab.n; id++) {
        if (!(tok->vocab.tokens[id].flags & TOKEN_MODEL)) continue;
        text_clear(name);
        add_name(tok, id, name);
        text_addf(out, "%s\n      ", comma);
        json_add_string(out, name->data, name->size);
        text_addf(out, ": %d", id);
        comma = ",";
    }
    text_adds(out, *comma ? "\n    }" : "}");
}

/* Merges by rank, [n] with gaps NULL; free with mem_free. */
static const bpe_merge **by_rank(const bpe *b, int32_t *n) {
    *n = 0;
    for (size_t i = 0; i < b->n_slots; i++)
        if (b->slots[i].key && b->slots[i].rank >= *n)
            *n = b->slots[i].rank + 1;
    const bpe_merge **out = mem_new(const bpe_merge *, *n);
    for (size_t i = 0; out && i < b->n_slots; i++)
        if (b->slots[i].key) out[b->slots[i].rank] = &b->slots[i];
    return out;
}

static void write_merge(const ar_tokenizer *tok, const bpe_merge *m, text *out,
                        text *name) {
    const uint64_t pair = m->key - 1;
    const int32_t part[2] = {(int32_t)(pair >> 24), (int32_t)(pair & 0xFFFFFF)};
    for (int i = 0; i < 2; i++) {
        text_clear(name);
        add_name(tok, part[i], name);
        text_adds(out, i ? ", " : "[");
        json_add_string(out, name->data, name->size);
    }
    text_adds(out, "]");
}

static ar_status write_merges(const ar_tokenizer *tok, text *out, text *name,
                              ar_error *err) {
    int32_t n;
    const bpe_merge **merges = by_rank(&tok->bpe, &n);
    if (!merges)
        return error_set(err, AR_NOMEM, "out of memory for writing merges");
    const char *comma = "";
    text_adds(out, "    \"merges\": [");
    for (int32_t i = 0; i < n; i++) {
        if (!merges[i]) continue;
        text_addf(out, "%s\n      ", comma);
        write_merge(tok, merges[i], out, name);
        comma = ",";
    }
    text_adds(out, *comma ? "\n    ]\n" : "]\n");
    mem_free(merges);
    return AR_OK;
}

static const char *truth(bool b) { return b ? "true" : "false"; }

static void write_token(const ar_tokenizer *tok, int32_t id, text *out,
                        text *name) {
    text_clear(name);
    add_name(tok, id, name);
    json_add_string(out, name->data, name->size);
}

ar_status write_bpe(const ar_tokenizer *tok, text *out, text *name,
                    ar_error *err) {
    const bpe *b = &tok->bpe;
    text_adds(out, "    \"dropout\": null,\n    \"unk_token\": ");
    if (b->unknown >= 0)
        write_token(tok, b->unknown, out, name);
    else
        text_adds(out, "null");
    text_addf(out,
              ",\n    \"continuing_subword_prefix\": null,\n"
              "    \"end_of_word_suffix\": null,\n    \"fuse_unk\": %s,\n"
              "    \"byte_fallback\": %s,\n    \"ignore_merges\": %s,\n",
              truth(b->fuse_unknown), truth(b->byte_fallback),
              truth(b->ignore_merges));
    write_vocab(tok, out, name);
    text_adds(out, ",\n");
    return write_merges(tok, out, name, err);
}

ar_status write_unigram(const ar_tokenizer *tok, text *out, text *name,
                        ar_error *err) {
    (void)err;
    const unigram *u = &tok->unigram;
    text_adds(out, "    \"unk_id\": ");
    text_addf(out, u->unknown >= 0 ? "%d" : "null", u->unknown);
    text_addf(out, ",\n    \"byte_fallback\": %s,\n    \"vocab\": [",
              truth(u->byte_fallback));
    for (int32_t id = 0; id < u->n_scores; id++) {
        text_adds(out, id ? ",\n      [" : "\n      [");
        write_token(tok, id, out, name);
        text_addf(out, ", %.17g]", u->scores[id]);
    }
    text_adds(out, "\n    ]\n");
    return AR_OK;
}

ar_status write_wordpiece(const ar_tokenizer *tok, text *out, text *name,
                          ar_error *err) {
    (void)err;
    const wordpiece *w = &tok->wordpiece;
    text_adds(out, "    \"unk_token\": ");
    write_token(tok, w->unknown, out, name);
    text_adds(out, ",\n    \"continuing_subword_prefix\": ");
    json_add_string(out, w->prefix, strlen(w->prefix));
    text_addf(out, ",\n    \"max_input_chars_per_word\": %lld,\n",
              (long long)w->max_chars);
    write_vocab(tok, out, name);
    text_adds(out, "\n");
    return AR_OK;
}

static ar_status write_all(const ar_tokenizer *tok, text *out, text *name,
                           ar_error *err) {
    static const char *const names[PART_COUNT] = {
        [PART_NORMALIZER] = "normalizer",
        [PART_PRE_TOKENIZER] = "pre_tokenizer",
        [PART_POST_PROCESSOR] = "post_processor",
        [PART_DECODER] = "decoder",
    };
    text_adds(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n"
                   "  \"padding\": null,\n");
    write_added(tok, out);
    for (int i = 0; i < PART_COUNT; i++) {
        text_addf(out, "  \"%s\": ", names[i]);
        text_adds(out, tok->json[i] ? tok->json[i] : "null");
        text_adds(out, ",\n");
    }
    text_addf(out, "  \"model\": {\n    \"type\": \"%s\",\n", tok->kind->type);
    TRY(tok->kind->write(tok, out, name, err));
    text_adds(out, "  }\n");
    text_adds(out, "}\n");
    TRY(text_status(name, err));
    return text_status(out, err);
}

ar_status ar_tokenizer_save(const ar_tokenizer *tok, const char *path,
                            ar_error *err) {
    if (!tok->from_json)
        return error_set(err, AR_UNSUPPORTED,
                         "%s: only a tokenizer from tokenizer.json can be "
                         "written as such",
                         path);
    text out = {0}, name = {0};
    text_adds(&name, ""); /* so that it has data from the start */
    ar_status s = text_status(&name, err);
    if (s == AR_OK) s = write_all(tok, &out, &name, err);
    if (s == AR_OK) s = file_replace(path, out.data, out.size, err);
    text_close(&out);
    text_close(&name);
    return s;
}
