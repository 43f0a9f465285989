/* read_tokenizer.c - tokenizer.json as a whole. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/text.h"
#include "tok/file_kinds.h"
#include "tok/tokenizer_json.h"

static const part_table *const part_tables[PART_COUNT] = {
    [PART_NORMALIZER] = &normalizer_table,
    [PART_PRE_TOKENIZER] = &pre_tokenizer_table,
    [PART_POST_PROCESSOR] = &post_processor_table,
    [PART_DECODER] = &decoder_table,
};

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for a tokenizer");
}

ar_status json_parse(const char *data, size_t size, json_t **out,
                     ar_error *err) {
    json_error_t why;
    *out = json_loadb(data, size, JSON_REJECT_DUPLICATES, &why);
    if (*out) return AR_OK;
    if (json_error_code(&why) == json_error_out_of_memory)
        return no_memory(err);
    return error_set(err, AR_FORMAT, "line %d: %s", why.line, why.text);
}

/* The compact text of a part, kept by the tokenizer. */
static ar_status keep(ar_tokenizer *tok, const json_t *o, const char **out,
                      ar_error *err) {
    text t = {0};
    text_add_json(&t, o, JSON_COMPACT);
    *out = t.failed ? NULL : arena_text(&tok->memory, t.data, t.size);
    text_close(&t);
    return *out ? AR_OK : no_memory(err);
}

ar_status tokenizer_read_parts(ar_tokenizer *tok, const json_t *root,
                               ar_error *err) {
    for (int i = 0; i < PART_COUNT; i++) {
        const part_table *t = part_tables[i];
        const json_t *o = json_object_get(root, t->name);
        if (o && !json_is_null(o)) {
            TRY(part_table_read(t, tok, o, err));
            TRY(keep(tok, o, &tok->json[i], err));
        }
    }
    tok->from_json = true;
    if (tok->byte_level && tok->n_decoders)
        return error_set(err, AR_UNSUPPORTED,
                         "a decoder other than ByteLevel for it is not "
                         "supported");
    if (tok->json[PART_DECODER]) return AR_OK;
    if (tok->byte_level)
        return error_set(err, AR_UNSUPPORTED,
                         "ByteLevel without a decoder is not supported");
    return tokenizer_add_decoder(tok, (decode_step){.fn = decode_spaced}, err);
}

ar_status tokenizer_set_parts(ar_tokenizer *tok, const char *json,
                              ar_error *err) {
    json_t *root;
    TRY(json_parse(json, strlen(json), &root, err));
    const ar_status s = tokenizer_read_parts(tok, root, err);
    json_decref(root);
    return s;
}

/* Give the id its bytes, unless the model has: then they must agree. */
static ar_status add_token(ar_tokenizer *tok, const added_token *a,
                           int32_t model_id, ar_error *err) {
    const unsigned flags = TOKEN_ADDED | (a->special ? TOKEN_SPECIAL : 0);
    if (model_id >= 0 && model_id != a->id)
        return error_set(err, AR_FORMAT,
                         "added token \"%.80s\" has id %d, and %d in the "
                         "model",
                         a->name, a->id, model_id);
    if (model_id < 0)
        return vocab_set(&tok->vocab, a->id, a->name, a->size,
                         flags | TOKEN_RAW, err);
    tok->vocab.tokens[a->id].flags |= flags;
    return AR_OK;
}

