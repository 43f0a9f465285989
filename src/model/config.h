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

enum norm_kind {
    NORM_LAYER,
    NORM_LAYER_UNBIASED,
    NORM_RMS,
    NORM_RMS_PLAIN /* no weight */
};
enum pos_kind { POS_LEARNED, POS_ROPE, POS_NONE };
enum rope_scaling {
    ROPE_SCALING_NONE,
    ROPE_SCALING_LINEAR,
    ROPE_SCALING_DYNAMIC,
    ROPE_SCALING_LLAMA3,
    ROPE_SCALING_YARN,
    ROPE_SCALING_LONGROPE
};
/* How keys and values come to be. */
enum attn_kind {
    ATTN_PLAIN, /* a map each */
    ATTN_LATENT /* both from one narrow vector a token (DeepSeek) */
};
/* Norms of q and k. */
enum qk_norm {
    QK_NORM_NONE,
    QK_NORM_PLAIN,  /* of each head, without a weight, after the rotation */
    QK_NORM_HEAD,   /* of each head, before the rotation */
    QK_NORM_EACH,   /* the same, each head having its own weight */
    QK_NORM_TURNED, /* of each head, after the rotation */
    QK_NORM_ALL     /* of all heads together, before the rotation */
};
/* Norms of a branch: of what it reads, of what it adds, of both. */
enum branch_norm { BRANCH_PRE, BRANCH_POST, BRANCH_BOTH };
/* Which layers have a window where config.json does not list them. */
enum window_rule {
    WINDOWS_OWN,      /* window_pattern or layer_windows, our own keys */
    WINDOWS_ALL,      /* every layer */
    WINDOWS_PERIOD,   /* all but every window_period-th */
    WINDOWS_LATE,     /* from window_first on, if use_sliding_window */
    WINDOWS_UNTURNED, /* those without RoPE, if use_sliding_window */
    WINDOWS_EARLY,    /* even ones before window_first, if use_sliding_window */
    WINDOWS_SWITCHED  /* every layer, if use_sliding_window */
};
/* How a layer turns q and k. */
enum rope_use { ROPE_USE, ROPE_USE_LOCAL, ROPE_USE_NONE };
enum rope_rule {
    ROPE_RULE_ALL,    /* every layer is turned alike */
    ROPE_RULE_LOCAL,  /* layers with a window: rope_local_theta, unscaled */
    ROPE_RULE_WINDOW, /* layers with a window only */
    ROPE_RULE_HYBRID, /* the same, but all where no layer has one */
    ROPE_RULE_LIST    /* no_rope_layers, or all but every rope_period-th */
};
/* How a mixture weighs its experts. */
enum route_kind {
    ROUTE_SOFTMAX, /* softmax of all, then the best */
    ROUTE_CHOSEN,  /* the best logits, then softmax of these */
    ROUTE_SIGMOID  /* sigmoid of each, then the best */
};
/* What a group of experts is chosen by. */
enum group_score { GROUP_BEST_TWO, GROUP_BEST };
/* What mixes tokens in a layer. */
enum layer_kind {
    LAYER_ATTENTION,
    LAYER_MAMBA2, /* a state that decays (Dao and Gu 2024) */
    LAYER_DELTA   /* and forgets what it had for a key (Yang et al. 2024) */
};
enum layer_rule {
    LAYERS_ATTENTION,
    LAYERS_MAMBA2, /* every layer */
    LAYERS_DELTA   /* layer_types; else all but every full_interval-th */
};
enum { MAX_LAYERS = 512, MAX_ROPE_FACTORS = 128 };

