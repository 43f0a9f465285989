/* model_text.c - how a model reads and writes text. */
#include "infer/model_text.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/template_file.h"
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

static ar_status gguf_tokenizer(ar_tokenizer **out, const char *path,
                                const gguf *g, ar_error *err) {
    arena a;
    tokenizer_source source = tokenizer_source_default();
    if (!find_tokens(g)) return AR_OK;
    arena_open(&a, 1 << 20);
    ar_status s = read_source(g, &a, &source, err);
    if (s == AR_OK) s = tokenizer_from_source(out, &source, err);
    arena_close(&a);
    return s == AR_OK ? AR_OK : error_prefix(err, s, path);
}

ar_status ar_model_tokenizer(ar_tokenizer **out, const ar_model *m,
                             ar_error *err) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model",
                                        "tekken.json"};
    char path[PATH_SIZE];
    *out = NULL;
    const gguf *g = weights_gguf(m->files);
    if (g) return gguf_tokenizer(out, m->folder, g, err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TRY(file_join(path, sizeof path, m->folder, names[i], err));
        if (file_exists(path)) return ar_tokenizer_open(out, path, err);
    }
    return AR_OK;
}

static bool is_gguf(const char *path) {
    file_map m;
    ar_error ignored;
    if (file_map_open(&m, path, &ignored) != AR_OK) return false;
    const bool is = m.size >= 4 && !memcmp(m.data, "GGUF", 4);
    file_map_close(&m);
    return is;
}

ar_status tokenizer_find(ar_tokenizer **out, const char *path, ar_error *err) {
    weights *w;
    *out = NULL;
    if (!is_gguf(path)) return ar_tokenizer_open(out, path, err);
    TRY(weights_open(&w, path, err));
    ar_status s = gguf_tokenizer(out, path, weights_gguf(w), err);
    weights_close(w);
    if (s == AR_OK && !*out)
        s = error_set(err, AR_FORMAT, "%.200s: has no tokenizer", path);
    return s;
}

/* ---- the chat template ---- */

/* "tokenizer.chat_template", or the same with ".name". */
static ar_status gguf_template(text *out, const gguf *g, const char *name,
                               ar_error *err) {
    char key[300];
    gguf_string s;
    snprintf(key, sizeof key, "tokenizer.chat_template%s%.200s",
             name ? "." : "", name ? name : "");
    if (gguf_as_string(gguf_find(g, key), &s)) text_add(out, s.data, s.size);
    return text_status(out, err);
}

ar_status model_template(const ar_model *m, text *out, ar_error *err) {
    const gguf *g = weights_gguf(m->files);
    return g ? gguf_template(out, g, NULL, err)
             : template_file_read(out, m->folder, NULL, err);
}

/* Special tokens of a GGUF file by the names that templates use. */
static ar_status gguf_tokens(json_t *out, const gguf *g, ar_error *err) {
    static const char *const names[][2] = {
        {"tokenizer.ggml.bos_token_id", "bos_token"},
        {"tokenizer.ggml.eos_token_id", "eos_token"},
        {"tokenizer.ggml.padding_token_id", "pad_token"},
        {"tokenizer.ggml.unknown_token_id", "unk_token"}};
    const gguf_value *v = find_tokens(g);
    if (!v) return AR_OK;
    gguf_string *all = mem_new(gguf_string, v->count);
    if (!all) return error_set(err, AR_NOMEM, "no memory for tokens");
    const bool texts = gguf_as_strings(v, all);
    for (size_t i = 0; texts && i < sizeof names / sizeof *names; i++) {
        int64_t id;
        if (gguf_as_int(gguf_find(g, names[i][0]), 0, &id) && id >= 0 &&
            id < v->count)
            json_object_set_new(out, names[i][1],
                                json_stringn(all[id].data, all[id].size));
    }
    mem_free(all);
    return AR_OK;
}

static ar_status of_gguf_file(const char *path, const char *name, text *out,
                              json_t **tokens, ar_error *err) {
    weights *w;
    TRY(weights_open(&w, path, err));
    ar_status s = gguf_template(out, weights_gguf(w), name, err);
    if (s == AR_OK && !(*tokens = json_object()))
        s = error_set(err, AR_NOMEM, "no memory for tokens");
    if (s == AR_OK) s = gguf_tokens(*tokens, weights_gguf(w), err);
    weights_close(w);
    return s;
}

static ar_status of_text_file(const char *path, text *out, json_t **tokens,
                              ar_error *err) {
    char *data;
    size_t size;
    TRY(file_read(path, MAX_TEMPLATE, &data, &size, err));
    text_add(out, data, size);
    mem_free(data);
    *tokens = json_object();
    return text_status(out, err);
}

ar_status template_find(const char *path, const char *name, text *out,
                        json_t **tokens, ar_error *err) {
    *tokens = NULL;
    ar_status s;
    if (file_is_folder(path)) {
        s = template_file_read(out, path, name, err);
        if (s == AR_OK) s = template_file_tokens(tokens, path, err);
    } else if (is_gguf(path)) {
        s = of_gguf_file(path, name, out, tokens, err);
    } else if (!name) {
        return of_text_file(path, out, tokens, err);
    } else {
        s = AR_OK;
    }
    if (s == AR_OK && out->size == 0)
        s = error_set(err, AR_FORMAT, "%.160s: no chat template \"%.64s\"",
                      path, name ? name : "default");
    if (s != AR_OK) json_decref(*tokens);
    if (s != AR_OK) *tokens = NULL;
    return s;
}
