/* train_case.c - what the train tests share. */
#include "tests/train/train_case.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"

void case_splitmix(uint64_t seed, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i++) {
        seed += 0x9E3779B97F4A7C15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        out[i] = (double)(z >> 40) / 16777216.0;
    }
}

void case_uniform(uint64_t seed, int64_t n, double a, double *out) {
    case_splitmix(seed, n, out);
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)(float)((2 * out[i] - 1) * a);
}

static const char gpt2_json[] =
    "{\"model_type\":\"gpt2\",\"vocab_size\":256,\"n_positions\":64,"
    "\"n_layer\":2,\"n_head\":4,\"n_embd\":64,\"bos_token_id\":null,"
    "\"eos_token_id\":null}";
static const char ar_json[] =
    "{\"model_type\":\"arcane_ar\",\"vocab_size\":256,"
    "\"max_position_embeddings\":64,\"num_hidden_layers\":4,"
    "\"hidden_size\":64,\"num_attention_heads\":4,\"num_key_value_heads\":4,"
    "\"head_dim\":16,\"intermediate_size\":256,\"window_pattern\":\"SSSL\"}";

model_config case_config(const char *which) {
    model_config c;
    const bool ar = strcmp(which, "ar") == 0;
    const char *json = ar ? ar_json : gpt2_json;
    assert_ok(config_parse(&c, json, strlen(json), err));
    if (!ar) c.conv1d = false; /* the generator has [out, in] everywhere */
    return c;
}

void case_settings(settings *s, const char *which, const model_config *c,
                   const char *where) {
    settings_default(s);
    assert_ok(settings_set(s, "device", where, err));
    s->rows = CASE_ROWS;
    s->seq = CASE_TOKENS;
    s->order = LOADER_SEQUENTIAL;
    s->threads = 1;
    s->warmup = 0;
    if (strcmp(which, "gpt2") == 0) {
        s->lr = 1e-3;
        s->warmup = 5;
        s->final = 0.1;
    } else {
        s->lambda_eps = 1e-10;
    }
    assert_ok(optim_resolve(s, c, err));
}

static void write_reals(trainer *t, const param_spec *p, const double *x) {
    const int64_t n = shape_count(&p->shape);
    if (trainer_type(t) == AR_F64) {
        assert_ok(
            trainer_write(t, TRAIN_PARAMS, p->offset, x, (size_t)n * 8, err));
        return;
    }
    float *y = mem_new(float, n);
    for (int64_t i = 0; i < n; i++) y[i] = (float)x[i];
    assert_ok(trainer_write(t, TRAIN_PARAMS, p->offset, y, (size_t)n * 4, err));
    mem_free(y);
}

/* One tensor of the generator: uniform with half width a, or a constant. */
static void init_one(trainer *t, enum param_role role, int layer, int *number,
                     double a, double constant) {
    const param_list *params = trainer_params(t);
    const param_spec *p = &params->spec[params->index[role][layer + 1]];
    const int64_t n = shape_count(&p->shape);
    double *x = mem_new(double, n);
    if (a > 0)
        case_uniform(1000 + (uint64_t)*number, n, a, x);
    else
        for (int64_t i = 0; i < n; i++) x[i] = constant;
    write_reals(t, p, x);
    mem_free(x);
    ++*number;
}

static void init_gpt2(trainer *t) {
    const double a = 0.0346, b = 0.0346 / sqrt(4);
    int k = 0;
    init_one(t, ROLE_EMBED, -1, &k, a, 0);
    init_one(t, ROLE_POS_EMBED, -1, &k, a, 0);
    for (int l = 0; l < 2; l++) {
        init_one(t, ROLE_ATTN_NORM, l, &k, 0, 1);
        init_one(t, ROLE_ATTN_NORM_BIAS, l, &k, 0, 0);
        init_one(t, ROLE_QKV, l, &k, a, 0);
        init_one(t, ROLE_QKV_BIAS, l, &k, 0, 0);
        init_one(t, ROLE_O, l, &k, b, 0);
        init_one(t, ROLE_O_BIAS, l, &k, 0, 0);
        init_one(t, ROLE_MLP_NORM, l, &k, 0, 1);
        init_one(t, ROLE_MLP_NORM_BIAS, l, &k, 0, 0);
        init_one(t, ROLE_UP, l, &k, a, 0);
        init_one(t, ROLE_UP_BIAS, l, &k, 0, 0);
        init_one(t, ROLE_DOWN, l, &k, b, 0);
        init_one(t, ROLE_DOWN_BIAS, l, &k, 0, 0);
    }
    init_one(t, ROLE_FINAL_NORM, -1, &k, 0, 1);
    init_one(t, ROLE_FINAL_NORM_BIAS, -1, &k, 0, 0);
    assert_int_equal(k, trainer_params(t)->n);
}

