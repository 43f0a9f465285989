/* config.c - what an architecture is, and whether its numbers fit together. */
#include "model/config.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "model/config_keys.h"

const arch_row arch_table[ARCH_COUNT] = {
#define MODEL(id, type_, class_, names_, keys_, ...)                           \
    [ARCH_##id] = {                                                            \
        type_, class_, names_, keys_, {.arch = ARCH_##id, __VA_ARGS__}},
#include "model/models.def"
#undef MODEL
};

const config_key config_keys[] = {
#define KEY(layouts, kind, field, name)                                        \
    {layouts, KEY_##kind, offsetof(model_config, field), name},
#include "model/keys.def"
#undef KEY
};
const int n_config_keys = sizeof config_keys / sizeof *config_keys;

const char *config_model_type(const model_config *c) {
    return arch_table[c->arch].model_type;
}

enum name_scheme config_names(const model_config *c) {
    if (!c->gguf) return arch_table[c->arch].names;
    return c->gguf_names ? c->gguf_names : NAMES_GGUF;
}

/* What config.json calls a field. */
static const char *key_name(const model_config *c, size_t field) {
    const unsigned layouts = arch_table[c->arch].keys;
    for (int i = 0; i < n_config_keys; i++)
        if (config_keys[i].field == field && config_keys[i].layouts & layouts)
            return config_keys[i].name;
    return "a field without a key";
}

static int64_t window_of(char kind, int64_t n_ctx) {
    return kind == 'S' ? n_ctx / 2 + 1 : 0;
}

void config_set_context(model_config *c, int64_t n_ctx) {
    c->n_ctx = n_ctx;
    const size_t n = strlen(c->window_pattern);
    if (!n || c->n_layers < 1 || c->n_layers > MAX_LAYERS) return;
    for (int64_t l = 0; l < c->n_layers; l++)
        c->window[l] = window_of(c->window_pattern[(size_t)l % n], n_ctx);
    c->window[c->n_layers - 1] = 0;
}

static void derive_scales(model_config *c) {
    if (c->residual_scale == 0 && c->n_layers > 0)
        c->residual_scale = 1 / sqrt(2.0 * (double)c->n_layers);
    if (c->rope_attention == 0) c->rope_attention = 1;
    if (c->embed_scale == 0) c->embed_scale = 1;
    if (c->logit_scale == 0) c->logit_scale = 1;
    if (c->logit_divisor == 0) c->logit_divisor = 1;
    if (c->routed_scale == 0) c->routed_scale = 1;
}

void config_derive(model_config *c) {
    if (c->n_kv_heads == 0) c->n_kv_heads = c->n_heads;
    if (c->head_dim == 0 && c->n_heads > 0 && c->n_embd % c->n_heads == 0)
        c->head_dim = c->n_embd / c->n_heads;
    config_derive_latent(c);
    if (c->n_ff == 0 && !c->no_mlp) c->n_ff = 4 * c->n_embd;
    if (!c->scan_inner)
        c->scan_inner = c->scan_heads * c->scan_v;
    else if (c->scan_heads > 0)
        c->scan_v = c->scan_inner / c->scan_heads;
    derive_scales(c);
    if (c->pos == POS_ROPE && c->rope_dims == 0) c->rope_dims = c->head_dim;
    /* An id outside of the vocabulary names no token. */
    if (c->bos < 0 || c->bos >= c->n_vocab) c->bos = -1;
    if (c->eos < 0 || c->eos >= c->n_vocab) c->eos = -1;
    config_set_context(c, c->n_ctx);
}

/* Limits keep every product of two sizes far from the end of int64. */
static const struct {
    size_t field;
    int64_t most;
    bool optional; /* 0 = the model has none */
} limits[] = {
    {offsetof(model_config, n_vocab), 1 << 24, false},
    {offsetof(model_config, n_ctx), 1 << 28, false},
    {offsetof(model_config, n_layers), MAX_LAYERS, false},
    {offsetof(model_config, n_embd), 1 << 20, false},
    {offsetof(model_config, n_heads), 1 << 14, false},
    {offsetof(model_config, n_kv_heads), 1 << 14, false},
    {offsetof(model_config, n_ff), 1 << 24, false},
    {offsetof(model_config, q_lora_rank), 1 << 20, true},
    {offsetof(model_config, kv_lora_rank), 1 << 20, true},
    {offsetof(model_config, qk_nope_dim), 1 << 13, true},
    {offsetof(model_config, qk_rope_dim), 1 << 13, true},
    {offsetof(model_config, v_dim), 1 << 14, true},
    {offsetof(model_config, n_ahead), MAX_LAYERS, true},
    {offsetof(model_config, scan_heads), 1 << 14, false},
    {offsetof(model_config, scan_groups), 1 << 14, false},
    {offsetof(model_config, scan_k), 1 << 12, false},
    {offsetof(model_config, scan_v), 1 << 14, false},
    {offsetof(model_config, scan_conv), 1 << 8, false},
};

ar_status config_check_limits(const model_config *c, ar_error *err) {
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        int64_t x;
        memcpy(&x, (const char *)c + limits[i].field, sizeof x);
        if (x < 0 || x > limits[i].most)
            return error_set(err, AR_RANGE, "%s is %lld, not in 1 .. %lld",
                             key_name(c, limits[i].field), (long long)x,
                             (long long)limits[i].most);
    }
    return AR_OK;
}

static ar_status check_sizes(const model_config *c, ar_error *err) {
    TRY(config_check_limits(c, err));
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        int64_t x;
        memcpy(&x, (const char *)c + limits[i].field, sizeof x);
        if (x == 0 && !limits[i].optional && config_uses(c, limits[i].field))
            return error_set(err, AR_RANGE, "%s is not given",
                             key_name(c, limits[i].field));
    }
    if (!config_has_attention(c)) return AR_OK;
    if (c->head_dim == 0)
        return error_set(
            err, AR_RANGE, "%s %lld does not divide %s %lld",
            key_name(c, offsetof(model_config, n_heads)), (long long)c->n_heads,
            key_name(c, offsetof(model_config, n_embd)), (long long)c->n_embd);
    if (c->head_dim < 1 || c->head_dim > 1 << 14)
        return error_set(err, AR_RANGE, "head_dim is %lld, not in 1 .. 16384",
                         (long long)c->head_dim);
    if (c->n_heads % c->n_kv_heads)
        return error_set(err, AR_RANGE,
                         "num_key_value_heads %lld does not divide "
                         "num_attention_heads %lld",
                         (long long)c->n_kv_heads, (long long)c->n_heads);
    return AR_OK;
}

static bool is_positive(double x) { return x > 0 && isfinite(x); }

/* What llama3, yarn and dynamic ropes need besides a factor. */
static ar_status check_scaling(const model_config *c, ar_error *err) {
    const enum rope_scaling kind = c->rope_scaling;
    if (kind == ROPE_SCALING_LLAMA3 &&
        (!is_positive(c->rope_low) || !is_positive(c->rope_high) ||
         c->rope_high <= c->rope_low || c->rope_original_ctx < 1))
        return error_set(err, AR_RANGE,
                         "low_freq_factor %g, high_freq_factor %g and "
                         "original_max_position_embeddings %lld do not make "
                         "a llama3 rope",
                         c->rope_low, c->rope_high,
                         (long long)c->rope_original_ctx);
    if (kind == ROPE_SCALING_YARN &&
        (!is_positive(c->rope_beta_slow) || !is_positive(c->rope_beta_fast) ||
         c->rope_theta <= 1 || c->rope_original_ctx < 1))
        return error_set(err, AR_RANGE,
                         "beta_fast %g, beta_slow %g and rope_theta %g do not "
                         "make a yarn rope",
                         c->rope_beta_fast, c->rope_beta_slow, c->rope_theta);
    if (kind == ROPE_SCALING_DYNAMIC &&
        (c->rope_dims < 4 || c->rope_factor < 1 || c->rope_original_ctx < 1))
        return error_set(err, AR_RANGE,
                         "a dynamic rope of %lld elements and factor %g",
                         (long long)c->rope_dims, c->rope_factor);
    return AR_OK;
}

static ar_status check_rope(const model_config *c, ar_error *err) {
    if (c->pos != POS_ROPE) return AR_OK;
    if (c->rope_dims < 2 || c->rope_dims % 2 || c->rope_dims > c->head_dim)
        return error_set(err, AR_RANGE,
                         "%lld elements of a head of %lld cannot be rotated",
                         (long long)c->rope_dims, (long long)c->head_dim);
    if (!is_positive(c->rope_theta))
        return error_set(err, AR_RANGE, "rope_theta is %g", c->rope_theta);
    if (c->rope_rule == ROPE_RULE_LOCAL && !is_positive(c->rope_local_theta))
        return error_set(err, AR_RANGE, "rope_local_base_freq is %g",
                         c->rope_local_theta);
    if (!is_positive(c->rope_attention))
        return error_set(err, AR_RANGE, "the rope's attention_factor is %g",
                         c->rope_attention);
    if (c->rope_scaling == ROPE_SCALING_NONE) return AR_OK;
    if (!is_positive(c->rope_factor))
        return error_set(err, AR_RANGE, "the rope factor is %g",
                         c->rope_factor);
    return check_scaling(c, err);
}

static ar_status check_scales(const model_config *c, ar_error *err) {
    if (!isfinite(c->residual_scale))
        return error_set(err, AR_RANGE, "residual_scale is not finite");
    if (!(c->logit_softcap >= 0) || !isfinite(c->logit_softcap))
        return error_set(err, AR_RANGE, "final_logit_softcapping is %g",
                         c->logit_softcap);
    if (!(c->attn_softcap >= 0) || !isfinite(c->attn_softcap))
        return error_set(err, AR_RANGE, "attn_logit_softcapping is %g",
                         c->attn_softcap);
    if (!(c->query_scalar >= 0) || !isfinite(c->query_scalar))
        return error_set(err, AR_RANGE, "query_pre_attn_scalar is %g",
                         c->query_scalar);
    if (!isfinite(c->embed_scale) || !isfinite(c->attn_scale) ||
        !isfinite(c->logit_scale / c->logit_divisor))
        return error_set(err, AR_RANGE,
                         "the scale %g of embeddings, %g of scores, %g / %g of "
                         "logits is not finite",
                         c->embed_scale, c->attn_scale, c->logit_scale,
                         c->logit_divisor);
    return AR_OK;
}

ar_status config_check(const model_config *c, ar_error *err) {
    TRY(check_sizes(c, err));
    TRY(config_check_latent(c, err));
    TRY(config_check_scan(c, err));
    TRY(check_rope(c, err));
    if (c->qkv_by_head && c->n_kv_heads != c->n_heads)
        return error_set(err, AR_UNSUPPORTED,
                         "num_key_value_heads of q, k and v fused by head");
    if (!(c->norm_eps >= 0) || !(c->norm_eps < 1))
        return error_set(err, AR_RANGE, "%s is %g, not in 0 .. 1",
                         key_name(c, offsetof(model_config, norm_eps)),
                         c->norm_eps);
    TRY(check_scales(c, err));
    TRY(config_check_moe(c, err));
    if (c->value_embeds &&
        (c->gate_channels < 1 || c->gate_channels > c->n_embd))
        return error_set(err, AR_RANGE,
                         "value_gate_channels %lld is not in 1 .. %lld",
                         (long long)c->gate_channels, (long long)c->n_embd);
    for (int64_t l = 0; l < c->n_layers; l++)
        if (c->window[l] < 0)
            return error_set(err, AR_RANGE, "the window of layer %lld is %lld",
                             (long long)l, (long long)c->window[l]);
    return AR_OK;
}

double config_attn_scale(const model_config *c) {
    if (c->attn_scale != 0) return c->attn_scale;
    double scale = 1;
    if (c->rope_mscale_all != 0)
        scale = config_yarn_mscale(c->rope_factor, c->rope_mscale_all);
    return scale * scale /
           sqrt(c->query_scalar > 0 ? c->query_scalar : (double)c->head_dim);
}
