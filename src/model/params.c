/* params.c - the weights of a model: names, shapes and first values. */
#include "model/params.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "quant/quant.h"

enum { ALIGNMENT = 64 };

enum place { PLACE_FIRST, PLACE_LAYER, PLACE_LAST, PLACE_COUNT };
enum form {
    FORM_TABLE,
    FORM_LINEAR,
    FORM_STACK,
    FORM_HEADS,
    FORM_VECTOR,
    FORM_NORMS,
    FORM_KERNEL,
    FORM_GROUPED
};
enum init_class {
#define INIT_CLASS(id) CLASS_##id,
#include "model/inits.def"
#undef INIT_CLASS
    CLASS_COUNT
};

typedef struct role_facts {
    enum place place;
    enum form form;
    int64_t rows, columns;
    enum init_class init;
} role_facts;

/* Does layer l, -1 if the role is of none, have the branch that the role is
 * of?  ORDER: params.def */
static bool has_branch(const model_config *c, int64_t l, enum param_role role) {
    const bool attends = l < 0 || c->layer_kind[l] == LAYER_ATTENTION;
    if (role >= ROLE_QKV && role <= ROLE_O_BIAS) return attends;
    if (role >= ROLE_SCAN_IN && role <= ROLE_SCAN_OUT_BIAS) return !attends;
    if (role >= ROLE_MLP_NORM && role <= ROLE_MLP_POST_NORM_BIAS)
        return !c->no_mlp;
    return true;
}

/* The row of params.def for layer l; false where the model has no such
 * weight. */
