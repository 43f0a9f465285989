/* export_tok.c - a tokenizer.json as the metadata of a GGUF file. */
#include "model/export_tok.h"

#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/parse.h"
#include "format/template_file.h"

enum { MAX_FILE = 1 << 28, MOST_PARTS = 64 };

/* tokenizer.ggml.token_type; the numbers are llama.cpp's. */
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

typedef struct tok_export {
    gguf_writer *w;
    const model_config *c;
    const json_t *root, *settings; /* of tokenizer.json and its _config */
    const json_t *vocab;
    arena mem;
    text splits; /* as in splits.def */
    bool byte_level;
    int64_t n;
    gguf_string *tokens; /* [n] */
    int32_t *types;      /* [n] */
    float *scores;       /* [n] */
} tok_export;

static const char *type_of(const json_t *part) {
    const char *s = json_string_value(json_object_get(part, "type"));
    return s ? s : "";
}

/* Part i of one, or of a Sequence of parts under `key`. */
static const json_t *part_at(const json_t *o, const char *key, size_t i) {
    const json_t *list = json_object_get(o, key);
    if (!list) return i == 0 ? o : NULL;
    return i < MOST_PARTS ? json_array_get(list, i) : NULL;
}

static const json_t *find_part(const json_t *o, const char *key,
                               const char *type) {
    const json_t *p;
    for (size_t i = 0; (p = part_at(o, key, i)); i++)
        if (!strcmp(type_of(p), type)) return p;
    return NULL;
}

static void read_splits(tok_export *t) {
    const json_t *pre = json_object_get(t->root, "pre_tokenizer"), *p;
    for (size_t i = 0; (p = part_at(pre, "pretokenizers", i)); i++) {
        const json_t *pattern = json_object_get(p, "pattern");
        const char *regex =
            json_string_value(json_object_get(pattern, "Regex"));
        const json_t *own = json_object_get(p, "use_regex");
        if (!strcmp(type_of(p), "Digits")) regex = "digits";
        if (!strcmp(type_of(p), "ByteLevel")) {
            t->byte_level = true;
            if (!json_is_false(own)) regex = "gpt2";
        }
        if (regex) {
            text_adds(&t->splits, regex);
            text_add(&t->splits, "\n", 1);
        }
    }
    text_add(&t->splits, "", 0);
}

static const char *split_name(const tok_export *t) {
    static const struct {
        const char *regexes, *name;
    } known[] = {
#define SPLIT(regexes, name) {regexes, name},
#include "model/splits.def"
#undef SPLIT
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (t->splits.data && !strcmp(t->splits.data, known[i].regexes))
            return known[i].name;
    return "default";
}

static gguf_string string_of(const json_t *s) {
    return (gguf_string){json_string_value(s), json_string_length(s)};
}

static bool is_byte(const gguf_string *s) {
    return s->size == 6 && !memcmp(s->data, "<0x", 3) && s->data[5] == '>';
}

static void set_token(tok_export *t, int64_t id, gguf_string s, int type) {
    if (id < 0 || id >= t->n) return; /* no row of the embedding */
    t->tokens[id] = s;
    t->types[id] = type;
}

/* Every id has a token: those that the vocabulary leaves out are padding. */
static ar_status read_tokens(tok_export *t, ar_error *err) {
    const char *key;
    json_t *id;
    const json_t *added = json_object_get(t->root, "added_tokens");
    json_object_foreach((json_t *)t->vocab, key, id) {
        const gguf_string s = {key, strlen(key)};
        set_token(t, json_integer_value(id), s,
                  !t->byte_level && is_byte(&s) ? BYTE : NORMAL);
    }
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *a = json_array_get(added, i);
        const json_t *name = json_object_get(a, "content");
        if (json_is_string(name))
            set_token(t, json_integer_value(json_object_get(a, "id")),
                      string_of(name),
                      json_is_true(json_object_get(a, "special"))
                          ? CONTROL
                          : USER_DEFINED);
    }
    for (int64_t i = 0; i < t->n; i++) {
        if (t->types[i]) continue;
        char name[32];
        const int n = snprintf(name, sizeof name, "[PAD%lld]", (long long)i);
        const char *copy = arena_text(&t->mem, name, (size_t)n);
        if (!copy) return error_set(err, AR_NOMEM, "no memory for tokens");
        set_token(t, i, (gguf_string){copy, (size_t)n}, UNUSED);
    }
    return AR_OK;
}

