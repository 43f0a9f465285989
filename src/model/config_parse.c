/* config_parse.c - config.json to a configuration.
 *
 * Keys of both layouts of transformers are known: 4 has rope_theta and
 * rope_scaling, 5 has rope_parameters.  Keys that say nothing about how the
 * model computes are passed over; a value we have no code for is an error. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/config_keys.h"

enum { CONFIG_MAX_SIZE = 1 << 24 };

static const struct {
    const char *name;
    enum unary_kind kind;
} activations[] = {
#define ACTIVATION(name, kind) {name, UNARY_##kind},
#include "model/acts.def"
#undef ACTIVATION
};

/* NULL also where the value is null: the same as a key left out. */
static const json_t *get(const json_t *object, const char *key) {
    const json_t *j = json_object_get(object, key);
    return json_is_null(j) ? NULL : j;
}

static ar_status read_int(const json_t *object, const char *key, int64_t *out,
                          ar_error *err) {
    const json_t *j = get(object, key);
    if (!j) return AR_OK;
    if (!json_is_integer(j))
        return error_set(err, AR_FORMAT, "%s is not a whole number", key);
    *out = json_integer_value(j);
    /* 0 means "left out" inside; in a file it is a mistake. */
    if (*out == 0) return error_set(err, AR_RANGE, "%s is 0", key);
    return AR_OK;
}

static ar_status read_real(const json_t *object, const char *key, double *out,
                           ar_error *err) {
    const json_t *j = get(object, key);
    if (!j) return AR_OK;
    if (!json_is_number(j))
        return error_set(err, AR_FORMAT, "%s is not a number", key);
    *out = json_number_value(j);
    return AR_OK;
}

static ar_status read_bool(const json_t *object, const char *key, bool *out,
                           ar_error *err) {
    const json_t *j = get(object, key);
    if (!j) return AR_OK;
    if (!json_is_boolean(j))
        return error_set(err, AR_FORMAT, "%s is not true or false", key);
    *out = json_is_true(j);
    return AR_OK;
}

static ar_status read_act(const json_t *object, const char *key,
                          enum unary_kind *out, ar_error *err) {
    const json_t *j = get(object, key);
    if (!j) return AR_OK;
    if (!json_is_string(j))
        return error_set(err, AR_FORMAT, "%s is not a string", key);
    const char *name = json_string_value(j);
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (!strcmp(activations[i].name, name)) {
            *out = activations[i].kind;
            return AR_OK;
        }
    return error_set(err, AR_UNSUPPORTED, "%s \"%.64s\" is not known", key,
                     name);
}

static ar_status read_token(const json_t *object, const char *key, int32_t *out,
                            ar_error *err) {
    const json_t *j = json_object_get(object, key);
    if (!j) return AR_OK;
    if (json_is_array(j)) j = json_array_get(j, 0);
    if (!j || json_is_null(j)) {
        *out = -1;
        return AR_OK;
    }
    if (!json_is_integer(j))
        return error_set(err, AR_FORMAT, "%s is not a token id", key);
    const json_int_t x = json_integer_value(j);
    *out = x < 0 || x > INT32_MAX ? -1 : (int32_t)x;
    return AR_OK;
}

static ar_status read_key(model_config *c, const json_t *root,
                          const config_key *k, ar_error *err) {
    void *field = (char *)c + k->field;
    switch (k->kind) {
    case KEY_INT: return read_int(root, k->name, field, err);
    case KEY_REAL: return read_real(root, k->name, field, err);
    case KEY_BOOL: return read_bool(root, k->name, field, err);
    case KEY_ACT: return read_act(root, k->name, field, err);
    case KEY_TOKEN: return read_token(root, k->name, field, err);
    }
    return AR_OK;
}

static const struct {
    unsigned layouts;
    const char *name;
    bool value;
} musts[] = {
#define KEY_MUST(layouts, name, value) {layouts, name, value},
#include "model/keys.def"
#undef KEY_MUST
};

static ar_status check_musts(const json_t *root, unsigned layouts,
                             ar_error *err) {
    for (size_t i = 0; i < sizeof musts / sizeof *musts; i++) {
        bool x = musts[i].value;
        if (!(musts[i].layouts & layouts)) continue;
        TRY(read_bool(root, musts[i].name, &x, err));
        if (x != musts[i].value)
            return error_set(err, AR_UNSUPPORTED, "%s is %s", musts[i].name,
                             x ? "true" : "false");
    }
    return AR_OK;
}

static ar_status read_llama3(model_config *c, const json_t *o, ar_error *err) {
    const char *const keys[] = {"factor", "low_freq_factor", "high_freq_factor",
                                "original_max_position_embeddings"};
    for (int i = 0; i < 4; i++)
        if (!get(o, keys[i]))
            return error_set(err, AR_FORMAT, "the llama3 rope has no %s",
                             keys[i]);
    TRY(read_real(o, "low_freq_factor", &c->rope_low, err));
    TRY(read_real(o, "high_freq_factor", &c->rope_high, err));
    TRY(read_int(o, "original_max_position_embeddings", &c->rope_original_ctx,
                 err));
    c->rope_scaling = ROPE_SCALING_LLAMA3;
    return AR_OK;
}

