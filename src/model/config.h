/* config.h - everything that makes one decoder differ from another.
 *
 * A configuration starts from the traits of its architecture (models.def) and
 * is filled from a config.json or a preset.  Every trait is a field; the
 * builder knows no architecture by name. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "core/graph.h"

enum arch_id {
#define MODEL(id, ...) ARCH_##id,
#include "model/models.def"
#undef MODEL
    ARCH_COUNT
};

/* Names of weights in files: a scheme of names.def. */
enum name_scheme {
#define NAME_SCHEME(id, base) NAMES_##id,
#include "model/names.def"
#undef NAME_SCHEME
    NAMES_COUNT
};

/* First values of weights: a scheme of inits.def. */
enum init_scheme {
#define INIT_SCHEME(id) INITS_##id,
#include "model/inits.def"
#undef INIT_SCHEME
    INITS_COUNT
};

enum norm_kind { NORM_LAYER, NORM_RMS, NORM_RMS_PLAIN /* no weight */ };
enum pos_kind { POS_LEARNED, POS_ROPE, POS_NONE };
enum rope_scaling {
    ROPE_SCALING_NONE,
    ROPE_SCALING_LINEAR,
    ROPE_SCALING_LLAMA3
};
enum { MAX_LAYERS = 512 };

typedef struct model_config {
    enum arch_id arch;
    int64_t n_vocab, n_ctx, n_layers, n_embd, n_heads, n_kv_heads, head_dim,
        n_ff;
    /* traits */
    enum norm_kind norm;
    double norm_eps;
    enum pos_kind pos;
    enum unary_kind act;
    bool gated;     /* f(gate) * up, else f(up) */
    bool tied;      /* the output projection is the embedding */
    bool conv1d;    /* linear weights are stored [in, out] (GPT-2) */
    bool fused_qkv; /* one matrix for q, k, v */
    bool bias_qkv, bias_o, bias_mlp;
    bool qk_norm;          /* RMS norm of q and k per head, after RoPE */
    bool embed_norm;       /* plain RMS norm of the embeddings */
    bool value_embeds;     /* every other layer, always the last (ar) */
    bool lambdas;          /* h = resid_lambda h + x0_lambda x0 (ar) */
    double residual_scale; /* of both branches; 1 = none */
    double logit_softcap;  /* 0 = none */
    int64_t gate_channels; /* inputs of the value-embedding gate (ar: 32) */
    enum init_scheme init;
    /* windows: keys seen by a query, itself included; 0 = all */
    int64_t window[MAX_LAYERS];
    /* where they come from: repeated over the layers, L all, S n_ctx / 2 keys
     * and itself; the last layer always sees all.  "" = given one by one. */
    char window_pattern[32];
    /* rope */
    bool rope_interleaved, rope_backwards; /* ar turns by -angle */
    int64_t rope_dims;                     /* R <= head_dim */
    double rope_theta;
    enum rope_scaling rope_scaling;
    double rope_factor, rope_low, rope_high;
    int64_t rope_original_ctx;
    int32_t bos, eos; /* -1 = none */
} model_config;

/* Every other layer, the last one included. */
static inline bool config_has_value_embed(const model_config *c, int64_t l) {
    return c->value_embeds && l % 2 == (c->n_layers - 1) % 2;
}
/* The name that the architecture has in config.json, and its scheme of names.
 */
const char *config_model_type(const model_config *c);
enum name_scheme config_names(const model_config *c);

/* From config.json, in the layout of transformers 4 or 5, or our own (which
 * config_json gives).  Errors: AR_FORMAT / AR_RANGE / AR_UNSUPPORTED naming
 * the key: an unknown model_type, activation or rope type is never guessed. */
ar_status config_parse(model_config *out, const char *text, size_t size,
                       ar_error *err);
ar_status config_read(model_config *out, const char *path, ar_error *err);
/* config.json that transformers understands where the model is one of its
 * own; a new reference. NULL on no memory. */
json_t *config_json(const model_config *c);
/* Checks that the numbers fit together.  Errors: AR_RANGE naming the key. */
ar_status config_check(const model_config *c, ar_error *err);
/* Another context length; windows that come from a pattern follow. */
void config_set_context(model_config *c, int64_t n_ctx);

/* A named configuration of presets.def: "tiny",
 * "gpt2-124m", "ar-d8", "gpt_karpathy" ...; n_vocab may be changed after. */
ar_status config_preset(model_config *out, const char *name, ar_error *err);
int config_preset_count(void);
const char *config_preset_name(int i);
const char *config_preset_text(int i); /* one line about it */

/* Rotary frequencies, R/2 of them, after scaling, in double. */
void config_rope_frequencies(const model_config *c, double *out);

#endif
