/* config_moe.c - how a configuration mixes experts, and in which layers. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "model/config_keys.h"

enum moe_kind { MOE_COUNT, MOE_REAL, MOE_BOOL };

static const struct moe_key {
    unsigned layouts;
    enum moe_kind kind;
    size_t field;
    const char *name;
} keys[] = {
#define MOE_KEY(layouts, kind, field, name)                                    \
    {layouts, MOE_##kind, offsetof(model_config, field), name},
#include "model/moe_keys.def"
#undef MOE_KEY
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static ar_status read_count(const json_t *root, const char *name, int64_t *out,
                            ar_error *err) {
    const json_t *j = config_get(root, name);
    if (!j) return AR_OK;
    if (!json_is_integer(j) || json_integer_value(j) < 0)
        return error_set(err, AR_FORMAT, "%s is not a count", name);
    *out = json_integer_value(j);
    return AR_OK;
}

/* 0 as a bound would leave nothing, and inside it means none. */
static ar_status read_clip(model_config *c, const json_t *root, ar_error *err) {
    const char *key = "clip_qkv";
    TRY(config_get_real(root, key, &c->clip_qkv, err));
    if (!config_get(root, key) || c->clip_qkv > 0) return AR_OK;
    return error_set(err, AR_RANGE, "%s is %g", key, c->clip_qkv);
}

static ar_status read_keys(model_config *c, const json_t *root, ar_error *err) {
    for (int i = 0; i < N_KEYS; i++) {
        const struct moe_key *k = &keys[i];
        void *field = (char *)c + k->field;
        if (!(k->layouts & c->moe_keys)) continue;
        if (k->kind == MOE_COUNT) TRY(read_count(root, k->name, field, err));
        if (k->kind == MOE_REAL)
            TRY(config_get_real(root, k->name, field, err));
        if (k->kind == MOE_BOOL)
            TRY(config_get_bool(root, k->name, field, err));
    }
    return AR_OK;
}

static ar_status unknown_word(const char *key, const char *word,
                              ar_error *err) {
    return error_set(err, AR_UNSUPPORTED, "%s \"%.64s\" is not known", key,
                     word);
}

/* A word, NULL where the key is left out. */
static ar_status read_word(const json_t *root, const char *key,
                           const char **out, ar_error *err) {
    const json_t *j = config_get(root, key);
    *out = json_string_value(j);
    if (!j || *out) return AR_OK;
    return error_set(err, AR_FORMAT, "%s is not a string", key);
}

/* DeepSeek's words for what is scored, and for how groups are. */
static ar_status read_scores(model_config *c, const json_t *root,
                             ar_error *err) {
    const char *word;
    TRY(read_word(root, "scoring_func", &word, err));
    if (word && !strcmp(word, "sigmoid"))
        c->route = ROUTE_SIGMOID;
    else if (word && !strcmp(word, "softmax"))
        c->route = ROUTE_SOFTMAX;
    else if (word)
        return unknown_word("scoring_func", word, err);
    TRY(read_word(root, "topk_method", &word, err));
    if (!word) return AR_OK;
    c->route_bias = !strcmp(word, "noaux_tc");
    if (c->route_bias) c->group_score = GROUP_BEST_TWO;
    if (c->route_bias) return AR_OK;
    c->group_score = GROUP_BEST;
    if (!strcmp(word, "greedy"))
        c->n_expert_groups = c->n_groups_used = 1;
    else if (strcmp(word, "group_limited_greedy") != 0)
        return unknown_word("topk_method", word, err);
    return AR_OK;
}

