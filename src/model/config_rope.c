/* config_rope.c - rotation: out of config.json, into it, and its frequencies.
 *
 * The types of scaling are those of transformers (modeling_rope_utils.py);
 * one that has no row in `types` is an error. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "model/config_keys.h"

static ar_status need(const json_t *o, const char *type, const char *key,
                      ar_error *err) {
    if (config_get(o, key)) return AR_OK;
    return error_set(err, AR_FORMAT, "the %s rope has no %s", type, key);
}

static ar_status read_factor(model_config *c, const json_t *o, ar_error *err) {
    TRY(need(o, "scaled", "factor", err));
    return config_get_real(o, "factor", &c->rope_factor, err);
}

static ar_status read_linear(model_config *c, const json_t *o, ar_error *err) {
    c->rope_original_ctx = 0; /* has no say */
    return read_factor(c, o, err);
}

/* With alpha (HunYuan) the base grows once and for all. */
static ar_status read_dynamic(model_config *c, const json_t *o, ar_error *err) {
    const double d = (double)c->rope_dims;
    double alpha = 0;
    TRY(config_get_real(o, "alpha", &alpha, err));
    if (alpha == 0) return read_factor(c, o, err);
    if (!(alpha > 0) || d < 4)
        return error_set(err, AR_RANGE, "the dynamic rope's alpha is %g",
                         alpha);
    c->rope_theta *= pow(alpha, d / (d - 2));
    c->rope_scaling = ROPE_SCALING_NONE;
    return AR_OK;
}

static ar_status read_llama3(model_config *c, const json_t *o, ar_error *err) {
    const char *const keys[] = {"low_freq_factor", "high_freq_factor",
                                "original_max_position_embeddings"};
    TRY(read_factor(c, o, err));
    for (int i = 0; i < 3; i++) TRY(need(o, "llama3", keys[i], err));
    TRY(config_get_real(o, keys[0], &c->rope_low, err));
    return config_get_real(o, keys[1], &c->rope_high, err);
}

/* A factor that is not given is how much longer the context is. */
static ar_status read_stretch(model_config *c, const json_t *o, ar_error *err) {
    c->rope_factor = (double)c->n_ctx / (double)c->rope_original_ctx;
    return config_get_real(o, "factor", &c->rope_factor, err);
}

/* YaRN, Peng et al. 2023, section 3.4: how much longer contexts flatten the
 * scores, m the exponent that DeepSeek gave it. */
double config_yarn_mscale(double factor, double m) {
    return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1;
}

static ar_status read_yarn(model_config *c, const json_t *o, ar_error *err) {
    double m = 0, m_all = 0;
    c->rope_beta_fast = 32;
    c->rope_beta_slow = 1;
    c->rope_truncate = true;
    if (!config_get(o, "original_max_position_embeddings"))
        TRY(need(o, "yarn", "factor", err));
    TRY(read_stretch(c, o, err));
    TRY(config_get_real(o, "beta_fast", &c->rope_beta_fast, err));
    TRY(config_get_real(o, "beta_slow", &c->rope_beta_slow, err));
    TRY(config_get_bool(o, "truncate", &c->rope_truncate, err));
    TRY(config_get_real(o, "mscale", &m, err));
    TRY(config_get_real(o, "mscale_all_dim", &m_all, err));
    c->rope_attention = m != 0 && m_all != 0
                            ? config_yarn_mscale(c->rope_factor, m) /
                                  config_yarn_mscale(c->rope_factor, m_all)
                            : config_yarn_mscale(c->rope_factor, 1);
    return config_get_real(o, "attention_factor", &c->rope_attention, err);
}

/* One divisor a frequency. */
static ar_status read_factors(const model_config *c, const json_t *o,
                              const char *key, double *out, ar_error *err) {
    const json_t *a = config_get(o, key);
    const int64_t n = c->rope_dims / 2;
    TRY(need(o, "longrope", key, err));
    if (n > MAX_ROPE_FACTORS)
        return error_set(err, AR_UNSUPPORTED,
                         "a longrope of %lld frequencies, more than %d",
                         (long long)n, MAX_ROPE_FACTORS);
    if (!json_is_array(a) || (int64_t)json_array_size(a) != n)
        return error_set(err, AR_FORMAT, "%s is not a list of %lld numbers",
                         key, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(a, (size_t)i);
        if (!json_is_number(x) || !(json_number_value(x) > 0))
            return error_set(err, AR_FORMAT, "%s[%lld] is not above 0", key,
                             (long long)i);
        out[i] = json_number_value(x);
    }
    return AR_OK;
}

