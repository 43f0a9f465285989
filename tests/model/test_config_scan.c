/* test_config_scan.c - configurations of layers with a state: what is read,
 * and all that can be wrong. */
#include "model/config.h"
#include "tests/model/golden_io.h"

static ar_status parse(model_config *c, const char *text, ar_error *err) {
    return config_parse(c, text, strlen(text), err);
}

#define MAMBA                                                                  \
    "{\"model_type\": \"mamba2\", \"hidden_size\": 32, "                       \
    "\"num_heads\": 8, \"head_dim\": 8, \"n_groups\": 2"
#define NEXT                                                                   \
    "{\"model_type\": \"qwen3_next\", \"num_hidden_layers\": 6, "              \
    "\"num_experts\": 0"

void test_config_mamba2(void **state) {
    (void)state;
    model_config c;
    assert_ok(parse(&c, "{\"model_type\": \"mamba2\"}", err));
    assert_int_equal(c.scan_inner, 8192);
    assert_int_equal(c.layer_kind[63], LAYER_MAMBA2);
    assert_true(c.no_mlp && c.bias_conv && !c.bias_scan);
    /* As Python writes it, and as transformers 5 does. */
    assert_ok(parse(&c, MAMBA ", \"time_step_limit\": [0.25, Infinity]}", err));
    assert_near(c.dt_low, 0.25, 0);
    assert_near(c.dt_high, 0, 0);
    assert_ok(parse(&c,
                    MAMBA ", \"time_step_limit\": [0.0, {\"__float__\": "
                          "\"Infinity\"}], \"name\": \"\\\"Infinity\\\\\"}",
                    err));
    assert_near(c.dt_high, 0, 0);
    assert_ok(parse(&c, MAMBA ", \"time_step_limit\": [0, 2]}", err));
    assert_near(c.dt_high, 2, 0);
}

void test_config_mamba2_errors(void **state) {
    (void)state;
    static const struct {
        ar_status code;
        const char *text, *key;
    } cases[] = {
        {AR_RANGE, MAMBA ", \"expand\": 3}", "expand"},
        {AR_RANGE, MAMBA ", \"expand\": 4611686018427387904}", "expand"},
        {AR_RANGE, MAMBA ", \"n_groups\": 3}", "groups"},
        {AR_RANGE, MAMBA ", \"state_size\": -4}", "state_size"},
        {AR_RANGE, MAMBA ", \"state_size\": 0}", "state_size"},
        {AR_RANGE, MAMBA ", \"conv_kernel\": 1}", "convolution"},
        {AR_RANGE, MAMBA ", \"conv_kernel\": 5000}", "conv_kernel"},
        {AR_RANGE, MAMBA ", \"num_heads\": 99999999}", "num_heads"},
        {AR_FORMAT, MAMBA ", \"use_bias\": 1}", "use_bias"},
        {AR_UNSUPPORTED, MAMBA ", \"rms_norm\": false}", "rms_norm"},
        {AR_FORMAT, MAMBA ", \"time_step_limit\": [0]}", "time_step_limit"},
        {AR_FORMAT, MAMBA ", \"time_step_limit\": [0, \"x\"]}",
         "time_step_limit"},
        {AR_FORMAT,
         MAMBA ", \"time_step_limit\": [0, {\"__float__\": \"NaN\"}]}",
         "time_step_limit"},
        {AR_RANGE, MAMBA ", \"time_step_limit\": [2, 1]}", "time_step_limit"},
        {AR_RANGE, MAMBA ", \"time_step_limit\": [Infinity, Infinity]}",
         "time_step_limit"},
        {AR_FORMAT, MAMBA ", \"time_step_limit\": [0, NaN]}", "line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c;
        assert_fails(cases[i].code, cases[i].key,
                     parse(&c, cases[i].text, err));
    }
}

void test_config_delta(void **state) {
    (void)state;
    model_config c;
    assert_ok(parse(&c, NEXT "}", err));
    assert_int_equal(c.layer_kind[2], LAYER_DELTA);
    assert_int_equal(c.layer_kind[3], LAYER_ATTENTION);
    assert_int_equal(c.layer_kind[5], LAYER_DELTA);
    assert_int_equal(c.rope_dims, 64);
    assert_int_equal(config_conv_channels(&c), 2 * 16 * 128 + 32 * 128);
    assert_ok(parse(&c, NEXT ", \"full_attention_interval\": 2}", err));
    assert_int_equal(c.layer_kind[0], LAYER_DELTA);
    assert_int_equal(c.layer_kind[1], LAYER_ATTENTION);
    assert_ok(parse(&c,
                    "{\"model_type\": \"qwen3_next\", \"num_hidden_layers\": "
                    "3, \"decoder_sparse_step\": 2, \"mlp_only_layers\": [1], "
                    "\"layer_types\": [\"full_attention\", "
                    "\"linear_attention\", \"full_attention\"]}",
                    err));
    assert_int_equal(c.layer_kind[0], LAYER_ATTENTION);
    assert_int_equal(c.layer_kind[1], LAYER_DELTA);
}

void test_config_delta_errors(void **state) {
    (void)state;
    static const struct {
        ar_status code;
        const char *text, *key;
    } cases[] = {
        {AR_UNSUPPORTED,
         NEXT ", \"layer_types\": [\"full_attention\", \"full_attention\", "
              "\"sliding_attention\", \"full_attention\", \"full_attention\", "
              "\"full_attention\"]}",
         "layer_types[2] \"sliding_attention\""},
        {AR_FORMAT, NEXT ", \"layer_types\": [\"full_attention\"]}",
         "layer_types"},
        {AR_FORMAT, NEXT ", \"layer_types\": [1, 2, 3, 4, 5, 6]}",
         "layer_types[0]"},
        {AR_RANGE, NEXT ", \"full_attention_interval\": -1}",
         "full_attention_interval"},
        {AR_RANGE, NEXT ", \"linear_num_key_heads\": 5}", "groups"},
        {AR_RANGE, NEXT ", \"linear_conv_kernel_dim\": -3}",
         "linear_conv_kernel_dim"},
        {AR_RANGE, NEXT ", \"linear_value_head_dim\": 1000000}",
         "linear_value_head_dim"},
        {AR_FORMAT, NEXT ", \"decoder_sparse_step\": -1}",
         "decoder_sparse_step"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c;
        assert_fails(cases[i].code, cases[i].key,
                     parse(&c, cases[i].text, err));
    }
}
