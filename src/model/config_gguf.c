/* config_gguf.c - a configuration out of the metadata of a GGUF file.
 *
 * Sizes are read into the fields; windows and rotation are put into an object
 * like config.json's, so that what they mean is known in one place.  Which
 * biases there are, and whether the head is tied, the names of the tensors
 * say.  Weights of gemma's norms have their offset in them already, linear
 * weights of GPT-2 are [out, in]. */
#include <math.h>
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

size_t gguf_key_field(const gguf_key *k, enum arch_id arch) {
    const bool cohere = (arch_table[arch].keys & KEYS_COHERE) != 0;
    return cohere && k->field == offsetof(model_config, logit_divisor)
               ? offsetof(model_config, logit_scale)
               : k->field;
}

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

static bool has_experts(const source *s) {
    int64_t n = 0;
    return gguf_as_int(find(s, "expert_count"), 0, &n) && n > 0;
}

/* Of the rows of a name that which has experts, if the file has. */
static ar_status find_arch(source *s, ar_error *err) {
    gguf_string name = {0};
    TRY(gguf_text(s->g, "general.architecture", &name, err));
    for (int i = 0; i < n_gguf_archs; i++) {
        const gguf_arch *a = &gguf_archs[i];
        if (strlen(a->name) != name.size ||
            memcmp(a->name, name.data, name.size) != 0)
            continue;
        if (!s->arch) s->arch = a;
        if (!has_experts(s) == !arch_table[a->arch].traits.n_experts) {
            s->arch = a;
            return AR_OK;
        }
    }
    if (s->arch && !has_experts(s)) return AR_OK; /* dense in every layer */
    if (s->arch)
        return error_set(err, AR_UNSUPPORTED,
                         "general.architecture \"%s\" with experts",
                         s->arch->name);
    return error_set(err, AR_UNSUPPORTED,
                     "general.architecture \"%.*s\" is not known",
                     (int)(name.size < 64 ? name.size : 64), name.data);
}

static ar_status wrong_kind(const source *s, const char *name, ar_error *err) {
    return error_set(err, AR_FORMAT, "%s.%s is not a number", s->arch->name,
                     name);
}

/* One whole number from `least` on; a list of one a layer where all are equal.
 */
static ar_status read_from(const source *s, const char *name, int64_t least,
                           int64_t *out, ar_error *err) {
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
    if (x < least)
        return error_set(err, AR_RANGE, "%s.%s is %lld", s->arch->name, name,
                         (long long)x);
    *out = x;
    return AR_OK;
}

static ar_status read_int(const source *s, const char *name, int64_t *out,
                          ar_error *err) {
    return read_from(s, name, 1, out, err);
}

static ar_status read_real(const source *s, const char *name, double *out,
                           ar_error *err) {
    const gguf_value *v = find(s, name);
    if (!v || gguf_as_real(v, 0, out)) return AR_OK;
    return wrong_kind(s, name, err);
}

static ar_status read_sizes(model_config *c, const source *s, ar_error *err) {
    for (int i = 0; i < n_gguf_keys; i++) {
        const size_t at = gguf_key_field(&gguf_keys[i], c->arch);
        void *field = (char *)c + at;
        if (!config_uses(c, at)) continue;
        if (gguf_keys[i].kind == KEY_INT)
            TRY(read_int(s, gguf_keys[i].name, field, err));
        else if (gguf_keys[i].kind == KEY_INT_NONE)
            TRY(read_from(s, gguf_keys[i].name, 0, field, err));
        else
            TRY(read_real(s, gguf_keys[i].name, field, err));
    }
    int64_t v_dim = c->head_dim;
    if (c->attn_kind == ATTN_LATENT || !config_has_attention(c)) return AR_OK;
    TRY(read_int(s, "attention.value_length", &v_dim, err));
    if (v_dim != c->head_dim)
        return error_set(err, AR_UNSUPPORTED, "values of %lld, keys of %lld",
                         (long long)v_dim, (long long)c->head_dim);
    return AR_OK;
}

static bool has(const source *s, const char *tensor) {
    return weights_find(s->w, tensor) != NULL;
}

/* Sizes of latent attention.  Newer files call those of the cache key_length
 * and value_length, and have two weights where older ones have one. */
static ar_status read_latent(model_config *c, const source *s, ar_error *err) {
    if (c->attn_kind != ATTN_LATENT) return AR_OK;
    int64_t key = c->head_dim;
    TRY(read_int(s, "attention.key_length_mla", &key, err));
    TRY(read_int(s, "rope.dimension_count", &c->qk_rope_dim, err));
    TRY(read_int(s, "attention.value_length", &c->v_dim, err));
    TRY(read_int(s, "attention.value_length_mla", &c->v_dim, err));
    c->qk_nope_dim = key - c->qk_rope_dim;
    if (c->qk_nope_dim < 1)
        return error_set(err, AR_RANGE,
                         "keys of %lld elements, %lld of them rotated",
                         (long long)key, (long long)c->qk_rope_dim);
    c->n_kv_heads = c->n_heads;
    c->split_kv_b = has(s, "blk.0.attn_k_b.weight");
    return AR_OK;
}

