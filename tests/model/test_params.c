/* test_params.c - names, shapes, counts and first values of weights. */
#include <math.h>

#include "base/mem.h"
#include "model/decoder.h"
#include "model/model.h"
#include "tests/model/golden_io.h"

static int64_t count_of(const char *preset) {
    model_config c;
    param_list p;
    assert_ok(config_preset(&c, preset, err));
    assert_ok(params_build(&p, &c, AR_F32, err));
    const int64_t n = p.count;
    params_close(&p);
    return n;
}

static int64_t count_in(const char *json) {
    model_config c;
    param_list p;
    assert_ok(config_parse(&c, json, strlen(json), err));
    assert_ok(params_build(&p, &c, AR_F32, err));
    const int64_t n = p.count;
    params_close(&p);
    return n;
}

/* Counted by transformers. */
void test_params_counts_scan(void **state) {
    (void)state;
    assert_int_equal(count_in("{\"model_type\": \"mamba2\"}"), 7285403648);
    assert_int_equal(
        count_in("{\"model_type\": \"mamba2\", \"hidden_size\": 768, "
                 "\"num_hidden_layers\": 24, \"num_heads\": 24, "
                 "\"n_groups\": 1, \"vocab_size\": 50288, "
                 "\"tie_word_embeddings\": true}"),
        128989632);
    assert_int_equal(
        count_in("{\"model_type\": \"qwen3_next\", \"num_experts\": 0, "
                 "\"num_hidden_layers\": 8}"),
        1156026496);
}

void test_params_counts(void **state) {
    (void)state;
    assert_int_equal(count_of("gpt2-124m"), 124439808);
    assert_int_equal(count_of("gpt2-355m"), 354823168);
    assert_int_equal(count_of("gpt2-774m"), 774030080);
    assert_int_equal(count_of("gpt2-1558m"), 1557611200);
    assert_int_equal(count_of("ar-d8"), 50332176);
    assert_near((double)count_of("gpt_karpathy"), 48.8e6, 0.05e6);
    assert_near((double)count_of("target_600m"), 579e6, 0.5e6);
    assert_near((double)count_of("target_1b"), 1456e6, 1e6);
    assert_near((double)count_of("target_1_5b"), 2057e6, 1e6);
    assert_in_range(count_of("tiny"), 2000000, 3000000);
}

void test_params_flops(void **state) {
    (void)state;
    model_config c;
    assert_ok(config_preset(&c, "ar-d8", err));
    assert_near(config_flops_per_token(&c, 2048), 239078400, 0);
    assert_ok(config_preset(&c, "gpt2-124m", err));
    assert_near(config_flops_per_token(&c, 1024),
                6.0 * (12 * 12 * 768.0 * 768 + 50257.0 * 768) +
                    12.0 * 12 * 768 * 1024,
                0);
    /* Latent: q 48 -> 24 -> 4 x 20, kv 48 -> 16 + 8, 16 -> 4 x (12 + 10). */
    assert_ok(config_read(&c, golden_model("deepseek_v2", "config.json"), err));
    const double of_layer =
        48 * 24 + 24 * 80 + 48 * 24 + 16 * 88 + 40 * 48 + 3 * 48 * 64;
    assert_near(config_flops_per_token(&c, 100),
                6 * (160 * 48 + 2 * of_layer) + 2 * 6 * 4 * (20 + 10) * 100, 0);
}

/* Files of DeepSeek-V3 hold a layer more, which predicts further tokens. */
void test_params_extra_layers(void **state) {
    (void)state;
    model_config c;
    param_list p;
    weights *w;
    char path[600];
    st_writer *out;
    const shape one = shape1(1);
    const float x = 0;
    assert_ok(
        config_read(&c, golden_model("deepseek_v3_dense", "config.json"), err));
    assert_int_equal(c.n_ahead, 0);
    for (int extra = 0; extra < 2; extra++) {
        c.n_ahead = extra;
        assert_ok(params_build(&p, &c, AR_F32, err));
        snprintf(path, sizeof path, "%s/model.safetensors", test_folder());
        assert_ok(st_create(&out, path, err));
        for (int i = 0; i < p.n; i++)
            st_declare(out, p.spec[i].name, AR_F32, &p.spec[i].shape);
        st_declare(out, "model.layers.2.eh_proj.weight", AR_F32, &one);
        for (int i = 0; i < p.n; i++) {
            const size_t n = (size_t)shape_count(&p.spec[i].shape);
            float *zeros = mem_new(float, n);
            st_data(out, zeros, n * sizeof *zeros);
            mem_free(zeros);
        }
        st_data(out, &x, sizeof x);
        assert_ok(st_commit(out, err));
        assert_ok(weights_open(&w, path, err));
        if (extra)
            assert_ok(params_check(&p, w, err));
        else
            assert_fails(AR_FORMAT, "eh_proj", params_check(&p, w, err));
        weights_close(w);
        params_close(&p);
    }
}

