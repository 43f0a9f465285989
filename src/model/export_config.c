/* export_config.c - a configuration as the metadata of a GGUF file. */
#include <math.h>
#include <string.h>

#include "model/export_int.h"
#include "model/gguf_table.h"

const char *export_gguf_arch(enum arch_id arch, bool *pairs) {
    for (int i = 0; i < n_gguf_archs; i++)
        if (gguf_archs[i].arch == arch) {
            *pairs = gguf_archs[i].pairs;
            return gguf_archs[i].name;
        }
    return NULL;
}

/* Metadata are f32. */
static bool near(double a, double b) {
    return fabs(a - b) <= 2e-7 * (fabs(a) + fabs(b));
}

static double or_one(double x) { return x != 0 ? x : 1; }

/* A writer and the word that its keys begin with. */
typedef struct target {
    gguf_writer *w;
    const char *arch;
} target;

static const char *key_of(const target *t, const char *name, char out[160]) {
    snprintf(out, 160, "%s.%s", t->arch, name);
    return out;
}

static void put_int(const target *t, const char *name, int64_t x) {
    char key[160];
    gguf_put_int(t->w, key_of(t, name, key), GGUF_U32, x);
}

static void put_real(const target *t, const char *name, double x) {
    char key[160];
    gguf_put_real(t->w, key_of(t, name, key), GGUF_F32, x);
}

/* Of the two names of the epsilon, that of the kind of norm; other numbers
 * only where leaving them out would mean something else. */
static bool wanted(const model_config *c, size_t field, const char *name) {
    const double x = *(const double *)(const void *)((const char *)c + field);
    const double by_default = *(
        const double
            *)(const void *)((const char *)&arch_table[c->arch].traits + field);
    if (field == offsetof(model_config, norm_eps))
        return (strstr(name, "rms") != NULL) == (c->norm == NORM_RMS);
    if (field == offsetof(model_config, attn_scale)) return x != 0;
    return or_one(x) != or_one(by_default) || (x != 0 && x != 1);
}

static void put_rope(const target *t, const model_config *c) {
    static const char *const names[] = {"none", "linear", NULL,
                                        NULL,   "yarn",   "longrope"};
    char key[160];
    put_int(t, "rope.dimension_count", c->rope_dims);
    put_real(t, "rope.freq_base", c->rope_theta);
    if (c->rope_rule == ROPE_RULE_LOCAL)
        put_real(t, "rope.freq_base_swa", c->rope_local_theta);
    const char *name = names[c->rope_scaling];
    if (c->rope_scaling == ROPE_SCALING_NONE || !name) return;
    gguf_put_string(t->w, key_of(t, "rope.scaling.type", key),
                    (gguf_string){name, strlen(name)});
    if (c->rope_scaling != ROPE_SCALING_LONGROPE)
        put_real(t, "rope.scaling.factor", c->rope_factor);
    else
        put_real(t, "rope.scaling.attn_factor", c->rope_attention);
    if (c->rope_original_ctx && c->rope_scaling != ROPE_SCALING_LINEAR)
        put_int(t, "rope.scaling.original_context_length",
                c->rope_original_ctx);
}

void export_gguf_config(gguf_writer *w, const model_config *c,
                        const char *arch) {
    const target t = {w, arch};
    for (int i = 0; i < n_gguf_keys; i++) {
        const void *field = (const char *)c + gguf_keys[i].field;
        if (!config_uses(c, gguf_keys[i].field)) continue;
        if (gguf_keys[i].kind == KEY_INT)
            put_int(&t, gguf_keys[i].name, *(const int64_t *)field);
        else if (wanted(c, gguf_keys[i].field, gguf_keys[i].name))
            put_real(&t, gguf_keys[i].name, *(const double *)field);
    }
    if (config_has_attention(c))
        put_int(&t, "attention.value_length", c->head_dim);
    if (c->layer_rule == LAYERS_DELTA)
        put_int(&t, "full_attention_interval", c->full_interval);
    put_int(&t, "vocab_size", c->n_vocab);
    if (c->window_rule != WINDOWS_OWN && c->sliding_window) {
        put_int(&t, "attention.sliding_window", c->sliding_window);
        if (c->window_rule == WINDOWS_PERIOD)
            put_int(&t, "attention.sliding_window_pattern", c->window_period);
    }
    if (c->pos == POS_ROPE) put_rope(&t, c);
}