/* LongRoPE, Ding et al. 2024, as Phi-3 uses it. */
static ar_status read_longrope(model_config *c, const json_t *o,
                               ar_error *err) {
    TRY(read_factors(c, o, "short_factor", c->rope_short, err));
    TRY(read_factors(c, o, "long_factor", c->rope_long, err));
    TRY(read_stretch(c, o, err));
    c->rope_attention =
        c->rope_factor <= 1 || c->rope_original_ctx < 2
            ? 1
            : sqrt(1 + log(c->rope_factor) / log((double)c->rope_original_ctx));
    return config_get_real(o, "attention_factor", &c->rope_attention, err);
}

typedef ar_status read_fn(model_config *c, const json_t *o, ar_error *err);

/* Of several names of a kind, the first is written. */
static const struct rope_type {
    const char *name;
    enum rope_scaling kind;
    read_fn *read;
} types[] = {
    {"default", ROPE_SCALING_NONE, NULL},
    {"linear", ROPE_SCALING_LINEAR, read_linear},
    {"dynamic", ROPE_SCALING_DYNAMIC, read_dynamic},
    {"llama3", ROPE_SCALING_LLAMA3, read_llama3},
    {"yarn", ROPE_SCALING_YARN, read_yarn},
    {"longrope", ROPE_SCALING_LONGROPE, read_longrope},
    {"su", ROPE_SCALING_LONGROPE, read_longrope}, /* its name at first */
};
enum { N_TYPES = sizeof types / sizeof *types };

static ar_status find_type(const json_t *o, const struct rope_type **out,
                           ar_error *err) {
    const json_t *type = config_get(o, "rope_type");
    if (!type) type = config_get(o, "type");
    if (type && !json_is_string(type))
        return error_set(err, AR_FORMAT, "rope_type is not a string");
    const char *name = type ? json_string_value(type) : "default";
    for (int i = 0; i < N_TYPES; i++)
        if (!strcmp(types[i].name, name)) {
            *out = &types[i];
            return AR_OK;
        }
    return error_set(err, AR_UNSUPPORTED, "rope_type \"%.64s\" is not known",
                     name);
}

/* rope_parameters (5) or rope_scaling (4), whose type was once "type". */
static ar_status read_object(model_config *c, const json_t *o, ar_error *err) {
    const struct rope_type *type = NULL;
    if (!json_is_object(o))
        return error_set(err, AR_FORMAT,
                         "the rope parameters are not an object");
    TRY(find_type(o, &type, err));
    TRY(config_get_real(o, "rope_theta", &c->rope_theta, err));
    TRY(config_get_int(o, "original_max_position_embeddings",
                       &c->rope_original_ctx, err));
    if (c->rope_original_ctx == 0) c->rope_original_ctx = c->n_ctx;
    if (c->rope_original_ctx < 1)
        return error_set(err, AR_RANGE,
                         "original_max_position_embeddings is %lld",
                         (long long)c->rope_original_ctx);
    c->rope_scaling = type->kind;
    if (type->read) TRY(type->read(c, o, err));
    if (c->rope_scales_scores && type->kind != ROPE_SCALING_NONE)
        TRY(config_get_real(o, "mscale_all_dim", &c->rope_mscale_all, err));
    return AR_OK;
}

/* The object of layers with a window (5): only its base may differ. */
static ar_status read_local(model_config *c, const json_t *o, ar_error *err) {
    const struct rope_type *type = NULL;
    if (!json_is_object(o))
        return error_set(err, AR_FORMAT,
                         "the rope parameters of sliding_attention are not an "
                         "object");
    TRY(find_type(o, &type, err));
    if (type->kind != ROPE_SCALING_NONE)
        return error_set(err, AR_UNSUPPORTED,
                         "rope_type \"%s\" of sliding_attention", type->name);
    return config_get_real(o, "rope_theta", &c->rope_local_theta, err);
}

