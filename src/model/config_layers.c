/* config_layers.c - what differs from layer to layer: windows, rotation.
 *
 * A list in config.json counts; where there is none, the rule of the
 * architecture (models.def) does. */
#include <string.h>

#include "base/error.h"
#include "model/config_keys.h"

/* Our own keys: "window_pattern", or one number a layer in "layer_windows". */
static ar_status read_own(model_config *c, const json_t *root, ar_error *err) {
    const json_t *p = config_get(root, "window_pattern");
    if (p) {
        const char *s = json_is_string(p) ? json_string_value(p) : "";
        const size_t n = strlen(s);
        if (n < 1 || n >= sizeof c->window_pattern || strspn(s, "SL") != n)
            return error_set(err, AR_FORMAT,
                             "window_pattern is not 1 to 31 "
                             "letters S and L");
        memcpy(c->window_pattern, s, n + 1);
        config_set_context(c, c->n_ctx);
        return AR_OK;
    }
    const json_t *a = config_get(root, "layer_windows");
    if (!a) return AR_OK;
    if (!json_is_array(a) || (int64_t)json_array_size(a) != c->n_layers)
        return error_set(err, AR_FORMAT,
                         "layer_windows is not a list of one "
                         "number a layer");
    for (size_t l = 0; l < json_array_size(a); l++) {
        const json_t *j = json_array_get(a, l);
        if (!json_is_integer(j))
            return error_set(err, AR_FORMAT,
                             "layer_windows[%zu] is not a "
                             "whole number",
                             l);
        c->window[l] = json_integer_value(j);
    }
    return AR_OK;
}

/* sliding_window_pattern; a word says no more than the layer_types with it. */
static ar_status read_period(model_config *c, const json_t *root,
                             ar_error *err) {
    const char *key = "sliding_window_pattern";
    if (!config_get(root, key)) key = "_sliding_window_pattern";
    if (json_is_string(config_get(root, key)) &&
        config_get(root, "layer_types"))
        return AR_OK;
    return config_get_int(root, key, &c->window_period, err);
}

/* sliding_window: null is no window; some ask for a switch besides. */
static ar_status read_width(model_config *c, const json_t *root,
                            ar_error *err) {
    const json_t *w = json_object_get(root, "sliding_window");
    bool use = c->window_rule < WINDOWS_LATE;
    if (!use) TRY(config_get_bool(root, "use_sliding_window", &use, err));
    /* Files of Qwen2-MoE say 0 where it is switched off. */
    const bool off = !use && c->window_rule == WINDOWS_EARLY &&
                     json_is_integer(w) && !json_integer_value(w);
    if (json_is_null(w)) c->sliding_window = 0;
    if (!off)
        TRY(config_get_int(root, "sliding_window", &c->sliding_window, err));
    if (!use) c->sliding_window = 0;
    TRY(read_period(c, root, err));
    const json_t *first = config_get(root, "max_window_layers");
    if (first && !json_is_integer(first))
        return error_set(err, AR_FORMAT,
                         "max_window_layers is not a whole number");
    if (first) c->window_first = json_integer_value(first);
    if (c->window_rule == WINDOWS_PERIOD && c->window_period < 1)
        return error_set(err, AR_RANGE, "sliding_window_pattern is %lld",
                         (long long)c->window_period);
    return AR_OK;
}

static ar_status read_type(const model_config *c, const json_t *j, int64_t l,
                           bool *out, ar_error *err) {
    const char *s = json_string_value(j);
    if (!s)
        return error_set(err, AR_FORMAT, "layer_types[%lld] is not a string",
                         (long long)l);
    *out = !strcmp(s, "sliding_attention");
    if (!*out && strcmp(s, "full_attention") != 0)
        return error_set(err, AR_UNSUPPORTED,
                         "layer_types[%lld] \"%.64s\" is not known",
                         (long long)l, s);
    if (*out && c->sliding_window == 0)
        return error_set(err, AR_FORMAT,
                         "layer_types[%lld] is sliding_attention, but no "
                         "sliding_window is in use",
                         (long long)l);
    return AR_OK;
}

static bool slides(const model_config *c, int64_t l) {
    switch (c->window_rule) {
    case WINDOWS_OWN: return false;
    case WINDOWS_ALL:
    case WINDOWS_SWITCHED: return true;
    case WINDOWS_EARLY: return l % 2 == 0 && l < c->window_first;
    case WINDOWS_PERIOD: return (l + 1) % c->window_period != 0;
    case WINDOWS_LATE: return l >= c->window_first;
    case WINDOWS_UNTURNED: return c->rope_use[l] == ROPE_USE_NONE;
    }
    return false;
}