static bool same_windows(const model_config *a, const model_config *b) {
    for (int64_t l = 0; l < a->n_layers; l++) {
        const int64_t x = a->window[l], y = b->window[l], n = a->n_ctx;
        if ((x && x < n ? x : 0) != (y && y < n ? y : 0)) return false;
    }
    return true;
}

static bool same_frequencies(const model_config *a, const model_config *b,
                             int64_t n_tokens) {
    double x[MAX_ROPE_FACTORS * 8], y[MAX_ROPE_FACTORS * 8];
    if (a->rope_dims > MAX_ROPE_FACTORS * 16) return false;
    config_rope_frequencies(a, n_tokens, x);
    config_rope_frequencies(b, n_tokens, y);
    for (int64_t i = 0; i < a->rope_dims / 2; i++)
        if (!near(x[i], y[i])) return false;
    return near(or_one(a->rope_attention), or_one(b->rope_attention));
}

static bool same_rope(const model_config *a, const model_config *b) {
    if (a->pos != b->pos) return false;
    if (a->pos != POS_ROPE) return true;
    if (a->rope_dims != b->rope_dims) return false;
    for (int64_t l = 0; l < a->n_layers; l++) {
        if (a->rope_use[l] != b->rope_use[l]) return false;
        if (a->rope_use[l] == ROPE_USE_LOCAL &&
            !near(a->rope_local_theta, b->rope_local_theta))
            return false;
    }
    return same_frequencies(a, b, 1) && same_frequencies(a, b, a->n_ctx);
}

static bool same_sizes(const model_config *a, const model_config *b) {
    return a->n_vocab == b->n_vocab && a->n_ctx == b->n_ctx &&
           a->n_layers == b->n_layers && a->n_embd == b->n_embd &&
           a->n_heads == b->n_heads && a->n_kv_heads == b->n_kv_heads &&
           a->head_dim == b->head_dim && a->n_ff == b->n_ff;
}

static bool same_states(const model_config *a, const model_config *b) {
    return a->layer_rule == b->layer_rule &&
           !memcmp(a->layer_kind, b->layer_kind, sizeof a->layer_kind) &&
           a->scan_heads == b->scan_heads && a->scan_groups == b->scan_groups &&
           a->scan_k == b->scan_k && a->scan_v == b->scan_v &&
           a->scan_conv == b->scan_conv && a->bias_scan == b->bias_scan &&
           a->bias_conv == b->bias_conv;
}

static bool same_parts(const model_config *a, const model_config *b) {
    return a->tied == b->tied && a->fused_qkv == b->fused_qkv &&
           a->fused_mlp == b->fused_mlp && a->bias_qkv == b->bias_qkv &&
           a->bias_o == b->bias_o && a->bias_mlp == b->bias_mlp &&
           a->gated == b->gated && a->parallel == b->parallel &&
           a->qk_norm == b->qk_norm && a->branch_norm == b->branch_norm &&
           a->norm == b->norm;
}

static bool same_scales(const model_config *a, const model_config *b) {
    return near(or_one(a->embed_scale), or_one(b->embed_scale)) &&
           near(or_one(a->logit_scale), or_one(b->logit_scale)) &&
           near(or_one(a->logit_divisor), or_one(b->logit_divisor)) &&
           near(a->residual_scale, b->residual_scale) &&
           near(a->logit_softcap, b->logit_softcap) &&
           near(a->attn_softcap, b->attn_softcap) &&
           (!config_has_attention(a) ||
            near(config_attn_scale(a), config_attn_scale(b))) &&
           a->embed_sqrt == b->embed_sqrt;
}

const char *export_difference(const model_config *a, const model_config *b) {
    if (!same_sizes(a, b)) return "sizes";
    if (!same_parts(a, b)) return "biases, norms or tied head";
    if (a->act != b->act) return "activation";
    if (!near(a->norm_eps, b->norm_eps)) return "epsilon of the norms";
    if (!same_states(a, b)) return "kinds of layers or sizes of states";
    if (a->dt_low != b->dt_low || a->dt_high != b->dt_high)
        return "limits of time steps";
    if (!same_scales(a, b)) return "scales";
    if (!same_windows(a, b)) return "windows";
    return same_rope(a, b) ? NULL : "rotation";
}
