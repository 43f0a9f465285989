/* config_write.c - a configuration to config.json.
 *
 * The layout is that of transformers 4, which 5 reads too; what transformers
 * has no model for has a model_type of ours. */
#include <string.h>

#include "model/config_keys.h"

static json_t *act_json(enum unary_kind kind) {
    static const struct {
        const char *name;
        enum unary_kind kind;
    } activations[] = {
#define ACTIVATION(name, kind) {name, UNARY_##kind},
#include "model/acts.def"
#undef ACTIVATION
    };
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (activations[i].kind == kind)
            return json_string(activations[i].name);
    return json_null();
}

static json_t *token_json(int32_t id) {
    return id < 0 ? json_null() : json_integer(id);
}

/* A number that a model has no use for is 0: null. */
static json_t *int_json(int64_t x) { return x ? json_integer(x) : json_null(); }

static json_t *none_json(double x) {
    return x != 0 ? json_real(x) : json_null();
}

/* transformers refuses 24.0 where it says int. */
static json_t *whole_json(double x) {
    const bool whole = x > -1e15 && x < 1e15 && x == (double)(int64_t)x;
    return whole ? json_integer((json_int_t)x) : json_real(x);
}

static json_t *key_json(const model_config *c, const config_key *k) {
    const void *field = (const char *)c + k->field;
    switch (k->kind) {
    case KEY_INT_ZERO: return json_integer(*(const int64_t *)field);
    case KEY_INT:
    case KEY_INT_NONE: return int_json(*(const int64_t *)field);
    case KEY_REAL_WHOLE: return whole_json(*(const double *)field);
    case KEY_REAL: return json_real(*(const double *)field);
    case KEY_REAL_NONE: return none_json(*(const double *)field);
    case KEY_BOOL: return json_boolean(*(const bool *)field);
    case KEY_QK_HEAD:
    case KEY_QK_EACH:
        return json_boolean(*(const enum qk_norm *)field != QK_NORM_NONE);
    case KEY_ACT: return act_json(*(const enum unary_kind *)field);
    case KEY_TOKEN: return token_json(*(const int32_t *)field);
    }
    return NULL;
}

json_t *config_json(const model_config *c) {
    const arch_row *arch = &arch_table[c->arch];
    json_t *o = json_object();
    int bad = 0;
    if (arch->class_name)
        bad |= json_object_set_new(o, "architectures",
                                   json_pack("[s]", arch->class_name));
    bad |= json_object_set_new(o, "model_type", json_string(arch->model_type));
    for (int i = 0; i < n_config_keys; i++)
        if (config_keys[i].layouts & arch->keys)
            bad |= json_object_set_new(o, config_keys[i].name,
                                       key_json(c, &config_keys[i]));
    /* Left out it would be the family's, which a vocabulary may lack. */
    bad |= json_object_set_new(o, "pad_token_id", json_null());
    bad |= config_write_rope(o, c);
    bad |= config_write_layers(o, c);
    bad |= config_write_moe(o, c);
    bad |= json_object_set_new(o, "torch_dtype", json_string("float32"));
    if (!bad) return o;
    json_decref(o);
    return NULL;
}
