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
    if (field == offsetof(model_config, attn_scale) ||
        field == offsetof(model_config, clip_qkv))
        return x != 0;
    return or_one(x) != or_one(by_default) || (x != 0 && x != 1);
}

/* See add_mscale in config_gguf.c. */
static void put_yarn(const target *t, const model_config *c) {
    if (c->rope_beta_fast != 32)
        put_real(t, "rope.scaling.yarn_beta_fast", c->rope_beta_fast);
    if (c->rope_beta_slow != 1)
        put_real(t, "rope.scaling.yarn_beta_slow", c->rope_beta_slow);
    if (c->rope_mscale_all == 0 || !(c->rope_factor > 1)) return;
    const double of_scores =
        config_yarn_mscale(c->rope_factor, c->rope_mscale_all);
    put_real(t, "rope.scaling.yarn_log_multiplier",
             (of_scores / c->rope_attention - 1) / log(c->rope_factor));
    if (!near(c->rope_attention, 1))
        put_real(t, "rope.scaling.attn_factor", c->rope_attention);
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
    if (c->rope_scaling == ROPE_SCALING_YARN) put_yarn(t, c);
    if (c->rope_original_ctx && c->rope_scaling != ROPE_SCALING_LINEAR)
        put_int(t, "rope.scaling.original_context_length",
                c->rope_original_ctx);
}

static void put_experts(const target *t, const model_config *c) {
    /* ORDER: enum route_kind */
    static const int kinds[] = {1, 3, 2};
    char key[160];
    put_int(t, "expert_gating_func", kinds[c->route]);
    gguf_put_bool(t->w, key_of(t, "expert_weights_norm", key), c->norm_topk);
}

static void put_key(const target *t, const model_config *c, int i) {
    const size_t at = gguf_key_field(&gguf_keys[i], c->arch);
    const void *field = (const char *)c + at;
    const bool whole =
        gguf_keys[i].kind == KEY_INT || gguf_keys[i].kind == KEY_INT_NONE;
    const int64_t x = whole ? *(const int64_t *)field : 0;
    if (!config_uses(c, at)) return;
    if (gguf_keys[i].kind == KEY_INT ? x != 0 : x > 0)
        put_int(t, gguf_keys[i].name, x);
    else if (!whole && wanted(c, at, gguf_keys[i].name))
        put_real(t, gguf_keys[i].name, *(const double *)field);
}

static void put_windows(const target *t, const model_config *c) {
    if (c->window_rule == WINDOWS_OWN || !c->sliding_window) return;
    put_int(t, "attention.sliding_window", c->sliding_window);
    if (c->window_rule == WINDOWS_PERIOD)
        put_int(t, "attention.sliding_window_pattern", c->window_period);
}

void export_gguf_config(gguf_writer *w, const model_config *c,
                        const char *arch) {
    const target t = {w, arch};
    char key[160];
    for (int i = 0; i < n_gguf_keys; i++) put_key(&t, c, i);
    if (config_has_attention(c))
        put_int(&t, "attention.value_length", c->v_dim);
    if (c->layer_rule == LAYERS_DELTA)
        put_int(&t, "full_attention_interval", c->full_interval);
    put_int(&t, "vocab_size", c->n_vocab);
    if (arch_table[c->arch].keys & KEYS_PARALLEL)
        gguf_put_bool(w, key_of(&t, "use_parallel_residual", key), c->parallel);
    put_windows(&t, c);
    if (c->pos == POS_ROPE) put_rope(&t, c);
    if (c->n_experts) put_experts(&t, c);
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

static bool same_latent(const model_config *a, const model_config *b) {
    return a->attn_kind == b->attn_kind && a->q_lora_rank == b->q_lora_rank &&
           a->kv_lora_rank == b->kv_lora_rank &&
           a->qk_nope_dim == b->qk_nope_dim &&
           a->qk_rope_dim == b->qk_rope_dim && a->v_dim == b->v_dim;
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

static bool same_routing(const model_config *a, const model_config *b) {
    for (int64_t l = 0; l < a->n_layers; l++)
        if (config_is_moe(a, l) != config_is_moe(b, l)) return false;
    return a->route == b->route && a->group_score == b->group_score &&
           a->route_bias == b->route_bias && a->norm_topk == b->norm_topk &&
           a->n_expert_groups == b->n_expert_groups &&
           a->n_groups_used == b->n_groups_used &&
           near(or_one(a->routed_scale), or_one(b->routed_scale));
}

static bool same_experts(const model_config *a, const model_config *b) {
    return a->n_experts == b->n_experts &&
           a->n_experts_used == b->n_experts_used &&
           a->n_ff_expert == b->n_ff_expert &&
           config_shared_width(a) == config_shared_width(b) &&
           a->shared_gate == b->shared_gate &&
           a->bias_experts == b->bias_experts && a->sinks == b->sinks &&
           near(a->gate_limit, b->gate_limit) &&
           near(a->gate_alpha, b->gate_alpha) && near(a->clip_qkv, b->clip_qkv);
}

static bool same_mixtures(const model_config *a, const model_config *b) {
    if (config_uses_experts(a) != config_uses_experts(b)) return false;
    return !config_uses_experts(a) ||
           (same_experts(a, b) && same_routing(a, b));
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
    if (!same_sizes(a, b) || !same_latent(a, b)) return "sizes";
    if (!same_parts(a, b)) return "biases, norms or tied head";
    if (!same_mixtures(a, b)) return "experts";
    if (a->act != b->act) return "activation";
    if (!near(a->norm_eps, b->norm_eps)) return "epsilon of the norms";
    if (!same_states(a, b)) return "kinds of layers or sizes of states";
    if (a->dt_low != b->dt_low || a->dt_high != b->dt_high)
        return "limits of time steps";
    if (!same_scales(a, b)) return "scales";
    if (!same_windows(a, b)) return "windows";
    return same_rope(a, b) ? NULL : "rotation";
}