/* rope_parameters (5) or rope_scaling (4), whose type was once "type". */
static ar_status read_rope_object(model_config *c, const json_t *o,
                                  ar_error *err) {
    if (!json_is_object(o))
        return error_set(err, AR_FORMAT,
                         "the rope parameters are not an object");
    const json_t *type = get(o, "rope_type");
    if (!type) type = get(o, "type");
    if (type && !json_is_string(type))
        return error_set(err, AR_FORMAT, "rope_type is not a string");
    const char *name = type ? json_string_value(type) : "default";
    TRY(read_real(o, "rope_theta", &c->rope_theta, err));
    if (!strcmp(name, "default")) return AR_OK;
    TRY(read_real(o, "factor", &c->rope_factor, err));
    if (!strcmp(name, "linear")) {
        if (!get(o, "factor"))
            return error_set(err, AR_FORMAT, "the linear rope has no factor");
        c->rope_scaling = ROPE_SCALING_LINEAR;
        return AR_OK;
    }
    if (!strcmp(name, "llama3")) return read_llama3(c, o, err);
    return error_set(err, AR_UNSUPPORTED, "rope_type \"%.64s\" is not known",
                     name);
}

static ar_status read_rope(model_config *c, const json_t *root, ar_error *err) {
    if (c->pos != POS_ROPE) return AR_OK;
    TRY(read_real(root, "rope_theta", &c->rope_theta, err));
    const json_t *o = get(root, "rope_parameters");
    if (!o) o = get(root, "rope_scaling");
    if (o) TRY(read_rope_object(c, o, err));
    double part = 1;
    TRY(read_real(root, "partial_rotary_factor", &part, err));
    if (o) TRY(read_real(o, "partial_rotary_factor", &part, err));
    if (!(part > 0 && part <= 1))
        return error_set(err, AR_RANGE, "partial_rotary_factor is %g", part);
    if (part < 1) c->rope_dims = (int64_t)((double)c->head_dim * part + 1e-9);
    if (part < 1 && c->rope_dims < 2)
        return error_set(err, AR_RANGE,
                         "partial_rotary_factor %g leaves no "
                         "element to rotate",
                         part);
    return AR_OK;
}

/* "window_pattern", or one number a layer in "layer_windows". */
static ar_status read_windows(model_config *c, const json_t *root,
                              ar_error *err) {
    const json_t *p = get(root, "window_pattern");
    if (p) {
        const char *s = json_is_string(p) ? json_string_value(p) : "";
        const size_t n = strlen(s);
        if (n < 1 || n >= sizeof c->window_pattern || strspn(s, "SL") != n)
            return error_set(err, AR_FORMAT,
                             "window_pattern is not 1 to 31 "
                             "letters S and L");
        memcpy(c->window_pattern, s, n + 1);
        return AR_OK;
    }
    const json_t *a = get(root, "layer_windows");
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

static ar_status find_arch(const json_t *root, enum arch_id *out,
                           ar_error *err) {
    if (!json_is_object(root))
        return error_set(err, AR_FORMAT, "not a JSON object");
    const json_t *type = get(root, "model_type");
    if (!json_is_string(type))
        return error_set(err, AR_FORMAT, "no model_type");
    for (int i = 0; i < ARCH_COUNT; i++)
        if (!strcmp(arch_table[i].model_type, json_string_value(type))) {
            *out = (enum arch_id)i;
            return AR_OK;
        }
    return error_set(err, AR_UNSUPPORTED, "model_type \"%.64s\" is not known",
                     json_string_value(type));
}

static ar_status parse(model_config *c, const json_t *root, ar_error *err) {
    enum arch_id id = ARCH_COUNT;
    TRY(find_arch(root, &id, err));
    const arch_row *arch = &arch_table[id];
    *c = arch->traits;
    for (int i = 0; i < n_config_keys; i++)
        if (config_keys[i].layouts & arch->keys)
            TRY(read_key(c, root, &config_keys[i], err));
    TRY(check_musts(root, arch->keys, err));
    TRY(config_check_limits(c, err));
    if (arch->keys & KEYS_OWN) TRY(read_windows(c, root, err));
    config_derive(c);
    TRY(read_rope(c, root, err));
    return config_check(c, err);
}

ar_status config_parse(model_config *out, const char *text, size_t size,
                       ar_error *err) {
    json_error_t je;
    memset(out, 0, sizeof *out);
    json_t *root = json_loadb(text, size, 0, &je);
    if (!root)
        return error_set(err, AR_FORMAT, "line %d: %.160s", je.line, je.text);
    model_config c;
    const ar_status s = parse(&c, root, err);
    json_decref(root);
    if (s == AR_OK) *out = c;
    return s;
}

ar_status config_read(model_config *out, const char *path, ar_error *err) {
    char *text;
    size_t size;
    TRY(file_read(path, CONFIG_MAX_SIZE, &text, &size, err));
    const ar_status s = config_parse(out, text, size, err);
    mem_free(text);
    return s == AR_OK ? AR_OK : error_prefix(err, s, path);
}
