/* model_text.c - how a model reads and writes text. */
#include "infer/model_text.h"

#include <jansson.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/weights.h"
#include "tok/tokenizer_source.h"

enum { PATH_SIZE = 4200, MAX_TEMPLATE = 4 << 20 };

/* ---- GGUF: arrays of the metadata as a tokenizer_source ---- */

static const gguf_value *find_tokens(const gguf *g) {
    return gguf_find(g, "tokenizer.ggml.tokens");
}

static ar_status wrong(const char *key, ar_error *err) {
    return error_set(err, AR_FORMAT, "%s is not what a tokenizer needs", key);
}

static ar_status read_texts(const gguf *g, const char *key, arena *a,
                            const source_text **out, size_t *n, ar_error *err) {
    const gguf_value *v = gguf_find(g, key);
    if (!v) return AR_OK;
    gguf_string *s = arena_new(a, gguf_string, v->count);
    source_text *t = arena_new(a, source_text, v->count);
    if (!s || !t) return error_set(err, AR_NOMEM, "no memory for %s", key);
    if (!gguf_as_strings(v, s)) return wrong(key, err);
    for (int64_t i = 0; i < v->count; i++)
        t[i] = (source_text){s[i].data, s[i].size};
    *out = t;
    *n = (size_t)v->count;
    return AR_OK;
}

/* Numbers of one key, one a token. */
static ar_status read_numbers(const gguf *g, const char *key, arena *a,
                              size_t n, float **reals, int32_t **ints,
                              ar_error *err) {
    const gguf_value *v = gguf_find(g, key);
    if (!v) return AR_OK;
    if ((size_t)v->count != n) return wrong(key, err);
    if (reals && !(*reals = arena_new(a, float, n)))
        return error_set(err, AR_NOMEM, "no memory for %s", key);
    if (ints && !(*ints = arena_new(a, int32_t, n)))
        return error_set(err, AR_NOMEM, "no memory for %s", key);
    for (size_t i = 0; i < n; i++) {
        double x;
        if (!gguf_as_real(v, (int64_t)i, &x)) return wrong(key, err);
        if (reals) (*reals)[i] = (float)x;
        if (ints) (*ints)[i] = (int32_t)(x > 1e6 || x < -1e6 ? 0 : x);
    }
    return AR_OK;
}

static void read_id(const gguf *g, const char *key, int32_t *out) {
    int64_t x;
    if (gguf_as_int(gguf_find(g, key), 0, &x) && x >= 0 && x < INT32_MAX)
        *out = (int32_t)x;
}

static void read_flag(const gguf *g, const char *key, int *out) {
    bool x;
    if (gguf_as_bool(gguf_find(g, key), 0, &x)) *out = x;
}

/* A string of the metadata with a NUL behind it; NULL where there is none. */
static ar_status read_name(const gguf *g, const char *key, arena *a,
                           const char **out, ar_error *err) {
    gguf_string s;
    if (!gguf_as_string(gguf_find(g, key), &s)) return AR_OK;
    *out = arena_text(a, s.data, s.size);
    return *out ? AR_OK : error_set(err, AR_NOMEM, "no memory for %s", key);
}

static ar_status read_source(const gguf *g, arena *a, tokenizer_source *s,
                             ar_error *err) {
    float *scores = NULL;
    int32_t *types = NULL;
    TRY(read_name(g, "tokenizer.ggml.model", a, &s->model, err));
    TRY(read_name(g, "tokenizer.ggml.pre", a, &s->pre, err));
    TRY(read_texts(g, "tokenizer.ggml.tokens", a, &s->tokens, &s->n_tokens,
                   err));
    TRY(read_texts(g, "tokenizer.ggml.merges", a, &s->merges, &s->n_merges,
                   err));
    TRY(read_numbers(g, "tokenizer.ggml.scores", a, s->n_tokens, &scores, NULL,
                     err));
    TRY(read_numbers(g, "tokenizer.ggml.token_type", a, s->n_tokens, NULL,
                     &types, err));
    s->scores = scores;
    s->types = types;
    const gguf_value *map = gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
    if (map && map->is_array)
        s->charsmap = (source_text){(const char *)map->data, map->size};
    read_id(g, "tokenizer.ggml.bos_token_id", &s->bos);
    read_id(g, "tokenizer.ggml.eos_token_id", &s->eos);
    read_id(g, "tokenizer.ggml.unknown_token_id", &s->unknown);
    read_id(g, "tokenizer.ggml.seperator_token_id", &s->separator);
    read_id(g, "tokenizer.ggml.cls_token_id", &s->cls);
    read_flag(g, "tokenizer.ggml.add_bos_token", &s->add_bos);
    read_flag(g, "tokenizer.ggml.add_eos_token", &s->add_eos);
    read_flag(g, "tokenizer.ggml.add_space_prefix", &s->add_space_prefix);
    read_flag(g, "tokenizer.ggml.remove_extra_whitespaces", &s->squeeze_spaces);
    return AR_OK;
}

static ar_status gguf_tokenizer(ar_tokenizer **out, const model *m,
                                const gguf *g, ar_error *err) {
    arena a;
    tokenizer_source source = tokenizer_source_default();
    if (!find_tokens(g)) return AR_OK;
    arena_open(&a, 1 << 20);
    ar_status s = read_source(g, &a, &source, err);
    if (s == AR_OK) s = tokenizer_from_source(out, &source, err);
    arena_close(&a);
    return s == AR_OK ? AR_OK : error_prefix(err, s, m->folder);
}

ar_status model_tokenizer(ar_tokenizer **out, const model *m, ar_error *err) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model",
                                        "tekken.json"};
    char path[PATH_SIZE];
    *out = NULL;
    const gguf *g = weights_gguf(m->files);
    if (g) return gguf_tokenizer(out, m, g, err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TRY(file_join(path, sizeof path, m->folder, names[i], err));
        if (file_exists(path)) return ar_tokenizer_open(out, path, err);
    }
    return AR_OK;
}

/* ---- the chat template ---- */

/* "chat_template" of tokenizer_config.json: a text, or a list of named ones
 * of which "default" counts. */
static ar_status template_of_config(const char *path, text *out,
                                    ar_error *err) {
    json_error_t je;
    json_t *root = json_load_file(path, 0, &je), *item;
    size_t i;
    if (!root)
        return error_set(err, AR_FORMAT, "%.160s: line %d: %.80s", path,
                         je.line, je.text);
    const json_t *t = json_object_get(root, "chat_template");
    json_array_foreach((json_t *)t, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && !strcmp(name, "default")) {
            t = json_object_get(item, "template");
            break;
        }
    }
    if (json_is_string(t))
        text_add(out, json_string_value(t), json_string_length(t));
    json_decref(root);
    return text_status(out, err);
}

ar_status model_template(const model *m, text *out, ar_error *err) {
    char path[PATH_SIZE];
    gguf_string s;
    const gguf *g = weights_gguf(m->files);
    if (g) {
        if (gguf_as_string(gguf_find(g, "tokenizer.chat_template"), &s))
            text_add(out, s.data, s.size);
        return text_status(out, err);
    }
    TRY(file_join(path, sizeof path, m->folder, "chat_template.jinja", err));
    if (file_exists(path)) {
        char *data;
        size_t size;
        TRY(file_read(path, MAX_TEMPLATE, &data, &size, err));
        text_add(out, data, size);
        mem_free(data);
        return text_status(out, err);
    }
    TRY(file_join(path, sizeof path, m->folder, "tokenizer_config.json", err));
    return file_exists(path) ? template_of_config(path, out, err) : AR_OK;
}
