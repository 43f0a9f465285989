/* config_gguf.c - a configuration out of the metadata of a GGUF file.
 *
 * Sizes are read into the fields; windows and rotation are put into an object
 * like config.json's, so that what they mean is known in one place.  Which
 * biases there are, and whether the head is tied, the names of the tensors
 * say.  Weights of gemma's norms have their offset in them already, linear
 * weights of GPT-2 are [out, in]. */
#include <string.h>

#include "base/error.h"
#include "format/weights.h"
#include "model/config_gguf.h"
#include "model/gguf_table.h"
#include "quant/quant.h"

enum { NAME_SIZE = 160 };

const gguf_arch gguf_archs[] = {
#define GGUF_ARCH(name, id, pairs) {name, ARCH_##id, pairs},
#include "model/gguf.def"
#undef GGUF_ARCH
};
const int n_gguf_archs = sizeof gguf_archs / sizeof *gguf_archs;

const gguf_key gguf_keys[] = {
#define GGUF_KEY(kind, field, name)                                            \
    {KEY_##kind, offsetof(model_config, field), name},
#include "model/gguf.def"
#undef GGUF_KEY
};
const int n_gguf_keys = sizeof gguf_keys / sizeof *gguf_keys;

static const struct {
    enum key_kind kind;
    const char *name, *json;
} rope_keys[] = {
#define GGUF_ROPE(kind, name, json) {KEY_##kind, name, json},
#include "model/gguf.def"
#undef GGUF_ROPE
};

/* A file and the word that its keys begin with. */
typedef struct source {
    const weights *w;
    const gguf *g;
    const gguf_arch *arch;
} source;

static const gguf_value *find(const source *s, const char *name) {
    char key[NAME_SIZE];
    snprintf(key, sizeof key, "%s.%s", s->arch->name, name);
    return gguf_find(s->g, key);
}

static ar_status find_arch(source *s, ar_error *err) {
    gguf_string name = {0};
    TRY(gguf_text(s->g, "general.architecture", &name, err));
    for (int i = 0; i < n_gguf_archs; i++)
        if (strlen(gguf_archs[i].name) == name.size &&
            !memcmp(gguf_archs[i].name, name.data, name.size)) {
            s->arch = &gguf_archs[i];
            return AR_OK;
        }
    return error_set(err, AR_UNSUPPORTED,
                     "general.architecture \"%.*s\" is not known",
                     (int)(name.size < 64 ? name.size : 64), name.data);
}

static ar_status wrong_kind(const source *s, const char *name, ar_error *err) {
    return error_set(err, AR_FORMAT, "%s.%s is not a number", s->arch->name,
                     name);
}

/* One whole number; a list of one a layer where all are equal. */
static ar_status read_int(const source *s, const char *name, int64_t *out,
                          ar_error *err) {
    const gguf_value *v = find(s, name);
    if (!v) return AR_OK;
    int64_t x = 0;
    for (int64_t i = 0; i < v->count; i++) {
        const int64_t before = x;
        if (!gguf_as_int(v, i, &x)) return wrong_kind(s, name, err);
        if (i > 0 && x != before)
            return error_set(err, AR_UNSUPPORTED,
                             "%s.%s differs from layer to layer", s->arch->name,
                             name);
    }
    if (x < 1)
        return error_set(err, AR_RANGE, "%s.%s is %lld", s->arch->name, name,
                         (long long)x);
    *out = x;
    return AR_OK;
}

static ar_status read_real(const source *s, const char *name, double *out,
                           ar_error *err) {
    const gguf_value *v = find(s, name);
    if (!v || gguf_as_real(v, 0, out)) return AR_OK;
    return wrong_kind(s, name, err);
}

static ar_status read_sizes(model_config *c, const source *s, ar_error *err) {
    for (int i = 0; i < n_gguf_keys; i++) {
        void *field = (char *)c + gguf_keys[i].field;
        if (!config_uses(c, gguf_keys[i].field)) continue;
        if (gguf_keys[i].kind == KEY_INT)
            TRY(read_int(s, gguf_keys[i].name, field, err));
        else
            TRY(read_real(s, gguf_keys[i].name, field, err));
    }
    int64_t v_dim = c->head_dim;
    if (!config_has_attention(c)) return AR_OK;
    TRY(read_int(s, "attention.value_length", &v_dim, err));
    if (v_dim != c->head_dim)
        return error_set(err, AR_UNSUPPORTED, "values of %lld, keys of %lld",
                         (long long)v_dim, (long long)c->head_dim);
    return AR_OK;
}

static bool has(const source *s, const char *tensor) {
    return weights_find(s->w, tensor) != NULL;
}

/* In any layer, as the first may be one of attention. */
static bool has_part(const source *s, const char *part) {
    for (int64_t i = 0; i < weights_count(s->w); i++)
        if (strstr(weights_get(s->w, i)->name, part)) return true;
    return false;
}

static ar_status read_tensors(model_config *c, const source *s, ar_error *err) {
    const tensor_view *embed = weights_find(s->w, "token_embd.weight");
    if (!embed || embed->shape.rank != 2)
        return error_set(err, AR_FORMAT,
                         "there is no matrix \"token_embd.weight\"");
    c->n_vocab = embed->shape.dim[0];
    c->tied = !has(s, "output.weight");
    c->fused_qkv =
        c->layer_rule == LAYERS_ATTENTION && has(s, "blk.0.attn_qkv.weight");
    c->bias_scan = has(s, "blk.0.ssm_in.bias");
    c->bias_conv = has(s, "blk.0.ssm_conv1d.bias");
    c->scan_split = c->layer_rule == LAYERS_DELTA && !has_part(s, ".ssm_in.");
    c->fused_mlp = c->gated && !has(s, "blk.0.ffn_gate.weight");
    c->bias_qkv = has(s, "blk.0.attn_q.bias") || has(s, "blk.0.attn_qkv.bias");
    c->bias_o = has(s, "blk.0.attn_output.bias");
    c->bias_mlp = has(s, "blk.0.ffn_up.bias");
    return AR_OK;
}

static void read_token(const source *s, const char *key, int32_t *out) {
    int64_t x;
    if (gguf_as_int(gguf_find(s->g, key), 0, &x) && x >= 0 && x <= INT32_MAX)
        *out = (int32_t)x;
}

/* A tensor of divisors of the frequencies as a list; NULL on no memory. */
static json_t *divisors(const tensor_view *t) {
    const int64_t n = shape_count(&t->shape);
    json_t *list = json_array();
    for (int64_t i = 0; list && i < n && i <= MAX_ROPE_FACTORS; i++) {
        double x = 0;
        const char *p = t->data;
        type_decode_f64(t->type, p + ar_type_size(t->type, i), &x, 1);
        json_array_append_new(list, json_real(x));
    }
    return list;
}

/* Frequencies that the file divides itself, as llama 3's and Phi-3's. */
static bool add_divisors(const source *s, json_t *scaling) {
    const tensor_view *one = weights_find(s->w, "rope_freqs.weight");
    const tensor_view *longer = weights_find(s->w, "rope_factors_long.weight");
    const tensor_view *shorter =
        weights_find(s->w, "rope_factors_short.weight");
    if (one) longer = shorter = one;
    if (!longer || !shorter || quant_is_block(longer->type) ||
        quant_is_block(shorter->type))
        return false;
    json_object_set_new(scaling, "rope_type", json_string("longrope"));
    json_object_set_new(scaling, "long_factor", divisors(longer));
    json_object_set_new(scaling, "short_factor", divisors(shorter));
    if (one) json_object_set_new(scaling, "attention_factor", json_real(1));
    return true;
}

static ar_status add_scaling(const source *s, json_t *root, ar_error *err) {
    json_t *scaling = json_object();
    const gguf_value *type = find(s, "rope.scaling.type");
    gguf_string name = {0};
    json_object_set_new(root, "rope_scaling", scaling);
    for (size_t i = 0; i < sizeof rope_keys / sizeof *rope_keys; i++) {
        int64_t n = 0;
        double x = 0;
        if (!find(s, rope_keys[i].name)) continue;
        TRY(read_real(s, rope_keys[i].name, &x, err));
        if (rope_keys[i].kind == KEY_INT)
            TRY(read_int(s, rope_keys[i].name, &n, err));
        json_object_set_new(scaling, rope_keys[i].json,
                            n ? json_integer(n) : json_real(x));
    }
    if (add_divisors(s, scaling)) return AR_OK;
    const bool given = gguf_as_string(type, &name) &&
                       !(name.size == 4 && !memcmp(name.data, "none", 4));
    if (given)
        json_object_set_new(scaling, "rope_type",
                            json_stringn(name.data, name.size));
    else
        json_object_clear(scaling);
    return AR_OK;
}

/* What config.json would say of windows and rotation. */
static ar_status describe(const model_config *c, const source *s, json_t *root,
                          ar_error *err) {
    int64_t width = 0, turned = 0, period = 0, full = 0;
    double base = 0, local = 0;
    TRY(read_int(s, "attention.sliding_window", &width, err));
    TRY(read_int(s, "attention.sliding_window_pattern", &period, err));
    TRY(read_int(s, "full_attention_interval", &full, err));
    if (full)
        json_object_set_new(root, "full_attention_interval",
                            json_integer(full));
    TRY(read_int(s, "rope.dimension_count", &turned, err));
    TRY(read_real(s, "rope.freq_base", &base, err));
    TRY(read_real(s, "rope.freq_base_swa", &local, err));
    json_object_set_new(root, "sliding_window",
                        width ? json_integer(width) : json_null());
    if (period)
        json_object_set_new(root, "sliding_window_pattern",
                            json_integer(period));
    if (turned && turned < c->head_dim)
        json_object_set_new(
            root, "partial_rotary_factor",
            json_real(((double)turned + 0.5) / (double)c->head_dim));
    if (base > 0) json_object_set_new(root, "rope_theta", json_real(base));
    if (local > 0)
        json_object_set_new(root, "rope_local_base_freq", json_real(local));
    return add_scaling(s, root, err);
}

/* Gemma's largest models divide by the width of a head's share, the others by
 * its size; files do not say which (Gemma 2 and 3 reports, table 1). */
static void set_query_scalar(model_config *c) {
    const bool large = (c->arch == ARCH_GEMMA2 && c->n_layers == 46) ||
                       (c->arch == ARCH_GEMMA3 && c->n_layers == 62);
    if (c->query_scalar > 0)
        c->query_scalar = large ? (double)c->n_embd / (double)c->n_heads
                                : (double)c->head_dim;
}

static ar_status fill(model_config *c, const source *s, json_t *root,
                      ar_error *err) {
    *c = arch_table[s->arch->arch].traits;
    c->gguf = true;
    c->conv1d = false;
    c->norm_offset = 0;
    c->rope_interleaved = c->rope_interleaved || s->arch->pairs;
    TRY(read_sizes(c, s, err));
    TRY(read_tensors(c, s, err));
    read_token(s, "tokenizer.ggml.bos_token_id", &c->bos);
    read_token(s, "tokenizer.ggml.eos_token_id", &c->eos);
    TRY(config_check_limits(c, err));
    config_derive(c);
    set_query_scalar(c);
    TRY(describe(c, s, root, err));
    TRY(config_read_layers(c, root, err));
    TRY(config_read_rope(c, root, err));
    return config_check(c, err);
}

ar_status config_from_gguf(model_config *out, const weights *w, ar_error *err) {
    source s = {.w = w, .g = weights_gguf(w)};
    model_config c;
    memset(out, 0, sizeof *out);
    TRY(find_arch(&s, err));
    json_t *root = json_object();
    if (!root) return error_set(err, AR_NOMEM, "no memory for a configuration");
    const ar_status status = fill(&c, &s, root, err);
    json_decref(root);
    if (status == AR_OK) *out = c;
    return status;
}