static ar_status read_part(model_config *c, const json_t *root, const json_t *o,
                           ar_error *err) {
    double part = c->rope_part != 0 ? c->rope_part : 1;
    TRY(config_get_real(root, "partial_rotary_factor", &part, err));
    if (json_is_object(o))
        TRY(config_get_real(o, "partial_rotary_factor", &part, err));
    if (!(part > 0 && part <= 1))
        return error_set(err, AR_RANGE, "partial_rotary_factor is %g", part);
    if (part < 1 && c->rope_part == 0 && !c->gguf)
        return error_set(err, AR_UNSUPPORTED,
                         "partial_rotary_factor of %s models",
                         config_model_type(c));
    if (c->rope_part > 0) c->rope_part = part;
    if (part < 1) c->rope_dims = (int64_t)((double)c->head_dim * part + 1e-9);
    if (part < 1 && c->rope_dims < 2)
        return error_set(err, AR_RANGE,
                         "partial_rotary_factor %g leaves no "
                         "element to rotate",
                         part);
    return AR_OK;
}

/* The base of layers with a window where no key gives it. */
static void settle_local(model_config *c, const json_t *root,
                         const json_t *local) {
    const bool given = config_get(root, "rope_local_base_freq") ||
                       config_get(local, "rope_theta");
    if (c->rope_rule == ROPE_RULE_LOCAL && c->rope_local_theta == 0 && !given)
        c->rope_local_theta = c->rope_theta;
}

ar_status config_read_rope(model_config *c, const json_t *root, ar_error *err) {
    if (c->pos != POS_ROPE) return AR_OK;
    TRY(config_get_real(root, "rope_theta", &c->rope_theta, err));
    TRY(config_get_int(root, "original_max_position_embeddings",
                       &c->rope_original_ctx, err));
    const json_t *o = config_get(root, "rope_parameters");
    if (!o) o = config_get(root, "rope_scaling");
    const json_t *full = config_get(o, "full_attention");
    const json_t *local = config_get(o, "sliding_attention");
    if ((full || local) && c->rope_rule != ROPE_RULE_LOCAL)
        return error_set(err, AR_UNSUPPORTED,
                         "rope parameters for each type of layer");
    if (c->rope_rule == ROPE_RULE_LOCAL)
        TRY(config_get_real(root, "rope_local_base_freq", &c->rope_local_theta,
                            err));
    if (local) TRY(read_local(c, local, err));
    if (full || local) o = full;
    TRY(read_part(c, root, o, err));
    if (o) TRY(read_object(c, o, err));
    if (c->rope_scaling == ROPE_SCALING_NONE) c->rope_original_ctx = 0;
    settle_local(c, root, local);
    return AR_OK;
}