/* mlp_only_layers, and the rules for layers that it does not name. */
static ar_status read_layers(model_config *c, const json_t *root,
                             ar_error *err) {
    const json_t *only = config_get(root, "mlp_only_layers");
    const bool has_list = c->moe_keys & MOE_KEYS_SPARSE && only;
    int64_t step = 1;
    TRY(read_count(root, "moe_layer_freq", &step, err));
    if (step != 1)
        return error_set(err, AR_UNSUPPORTED, "moe_layer_freq is %lld",
                         (long long)step);
    if (c->sparse_step < 1)
        return error_set(err, AR_RANGE, "decoder_sparse_step is %lld",
                         (long long)c->sparse_step);
    for (int64_t l = 0; l < c->n_layers; l++)
        c->moe[l] = l >= c->dense_first && (l + 1) % c->sparse_step == 0;
    if (has_list && !json_is_array(only))
        return error_set(err, AR_FORMAT, "mlp_only_layers is not a list");
    for (size_t i = 0; has_list && i < json_array_size(only); i++) {
        const json_t *j = json_array_get(only, i);
        if (!json_is_integer(j))
            return error_set(err, AR_FORMAT,
                             "mlp_only_layers[%zu] is not a whole number", i);
        const json_int_t l = json_integer_value(j);
        if (l >= 0 && l < c->n_layers) c->moe[l] = false;
    }
    return AR_OK;
}

/* Experts that are packed as [E, out, in], where else they are turned. */
static ar_status read_packing(model_config *c, const json_t *root,
                              ar_error *err) {
    const json_t *q = config_get(root, "quantization_config");
    const char *word;
    if (!q || !c->experts_turned) return AR_OK;
    TRY(read_word(q, "quant_method", &word, err));
    if (!word || strcmp(word, "mxfp4") != 0)
        return unknown_word("quant_method", word ? word : "", err);
    c->experts_turned = false;
    return AR_OK;
}

ar_status config_read_moe(model_config *c, const json_t *root, ar_error *err) {
    if (!c->moe_keys) return AR_OK;
    TRY(read_keys(c, root, err));
    if (c->moe_keys & MOE_KEYS_CLIP) TRY(read_clip(c, root, err));
    if (c->moe_keys & MOE_KEYS_SCORES) TRY(read_scores(c, root, err));
    if (c->moe_keys & MOE_KEYS_QK_NORM) {
        bool use = c->qk_norm == QK_NORM_HEAD;
        TRY(config_get_bool(root, "use_qk_norm", &use, err));
        c->qk_norm = use ? QK_NORM_HEAD : QK_NORM_NONE;
    }
    if (c->moe_keys & MOE_KEYS_CLAMP &&
        (!(c->gate_limit > 0) || c->gate_alpha == 0))
        return error_set(err, AR_RANGE, "swiglu_limit is %g, swiglu_alpha %g",
                         c->gate_limit, c->gate_alpha);
    if (c->n_ff_expert == 0) c->n_ff_expert = c->n_ff;
    if (c->n_expert_groups == 0) c->n_expert_groups = 1;
    if (c->n_groups_used == 0) c->n_groups_used = c->n_expert_groups;
    if (c->sparse_step == 0 && !(c->moe_keys & MOE_KEYS_SPARSE))
        c->sparse_step = 1;
    TRY(read_packing(c, root, err));
    return read_layers(c, root, err);
}

void config_unpack(model_config *c) {
    c->experts_turned = !c->gguf && arch_table[c->arch].traits.experts_turned;
}

static ar_status check_groups(const model_config *c, ar_error *err) {
    const int64_t E = c->n_experts, n = c->n_expert_groups;
    const int64_t used = c->n_groups_used;
    if (n < 1 || E % n || used < 1 || used > n)
        return error_set(err, AR_RANGE,
                         "topk_group %lld of n_group %lld do not go with %lld "
                         "experts",
                         (long long)used, (long long)n, (long long)E);
    if (c->n_experts_used > used * (E / n))
        return error_set(err, AR_RANGE,
                         "num_experts_per_tok is %lld, but topk_group %lld "
                         "leaves %lld",
                         (long long)c->n_experts_used, (long long)used,
                         (long long)(used * (E / n)));
    if (n > 1 && c->group_score == GROUP_BEST_TWO && E / n < 2)
        return error_set(err, AR_RANGE, "groups of one expert: n_group %lld",
                         (long long)n);
    return AR_OK;
}