static bool role_of(const model_config *c, int64_t l, enum param_role role,
                    role_facts *out) {
    const int64_t C = c->n_embd, V = c->n_vocab, F = c->n_ff;
    const int64_t HD = c->n_heads * c->head_dim;
    const int64_t GD = c->n_kv_heads * c->head_dim;
    const int64_t E = c->n_experts, FE = c->n_ff_expert;
    const int64_t FS = config_shared_width(c);
    const bool MOE = l >= 0 && config_is_moe(c, l);
    const bool LATENT = c->attn_kind == ATTN_LATENT;
    const bool Q_LORA = LATENT && c->q_lora_rank > 0;
    const int64_t QD = c->attn_gate ? 2 * HD : HD;
    const int64_t CONV = config_conv_channels(c);
    const bool MAMBA = l >= 0 && c->layer_kind[l] == LAYER_MAMBA2;
    const bool DELTA = l >= 0 && c->layer_kind[l] == LAYER_DELTA;
    const bool PRE = c->branch_norm != BRANCH_POST;
    const bool MLP_PRE = PRE && (!c->parallel || c->two_norms);
    const bool POST = c->branch_norm != BRANCH_PRE;
    const bool EACH = c->qk_norm == QK_NORM_EACH;
    const bool QK_BIAS = c->qk_norm == QK_NORM_HEAD && c->norm == NORM_LAYER;
    switch (role) {
#define PARAM_ROLE(id, place, when, form, rows, columns, class)                \
    case ROLE_##id:                                                            \
        *out = (role_facts){PLACE_##place, FORM_##form, rows, columns,         \
                            CLASS_##class};                                    \
        return (when) && has_branch(c, l, role);
#include "model/params.def"
#undef PARAM_ROLE
    case ROLE_COUNT: break;
    }
    return false;
}

static const enum name_scheme name_bases[NAMES_COUNT] = {
#define NAME_SCHEME(id, base) [NAMES_##id] = NAMES_##base,
#include "model/names.def"
#undef NAME_SCHEME
};

static const char *const name_patterns[NAMES_COUNT][ROLE_COUNT] = {
#define PARAM_NAME(scheme, role, pattern)                                      \
    [NAMES_##scheme][ROLE_##role] = pattern,
#include "model/names.def"
#undef PARAM_NAME
};

static const char *pattern_of(enum name_scheme s, enum param_role role) {
    while (!name_patterns[s][role] && name_bases[s] != s) s = name_bases[s];
    return name_patterns[s][role];
}

static const char *const part_patterns[NAMES_COUNT][ROLE_COUNT] = {
#define PARAM_PARTS(scheme, role, pattern)                                     \
    [NAMES_##scheme][ROLE_##role] = pattern,
#include "model/names.def"
#undef PARAM_PARTS
};

/* That of the scheme that gives the name, NULL if it has none. */
static const char *parts_of(enum name_scheme s, enum param_role role) {
    while (!name_patterns[s][role] && name_bases[s] != s) s = name_bases[s];
    return part_patterns[s][role];
}

/* The pattern with # replaced by the number of the layer. */
static void set_name(char out[PARAM_NAME_SIZE], const char *pattern,
                     int layer) {
    const char *hash = strchr(pattern, '#');
    if (!hash)
        snprintf(out, PARAM_NAME_SIZE, "%s", pattern);
    else
        snprintf(out, PARAM_NAME_SIZE, "%.*s%d%s", (int)(hash - pattern),
                 pattern, layer, hash + 1);
}

static void set_init(param_spec *s, const model_config *c,
                     enum init_class class) {
    const double C = (double)c->n_embd, F = (double)c->n_ff;
    (void)F;
    s->init = INIT_ZERO;
    switch ((int)c->init * CLASS_COUNT + (int)class) {
#define PARAM_INIT(scheme, class_, kind, scale, decays)                        \
    case INITS_##scheme *CLASS_COUNT + CLASS_##class_:                         \
        s->init = INIT_##kind;                                                 \
        s->init_scale = scale;                                                 \
        s->decay = decays;                                                     \
        break;
#include "model/inits.def"
#undef PARAM_INIT
    }
}

static bool may_be_blocks(const role_facts *f, enum param_role role) {
    const bool matrices = f->form == FORM_TABLE || f->form == FORM_LINEAR ||
                          f->form == FORM_STACK || f->form == FORM_HEADS;
    return matrices && f->init != CLASS_BIAS && f->init != CLASS_POS_EMBED &&
           role != ROLE_ROUTER && role != ROLE_SHARED_ROUTER;
}

static shape shape_of_linear(const model_config *c, enum param_role role,
                             const role_facts *f) {
    if (role == ROLE_SHARED_ROUTER && c->gguf) return shape1(f->columns);
    return c->conv1d && f->place == PLACE_LAYER ? shape2(f->columns, f->rows)
                                                : shape2(f->rows, f->columns);
}

static shape shape_of(const model_config *c, enum param_role role,
                      const role_facts *f) {
    const int64_t m = f->rows, n = f->columns, E = c->n_experts;
    switch (f->form) {
    case FORM_TABLE: break;
    case FORM_LINEAR: return shape_of_linear(c, role, f);
    case FORM_VECTOR: return shape1(m);
    case FORM_NORMS: return m ? shape2(m, n) : shape1(n);
    case FORM_STACK:
        return c->experts_turned ? shape3(E, n, m) : shape3(E, m, n);
    case FORM_HEADS: return shape3(c->n_heads, m, n);
    case FORM_KERNEL: return c->gguf ? shape2(m, n) : shape3(m, 1, n);
    case FORM_GROUPED: return c->gguf && n ? shape2(n, m / n) : shape1(m);
    }
    return shape2(m, n);
}

/* Append one weight: only counted while out->spec is NULL. */
static ar_status add(param_list *out, const model_config *c, ar_type t,
                     enum param_role role, int layer, ar_error *err) {
    role_facts f;
    if (!role_of(c, layer, role, &f)) return AR_OK;
    if (!out->spec) {
        out->n++;
        return AR_OK;
    }
    const char *pattern = pattern_of(out->names, role);
    if (!pattern)
        return error_set(err, AR_UNSUPPORTED,
                         "%s models have no name for weight %d",
                         config_model_type(c), (int)role);
    param_spec *s = &out->spec[out->n];
    s->role = role;
    s->layer = layer;
    s->shape = shape_of(c, role, &f);
    s->matrix = f.form == FORM_LINEAR && f.place == PLACE_LAYER;
    s->blocks = may_be_blocks(&f, role);
    s->turned = f.form == FORM_STACK && c->experts_turned;
    set_name(s->name, pattern, layer);
    const char *parts = parts_of(out->names, role);
    if (parts) set_name(s->parts, parts, layer);
    set_init(s, c, f.init);
    s->offset = out->size;
    int64_t size;
    const int64_t n = shape_count(&s->shape);
    if (__builtin_mul_overflow(n, (int64_t)ar_type_size(t, 1), &size) ||
        __builtin_add_overflow(size, ALIGNMENT - 1, &size) ||
        __builtin_add_overflow(out->size, size / ALIGNMENT * ALIGNMENT,
                               &out->size))
        return error_set(err, AR_RANGE, "the model is too large");
    out->count += n;
    out->index[role][layer + 1] = out->n++;
    return AR_OK;
}

static ar_status add_all(param_list *out, const model_config *c, ar_type t,
                         ar_error *err) {
    const int n_layers = (int)c->n_layers;
    for (int place = 0; place < PLACE_COUNT; place++) {
        const int layers = place == PLACE_LAYER ? n_layers : 1;
        for (int l = 0; l < layers; l++)
            for (int role = 0; role < ROLE_COUNT; role++) {
                role_facts f;
                role_of(c, l, (enum param_role)role, &f);
                if ((int)f.place == place)
                    TRY(add(out, c, t, (enum param_role)role,
                            place == PLACE_LAYER ? l : -1, err));
            }
    }
    return AR_OK;
}

ar_status params_build(param_list *out, const model_config *c, ar_type t,
                       ar_error *err) {
    memset(out, 0, sizeof *out);
    TRY(config_check(c, err));
    memset(out->index, -1, sizeof out->index);
    out->names = config_names(c);
    out->n_layers = c->n_layers;
    out->n_ahead = c->n_ahead;
    TRY(add_all(out, c, t, err));
    out->spec = mem_new(param_spec, out->n);
    out->n = 0;
    if (!out->spec)
        return error_set(err, AR_NOMEM, "no memory for the list of weights");
    const ar_status s = add_all(out, c, t, err);
    if (s != AR_OK) params_close(out);
    return s;
}

void params_close(param_list *p) {
    mem_free(p->spec);
    memset(p, 0, sizeof *p);
}

int params_find(const param_list *p, enum param_role role, int layer) {
    return layer < -1 || layer >= MAX_LAYERS ? -1 : p->index[role][layer + 1];
}

static double first_value(const param_spec *s, uint64_t seed, uint64_t stream,
                          int64_t i) {
    switch (s->init) {
    case INIT_ZERO: return 0;
    case INIT_ONE: return 1;
    case INIT_CONSTANT: return s->init_scale;
    case INIT_NORMAL:
        return s->init_scale * rng_normal(seed, stream, (uint64_t)i);
    case INIT_UNIFORM:
        return s->init_scale * (2 * rng_uniform(seed, stream, (uint64_t)i) - 1);
    }
    return 0;
}

void params_init_part(const param_spec *s, ar_type t, uint64_t seed,
                      int64_t first, int64_t n, void *data) {
    enum { PIECE = 256 };
    double x[PIECE];
    const uint64_t stream = rng_stream(s->name);
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        for (int64_t k = 0; k < m; k++)
            x[k] = first_value(s, seed, stream, first + i + k);
        type_encode_f64(t, x, (char *)data + ar_type_size(t, i), m);
    }
}

void params_init(const param_spec *s, ar_type t, uint64_t seed, void *data) {
    params_init_part(s, t, seed, 0, shape_count(&s->shape), data);
}
