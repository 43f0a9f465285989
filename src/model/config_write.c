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

static json_t *key_json(const model_config *c, const config_key *k) {
    const void *field = (const char *)c + k->field;
    switch (k->kind) {
    case KEY_INT: return int_json(*(const int64_t *)field);
    case KEY_REAL: return json_real(*(const double *)field);
    case KEY_BOOL: return json_boolean(*(const bool *)field);
    case KEY_ACT: return act_json(*(const enum unary_kind *)field);
    case KEY_TOKEN: return token_json(*(const int32_t *)field);
    }
    return NULL;
}

static int write_rope(json_t *o, const model_config *c) {
    if (c->pos != POS_ROPE) return 0;
    int bad = json_object_set_new(o, "rope_theta", json_real(c->rope_theta));
    if (c->rope_dims != c->head_dim)
        bad |= json_object_set_new(
            o, "partial_rotary_factor",
            json_real((double)c->rope_dims / (double)c->head_dim));
    if (c->rope_scaling == ROPE_SCALING_NONE) return bad;
    const bool llama3 = c->rope_scaling == ROPE_SCALING_LLAMA3;
    json_t *r = json_object();
    bad |= json_object_set_new(r, "rope_type",
                               json_string(llama3 ? "llama3" : "linear"));
    bad |= json_object_set_new(r, "factor", json_real(c->rope_factor));
    if (llama3) {
        bad |=
            json_object_set_new(r, "low_freq_factor", json_real(c->rope_low));
        bad |=
            json_object_set_new(r, "high_freq_factor", json_real(c->rope_high));
        bad |= json_object_set_new(r, "original_max_position_embeddings",
                                   json_integer(c->rope_original_ctx));
    }
    return bad | json_object_set_new(o, "rope_scaling", r);
}

static int write_windows(json_t *o, const model_config *c) {
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
    return 0;
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
    bad |= write_rope(o, c);
    if (arch->keys & KEYS_OWN) bad |= write_windows(o, c);
    bad |= json_object_set_new(o, "torch_dtype", json_string("float32"));
    if (!bad) return o;
    json_decref(o);
    return NULL;
}