static ar_status check_numbers(const model_config *c, ar_error *err) {
    if (isfinite(c->routed_scale) && c->gate_limit >= 0 &&
        isfinite(c->gate_alpha) && c->clip_qkv >= 0)
        return AR_OK;
    return error_set(err, AR_RANGE,
                     "routed_scaling_factor %g, swiglu_limit %g, swiglu_alpha "
                     "%g or clip_qkv %g",
                     c->routed_scale, c->gate_limit, c->gate_alpha,
                     c->clip_qkv);
}

bool config_uses_experts(const model_config *c) {
    for (int64_t l = 0; l < c->n_layers; l++)
        if (config_is_moe(c, l)) return true;
    return false;
}

ar_status config_check_moe(const model_config *c, ar_error *err) {
    const int64_t most = 1 << 12;
    if (!config_uses_experts(c)) return AR_OK;
    if (c->n_experts < 0 || c->n_experts > most)
        return error_set(err, AR_RANGE, "%lld experts, not 0 .. %lld",
                         (long long)c->n_experts, (long long)most);
    if (c->n_experts_used < 1 || c->n_experts_used > c->n_experts)
        return error_set(err, AR_RANGE,
                         "num_experts_per_tok is %lld, not in 1 .. %lld",
                         (long long)c->n_experts_used, (long long)c->n_experts);
    if (c->n_ff_expert < 1 || c->n_ff_expert > 1 << 24)
        return error_set(err, AR_RANGE, "moe_intermediate_size is %lld",
                         (long long)c->n_ff_expert);
    if (c->n_shared_experts < 0 || c->n_shared_experts > most ||
        c->n_ff_shared < 0 || c->n_ff_shared > 1 << 24)
        return error_set(err, AR_RANGE, "%lld shared experts of width %lld",
                         (long long)c->n_shared_experts,
                         (long long)c->n_ff_shared);
    TRY(check_numbers(c, err));
    return check_groups(c, err);
}

static json_t *key_json(const model_config *c, const struct moe_key *k) {
    const void *field = (const char *)c + k->field;
    if (k->kind == MOE_COUNT) return json_integer(*(const int64_t *)field);
    if (k->kind == MOE_BOOL) return json_boolean(*(const bool *)field);
    return json_real(*(const double *)field);
}

static int write_scores(json_t *o, const model_config *c) {
    const char *const method = c->route_bias            ? "noaux_tc"
                               : c->n_expert_groups > 1 ? "group_limited_greedy"
                                                        : "greedy";
    return json_object_set_new(
               o, "scoring_func",
               json_string(c->route == ROUTE_SIGMOID ? "sigmoid" : "softmax")) |
           json_object_set_new(o, "topk_method", json_string(method));
}

/* Layers that the rules give experts, and which have none. */
static int write_dense(json_t *o, const model_config *c) {
    json_t *a = json_array();
    int bad = 0;
    for (int64_t l = 0; l < c->n_layers; l++)
        if (!c->moe[l]) bad |= json_array_append_new(a, json_integer(l));
    return bad | json_object_set_new(o, "mlp_only_layers", a);
}

int config_write_moe(json_t *o, const model_config *c) {
    int bad = 0;
    for (int i = 0; i < N_KEYS; i++)
        if (keys[i].layouts & c->moe_keys)
            bad |= json_object_set_new(o, keys[i].name, key_json(c, &keys[i]));
    if (c->clip_qkv > 0)
        bad |= json_object_set_new(o, "clip_qkv", json_real(c->clip_qkv));
    if (c->moe_keys & MOE_KEYS_SPARSE) bad |= write_dense(o, c);
    if (c->moe_keys & MOE_KEYS_SCORES) bad |= write_scores(o, c);
    if (c->moe_keys & MOE_KEYS_QK_NORM)
        bad |= json_object_set_new(o, "use_qk_norm",
                                   json_boolean(c->qk_norm == QK_NORM_HEAD));
    return bad;
}
