/* test_config.c - config.json in both layouts, and all that can be wrong. */
#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/config.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"

static ar_status parse(model_config *c, const char *text, ar_error *err) {
    return config_parse(c, text, strlen(text), err);
}

/* Every field: both start from the same row of traits, padding included. */
static void assert_same(const char *name, const model_config *a,
                        const model_config *b) {
    const unsigned char *x = (const void *)a, *y = (const void *)b;
    for (size_t i = 0; i < sizeof *a; i++)
        if (x[i] != y[i]) fail_msg("%s: byte %zu differs", name, i);
}

static void assert_written(const char *name, const model_config *a) {
    model_config b;
    json_t *j = config_json(a);
    assert_non_null(j);
    char *text = json_dumps(j, JSON_REAL_PRECISION(17));
    assert_ok(parse(&b, text, err));
    assert_same(name, a, &b);
    free(text);
    json_decref(j);
}

void test_config_layouts(void **state) {
    (void)state;
    for (size_t i = 0; i < N_GOLDEN_MODELS; i++) {
        const char *name = golden_models[i];
        model_config a, b;
        assert_ok(config_read(&a, golden_model(name, "config.json"), err));
        assert_ok(config_read(&b, golden_model(name, "config_v4.json"), err));
        assert_same(name, &a, &b);
        assert_written(name, &a);
    }
    model_config c;
    assert_ok(config_read(&c, golden_model("llama", "config.json"), err));
    assert_int_equal(c.n_kv_heads, 2);
    assert_int_equal(c.rope_scaling, ROPE_SCALING_LLAMA3);
    assert_int_equal(c.rope_original_ctx, 32);
    assert_near(c.rope_theta, 500000, 0);
    assert_ok(config_read(&c, golden_model("llama_f16", "config.json"), err));
    assert_true(c.bias_qkv && c.bias_o && c.bias_mlp);
    assert_int_equal(c.n_kv_heads, 4);
}

void test_config_defaults(void **state) {
    (void)state;
    model_config c;
    assert_ok(parse(&c, "{\"model_type\": \"gpt2\"}", err));
    assert_int_equal(c.n_ff, 3072);
    assert_int_equal(c.head_dim, 64);
    assert_int_equal(c.bos, 50256);
    assert_ok(parse(&c,
                    "{\"model_type\": \"llama\", \"hidden_size\": 64, "
                    "\"num_attention_heads\": 4, \"head_dim\": null, "
                    "\"eos_token_id\": [7, 8], \"bos_token_id\": 99999}",
                    err));
    assert_int_equal(c.head_dim, 16);
    assert_int_equal(c.n_kv_heads, 4);
    assert_int_equal(c.n_vocab, 32000);
    assert_int_equal(c.rope_dims, 16);
    assert_int_equal(c.eos, 7);
    assert_int_equal(c.bos, -1);
    assert_ok(parse(&c,
                    "{\"model_type\": \"phi3\", "
                    "\"rope_scaling\": {\"type\": \"linear\", "
                    "\"factor\": 2}, \"partial_rotary_factor\": 0.75}",
                    err));
    assert_int_equal(c.rope_scaling, ROPE_SCALING_LINEAR);
    assert_int_equal(c.rope_dims, 72);
}

/* Latent attention: what follows from what. */
void test_config_latent(void **state) {
    (void)state;
    model_config c;
    assert_ok(parse(&c, "{\"model_type\": \"kimi_k2\", \"head_dim\": 7}", err));
    assert_int_equal(c.head_dim, 192);
    assert_int_equal(c.rope_dims, 64);
    assert_int_equal(c.v_dim, 128);
    assert_int_equal(c.n_kv_heads, 128);
    assert_int_equal(c.q_lora_rank, 1536);
    assert_near(config_attn_scale(&c), 1 / sqrt(192.0), 1e-15);
    assert_ok(parse(&c,
                    "{\"model_type\": \"deepseek_v2\", \"q_lora_rank\": null, "
                    "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, "
                    "\"original_max_position_embeddings\": 4096, "
                    "\"mscale\": 0.707, \"mscale_all_dim\": 0.707}}",
                    err));
    const double m = 1 + 0.0707 * log(40.0);
    assert_int_equal(c.q_lora_rank, 0);
    assert_near(c.rope_attention, 1, 1e-15);
    assert_near(config_attn_scale(&c), m * m / sqrt(192.0), 1e-15);
}