/* A merge, "a b" or ["a", "b"], with `between` put between its halves. */
static bool merge_text(const json_t *m, const char *between, text *out) {
    text_clear(out);
    if (json_is_string(m)) {
        const char *s = json_string_value(m), *space = strchr(s, ' ');
        if (!space) return false;
        text_add(out, s, (size_t)(space - s));
        text_adds(out, between);
        text_adds(out, space + 1);
    } else {
        const char *a = json_string_value(json_array_get(m, 0));
        const char *b = json_string_value(json_array_get(m, 1));
        if (!a || !b) return false;
        text_adds(out, a);
        text_adds(out, between);
        text_adds(out, b);
    }
    return !out->failed;
}

static ar_status put_merges(tok_export *t, const json_t *merges,
                            ar_error *err) {
    const size_t n = json_array_size(merges);
    gguf_string *s = arena_new(&t->mem, gguf_string, n);
    text one = {0};
    ar_status status = s ? AR_OK : AR_NOMEM;
    for (size_t i = 0; status == AR_OK && i < n; i++) {
        if (!merge_text(json_array_get(merges, i), " ", &one)) {
            status = AR_FORMAT;
            break;
        }
        s[i].size = one.size;
        s[i].data = arena_text(&t->mem, one.data, one.size);
        if (!s[i].data) status = AR_NOMEM;
    }
    text_close(&one);
    if (status != AR_OK)
        return error_set(err, status, "the merges of tokenizer.json: %s",
                         ar_status_text(status));
    gguf_put_strings(t->w, "tokenizer.ggml.merges", s, (int64_t)n);
    return AR_OK;
}

/* Pieces are joined in the order of their scores: earlier merges score more. */
static void put_scores(tok_export *t, const json_t *merges) {
    text one = {0};
    for (int64_t i = 0; i < t->n; i++)
        t->scores[i] = t->types[i] == NORMAL ? -1e6F : 0;
    for (size_t i = json_array_size(merges); i-- > 0;) {
        if (!merge_text(json_array_get(merges, i), "", &one)) continue;
        const json_t *id = json_object_get(t->vocab, one.data);
        const int64_t k = id ? json_integer_value(id) : -1;
        if (k >= 0 && k < t->n) t->scores[k] = -(float)(i + 1);
    }
    text_close(&one);
    gguf_put_array(t->w, "tokenizer.ggml.scores", GGUF_F32, t->scores, t->n);
}

static int64_t id_of(const tok_export *t, const json_t *name) {
    if (json_is_object(name)) name = json_object_get(name, "content");
    if (!json_is_string(name)) return -1;
    const gguf_string s = string_of(name);
    for (int64_t i = 0; i < t->n; i++)
        if (t->tokens[i].size == s.size &&
            !memcmp(t->tokens[i].data, s.data, s.size))
            return i;
    return -1;
}

/* The id of a special token that tokenizer_config.json names, or -1. */
static int64_t named_id(const tok_export *t, const char *key) {
    return id_of(t, json_object_get(t->settings, key));
}

static void put_id(const tok_export *t, const char *key, int64_t id) {
    if (id >= 0 && id < t->n) gguf_put_int(t->w, key, GGUF_U32, id);
}

static void put_specials(tok_export *t) {
    const int64_t bos = named_id(t, "bos_token"),
                  eos = named_id(t, "eos_token");
    int64_t unk = named_id(t, "unk_token");

    if (unk < 0)
        unk = id_of(
            t, json_object_get(json_object_get(t->root, "model"), "unk_token"));
    put_id(t, "tokenizer.ggml.bos_token_id", bos >= 0 ? bos : t->c->bos);
    put_id(t, "tokenizer.ggml.eos_token_id", eos >= 0 ? eos : t->c->eos);
    put_id(t, "tokenizer.ggml.padding_token_id", named_id(t, "pad_token"));
    put_id(t, "tokenizer.ggml.unknown_token_id", unk);
    if (unk >= 0 && !t->byte_level) t->types[unk] = UNKNOWN;
}