typedef struct model_config {
    enum arch_id arch;
    int64_t n_vocab, n_ctx, n_layers, n_embd, n_heads, n_kv_heads, head_dim,
        n_ff;
    int64_t v_dim; /* of a head of values; plain: head_dim */
    /* latent: q and k of a head are qk_nope_dim elements that are not turned
     * and qk_rope_dim that are, head_dim in all; n_kv_heads is n_heads */
    enum attn_kind attn_kind;
    int64_t q_lora_rank; /* 0: q is one map */
    int64_t kv_lora_rank, qk_nope_dim, qk_rope_dim;
    double latent_eps; /* of the norms of the narrow vectors */
    bool split_kv_b;   /* the way out of them is two weights (GGUF) */
    /* layers behind the last that files hold and that are not computed */
    int64_t n_ahead;
    /* traits */
    enum norm_kind norm;
    double norm_eps;
    enum pos_kind pos;
    enum unary_kind act;
    bool gated;       /* f(gate) * up, else f(up) */
    bool tied;        /* the output projection is the embedding */
    bool conv1d;      /* linear weights are stored [in, out] (GPT-2) */
    bool fused_qkv;   /* one matrix for q, k, v */
    bool qkv_by_head; /* its rows are q, k, v of each head (GPT-NeoX) */
    bool bias_qkv, bias_o, bias_mlp;
    bool bias_head; /* of the output projection (Phi) */
    bool fused_mlp; /* one matrix for gate and up */
    enum qk_norm qk_norm;
    enum branch_norm branch_norm;
    bool parallel;         /* both branches read the same h, by one norm */
    bool two_norms;        /* each by its own, where parallel (GPT-NeoX) */
    double norm_offset;    /* weight + offset is used (gemma: 1) */
    bool embed_sqrt;       /* embeddings times sqrt(n_embd) (gemma) */
    double embed_scale;    /* and times this; 0 = 1 */
    double logit_scale;    /* logits times this, before the cap; 0 = 1 */
    double logit_divisor;  /* the same, divided; 0 = 1 */
    bool embed_norm;       /* plain RMS norm of the embeddings */
    bool value_embeds;     /* every other layer, always the last (ar) */
    bool lambdas;          /* h = resid_lambda h + x0_lambda x0 (ar) */
    double residual_scale; /* of both branches; 1 = none */
    double logit_softcap;  /* 0 = none */
    double attn_softcap;   /* of attention scores; 0 = none */
    double query_scalar;   /* scores over its square root; 0 = head_dim */
    double attn_scale;     /* scores times this instead; 0 = not given */
    bool no_mlp;           /* layers have only the first branch (Mamba) */
    bool attn_gate;        /* what attention gives times sigmoid(gate); rows
                              of Q are q and gate of each head */
    int64_t gate_channels; /* inputs of the value-embedding gate (ar: 32) */
    double clip_qkv;       /* q, k and v within +- this; 0 = no bound */
    bool sinks; /* a logit of each head that takes part of the softmax */
    enum init_scheme init;
    /* mixtures of experts; n_experts 0 = none */
    unsigned moe_keys; /* set of moe_layout: keys of moe_keys.def */
    int64_t n_experts, n_experts_used, n_ff_expert; /* E, k, F of each */
    int64_t n_shared_experts; /* run for every token, as one MLP */
    int64_t n_ff_shared;      /* its width; 0 = as many times n_ff_expert */
    bool shared_gate;         /* times sigmoid of x by a vector */
    int64_t n_expert_groups, n_groups_used; /* 1 = no groups */
    int64_t dense_first, sparse_step;       /* rules for moe[l] */
    bool moe[MAX_LAYERS];                   /* layer l has experts */
    enum route_kind route;
    enum group_score group_score;
    bool route_bias;     /* experts are chosen by score + bias */
    bool norm_topk;      /* weights of a token sum to 1 */
    double routed_scale; /* weights times this; 0 = 1 */
    bool bias_experts;   /* and the router's */
    bool experts_fused;  /* gate and up are alternate rows of one matrix */
    bool experts_turned; /* stored [E, in, out] */
    double gate_limit;   /* gate at most, up within +- this; 0 = no bound */
    double gate_alpha;   /* (up + 1) gate sigmoid(alpha gate); 0 = act */
    enum name_scheme gguf_names; /* 0 = NAMES_GGUF */
    /* windows: keys seen by a query, itself included; 0 = all */
    int64_t window[MAX_LAYERS];
    /* where they come from: repeated over the layers, L all, S n_ctx / 2 keys
     * and itself; the last layer always sees all.  "" = given one by one. */
    char window_pattern[32];
    enum window_rule window_rule;
    int64_t sliding_window; /* of layers that have one; 0 = no layer does */
    int64_t window_period, window_first;
    /* rope */
    bool rope_interleaved, rope_backwards; /* ar turns by -angle */
    int64_t rope_dims;                     /* R <= head_dim */
    double rope_part; /* of a head that is rotated; 0 = all in every model */
    double rope_theta;
    enum rope_scaling rope_scaling;
    double rope_factor, rope_low, rope_high;
    int64_t rope_original_ctx;
    double rope_beta_fast, rope_beta_slow; /* yarn */
    bool rope_truncate;                    /* yarn: whole dimensions */
    double rope_attention;   /* cos and sin times this: yarn, longrope */
    bool rope_scales_scores; /* if scaled, by rope_mscale_all */
    double rope_mscale_all;  /* 0 = none */
    /* longrope: divisors [rope_dims / 2] for texts up to rope_original_ctx,
     * and for longer ones */
    double rope_short[MAX_ROPE_FACTORS], rope_long[MAX_ROPE_FACTORS];
    enum rope_rule rope_rule;
    double rope_local_theta; /* 0 = rope_theta */
    int64_t rope_period;
    unsigned char rope_use[MAX_LAYERS]; /* enum rope_use */
    /* layers with a state [scan_k, scan_v] for each of scan_heads heads; q and
     * k of scan_groups heads; scan_inner = scan_heads * scan_v */
    enum layer_rule layer_rule;
    int64_t scan_heads, scan_groups, scan_k, scan_v, scan_inner;
    int64_t scan_conv;      /* elements of the convolution's kernel */
    double dt_low, dt_high; /* limits of a time step; high 0 = none */
    bool bias_scan, bias_conv;
    bool scan_split; /* q, k, v and z are two matrices (GGUF) */
    int64_t full_interval;
    unsigned char layer_kind[MAX_LAYERS]; /* enum layer_kind */
    int32_t bos, eos;                     /* -1 = none */
    bool gguf; /* weights have the names and the forms of GGUF files */
} model_config;