#define LLAMA "{\"model_type\": \"llama\", "
#define SMALL                                                                  \
    "\"num_hidden_layers\": 2, \"hidden_size\": 32, "                          \
    "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, "                 \
    "\"head_dim\": 8, "
#define QWEN3 "{\"model_type\": \"qwen3\", " SMALL
#define SMOLLM3 "{\"model_type\": \"smollm3\", " SMALL
#define GEMMA3 "{\"model_type\": \"gemma3_text\", " SMALL
#define V3 "{\"model_type\": \"deepseek_v3\", \"num_hidden_layers\": 2, "
#define AR "{\"model_type\": \"arcane_ar\", \"num_hidden_layers\": 2, "

static const struct {
    ar_status code;
    const char *word, *text;
} bad_configs[] = {
    {AR_FORMAT, "line", "{\"model_type\": "},
    {AR_FORMAT, "line", ""},
    {AR_FORMAT, "object", "[]"},
    {AR_FORMAT, "model_type", "{}"},
    {AR_FORMAT, "model_type", "{\"model_type\": 3}"},
    {AR_UNSUPPORTED, "unheard_of", "{\"model_type\": \"unheard_of\"}"},
    {AR_UNSUPPORTED, "sine", LLAMA "\"hidden_act\": \"sine\"}"},
    {AR_UNSUPPORTED, "spiral",
     LLAMA "\"rope_scaling\": {\"rope_type\": \"spiral\"}}"},
    {AR_FORMAT, "factor", LLAMA "\"rope_scaling\": {\"type\": \"linear\"}}"},
    {AR_FORMAT, "low_freq_factor",
     LLAMA "\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 2}}"},
    {AR_FORMAT, "rope", LLAMA "\"rope_parameters\": 5}"},
    {AR_RANGE, "hidden_size", LLAMA "\"hidden_size\": 100}"},
    {AR_RANGE, "hidden_size", LLAMA "\"hidden_size\": -8}"},
    {AR_FORMAT, "hidden_size", LLAMA "\"hidden_size\": 1e300}"},
    {AR_FORMAT, "hidden_size", LLAMA "\"hidden_size\": \"64\"}"},
    {AR_RANGE, "num_attention_heads", LLAMA "\"num_attention_heads\": 0}"},
    {AR_RANGE, "num_key_value_heads", LLAMA "\"num_key_value_heads\": 5}"},
    {AR_RANGE, "num_hidden_layers",
     LLAMA "\"num_hidden_layers\": 1000000000000}"},
    {AR_RANGE, "vocab_size", LLAMA "\"vocab_size\": 1000000000000}"},
    {AR_FORMAT, "rms_norm_eps", LLAMA "\"rms_norm_eps\": \"x\"}"},
    {AR_RANGE, "rms_norm_eps", LLAMA "\"rms_norm_eps\": -1}"},
    {AR_RANGE, "rope_theta", LLAMA "\"rope_theta\": 0}"},
    {AR_RANGE, "rotated", LLAMA "\"head_dim\": 15}"},
    {AR_RANGE, "partial", LLAMA "\"partial_rotary_factor\": 1.5}"},
    {AR_UNSUPPORTED, "partial_rotary_factor of llama",
     LLAMA "\"partial_rotary_factor\": 0.5}"},
    {AR_FORMAT, "attention_bias", LLAMA "\"attention_bias\": 1}"},
    {AR_UNSUPPORTED, "scale_attn_by_inverse_layer_idx",
     "{\"model_type\": \"gpt2\", "
     "\"scale_attn_by_inverse_layer_idx\": true}"},
    {AR_FORMAT, "layer_types", QWEN3 "\"layer_types\": [\"full_attention\"]}"},
    {AR_FORMAT, "layer_types", QWEN3 "\"layer_types\": 2}"},
    {AR_FORMAT, "layer_types[1]",
     QWEN3 "\"layer_types\": [\"full_attention\", 7]}"},
    {AR_UNSUPPORTED, "round_attention",
     QWEN3 "\"layer_types\": [\"full_attention\", \"round_attention\"]}"},
    {AR_FORMAT, "no sliding_window",
     QWEN3 "\"sliding_window\": 8, \"layer_types\": "
           "[\"full_attention\", \"sliding_attention\"]}"},
    {AR_FORMAT, "use_sliding_window", QWEN3 "\"use_sliding_window\": 1}"},
    {AR_RANGE, "sliding_window", QWEN3 "\"sliding_window\": 0}"},
    {AR_FORMAT, "max_window_layers", QWEN3 "\"max_window_layers\": 1.5}"},
    {AR_RANGE, "layer 0",
     QWEN3 "\"use_sliding_window\": true, "
           "\"max_window_layers\": 0, "
           "\"sliding_window\": -3}"},
    {AR_UNSUPPORTED, "each type",
     QWEN3 "\"rope_parameters\": {\"full_attention\": {}}}"},
    {AR_FORMAT, "no factor", QWEN3 "\"rope_scaling\": {\"type\": \"yarn\"}}"},
    {AR_FORMAT, "no factor",
     QWEN3 "\"rope_scaling\": {\"type\": \"dynamic\"}}"},
    {AR_RANGE, "beta_fast",
     QWEN3 "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, "
           "\"beta_fast\": 0}}"},
    {AR_RANGE, "attention_factor",
     QWEN3 "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, "
           "\"attention_factor\": -1}}"},
    {AR_RANGE, "original_max_position_embeddings",
     QWEN3 "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, "
           "\"original_max_position_embeddings\": -4}}"},
    {AR_RANGE, "dynamic",
     QWEN3 "\"rope_scaling\": {\"type\": \"dynamic\", "
           "\"factor\": 0.5}}"},
    {AR_RANGE, "alpha",
     QWEN3 "\"rope_scaling\": {\"type\": \"dynamic\", "
           "\"alpha\": -1}}"},
    {AR_FORMAT, "no short_factor",
     QWEN3 "\"rope_scaling\": {\"type\": \"longrope\"}}"},
    {AR_FORMAT, "short_factor is not a list of 4",
     QWEN3 "\"rope_scaling\": {\"type\": \"su\", "
           "\"short_factor\": [1, 1, 1]}}"},
    {AR_FORMAT, "long_factor[3]",
     QWEN3 "\"rope_scaling\": {\"type\": \"su\", \"short_factor\": "
           "[1, 1, 1, 1], \"long_factor\": [1, 1, 1, 0]}}"},
    {AR_FORMAT, "no_rope_layers", SMOLLM3 "\"no_rope_layers\": [1, 1, 1]}"},
    {AR_FORMAT, "no_rope_layers[0]", SMOLLM3 "\"no_rope_layers\": [true, 1]}"},
    {AR_RANGE, "no_rope_layer_interval",
     SMOLLM3 "\"no_rope_layer_interval\": -1}"},
    {AR_UNSUPPORTED, "linear",
     GEMMA3 "\"rope_parameters\": {\"sliding_attention\": {"
            "\"rope_type\": \"linear\", \"factor\": 2}}}"},
    {AR_FORMAT, "sliding_attention",
     GEMMA3 "\"rope_parameters\": {\"sliding_attention\": 3}}"},
    {AR_RANGE, "rope_local_base_freq", GEMMA3 "\"rope_local_base_freq\": -1}"},
    {AR_RANGE, "rope_local_base_freq", GEMMA3 "\"rope_local_base_freq\": 0}"},
    {AR_RANGE, "query_pre_attn_scalar is 0",
     GEMMA3 "\"query_pre_attn_scalar\": 0}"},
    {AR_RANGE, "residual_multiplier is 0",
     "{\"model_type\": \"granite\", \"residual_multiplier\": 0}"},
    {AR_RANGE, "partial_rotary_factor is -0.25",
     "{\"model_type\": \"gpt_neox\", \"rotary_pct\": -0.25}"},
    {AR_RANGE, "rotary_pct is 0",
     "{\"model_type\": \"gpt_neox\", \"rotary_pct\": 0}"},
    {AR_RANGE, "sliding_window_pattern",
     GEMMA3 "\"sliding_window_pattern\": -1}"},
    {AR_FORMAT, "sliding_window_pattern",
     GEMMA3 "\"sliding_window_pattern\": \"LG\"}"},
    {AR_UNSUPPORTED, "sine", GEMMA3 "\"hidden_activation\": \"sine\"}"},
    {AR_UNSUPPORTED, "use_bidirectional_attention",
     GEMMA3 "\"use_bidirectional_attention\": true}"},
    {AR_RANGE, "attn_logit_softcapping",
     GEMMA3 "\"attn_logit_softcapping\": -1}"},
    {AR_RANGE, "query_pre_attn_scalar",
     GEMMA3 "\"query_pre_attn_scalar\": -1}"},
    {AR_FORMAT, "qk_layernorm",
     "{\"model_type\": \"stablelm\", \"qk_layernorm\": 1}"},
    {AR_FORMAT, "qk_layernorm",
     "{\"model_type\": \"phi\", \"qk_layernorm\": \"yes\"}"},
    {AR_RANGE, "kv_lora_rank is 0", V3 "\"kv_lora_rank\": 0}"},
    {AR_RANGE, "kv_lora_rank", V3 "\"kv_lora_rank\": -16}"},
    {AR_RANGE, "q_lora_rank", V3 "\"q_lora_rank\": 1000000000}"},
    {AR_FORMAT, "qk_nope_head_dim", V3 "\"qk_nope_head_dim\": 1.5}"},
    {AR_RANGE, "v_head_dim", V3 "\"v_head_dim\": 100000}"},
    {AR_RANGE, "rotated", V3 "\"qk_rope_head_dim\": 7}"},
    {AR_UNSUPPORTED, "num_key_value_heads", V3 "\"num_key_value_heads\": 8}"},
    {AR_FORMAT, "rope_interleave", V3 "\"rope_interleave\": 1}"},
    {AR_FORMAT, "num_nextn_predict_layers",
     V3 "\"num_nextn_predict_layers\": -1}"},
    {AR_RANGE, "mscale_all_dim",
     V3 "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, "
        "\"original_max_position_embeddings\": 32, "
        "\"mscale\": 1, \"mscale_all_dim\": -1}}"},
    {AR_RANGE, "vocab_size is not given", AR "\"n\": 1}"},
    {AR_RANGE, "hidden_size",
     "{\"model_type\": \"arcane_ar\", \"hidden_size\": "
     "9223372036854775807}"},
    {AR_RANGE, "vocab_size", AR "\"hidden_size\": 64}"},
    {AR_FORMAT, "window_pattern",
     AR "\"hidden_size\": 64, \"window_pattern\": \"SSXL\"}"},
    {AR_FORMAT, "layer_windows",
     AR "\"hidden_size\": 64, \"layer_windows\": [1]}"},
    {AR_RANGE, "value_gate_channels",
     AR "\"hidden_size\": 16, \"num_attention_heads\": 1, "
        "\"vocab_size\": 9, \"max_position_embeddings\": 8}"},
};