static ar_status read_added(ar_tokenizer *tok, const json_t *o,
                            const json_t *ids, added_token *out,
                            ar_error *err) {
    static const char what[] = "added_tokens";
    const char *name;
    if (!json_is_object(o))
        return error_set(err, AR_FORMAT, "added_tokens has what is no object");
    TRY(field_text(o, what, "content", &name, err));
    const size_t n = name ? strlen(name) : 0;
    if (!n || n > ADDED_MAX_BYTES)
        return error_set(err, AR_FORMAT,
                         "an added token is empty or longer than %d bytes",
                         ADDED_MAX_BYTES);
    added_token a = {.size = (uint32_t)n};
    TRY(id_read(json_object_get(o, "id"), name, &a.id, err));
    TRY(field_bool(o, what, "special", false, &a.special, err));
    TRY(field_bool(o, what, "lstrip", false, &a.left, err));
    TRY(field_bool(o, what, "rstrip", false, &a.right, err));
    TRY(field_bool(o, what, "single_word", false, &a.whole_word, err));
    TRY(field_bool(o, what, "normalized", !a.special, &a.normalized, err));
    a.name = a.bytes = arena_text(&tok->memory, name, n);
    if (!a.name) return no_memory(err);
    *out = a;
    const json_t *id = json_object_get(ids, name);
    return add_token(tok, &a,
                     json_is_object(ids)
                         ? (id ? (int32_t)json_integer_value(id) : -1)
                         : vocab_find(&tok->vocab, name, n),
                     err);
}

static int by_id(const void *a, const void *b) {
    const added_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

ar_status tokenizer_read_added(ar_tokenizer *tok, const json_t *root,
                               ar_error *err) {
    const json_t *list = json_object_get(root, "added_tokens");
    const json_t *ids =
        json_object_get(json_object_get(root, "model"), "vocab");
    if (!list || json_is_null(list)) return AR_OK;
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n >= VOCAB_MAX)
        return error_set(err, AR_FORMAT, "\"added_tokens\" is not a list");
    if (json_is_array(ids)) TRY(vocab_index(&tok->vocab, err));
    tok->added = arena_new(&tok->memory, added_token, n);
    if (!tok->added) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        TRY(read_added(tok, json_array_get(list, i), ids, &tok->added[i], err));
        tok->n_added++;
    }
    if (n) qsort(tok->added, n, sizeof *tok->added, by_id);
    for (size_t i = 1; i < n; i++)
        if (tok->added[i].id == tok->added[i - 1].id)
            return error_set(err, AR_FORMAT, "two added tokens have id %d",
                             tok->added[i].id);
    return AR_OK;
}

static ar_status check_template(const ar_tokenizer *tok, ar_error *err) {
    for (int i = 0; i < tok->n_before + tok->n_after; i++) {
        const int32_t id =
            i < tok->n_before ? tok->before[i] : tok->after[i - tok->n_before];
        if (!vocab_has(&tok->vocab, id))
            return error_set(err, AR_FORMAT,
                             "post_processor adds id %d, which is no token",
                             id);
    }
    return AR_OK;
}

static ar_status read_root(ar_tokenizer *tok, const json_t *root,
                           ar_error *err) {
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(model))
        return error_set(err, AR_FORMAT, "it has no \"model\"");
    TRY(tokenizer_read_parts(tok, root, err));
    TRY(part_table_read(&model_table, tok, model, err));
    TRY(tokenizer_read_added(tok, root, err));
    TRY(check_template(tok, err));
    return tokenizer_finish(tok, err);
}

ar_status tokenizer_read(ar_tokenizer *tok, const char *data, size_t size,
                         ar_error *err) {
    json_t *root;
    TRY(json_parse(data, size, &root, err));
    const ar_status s = read_root(tok, root, err);
    json_decref(root);
    return s;
}

/* Mistral's file has a config, and tokens in a list. */
static bool is_tekken(const json_t *root) {
    return json_is_object(json_object_get(root, "config")) &&
           json_is_array(json_object_get(root, "vocab"));
}

ar_status read_json(ar_tokenizer **out, const char *data, size_t size,
                    ar_error *err) {
    *out = NULL;
    json_t *root;
    ar_tokenizer *tok = NULL;
    TRY(json_parse(data, size, &root, err));
    ar_status s;
    if (is_tekken(root)) {
        s = read_tekken(&tok, root, err);
    } else {
        s = tokenizer_new(&tok, err);
        if (s == AR_OK) s = read_root(tok, root, err);
    }
    json_decref(root);
    if (s == AR_OK)
        *out = tok;
    else
        ar_tokenizer_close(tok);
    return s;
}