static ar_status read_sliding(model_config *c, const json_t *root,
                              ar_error *err) {
    const json_t *a = config_get(root, "layer_types");
    TRY(read_width(c, root, err));
    if (c->window_rule == WINDOWS_ALL) a = NULL; /* has none */
    if (a && (!json_is_array(a) || (int64_t)json_array_size(a) != c->n_layers))
        return error_set(err, AR_FORMAT,
                         "layer_types is not a list of one word a layer");
    for (int64_t l = 0; l < c->n_layers; l++) {
        bool s = slides(c, l);
        if (a) TRY(read_type(c, json_array_get(a, (size_t)l), l, &s, err));
        c->window[l] = s ? c->sliding_window : 0;
    }
    return AR_OK;
}

/* no_rope_layers: 0 is a layer that is not turned. */
static ar_status read_unturned(model_config *c, const json_t *root,
                               ar_error *err) {
    const json_t *a = config_get(root, "no_rope_layers");
    TRY(config_get_int(root, "no_rope_layer_interval", &c->rope_period, err));
    if (c->rope_period < 1)
        return error_set(err, AR_RANGE, "no_rope_layer_interval is %lld",
                         (long long)c->rope_period);
    if (a && (!json_is_array(a) || (int64_t)json_array_size(a) != c->n_layers))
        return error_set(err, AR_FORMAT,
                         "no_rope_layers is not a list of one number a layer");
    for (int64_t l = 0; l < c->n_layers; l++) {
        const json_t *j = a ? json_array_get(a, (size_t)l) : NULL;
        if (j && !json_is_integer(j))
            return error_set(err, AR_FORMAT,
                             "no_rope_layers[%lld] is not a whole number",
                             (long long)l);
        const bool turned =
            j ? json_integer_value(j) != 0 : (l + 1) % c->rope_period != 0;
        c->rope_use[l] = turned ? ROPE_USE : ROPE_USE_NONE;
    }
    return AR_OK;
}

ar_status config_read_layers(model_config *c, const json_t *root,
                             ar_error *err) {
    if (c->rope_rule == ROPE_RULE_LIST) TRY(read_unturned(c, root, err));
    if (arch_table[c->arch].keys & KEYS_OWN) TRY(read_own(c, root, err));
    if (c->window_rule != WINDOWS_OWN) TRY(read_sliding(c, root, err));
    TRY(config_read_scan(c, root, err));
    for (int64_t l = 0; l < c->n_layers; l++) {
        if (c->rope_rule == ROPE_RULE_LOCAL && c->window[l])
            c->rope_use[l] = ROPE_USE_LOCAL;
        if (!c->window[l] &&
            (c->rope_rule == ROPE_RULE_WINDOW ||
             (c->rope_rule == ROPE_RULE_HYBRID && c->sliding_window)))
            c->rope_use[l] = ROPE_USE_NONE;
    }
    return AR_OK;
}

static int write_own(json_t *o, const model_config *c) {
    if (c->window_pattern[0])
        return json_object_set_new(o, "window_pattern",
                                   json_string(c->window_pattern));
    bool any = false;
    json_t *a = json_array();
    int bad = 0;
    for (int64_t l = 0; l < c->n_layers; l++) {
        any |= c->window[l] != 0;
        bad |= json_array_append_new(a, json_integer(c->window[l]));
    }
    if (any) return bad | json_object_set_new(o, "layer_windows", a);
    json_decref(a);
    return bad;
}

static int write_sliding(json_t *o, const model_config *c) {
    const int64_t w = c->sliding_window;
    int bad = json_object_set_new(o, "sliding_window",
                                  w ? json_integer(w) : json_null());
    if (c->window_rule == WINDOWS_ALL) return bad;
    if (c->window_rule == WINDOWS_PERIOD)
        bad |= json_object_set_new(o, "sliding_window_pattern",
                                   json_integer(c->window_period));
    if (c->window_rule == WINDOWS_LATE || c->window_rule == WINDOWS_EARLY)
        bad |= json_object_set_new(o, "max_window_layers",
                                   json_integer(c->window_first));
    if (c->window_rule >= WINDOWS_LATE)
        bad |= json_object_set_new(o, "use_sliding_window", json_boolean(w));
    json_t *a = json_array();
    for (int64_t l = 0; l < c->n_layers; l++)
        bad |= json_array_append_new(
            a,
            json_string(c->window[l] ? "sliding_attention" : "full_attention"));
    return bad | json_object_set_new(o, "layer_types", a);
}

int config_write_layers(json_t *o, const model_config *c) {
    int bad = config_write_scan(o, c);
    if (arch_table[c->arch].keys & KEYS_OWN) bad |= write_own(o, c);
    if (c->window_rule != WINDOWS_OWN) bad |= write_sliding(o, c);
    if (c->rope_rule != ROPE_RULE_LIST) return bad;
    json_t *a = json_array();
    for (int64_t l = 0; l < c->n_layers; l++)
        bad |= json_array_append_new(
            a, json_integer(c->rope_use[l] != ROPE_USE_NONE));
    bad |= json_object_set_new(o, "no_rope_layer_interval",
                               json_integer(c->rope_period));
    return bad | json_object_set_new(o, "no_rope_layers", a);
}