void test_config_bad(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_configs / sizeof *bad_configs; i++) {
        model_config c;
        assert_fails(bad_configs[i].code, bad_configs[i].word,
                     parse(&c, bad_configs[i].text, err));
    }
}

void test_config_presets(void **state) {
    (void)state;
    assert_true(config_preset_count() > 20);
    for (int i = 0; i < config_preset_count(); i++) {
        model_config a;
        assert_ok(config_preset(&a, config_preset_name(i), err));
        assert_true(strlen(config_preset_text(i)) > 3);
        assert_written(config_preset_name(i), &a);
    }
    model_config c;
    assert_fails(AR_RANGE, "no-such", config_preset(&c, "no-such", err));
    assert_ok(config_preset(&c, "gpt_karpathy", err));
    assert_near(c.residual_scale, 1 / sqrt(12.0), 1e-15);
    assert_true(c.rope_interleaved && c.tied && c.gated);
}

void test_config_windows(void **state) {
    (void)state;
    model_config c;
    assert_ok(config_preset(&c, "ar-d8", err));
    /* autoresearch: w keys and the query itself; the last layer sees all. */
    const int64_t want[] = {1025, 1025, 1025, 0, 1025, 1025, 1025, 0};
    assert_int_equal(memcmp(c.window, want, sizeof want), 0);
    config_set_context(&c, 64);
    assert_int_equal(c.window[0], 33);
    assert_int_equal(c.n_ctx, 64);
    c.window_pattern[0] = 0;
    json_t *j = config_json(&c);
    char *text = json_dumps(j, 0);
    model_config d;
    assert_ok(parse(&d, text, err));
    assert_int_equal(memcmp(c.window, d.window, sizeof c.window), 0);
    free(text);
    json_decref(j);
}