static json_t *factors_json(const model_config *c, const double *x) {
    json_t *a = json_array();
    for (int64_t i = 0; i < c->rope_dims / 2; i++)
        if (json_array_append_new(a, json_real(x[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static int write_scaling(json_t *r, const model_config *c) {
    int bad = json_object_set_new(r, "factor", json_real(c->rope_factor));
    if (c->rope_original_ctx)
        bad |= json_object_set_new(r, "original_max_position_embeddings",
                                   json_integer(c->rope_original_ctx));
    if (c->rope_scaling == ROPE_SCALING_LLAMA3) {
        bad |=
            json_object_set_new(r, "low_freq_factor", json_real(c->rope_low));
        bad |=
            json_object_set_new(r, "high_freq_factor", json_real(c->rope_high));
    }
    if (c->rope_scaling == ROPE_SCALING_YARN) {
        bad |=
            json_object_set_new(r, "beta_fast", json_real(c->rope_beta_fast));
        bad |=
            json_object_set_new(r, "beta_slow", json_real(c->rope_beta_slow));
        bad |=
            json_object_set_new(r, "truncate", json_boolean(c->rope_truncate));
    }
    if (c->rope_scaling == ROPE_SCALING_LONGROPE) {
        bad |= json_object_set_new(r, "short_factor",
                                   factors_json(c, c->rope_short));
        bad |= json_object_set_new(r, "long_factor",
                                   factors_json(c, c->rope_long));
    }
    if (c->rope_mscale_all != 0)
        bad |= json_object_set_new(r, "mscale_all_dim",
                                   json_real(c->rope_mscale_all));
    if (c->rope_scaling >= ROPE_SCALING_YARN)
        bad |= json_object_set_new(r, "attention_factor",
                                   json_real(c->rope_attention));
    return bad;
}

int config_write_rope(json_t *o, const model_config *c) {
    if (c->pos != POS_ROPE) return 0;
    int bad = json_object_set_new(o, "rope_theta", json_real(c->rope_theta));
    if (c->rope_rule == ROPE_RULE_LOCAL)
        bad |= json_object_set_new(o, "rope_local_base_freq",
                                   json_real(c->rope_local_theta));
    if (c->attn_kind == ATTN_PLAIN &&
        (c->rope_dims != c->head_dim || c->rope_part > 0))
        bad |= json_object_set_new(
            o, "partial_rotary_factor",
            json_real((double)c->rope_dims / (double)c->head_dim));
    if (c->rope_scaling == ROPE_SCALING_NONE) return bad;
    if (c->rope_scaling == ROPE_SCALING_LONGROPE)
        bad |= json_object_set_new(o, "original_max_position_embeddings",
                                   json_integer(c->rope_original_ctx));
    json_t *r = json_object();
    const char *name = NULL;
    for (int i = 0; i < N_TYPES && !name; i++)
        if (types[i].kind == c->rope_scaling) name = types[i].name;
    bad |= json_object_set_new(r, "rope_type", json_string(name));
    bad |= write_scaling(r, c);
    return bad | json_object_set_new(o, "rope_scaling", r);
}

/* The dimension that turns r times in the old context, clamped. */
static double yarn_dim(const model_config *c, double r, bool up) {
    const double d = (double)c->rope_dims, two_pi = 6.283185307179586476925;
    double x = d * log((double)c->rope_original_ctx / (two_pi * r)) /
               (2 * log(c->rope_theta));
    if (c->rope_truncate) x = up ? ceil(x) : floor(x);
    return x < 0 ? 0 : x > d - 1 ? d - 1 : x;
}

/* Frequencies that turn often in the old context are kept, slow ones are
 * stretched, those between blended (YaRN, "NTK by parts"). */
static void scale_yarn(const model_config *c, double *f) {
    const double low = yarn_dim(c, c->rope_beta_fast, false);
    double high = yarn_dim(c, c->rope_beta_slow, true);
    if (low == high) high += 0.001;
    for (int64_t i = 0; i < c->rope_dims / 2; i++) {
        double t = ((double)i - low) / (high - low);
        t = t < 0 ? 0 : t > 1 ? 1 : t;
        f[i] = f[i] / c->rope_factor * t + f[i] * (1 - t);
    }
}

/* Waves longer than the old context are stretched, short ones kept, those
 * between blended. */
static void scale_llama3(const model_config *c, double *f) {
    const double two_pi = 6.283185307179586476925;
    for (int64_t i = 0; i < c->rope_dims / 2; i++) {
        const double turns = (double)c->rope_original_ctx * f[i] / two_pi;
        double s = (turns - c->rope_low) / (c->rope_high - c->rope_low);
        s = s < 0 ? 0 : s > 1 ? 1 : s;
        f[i] *= (1 - s) / c->rope_factor + s;
    }
}

static void plain(const model_config *c, double theta, double *out) {
    for (int64_t i = 0; i < c->rope_dims / 2; i++)
        out[i] = 1 / pow(theta, 2 * (double)i / (double)c->rope_dims);
}

/* The base grows with the text, so that its slowest wave does. */
static double dynamic_theta(const model_config *c, int64_t n_tokens) {
    const double d = (double)c->rope_dims, s = c->rope_factor;
    if (c->rope_scaling != ROPE_SCALING_DYNAMIC ||
        n_tokens <= c->rope_original_ctx)
        return c->rope_theta;
    const double x = (double)n_tokens / (double)c->rope_original_ctx;
    return c->rope_theta * pow(s * x - (s - 1), d / (d - 2));
}

void config_rope_frequencies(const model_config *c, int64_t n_tokens,
                             double *out) {
    const double *factor =
        n_tokens > c->rope_original_ctx ? c->rope_long : c->rope_short;
    plain(c, dynamic_theta(c, n_tokens), out);
    switch (c->rope_scaling) {
    case ROPE_SCALING_NONE:
    case ROPE_SCALING_DYNAMIC: break;
    case ROPE_SCALING_LINEAR:
        for (int64_t i = 0; i < c->rope_dims / 2; i++) out[i] /= c->rope_factor;
        break;
    case ROPE_SCALING_LLAMA3: scale_llama3(c, out); break;
    case ROPE_SCALING_YARN: scale_yarn(c, out); break;
    case ROPE_SCALING_LONGROPE:
        for (int64_t i = 0; i < c->rope_dims / 2; i++) out[i] /= factor[i];
        break;
    }
}

void config_rope_local(const model_config *c, double *out) {
    plain(c, c->rope_local_theta, out);
}