/* Which of the architectures that share a name: by how experts are chosen, by
 * a window. */
static ar_status settle_arch(source *s, ar_error *err) {
    enum { SIGMOID = 2 };
    enum arch_id arch = s->arch->arch;
    int64_t gate = 0;
    if (arch == ARCH_DEEPSEEK_V2) {
        TRY(read_int(s, "expert_gating_func", &gate, err));
        if (gate == SIGMOID) arch = ARCH_DEEPSEEK_V3;
    }
    if (arch == ARCH_OLMO2 && find(s, "attention.sliding_window"))
        arch = ARCH_OLMO3;
    for (int i = 0; i < n_gguf_archs; i++)
        if (gguf_archs[i].arch == arch) s->arch = &gguf_archs[i];
    return AR_OK;
}

/* Where a family has both: by a key, or without a second norm.  Files of
 * StableLM have the key too, but say true where config.json says nothing. */
static void read_parallel(model_config *c, const source *s) {
    if (!(arch_table[c->arch].keys & KEYS_PARALLEL)) return;
    if (c->two_norms)
        gguf_as_bool(find(s, "use_parallel_residual"), 0, &c->parallel);
    else
        c->parallel = !has(s, "blk.0.ffn_norm.weight");
}

/* Where a family has models with norms of q and k and others without. */
static void read_qk_norm(model_config *c, const source *s) {
    const unsigned keys = arch_table[c->arch].keys;
    if (!has(s, "blk.0.attn_q_norm.weight")) return;
    if (keys & KEYS_STABLELM) c->qk_norm = QK_NORM_EACH;
    if (keys & KEYS_PHI) c->qk_norm = QK_NORM_HEAD;
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
    c->fused_mlp = c->gated && has(s, "blk.0.ffn_up.weight") &&
                   !has(s, "blk.0.ffn_gate.weight");
    c->bias_qkv = has(s, "blk.0.attn_q.bias") ||
                  has(s, "blk.0.attn_qkv.bias") ||
                  has(s, "blk.0.attn_kv_a_mqa.bias");
    c->bias_o = has(s, "blk.0.attn_output.bias");
    c->bias_mlp = has(s, "blk.0.ffn_up.bias");
    read_parallel(c, s);
    read_qk_norm(c, s);
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

/* What scores are scaled by, a (1 + 0.1 m ln factor) squared: the file has a,
 * the factor of cos and sin, and 0.1 m. */
static ar_status add_mscale(const source *s, json_t *scaling, ar_error *err) {
    double m = 0, factor = 1, a = 1;
    TRY(read_real(s, "rope.scaling.yarn_log_multiplier", &m, err));
    TRY(read_real(s, "rope.scaling.factor", &factor, err));
    TRY(read_real(s, "rope.scaling.attn_factor", &a, err));
    if (m == 0 || !(factor > 1)) return AR_OK;
    const double of_scores = a * (1 + m * log(factor));
    json_object_set_new(scaling, "attention_factor", json_real(a));
    json_object_set_new(scaling, "mscale_all_dim",
                        json_real((of_scores - 1) / (0.1 * log(factor))));
    return AR_OK;
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
    TRY(add_mscale(s, scaling, err));
    if (add_divisors(s, scaling)) return AR_OK;
    /* What files do not say: gpt-oss is the one not to round. */
    if (s->arch->arch == ARCH_GPT_OSS)
        json_object_set_new(scaling, "truncate", json_false());
    const bool given = gguf_as_string(type, &name) &&
                       !(name.size == 4 && !memcmp(name.data, "none", 4));
    if (given)
        json_object_set_new(scaling, "rope_type",
                            json_stringn(name.data, name.size));
    else
        json_object_clear(scaling);
    return AR_OK;
}

/* A list that says of each layer whether it slides. */
static ar_status add_layer_types(const model_config *c, const gguf_value *v,
                                 json_t *root, ar_error *err) {
    json_t *list = json_array();
    json_object_set_new(root, "layer_types", list);
    for (int64_t i = 0; i < v->count && i < c->n_layers; i++) {
        int64_t x = 0;
        bool yes = false;
        if (!gguf_as_bool(v, i, &yes) && !gguf_as_int(v, i, &x))
            return error_set(err, AR_FORMAT,
                             "attention.sliding_window_pattern[%lld] is not "
                             "true or false",
                             (long long)i);
        json_array_append_new(list, json_string(yes || x ? "sliding_attention"
                                                         : "full_attention"));
    }
    return AR_OK;
}

/* What config.json would say of windows and rotation. */
static ar_status describe(const model_config *c, const source *s, json_t *root,
                          ar_error *err) {
    int64_t width = 0, turned = 0, period = 0, full = 0;
    double base = 0, local = 0;
    TRY(read_int(s, "attention.sliding_window", &width, err));
    const gguf_value *each = find(s, "attention.sliding_window_pattern");
    if (each && each->is_array)
        TRY(add_layer_types(c, each, root, err));
    else
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
    if (turned && turned < c->head_dim && c->attn_kind == ATTN_PLAIN)
        json_object_set_new(
            root, "partial_rotary_factor",
            json_real(((double)turned + 0.5) / (double)c->head_dim));
    if (base > 0) json_object_set_new(root, "rope_theta", json_real(base));
    if (local > 0)
        json_object_set_new(root, "rope_local_base_freq", json_real(local));
    return add_scaling(s, root, err);
}

/* Scores of experts, and what of them config.json has keys for. */
static ar_status read_scores(model_config *c, const source *s, json_t *root,
                             ar_error *err) {
    static const enum route_kind kinds[] = {ROUTE_SOFTMAX, ROUTE_SIGMOID,
                                            ROUTE_CHOSEN};
    const gguf_value *norm = find(s, "expert_weights_norm");
    int64_t kind = 0;
    TRY(read_int(s, "expert_gating_func", &kind, err));
    if (kind > 3)
        return error_set(err, AR_UNSUPPORTED, "%s.expert_gating_func is %lld",
                         s->arch->name, (long long)kind);
    if (kind) c->route = kinds[kind - 1];
    /* Files of Qwen do not say it: its models all do. */
    bool sums = c->norm_topk || c->arch == ARCH_QWEN3_MOE;
    if (norm && !gguf_as_bool(norm, 0, &sums))
        return wrong_kind(s, "expert_weights_norm", err);
    c->norm_topk = sums;
    json_object_set_new(root, "use_qk_norm",
                        json_boolean(has(s, "blk.0.attn_q_norm.weight")));
    return AR_OK;
}

/* Is there a tensor blk.#.name in any layer? */
static bool any_layer_has(const model_config *c, const source *s,
                          const char *name) {
    char full[NAME_SIZE];
    for (int64_t l = 0; l < c->n_layers; l++) {
        snprintf(full, sizeof full, "blk.%lld.%s", (long long)l, name);
        if (has(s, full)) return true;
    }
    return false;
}

/* Layers with experts are those with a router; layers behind the last are for
 * guessing ahead and are counted in the file. */
static ar_status read_experts(model_config *c, const source *s, json_t *root,
                              ar_error *err) {
    char name[64];
    if (!c->moe_keys) return AR_OK;
    TRY(read_scores(c, s, root, err));
    if (c->moe_keys & MOE_KEYS_ROUTED) {
        c->route_bias = any_layer_has(c, s, "exp_probs_b.bias");
        c->group_score = c->route_bias ? GROUP_BEST_TWO : GROUP_BEST;
    }
    TRY(config_read_moe(c, root, err));
    for (int64_t l = 0; l < c->n_layers; l++) {
        snprintf(name, sizeof name, "blk.%lld.ffn_gate_inp.weight",
                 (long long)l);
        c->moe[l] = has(s, name);
    }
    return AR_OK;
}

static ar_status read_ahead(model_config *c, const source *s, ar_error *err) {
    c->n_ahead = 0;
    TRY(read_from(s, "nextn_predict_layers", 0, &c->n_ahead, err));
    if (c->n_ahead >= c->n_layers)
        return error_set(err, AR_RANGE, "%s.nextn_predict_layers is %lld",
                         s->arch->name, (long long)c->n_ahead);
    c->n_layers -= c->n_ahead;
    return AR_OK;
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
    c->experts_fused = c->experts_turned = false;
    c->q_lora_rank = 0;
    c->qkv_by_head = false;
    c->rope_interleaved = c->rope_interleaved || s->arch->pairs;
    TRY(read_sizes(c, s, err));
    TRY(read_latent(c, s, err));
    TRY(read_ahead(c, s, err));
    TRY(read_tensors(c, s, err));
    read_token(s, "tokenizer.ggml.bos_token_id", &c->bos);
    read_token(s, "tokenizer.ggml.eos_token_id", &c->eos);
    TRY(config_check_limits(c, err));
    config_derive(c);
    set_query_scalar(c);
    TRY(describe(c, s, root, err));
    TRY(read_experts(c, s, root, err));
    TRY(config_read_layers(c, root, err));
    TRY(config_read_rope(c, root, err));
    return config_check(c, err);
}

ar_status config_from_gguf(model_config *out, const weights *w, ar_error *err) {
    source s = {.w = w, .g = weights_gguf(w)};
    model_config c;
    memset(out, 0, sizeof *out);
    TRY(find_arch(&s, err));
    TRY(settle_arch(&s, err));
    json_t *root = json_object();
    if (!root) return error_set(err, AR_NOMEM, "no memory for a configuration");
    const ar_status status = fill(&c, &s, root, err);
    json_decref(root);
    if (status == AR_OK) *out = c;
    return status;
}