/* The keys of the family alone are written. */
void test_config_expert_keys(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool both;
    } models[] = {{"mixtral", false}, {"gpt_oss", true}};
    for (int i = 0; i < 2; i++) {
        model_config c;
        char *data;
        size_t size;
        assert_ok(file_read(golden_model(models[i].name, "config.json"),
                            1 << 20, &data, &size, err));
        assert_ok(parse(&c, data, err));
        mem_free(data);
        json_t *j = config_json(&c);
        assert_int_equal(
            json_integer_value(json_object_get(j, "num_experts_per_tok")), 2);
        assert_int_equal(
            json_integer_value(json_object_get(j, "experts_per_token")),
            models[i].both ? 2 : 0);
        assert_int_equal(json_object_get(j, "experts_per_token") != NULL,
                         models[i].both);
        json_decref(j);
    }
}

/* Windows and rotation of four layers by the rules of the architectures, as
 * letters: w has a window, . none; R turned, L by the local base, - not. */
void test_config_layer_rules(void **state) {
    (void)state;
    static const struct {
        const char *type, *keys, *windows, *turned;
    } cases[] = {
        {"mistral", "", "wwww", "RRRR"},
        {"mistral", "\"sliding_window\": null,", "....", "RRRR"},
        {"qwen2", "\"sliding_window\": 8,", "....", "RRRR"},
        {"qwen2", "\"use_sliding_window\": true, \"max_window_layers\": 3,",
         "...w", "RRRR"},
        {"qwen3", "\"use_sliding_window\": true,", "....", "RRRR"},
        {"gemma2", "", "w.w.", "RRRR"},
        {"gemma3_text", "", "wwww", "LLLL"},
        {"gemma3_text", "\"sliding_window_pattern\": 2,", "w.w.", "LRLR"},
        {"gemma3_text", "\"_sliding_window_pattern\": 3,", "ww.w", "LLRL"},
        {"gemma3_text",
         "\"layer_types\": [\"full_attention\", \"sliding_attention\", "
         "\"full_attention\", \"full_attention\"],",
         ".w..", "RLRR"},
        {"olmo3", "", "www.", "LLLR"},
        {"smollm3", "", "....", "RRR-"},
        {"smollm3", "\"no_rope_layers\": [0, 1, 0, 1],", "....", "-R-R"},
        {"smollm3", "\"use_sliding_window\": true, \"sliding_window\": 9,",
         "...w", "RRR-"},
        {"exaone4", "", "www.", "RRR-"},
        {"exaone4",
         "\"sliding_window\": null, \"sliding_window_pattern\": null,", "....",
         "RRRR"},
        {"cohere2", "", "www.", "RRR-"},
        {"cohere2", "\"sliding_window\": null,", "....", "----"},
        {"phi3", "", "....", "RRRR"},
        {"llama", "", "....", "RRRR"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        model_config c;
        snprintf(text, sizeof text,
                 "{\"model_type\": \"%s\", \"num_hidden_layers\": 4, %s "
                 "\"use_cache\": true}",
                 cases[i].type, cases[i].keys);
        assert_ok(parse(&c, text, err));
        for (int l = 0; l < 4; l++) {
            if ((c.window[l] != 0) != (cases[i].windows[l] == 'w'))
                fail_msg("case %zu: window of layer %d", i, l);
            if ("RL-"[c.rope_use[l]] != cases[i].turned[l])
                fail_msg("case %zu: rotation of layer %d", i, l);
        }
        assert_written(text, &c);
    }
}

/* Frequencies of llama3 and linear ropes by the formulas of
 * tests/golden's conventions, written out again. */
void test_config_rope(void **state) {
    (void)state;
    model_config c;
    double f[8];
    assert_ok(config_read(&c, golden_model("llama", "config.json"), err));
    config_rope_frequencies(&c, 1, f);
    for (int i = 0; i < 8; i++) {
        const double g = pow(500000, -2.0 * i / 16), w = 2 * M_PI / g;
        double want = g;
        if (w > 32 / 1.0)
            want = g / 8;
        else if (w >= 32 / 4.0) {
            const double s = (32 / w - 1) / (4 - 1);
            want = g * ((1 - s) / 8 + s);
        }
        assert_near(f[i], want, 1e-15);
    }
}

/* The formulas of yarn, of a base that grows and of longrope, written out. */
void test_config_rope_long(void **state) {
    (void)state;
    model_config c;
    double f[4];
    assert_ok(parse(&c,
                    QWEN3 "\"max_position_embeddings\": 64, "
                          "\"rope_scaling\": {\"type\": \"yarn\", "
                          "\"factor\": 4, \"mscale\": 2, "
                          "\"mscale_all_dim\": 1, \"truncate\": false, "
                          "\"original_max_position_embeddings\": 64}}",
                    err));
    assert_near(c.rope_attention, (0.2 * log(4) + 1) / (0.1 * log(4) + 1),
                1e-15);
    config_rope_frequencies(&c, 1, f);
    /* 32 turns in 64 tokens: no dimension; 1 turn: between 1 and 3. */
    const double high = 8 * log(64 / (2 * M_PI)) / (2 * log(10000));
    for (int i = 0; i < 4; i++) {
        const double g = pow(10000, -i / 4.0);
        const double t = i / high > 1 ? 1 : i / high;
        assert_near(f[i], g / 4 * t + g * (1 - t), 1e-15);
    }
    assert_ok(parse(&c,
                    QWEN3 "\"max_position_embeddings\": 96, "
                          "\"rope_scaling\": {\"type\": \"yarn\", "
                          "\"original_max_position_embeddings\": 32}}",
                    err));
    assert_near(c.rope_factor, 3, 0);
    const char *const dynamic =
        QWEN3 "\"max_position_embeddings\": 64, \"rope_scaling\": "
              "{\"type\": \"dynamic\", \"factor\": 3}}";
    assert_ok(parse(&c, dynamic, err));
    config_rope_frequencies(&c, 64, f);
    assert_near(f[3], pow(10000, -0.75), 1e-15);
    config_set_context(&c, 128);
    config_rope_frequencies(&c, 128, f);
    assert_near(f[3], pow(10000 * pow(3 * 2 - 2, 8 / 6.0), -0.75), 1e-15);
    assert_written("dynamic", &c);
    assert_ok(
        config_read(&c, golden_model("phi3_longrope", "config.json"), err));
    double x[6];
    config_rope_frequencies(&c, 40, x);
    assert_near(x[5], pow(10000, -10 / 12.0) / 1.4, 1e-15);
    config_rope_frequencies(&c, 41, x);
    assert_near(x[5], pow(10000, -10 / 12.0) / 4.0, 1e-15);
}
