/* inspect_facts.c - a model, its tokenizer and its metadata as objects. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/inspect.h"
#include "cli/options.h"
#include "infer/infer.h"

enum { SHOWN = 8, MAX_TOKENIZER = 1 << 26 };

/* The keys that each layer sees, if any has a window. */
static void add_windows(json_t *o, const model_config *c) {
    json_t *list = json_array();
    int64_t n = 0;
    for (int64_t l = 0; l < c->n_layers; l++) {
        n += c->window[l] != 0;
        json_array_append_new(list, json_integer(c->window[l]));
    }
    if (n)
        json_object_set_new(o, "windows", list);
    else
        json_decref(list);
}

/* What the heads' keys and values come from. */
static void add_latent(json_t *o, const model_config *c) {
    json_t *r = json_object();
    put_int(r, "keys_and_values", c->kv_lora_rank);
    if (c->q_lora_rank) put_int(r, "queries", c->q_lora_rank);
    put_int(r, "value_head_size", c->v_dim);
    put_int(r, "cached_a_token_and_layer", c->kv_lora_rank + c->qk_rope_dim);
    json_object_set_new(o, "latent", r);
}

static void add_rope(json_t *o, const model_config *c) {
    static const char *const names[] = {"none",   "linear", "dynamic",
                                        "llama3", "yarn",   "longrope"};
    json_t *r = json_object();
    put_real(r, "base", c->rope_theta);
    put_int(r, "rotated", c->rope_dims);
    put_text(r, "scaling", names[c->rope_scaling]);
    if (c->rope_scaling && c->rope_factor > 0)
        put_real(r, "factor", c->rope_factor);
    if (c->rope_original_ctx)
        put_int(r, "original_context", c->rope_original_ctx);
    if (c->rope_rule == ROPE_RULE_LOCAL)
        put_real(r, "base_of_windows", c->rope_local_theta);
    int64_t unturned = 0;
    for (int64_t l = 0; l < c->n_layers; l++)
        unturned += c->rope_use[l] == ROPE_USE_NONE;
    if (unturned) put_int(r, "layers_without", unturned);
    json_object_set_new(o, "rope", r);
}

static void add_experts(json_t *o, const model_config *c) {
    int64_t layers = 0;
    for (int64_t l = 0; l < c->n_layers; l++) layers += config_is_moe(c, l);
    put_int(o, "experts", c->n_experts);
    put_int(o, "experts_used", c->n_experts_used);
    put_int(o, "expert_width", c->n_ff_expert);
    put_int(o, "expert_layers", layers);
}

/* Layers that keep a state in place of keys and values. */
static void add_states(json_t *o, const model_config *c) {
    json_t *s = json_object();
    int64_t n = 0;
    for (int64_t l = 0; l < c->n_layers; l++)
        n += c->layer_kind[l] != LAYER_ATTENTION;
    put_int(s, "layers", n);
    put_int(s, "heads", c->scan_heads);
    put_int(s, "key_heads", c->scan_groups);
    put_int(s, "key_size", c->scan_k);
    put_int(s, "value_size", c->scan_v);
    put_int(s, "convolution", c->scan_conv);
    json_object_set_new(o, "states", s);
}

json_t *inspect_model(const survey *s) {
    const model_config *c = &s->config;
    json_t *o = json_object();
    if (s->arch[0])
        json_object_set_new(o, "architecture",
                            inspect_text(s->arch, strlen(s->arch)));
    json_object_set_new(o, "known", json_boolean(s->known));
    if (!s->known) {
        json_object_set_new(
            o, "why", inspect_text(s->why.message, strlen(s->why.message)));
        return o;
    }
    put_text(o, "family", config_model_type(c));
    put_int(o, "context", c->n_ctx);
    put_int(o, "vocabulary", c->n_vocab);
    put_int(o, "layers", c->n_layers);
    put_int(o, "channels", c->n_embd);
    if (config_has_attention(c)) {
        put_int(o, "heads", c->n_heads);
        put_int(o, "key_heads", c->n_kv_heads);
        put_int(o, "head_size", c->head_dim);
    }
    if (!c->no_mlp) put_int(o, "feed_forward", c->n_ff);
    if (c->n_experts) add_experts(o, c);
    if (c->layer_rule != LAYERS_ATTENTION) add_states(o, c);
    json_object_set_new(o, "tied_head", json_boolean(c->tied));
    if (c->attn_kind == ATTN_LATENT) add_latent(o, c);
    add_windows(o, c);
    if (c->pos == POS_ROPE) add_rope(o, c);
    return o;
}

/* ---- tokenizer ---- */

static ar_status read_tokenizer(json_t **out, const char *folder,
                                ar_error *err) {
    char path[4200], *data = NULL;
    size_t n = 0;
    TRY(file_join(path, sizeof path, folder, "tokenizer.json", err));
    TRY(file_read(path, MAX_TOKENIZER, &data, &n, err));
    *out = json_loadb(data, n, 0, NULL);
    mem_free(data);
    return AR_OK;
}

static bool has_file(const char *folder, const char *name) {
    char path[4200];
    return file_join(path, sizeof path, folder, name, NULL) == AR_OK &&
           file_exists(path);
}

static void add_specials(json_t *o, int64_t bos, int64_t eos) {
    if (bos >= 0) put_int(o, "bos", bos);
    if (eos >= 0) put_int(o, "eos", eos);
}

