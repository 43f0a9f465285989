/* config_parse.c - config.json to a configuration.
 *
 * Keys of both layouts of transformers are known: 4 has rope_theta and
 * rope_scaling, 5 has rope_parameters.  Keys that say nothing about how the
 * model computes are passed over; a value we have no code for is an error. */
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
const json_t *config_get(const json_t *object, const char *key) {
    const json_t *j = json_object_get(object, key);
    return json_is_null(j) ? NULL : j;
}

ar_status config_get_int(const json_t *object, const char *key, int64_t *out,
                         ar_error *err) {
    const json_t *j = config_get(object, key);
    if (!j) return AR_OK;
    if (!json_is_integer(j))
        return error_set(err, AR_FORMAT, "%s is not a whole number", key);
    *out = json_integer_value(j);
    /* 0 means "left out" inside; in a file it is a mistake. */
    if (*out == 0) return error_set(err, AR_RANGE, "%s is 0", key);
    return AR_OK;
}

ar_status config_get_real(const json_t *object, const char *key, double *out,
                          ar_error *err) {
    const json_t *j = config_get(object, key);
    if (!j) return AR_OK;
    if (!json_is_number(j))
        return error_set(err, AR_FORMAT, "%s is not a number", key);
    *out = json_number_value(j);
    return AR_OK;
}

ar_status config_get_bool(const json_t *object, const char *key, bool *out,
                          ar_error *err) {
    const json_t *j = config_get(object, key);
    if (!j) return AR_OK;
    if (!json_is_boolean(j))
        return error_set(err, AR_FORMAT, "%s is not true or false", key);
    *out = json_is_true(j);
    return AR_OK;
}

static ar_status read_act(const json_t *object, const char *key,
                          enum unary_kind *out, ar_error *err) {
    const json_t *j = config_get(object, key);
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

/* A number that may be 0. */
static ar_status read_zero(const json_t *object, const char *key, int64_t *out,
                           ar_error *err) {
    const json_t *j = config_get(object, key);
    if (j && json_is_integer(j) && json_integer_value(j) == 0) {
        *out = 0;
        return AR_OK;
    }
    return config_get_int(object, key, out, err);
}

/* What null says of a key that may be none. */
static void set_none(enum key_kind kind, void *field) {
    if (kind == KEY_INT_NONE) *(int64_t *)field = 0;
    if (kind == KEY_REAL_NONE) *(double *)field = 0;
}

/* true is the kind of the key, false none. */
static ar_status read_qk_norm(const json_t *object, const config_key *k,
                              enum qk_norm *out, ar_error *err) {
    const enum qk_norm kind =
        k->kind == KEY_QK_EACH ? QK_NORM_EACH : QK_NORM_HEAD;
    bool is = *out == kind;
    TRY(config_get_bool(object, k->name, &is, err));
    *out = is ? kind : QK_NORM_NONE;
    return AR_OK;
}

/* Of scales 0 means "left out" inside; an epsilon may be 0. */
static ar_status read_scale(const json_t *root, const config_key *k,
                            double *out, ar_error *err) {
    const json_t *j = config_get(root, k->name);
    TRY(config_get_real(root, k->name, out, err));
    if (j && *out == 0 && k->field != offsetof(model_config, norm_eps))
        return error_set(err, AR_RANGE, "%s is 0", k->name);
    return AR_OK;
}

static ar_status read_key(model_config *c, const json_t *root,
                          const config_key *k, ar_error *err) {
    void *field = (char *)c + k->field;
    if (json_is_null(json_object_get(root, k->name))) set_none(k->kind, field);
    switch (k->kind) {
    case KEY_QK_HEAD:
    case KEY_QK_EACH: return read_qk_norm(root, k, field, err);
    case KEY_INT_ZERO: return read_zero(root, k->name, field, err);
    case KEY_INT_NONE:
    case KEY_INT: return config_get_int(root, k->name, field, err);
    case KEY_REAL_NONE: return config_get_real(root, k->name, field, err);
    case KEY_REAL:
    case KEY_REAL_WHOLE: return read_scale(root, k, field, err);
    case KEY_BOOL: return config_get_bool(root, k->name, field, err);
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
        TRY(config_get_bool(root, musts[i].name, &x, err));
        if (x != musts[i].value)
            return error_set(err, AR_UNSUPPORTED, "%s is %s", musts[i].name,
                             x ? "true" : "false");
    }
    return AR_OK;
}

static ar_status find_arch(const json_t *root, enum arch_id *out,
                           ar_error *err) {
    if (!json_is_object(root))
        return error_set(err, AR_FORMAT, "not a JSON object");
    const json_t *type = config_get(root, "model_type");
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
    config_derive(c);
    TRY(config_read_moe(c, root, err));
    TRY(config_read_layers(c, root, err));
    TRY(config_read_rope(c, root, err));
    return config_check(c, err);
}

ar_status config_parse(model_config *out, const char *text, size_t size,
                       ar_error *err) {
    json_error_t je;
    memset(out, 0, sizeof *out);
    char *finite = config_finite(text, size);
    if (!finite) return error_set(err, AR_NOMEM, "no memory for its text");
    json_t *root = json_loadb(finite, size, 0, &je);
    mem_free(finite);
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