static void init_ar(trainer *t) {
    const double s = sqrt(3.0) * pow(64, -0.5);
    int k = 0;
    init_one(t, ROLE_EMBED, -1, &k, sqrt(3.0), 0);
    init_one(t, ROLE_HEAD, -1, &k, sqrt(3.0) * 0.001, 0);
    init_one(t, ROLE_RESID_LAMBDAS, -1, &k, 0, 1);
    init_one(t, ROLE_X0_LAMBDAS, -1, &k, 0, 0.1);
    for (int l = 0; l < 4; l++) {
        init_one(t, ROLE_Q, l, &k, s, 0);
        init_one(t, ROLE_K, l, &k, s, 0);
        init_one(t, ROLE_V, l, &k, s, 0);
        init_one(t, ROLE_O, l, &k, 0, 0);
        init_one(t, ROLE_UP, l, &k, s, 0);
        init_one(t, ROLE_DOWN, l, &k, 0, 0);
        if (l % 2 == 0) continue;
        init_one(t, ROLE_VALUE_EMBED, l, &k, s, 0);
        init_one(t, ROLE_VALUE_GATE, l, &k, 0, 0);
    }
    assert_int_equal(k, trainer_params(t)->n);
}

void case_init(trainer *t, const char *which) {
    if (strcmp(which, "ar") == 0)
        init_ar(t);
    else
        init_gpt2(t);
}

void case_batch(int64_t i, bool held_out, int32_t *inputs, int32_t *targets) {
    file_map m;
    assert_ok(file_map_open(&m, test_golden("training/corpus.txt"), err));
    const int64_t cut = (int64_t)(0.9 * (double)m.size);
    const unsigned char *text = m.data + (held_out ? cut : 0);
    const int64_t n = held_out ? (int64_t)m.size - cut : cut;
    for (int64_t b = 0; b < CASE_ROWS; b++) {
        const int64_t start =
            (i * CASE_ROWS + b) * CASE_TOKENS % (n - CASE_TOKENS - 1);
        for (int64_t k = 0; k < CASE_TOKENS; k++) {
            inputs[b * CASE_TOKENS + k] = text[start + k];
            targets[b * CASE_TOKENS + k] = text[start + k + 1];
        }
    }
    file_map_close(&m);
}

void case_run_settings(settings *s, const char *amount) {
    settings_default(s);
    assert_ok(settings_set(s, "text", test_golden("training/corpus.txt"), err));
    assert_ok(settings_set(s, "tokenizer", "bytes", err));
    assert_ok(settings_set(s, "budget", amount, err));
    s->config = json_loads(gpt2_json, 0, NULL);
    assert_non_null(s->config);
    s->rows = 4;
    s->seq = 32;
    s->threads = 1;
    s->warmup = 2;
    s->eval_every = 4;
    s->eval_batches = 2;
    s->checkpoint_every = 3;
}

json_t *case_json(const char *golden_name) {
    char *data;
    size_t size;
    assert_ok(file_read(test_golden(golden_name), 1 << 26, &data, &size, err));
    json_t *json = json_loadb(data, size, 0, NULL);
    mem_free(data);
    assert_non_null(json);
    return json;
}

void *case_weights(trainer *t) {
    const size_t size = (size_t)trainer_params(t)->size;
    void *data = mem_alloc(size);
    assert_non_null(data);
    assert_ok(trainer_read(t, TRAIN_PARAMS, 0, data, size, err));
    return data;
}
