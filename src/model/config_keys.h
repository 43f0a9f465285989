/* config_keys.h - the lists behind config.h: architectures and keys. */
#ifndef MODEL_CONFIG_KEYS_H
#define MODEL_CONFIG_KEYS_H

#include <stddef.h>

#include "model/config.h"

/* Which config.json an architecture has; a row of keys.def names several. */
enum key_layout {
    KEYS_GPT2 = 1,           /* n_embd, n_layer ... */
    KEYS_COUNTS = 2,         /* hidden_size, num_hidden_layers ... */
    KEYS_OWN = 4,            /* ours: traits that transformers has no key for */
    KEYS_RMS = 8,            /* rms_norm_eps */
    KEYS_ACT = 16,           /* hidden_act */
    KEYS_BIAS = 32,          /* attention_bias */
    KEYS_MLP = 64,           /* mlp_bias */
    KEYS_GEMMA = 1 << 7,     /* hidden_activation, caps ... */
    KEYS_QKV_BIAS = 1 << 8,  /* attention_bias, not of the output */
    KEYS_OUT_BIAS = 1 << 9,  /* attention_out_bias */
    KEYS_USE_BIAS = 1 << 10, /* use_bias, of all maps */
    KEYS_LAYER = 1 << 11,    /* layer_norm_eps */
    KEYS_NORM_EPS = 1 << 12,
    KEYS_NORM_EPSILON = 1 << 13,
    KEYS_STABLELM = 1 << 14, /* use_qkv_bias, qk_layernorm of each head */
    KEYS_GRANITE = 1 << 15,  /* multipliers */
    KEYS_COHERE = 1 << 16,   /* logit_scale */
    KEYS_NEOX = 1 << 17,     /* rotary_pct, rotary_emb_base */
    KEYS_PARALLEL = 1 << 18, /* use_parallel_residual */
    KEYS_PHI = 1 << 19,      /* qk_layernorm */
    KEYS_MAMBA2 = 1 << 24,   /* num_heads, state_size ... */
    KEYS_DELTA = 1 << 25,    /* linear_num_value_heads ... */

    KEYS_HEAD = 1 << 28,      /* head_dim */
    KEYS_LATENT = 1 << 29,    /* kv_lora_rank, qk_nope_head_dim ... */
    KEYS_DEEPSEEK3 = 1 << 30, /* rope_interleave, num_nextn_predict_layers */
    KEYS_SIZES = KEYS_COUNTS | KEYS_HEAD,
    KEYS_PLAIN = KEYS_SIZES | KEYS_RMS | KEYS_ACT,
    KEYS_HF = KEYS_PLAIN | KEYS_BIAS | KEYS_MLP, /* llama's */
};
/* Rows of moe_keys.def that an architecture has: its trait moe_keys. */
enum moe_layout {
    MOE_KEYS_EXPERTS = 1,   /* num_experts, or num_local_experts */
    MOE_KEYS_LOCAL = 2,     /* num_local_experts */
    MOE_KEYS_ROUTED = 4,    /* n_routed_experts, groups, shared experts */
    MOE_KEYS_NORM = 8,      /* norm_topk_prob */
    MOE_KEYS_WIDTH = 16,    /* moe_intermediate_size */
    MOE_KEYS_SPARSE = 32,   /* decoder_sparse_step, mlp_only_layers */
    MOE_KEYS_CLAMP = 64,    /* swiglu_limit; experts_per_token */
    MOE_KEYS_CLIP = 128,    /* clip_qkv */
    MOE_KEYS_QK_NORM = 256, /* use_qk_norm */
    MOE_KEYS_QWEN2 = 1024,  /* shared_expert_intermediate_size, qkv_bias */
    MOE_KEYS_SCORES = 512,  /* scoring_func, topk_method */
};
/* null is the same as a key left out, but for _NONE: there it is 0. */
enum key_kind {
    KEY_INT,
    KEY_INT_NONE,
    KEY_INT_ZERO, /* 0 is a number like others */
    KEY_REAL,
    KEY_REAL_WHOLE, /* written without a fraction where it has none */
    KEY_REAL_NONE,
    KEY_BOOL,
    KEY_QK_HEAD, /* whether there are norms of q and k, of this kind */
    KEY_QK_EACH,
    KEY_ACT,
    KEY_TOKEN
};

typedef struct arch_row {
    const char *model_type;
    const char *class_name; /* of transformers; NULL = it has none */
    enum name_scheme names;
    unsigned keys; /* set of key_layout */
    model_config traits;
} arch_row;
extern const arch_row arch_table[ARCH_COUNT];

typedef struct config_key {
    unsigned layouts;
    enum key_kind kind;
    size_t field; /* offset in model_config */
    const char *name;
} config_key;
extern const config_key config_keys[];
extern const int n_config_keys;

/* That no size is absurd; 0 is one that is not given yet. */
ar_status config_check_limits(const model_config *c, ar_error *err);
/* Fill what follows from other fields. */
void config_derive(model_config *c);

/* Of latent attention: sizes that follow from others, and whether all fit. */
void config_derive_latent(model_config *c);
ar_status config_check_latent(const model_config *c, ar_error *err);

/* A member of an object; NULL also where its value is null. */
const json_t *config_get(const json_t *object, const char *key);
/* Read a member if it is there.  Errors: AR_FORMAT; AR_RANGE for an int of 0,
 * which inside means "left out". */
ar_status config_get_int(const json_t *object, const char *key, int64_t *out,
                         ar_error *err);
ar_status config_get_real(const json_t *object, const char *key, double *out,
                          ar_error *err);
ar_status config_get_bool(const json_t *object, const char *key, bool *out,
                          ar_error *err);
/* What moe_keys.def lists, and which layers have experts; after
 * config_derive.  The check is part of config_check. */
ar_status config_read_moe(model_config *c, const json_t *root, ar_error *err);
ar_status config_check_moe(const model_config *c, ar_error *err);
int config_write_moe(json_t *o, const model_config *c);
/* Windows and rotation of each layer, then the rotation itself; after
 * config_derive. */
ar_status config_read_layers(model_config *c, const json_t *root,
                             ar_error *err);
ar_status config_read_rope(model_config *c, const json_t *root, ar_error *err);
/* The same out of a configuration; not 0 on no memory. */
int config_write_layers(json_t *o, const model_config *c);
int config_write_rope(json_t *o, const model_config *c);

/* Kinds of layers and sizes of their states (config_scan.c). */
ar_status config_read_scan(model_config *c, const json_t *root, ar_error *err);
int config_write_scan(json_t *o, const model_config *c);
ar_status config_check_scan(const model_config *c, ar_error *err);
/* Does a model of this kind have the size? */
bool config_uses(const model_config *c, size_t field);
/* A copy of JSON text in which Infinity, which Python writes for a number
 * without a limit, is a number of CONFIG_INFINITE or more.  NULL on no memory;
 * mem_free. */
#define CONFIG_INFINITE 1e308
char *config_finite(const char *text, size_t size);

#endif