void test_params_names(void **state) {
    (void)state;
    model_config c;
    param_list p;
    assert_ok(config_preset(&c, "ar-d4", err));
    assert_ok(params_build(&p, &c, AR_F32, err));
    const param_spec *s = &p.spec[params_find(&p, ROLE_VALUE_EMBED, 3)];
    assert_string_equal(s->name, "model.value_embeds.3.weight");
    assert_false(s->matrix);
    s = &p.spec[params_find(&p, ROLE_VALUE_GATE, 1)];
    assert_string_equal(s->name, "model.layers.1.self_attn.ve_gate.weight");
    assert_true(s->matrix);
    assert_int_equal(s->shape.dim[0], 2);
    assert_int_equal(s->shape.dim[1], 32);
    assert_int_equal(params_find(&p, ROLE_VALUE_EMBED, 2), -1);
    assert_int_equal(params_find(&p, ROLE_ATTN_NORM, 0), -1);
    s = &p.spec[params_find(&p, ROLE_X0_LAMBDAS, -1)];
    assert_string_equal(s->name, "model.x0_lambdas");
    assert_true(s->init == INIT_CONSTANT && s->init_scale == 0.1);
    int64_t end = 0;
    for (int i = 0; i < p.n; i++) {
        assert_true(p.spec[i].offset % 64 == 0 && p.spec[i].offset >= end);
        end = p.spec[i].offset + 4 * shape_count(&p.spec[i].shape);
    }
    assert_true(end <= p.size);
    params_close(&p);
}

void test_params_init(void **state) {
    (void)state;
    model_config c;
    param_list p;
    assert_ok(config_preset(&c, "nanogpt-cpu", err));
    assert_ok(params_build(&p, &c, AR_F32, err));
    enum { N = 65 * 128 };
    static float a[128 * 128], b[128 * 128];
    static double d[N];
    const param_spec *s = &p.spec[params_find(&p, ROLE_EMBED, -1)];
    params_init(s, AR_F32, 1, a);
    params_init(s, AR_F32, 1, b);
    assert_memory_equal(a, b, N * 4);
    params_init_part(s, AR_F32, 1, 1000, 777, b);
    assert_memory_equal(a + 1000, b, 777 * 4);
    params_init(s, AR_F64, 1, d);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        assert_true((float)d[i] == a[i]);
        sum += d[i] / N;
        squares += d[i] * d[i] / N;
    }
    assert_near(sum, 0, 0.02 * 4 / sqrt(N));
    assert_near(sqrt(squares), 0.02, 0.02 * 4 / sqrt(2 * N));
    params_init(s, AR_F32, 2, b);
    assert_memory_not_equal(a, b, N * 4);
    /* Layers draw from streams of their own. */
    params_init(&p.spec[params_find(&p, ROLE_O, 0)], AR_F32, 1, a);
    params_init(&p.spec[params_find(&p, ROLE_O, 1)], AR_F32, 1, b);
    assert_memory_not_equal(a, b, 128 * 128 * 4);
    params_close(&p);
}

void test_params_load(void **state) {
    (void)state;
    /* f16 and bf16 files into f64, f32 into f32: the stored values. */
    const char *const names[] = {"llama_f16", "llama_bf16", "gpt2"};
    for (int i = 0; i < 3; i++) {
        ar_model *m;
        assert_ok(ar_model_open(&m, golden_model(names[i], ""), err));
        param_list p;
        assert_ok(params_build(&p, &m->config, AR_F64, err));
        double *block = mem_block_alloc((size_t)p.size);
        assert_non_null(block);
        assert_ok(params_load(&p, AR_F64, m->files, block, err));
        const param_spec *s = &p.spec[p.n - 1];
        double x = 0;
        for (int64_t k = 0; k < shape_count(&s->shape); k++)
            x += fabs(block[s->offset / 8 + k]);
        assert_true(x > 0 && isfinite(x));
        mem_block_free(block, (size_t)p.size);
        params_close(&p);
        ar_model_close(m);
    }
}

/* Every allocation fails in turn: an error each time, and nothing leaks. */
void test_params_nomem(void **state) {
    (void)state;
    for (int64_t n = 1; n < 10000; n++) {
        ar_model *m = NULL;
        mem_fail_at(n, 1);
        const ar_status s = ar_model_open(&m, golden_model("gpt2", ""), NULL);
        mem_fail_at(0, 0);
        if (s == AR_OK) {
            ar_model_close(m);
            return;
        }
        assert_null(m);
    }
    fail_msg("model_open never succeeded");
}