/* What is put around a text: as said, else as the template does it. */
static void put_added(const tok_export *t) {
    const json_t *post = json_object_get(t->root, "post_processor");
    const json_t *p = find_part(post, "processors", "TemplateProcessing");
    const json_t *list = json_object_get(p, "single");
    const size_t n = json_array_size(list);
    bool bos = json_object_get(json_array_get(list, 0), "SpecialToken");
    bool eos =
        n > 1 && json_object_get(json_array_get(list, n - 1), "SpecialToken");
    const json_t *said = json_object_get(t->settings, "add_bos_token");
    if (json_is_boolean(said)) bos = json_is_true(said);
    said = json_object_get(t->settings, "add_eos_token");
    if (json_is_boolean(said)) eos = json_is_true(said);
    gguf_put_bool(t->w, "tokenizer.ggml.add_bos_token", bos);
    gguf_put_bool(t->w, "tokenizer.ggml.add_eos_token", eos);
    if (t->byte_level) return;
    const json_t *normal = json_object_get(t->root, "normalizer");
    const json_t *pre = json_object_get(t->root, "pre_tokenizer");
    const json_t *meta = find_part(pre, "pretokenizers", "Metaspace");
    const char *scheme =
        json_string_value(json_object_get(meta, "prepend_scheme"));
    gguf_put_bool(t->w, "tokenizer.ggml.add_space_prefix",
                  find_part(normal, "normalizers", "Prepend") ||
                      (scheme && strcmp(scheme, "never")));
}

static ar_status put_tokenizer(tok_export *t, ar_error *err) {
    const json_t *m = json_object_get(t->root, "model");
    const json_t *merges = json_object_get(m, "merges");
    t->vocab = json_object_get(m, "vocab");
    read_splits(t);
    TRY(text_status(&t->splits, err));
    const bool pieces =
        !t->byte_level && json_is_true(json_object_get(m, "byte_fallback"));
    if (strcmp(type_of(m), "BPE") || !json_is_object(t->vocab) ||
        !json_is_array(merges) || (!t->byte_level && !pieces))
        return AR_OK;
    t->n = t->c->n_vocab;
    t->tokens = arena_new(&t->mem, gguf_string, t->n);
    t->types = arena_new(&t->mem, int32_t, t->n);
    t->scores = arena_new(&t->mem, float, t->n);
    if (!t->tokens || !t->types || !t->scores)
        return error_set(err, AR_NOMEM, "no memory for tokens");
    TRY(read_tokens(t, err));
    const char *kind = pieces ? "llama" : "gpt2",
               *split = pieces ? "default" : split_name(t);
    gguf_put_string(t->w, "tokenizer.ggml.model",
                    (gguf_string){kind, strlen(kind)});
    gguf_put_string(t->w, "tokenizer.ggml.pre",
                    (gguf_string){split, strlen(split)});
    gguf_put_strings(t->w, "tokenizer.ggml.tokens", t->tokens, t->n);
    put_specials(t);
    gguf_put_array(t->w, "tokenizer.ggml.token_type", GGUF_I32, t->types, t->n);
    if (pieces)
        put_scores(t, merges);
    else
        TRY(put_merges(t, merges, err));
    put_added(t);
    return AR_OK;
}

static ar_status read_json(json_t **out, const char *folder, const char *name,
                           ar_error *err) {
    char path[4200], *data = NULL;
    size_t n = 0;
    TRY(file_join(path, sizeof path, folder, name, err));
    if (!file_exists(path)) return AR_OK;
    TRY(file_read(path, MAX_FILE, &data, &n, err));
    const ar_status s = parse_json(out, path, data, n, err);
    mem_free(data);
    return s;
}

static ar_status put_template(const tok_export *t, const char *folder,
                              ar_error *err) {
    text source = {0};
    const ar_status s = template_file_read(&source, folder, NULL, err);
    if (s == AR_OK && source.size)
        gguf_put_string(t->w, "tokenizer.chat_template",
                        (gguf_string){source.data, source.size});
    text_close(&source);
    return s;
}

ar_status export_gguf_tokenizer(gguf_writer *w, const char *folder,
                                const model_config *c, ar_error *err) {
    tok_export t = {.w = w, .c = c};
    json_t *root = NULL, *settings = NULL;
    arena_open(&t.mem, 1 << 16);
    ar_status s = read_json(&root, folder, "tokenizer.json", err);
    if (s == AR_OK)
        s = read_json(&settings, folder, "tokenizer_config.json", err);
    t.root = root;
    t.settings = settings;
    if (s == AR_OK && root) s = put_tokenizer(&t, err);
    if (s == AR_OK) s = put_template(&t, folder, err);
    text_close(&t.splits);
    arena_close(&t.mem);
    json_decref(root);
    json_decref(settings);
    return s;
}