/* Does layer l choose among experts? */
static inline bool config_is_moe(const model_config *c, int64_t l) {
    return l >= 0 && c->n_experts > 0 && c->moe[l];
}
/* Width of the MLP that every token has beside its experts; 0 = none. */
static inline int64_t config_shared_width(const model_config *c) {
    return c->n_ff_shared ? c->n_ff_shared
                          : c->n_shared_experts * c->n_ff_expert;
}
bool config_uses_experts(const model_config *c); /* in any layer */
/* Every other layer, the last one included. */
static inline bool config_has_value_embed(const model_config *c, int64_t l) {
    return c->value_embeds && l % 2 == (c->n_layers - 1) % 2;
}
static inline bool config_has_attention(const model_config *c) {
    return c->layer_rule != LAYERS_MAMBA2;
}
/* Channels of the convolution: what is scanned, and q and k. */
static inline int64_t config_conv_channels(const model_config *c) {
    return c->scan_inner + 2 * c->scan_groups * c->scan_k;
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

/* As the model is saved: experts that lay in blocks are plain numbers. */
void config_unpack(model_config *c);

/* A named configuration of presets.def: "tiny",
 * "gpt2-124m", "ar-d8", "gpt_karpathy" ...; n_vocab may be changed after. */
ar_status config_preset(model_config *out, const char *name, ar_error *err);
int config_preset_count(void);
const char *config_preset_name(int i);
const char *config_preset_text(int i); /* one line about it */

/* Rotary frequencies, R/2 of them, in double: scaled, for a text of n_tokens;
 * and those of ROPE_USE_LOCAL. */
void config_rope_frequencies(const model_config *c, int64_t n_tokens,
                             double *out);
void config_rope_local(const model_config *c, double *out);
/* What a longer context does to scores (YaRN): 0.1 m ln(factor) + 1. */
double config_yarn_mscale(double factor, double m);
/* What scores are multiplied with. */
double config_attn_scale(const model_config *c);

#endif
