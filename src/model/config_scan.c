/* config_scan.c - layers with a state in place of keys and values: which they
 * are, and whether their sizes fit together. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/config_keys.h"

/* A name outside of strings stands alone: what follows a backslash in one may
 * be a quote. */
char *config_finite(const char *text, size_t size) {
    static const char word[] = "Infinity", number[] = "1e308   ";
    const size_t n = sizeof word - 1;
    char *out = mem_alloc(size + 1);
    if (!out) return NULL;
    memcpy(out, text, size);
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (quoted && out[i] == '\\')
            i++;
        else if (out[i] == '"')
            quoted = !quoted;
        else if (!quoted && size - i >= n && !memcmp(out + i, word, n))
            memcpy(out + i, number, n);
    }
    return out;
}

bool config_uses(const model_config *c, size_t field) {
    const bool scans = c->layer_rule != LAYERS_ATTENTION;
    switch (field) {
    case offsetof(model_config, n_heads):
    case offsetof(model_config, n_kv_heads):
    case offsetof(model_config, head_dim): return config_has_attention(c);
    case offsetof(model_config, n_ff): return !c->no_mlp;
    case offsetof(model_config, scan_heads):
    case offsetof(model_config, scan_groups):
    case offsetof(model_config, scan_k):
    case offsetof(model_config, scan_v):
    case offsetof(model_config, scan_inner):
    case offsetof(model_config, scan_conv): return scans;
    default: return true;
    }
}

/* ---- Mamba 2 ---- */

/* A number, or as layout 5 of transformers writes one without an end. */
static bool read_limit(const json_t *j, double *out) {
    const char *word = json_string_value(json_object_get(j, "__float__"));
    if (word) {
        *out = INFINITY;
        return !strcmp(word, "Infinity");
    }
    *out = json_number_value(j);
    if (*out >= CONFIG_INFINITE) *out = INFINITY;
    return json_is_number(j);
}

static ar_status read_time_steps(model_config *c, const json_t *root,
                                 ar_error *err) {
    const json_t *a = config_get(root, "time_step_limit");
    double low = 0, high = INFINITY;
    if (a && (!json_is_array(a) || json_array_size(a) != 2 ||
              !read_limit(json_array_get(a, 0), &low) ||
              !read_limit(json_array_get(a, 1), &high)))
        return error_set(err, AR_FORMAT,
                         "time_step_limit is not a list of two numbers");
    if (!isfinite(low) || !(low >= 0) || !(high > low))
        return error_set(err, AR_RANGE,
                         "time_step_limit is from %g to %g, which leaves no "
                         "time steps",
                         low, high);
    c->dt_low = low;
    c->dt_high = isfinite(high) ? high : 0;
    return AR_OK;
}

static ar_status read_mamba2(model_config *c, const json_t *root,
                             ar_error *err) {
    memset(c->layer_kind, LAYER_MAMBA2, (size_t)c->n_layers);
    TRY(read_time_steps(c, root, err));
    if (c->gguf) return AR_OK;
    int64_t expand = 2;
    TRY(config_get_int(root, "expand", &expand, err));
    if (expand >= 1 && expand <= 1 << 20 && expand * c->n_embd == c->scan_inner)
        return AR_OK;
    return error_set(err, AR_RANGE,
                     "expand %lld times hidden_size %lld is not num_heads %lld "
                     "times head_dim %lld",
                     (long long)expand, (long long)c->n_embd,
                     (long long)c->scan_heads, (long long)c->scan_v);
}

/* ---- the gated delta rule ---- */

/* A word of layer_types. */
static ar_status read_kind(const json_t *j, int64_t l, bool *full,
                           ar_error *err) {
    const char *s = json_string_value(j);
    if (!s)
        return error_set(err, AR_FORMAT, "layer_types[%lld] is not a string",
                         (long long)l);
    *full = !strcmp(s, "full_attention");
    if (*full || !strcmp(s, "linear_attention")) return AR_OK;
    return error_set(err, AR_UNSUPPORTED,
                     "layer_types[%lld] \"%.64s\" is not known", (long long)l,
                     s);
}