/* tokenizer.json: its kind, and whether this program reads it. */
static ar_status add_tokenizer_json(json_t *o, const char *folder,
                                    ar_error *err) {
    json_t *root = NULL;
    ar_tokenizer *tok = NULL;
    ar_error why = {0};
    TRY(read_tokenizer(&root, folder, err));
    const json_t *m = json_object_get(root, "model");
    const char *type = json_string_value(json_object_get(m, "type"));
    json_object_set_new(o, "kind",
                        inspect_text(type ? type : "tokenizer.json",
                                     strlen(type ? type : "tokenizer.json")));
    const json_t *words = json_object_get(m, "vocab");
    if (json_is_object(words)) put_int(o, "words", json_object_size(words));
    if (json_is_array(words)) put_int(o, "words", json_array_size(words));
    json_decref(root);
    const ar_status s = ar_tokenizer_open(&tok, folder, &why);
    if (s == AR_NOMEM) return error_set(err, s, "%s", why.message);
    json_object_set_new(o, "readable", json_boolean(s == AR_OK));
    if (s != AR_OK) {
        json_object_set_new(o, "why",
                            inspect_text(why.message, strlen(why.message)));
        return AR_OK;
    }
    put_int(o, "vocabulary", ar_tokenizer_vocab(tok));
    add_specials(o, ar_tokenizer_bos(tok), ar_tokenizer_eos(tok));
    ar_tokenizer_close(tok);
    return AR_OK;
}

/* What chat would use. */
static ar_status folder_template(bool *out, const char *folder, ar_error *err) {
    text source = {0};
    json_t *tokens;
    ar_error none;
    const ar_status s = template_find(folder, NULL, &source, &tokens, &none);
    *out = s == AR_OK;
    json_decref(tokens);
    text_close(&source);
    return s == AR_OK || s == AR_FORMAT ? AR_OK
                                        : error_set(err, s, "%s", none.message);
}

static ar_status of_folder(json_t *o, const char *folder, ar_error *err) {
    bool has_chat = false;
    if (has_file(folder, "tokenizer.json"))
        TRY(add_tokenizer_json(o, folder, err));
    else if (has_file(folder, "tokenizer.model"))
        put_text(o, "kind", "SentencePiece (tokenizer.model)");
    else if (has_file(folder, "tokenizer.tiktoken"))
        put_text(o, "kind", "tiktoken (tokenizer.tiktoken)");
    else if (has_file(folder, "merges.txt"))
        put_text(o, "kind", "BPE (vocab.json, merges.txt)");
    TRY(folder_template(&has_chat, folder, err));
    if (json_object_size(o) || has_chat)
        json_object_set_new(o, "chat_template", json_boolean(has_chat));
    return AR_OK;
}

static void of_gguf(json_t *o, const gguf *g) {
    gguf_string s;
    const gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    if (gguf_as_string(gguf_find(g, "tokenizer.ggml.model"), &s))
        json_object_set_new(o, "kind", inspect_text(s.data, s.size));
    if (gguf_as_string(gguf_find(g, "tokenizer.ggml.pre"), &s))
        json_object_set_new(o, "split", inspect_text(s.data, s.size));
    if (tokens) put_int(o, "vocabulary", tokens->count);
    int64_t bos = -1, eos = -1;
    gguf_as_int(gguf_find(g, "tokenizer.ggml.bos_token_id"), 0, &bos);
    gguf_as_int(gguf_find(g, "tokenizer.ggml.eos_token_id"), 0, &eos);
    add_specials(o, bos, eos);
    const bool has_chat = gguf_find(g, "tokenizer.chat_template") != NULL;
    if (json_object_size(o) || has_chat)
        json_object_set_new(o, "chat_template", json_boolean(has_chat));
}

ar_status inspect_tokenizer(json_t **out, const survey *s, ar_error *err) {
    json_t *o = json_object();
    ar_status status = AR_OK;
    if (weights_gguf(s->files))
        of_gguf(o, weights_gguf(s->files));
    else if (file_is_folder(s->folder))
        status = of_folder(o, s->folder, err);
    const bool any = status == AR_OK && json_object_size(o) > 0;
    *out = any ? o : NULL;
    if (!any) json_decref(o);
    if (status == AR_OK && !any) *out = json_null();
    return status;
}

/* ---- metadata ---- */

static json_t *element(const gguf_value *v, int64_t i) {
    int64_t n;
    double x;
    bool b;
    if (gguf_as_bool(v, i, &b)) return json_boolean(b);
    if (gguf_as_int(v, i, &n)) return json_integer(n);
    if (gguf_as_real(v, i, &x)) {
        json_t *j = json_real(x);
        return j ? j : json_string("not a number");
    }
    return NULL;
}

static json_t *first_elements(const gguf_value *v) {
    json_t *list = json_array();
    const int64_t n = v->count < SHOWN ? v->count : SHOWN;
    if (v->kind == GGUF_STRING) {
        gguf_string *s = mem_new(gguf_string, v->count);
        if (s && gguf_as_strings(v, s))
            for (int64_t i = 0; i < n; i++)
                json_array_append_new(list, inspect_text(s[i].data, s[i].size));
        mem_free(s);
        return list;
    }
    for (int64_t i = 0; i < n; i++) {
        json_t *e = element(v, i);
        if (e) json_array_append_new(list, e);
    }
    return list;
}

json_t *inspect_metadata(const gguf *g) {
    json_t *list = json_array();
    for (int64_t i = 0; i < gguf_n_values(g); i++) {
        const gguf_value *v = gguf_value_at(g, i);
        json_t *o = json_object();
        gguf_string s;
        json_object_set_new(o, "key", inspect_text(v->key.data, v->key.size));
        put_text(o, "kind", gguf_kind_name(v->kind));
        if (v->is_array) {
            put_int(o, "count", v->count);
            json_object_set_new(o, "first", first_elements(v));
        } else if (gguf_as_string(v, &s)) {
            json_object_set_new(o, "value", inspect_text(s.data, s.size));
        } else {
            json_object_set_new(o, "value", element(v, 0));
        }
        json_array_append_new(list, o);
    }
    return list;
}