/* With a list, the interval is where it has the first layer of attention. */
static ar_status read_kinds(model_config *c, const json_t *root,
                            ar_error *err) {
    const json_t *a = config_get(root, "layer_types");
    int64_t every = c->full_interval, first = c->n_layers + 1;
    TRY(config_get_int(root, "full_attention_interval", &every, err));
    if (every < 1)
        return error_set(err, AR_RANGE, "full_attention_interval is %lld",
                         (long long)every);
    if (a && (!json_is_array(a) || (int64_t)json_array_size(a) != c->n_layers))
        return error_set(err, AR_FORMAT,
                         "layer_types is not a list of one word a layer");
    for (int64_t l = 0; l < c->n_layers; l++) {
        bool full = (l + 1) % every == 0;
        if (a) TRY(read_kind(json_array_get(a, (size_t)l), l, &full, err));
        if (full && first > l) first = l + 1;
        c->layer_kind[l] = full ? LAYER_ATTENTION : LAYER_DELTA;
    }
    c->full_interval = a ? first : every;
    return AR_OK;
}

ar_status config_read_scan(model_config *c, const json_t *root, ar_error *err) {
    switch (c->layer_rule) {
    case LAYERS_ATTENTION: break;
    case LAYERS_MAMBA2: return read_mamba2(c, root, err);
    case LAYERS_DELTA: return read_kinds(c, root, err);
    }
    return AR_OK;
}

/* ---- writing and checking ---- */

/* Limits that are none are those of transformers too. */
static int write_mamba2(json_t *o, const model_config *c) {
    int bad = json_object_set_new(o, "expand",
                                  json_integer(c->scan_inner / c->n_embd));
    if (c->dt_low == 0 && c->dt_high == 0) return bad;
    json_t *a = json_array();
    bad |= json_array_append_new(a, json_real(c->dt_low));
    bad |= json_array_append_new(
        a, c->dt_high > 0 ? json_real(c->dt_high)
                          : json_pack("{s:s}", "__float__", "Infinity"));
    return bad | json_object_set_new(o, "time_step_limit", a);
}

static int write_kinds(json_t *o, const model_config *c) {
    json_t *a = json_array();
    int bad = json_object_set_new(o, "full_attention_interval",
                                  json_integer(c->full_interval));
    for (int64_t l = 0; l < c->n_layers; l++)
        bad |= json_array_append_new(
            a, json_string(c->layer_kind[l] == LAYER_ATTENTION
                               ? "full_attention"
                               : "linear_attention"));
    return bad | json_object_set_new(o, "layer_types", a);
}

int config_write_scan(json_t *o, const model_config *c) {
    switch (c->layer_rule) {
    case LAYERS_ATTENTION: break;
    case LAYERS_MAMBA2: return write_mamba2(o, c);
    case LAYERS_DELTA: return write_kinds(o, c);
    }
    return 0;
}

ar_status config_check_scan(const model_config *c, ar_error *err) {
    if (c->layer_rule == LAYERS_ATTENTION) return AR_OK;
    if (c->scan_heads % c->scan_groups)
        return error_set(err, AR_RANGE,
                         "%lld groups of queries and keys do not divide %lld "
                         "heads of a state",
                         (long long)c->scan_groups, (long long)c->scan_heads);
    if (c->scan_conv < 2)
        return error_set(err, AR_RANGE,
                         "a convolution of %lld tokens sees none before",
                         (long long)c->scan_conv);
    if (c->scan_inner != c->scan_heads * c->scan_v)
        return error_set(err, AR_RANGE,
                         "%lld heads do not divide an inner size of %lld",
                         (long long)c->scan_heads, (long long)c->scan_inner);
    return AR_OK;
}
