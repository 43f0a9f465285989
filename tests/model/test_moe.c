/* test_moe.c - mixtures of experts: their files, their keys, their routing. */
#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/backend.h"
#include "model/decoder_int.h"
#include "model/model.h"
#include "tests/model/golden_io.h"

/* ---- files ---- */

/* The model's folder again, with some words of the header of its weights
 * replaced by others of the same length. */
static const char *changed(const char *name, const char *const (*words)[2],
                           int n) {
    static char folder[600];
    char path[700], *text;
    size_t size;
    snprintf(folder, sizeof folder, "%s/%s", test_folder(), name);
    assert_ok(file_make_folder(folder, err));
    assert_ok(file_read(golden_model(name, "config.json"), 1 << 20, &text,
                        &size, err));
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_ok(file_replace(path, text, size, err));
    mem_free(text);
    assert_ok(file_read(golden_model(name, "model.safetensors"), 1 << 24, &text,
                        &size, err));
    for (int i = 0; i < n; i++) {
        char *at = strstr(text + 8, words[i][0]);
        assert_non_null(at);
        assert_int_equal(strlen(words[i][0]), strlen(words[i][1]));
        memcpy(at, words[i][1], strlen(words[i][1]));
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_ok(file_replace(path, text, size, err));
    mem_free(text);
    return folder;
}

/* All names that are missing are in the sentence, or as many as fit. */
void test_moe_missing(void **state) {
    (void)state;
    static const char *const one[][2] = {
        {"layers.1.block_sparse_moe.experts.2.w3",
         "layers.1.block_sparse_moe.experts.9.w3"}};
    static const char *const two[][2] = {
        {"layers.1.block_sparse_moe.experts.2.w3",
         "layers.1.block_sparse_moe.experts.9.w3"},
        {"layers.0.block_sparse_moe.gate", "layers.0.block_sparse_moe.rate"}};
    ar_model *m;
    ar_error e = {0};
    const char *folder = changed("mixtral", one, 1);
    assert_fails(AR_FORMAT, "moe.experts.2.w3.weight",
                 ar_model_open(&m, folder, err));
    folder = changed("mixtral", two, 2);
    assert_int_equal(ar_model_open(&m, folder, &e), AR_FORMAT);
    assert_non_null(strstr(e.message, "2 tensors"));
    assert_non_null(strstr(e.message, "experts.2.w3"));
    assert_non_null(strstr(e.message, "0.block_sparse_moe.gate.weight"));
    /* A configuration of more experts than there are. */
    char path[700], *text;
    size_t size;
    folder = changed("mixtral", NULL, 0);
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_ok(file_read(path, 1 << 20, &text, &size, err));
    char *at = strstr(text, "\"num_local_experts\": 4");
    assert_non_null(at);
    at[strlen("\"num_local_experts\": ")] = '9';
    assert_ok(file_replace(path, text, size, err));
    mem_free(text);
    assert_int_equal(ar_model_open(&m, folder, &e), AR_FORMAT);
    assert_non_null(strstr(e.message, "45 tensors"));
    assert_non_null(strstr(e.message, "experts.4.w1.weight"));
}

void test_moe_shapes(void **state) {
    (void)state;
    static const char *const expert[][2] = {
        {"experts.1.w1.weight\":{\"dtype\":\"F32\",\"shape\":[36,48]",
         "experts.1.w1.weight\":{\"dtype\":\"F32\",\"shape\":[48,36]"}};
    static const char *const blocks[][2] = {
        {"gate_up_proj_blocks\":{\"dtype\":\"U8\",\"shape\":[3,64,2,16]",
         "gate_up_proj_blocks\":{\"dtype\":\"U8\",\"shape\":[3,32,4,16]"}};
    static const char *const scales[][2] = {
        {"down_proj_scales\":{\"dtype\":\"U8\"",
         "down_proj_scales\":{\"dtype\":\"I8\""}};
    ar_model *m;
    assert_fails(AR_SHAPE, "experts.1.w1.weight",
                 ar_model_open(&m, changed("mixtral", expert, 1), err));
    assert_fails(AR_SHAPE, "gate_up_proj_blocks",
                 ar_model_open(&m, changed("gpt_oss_mxfp4", blocks, 1), err));
    assert_fails(AR_UNSUPPORTED, "down_proj_scales",
                 ar_model_open(&m, changed("gpt_oss_mxfp4", scales, 1), err));
}

/* MXFP4 experts as plain numbers, and these turned as unpacked files have
 * them. */
void test_moe_turned(void **state) {
    (void)state;
    ar_model *m;
    param_list turned;
    assert_ok(ar_model_open(&m, golden_model("gpt_oss_mxfp4", ""), err));
    model_config c = m->config;
    assert_false(c.experts_turned);
    c.experts_turned = true;
    assert_ok(params_build(&turned, &c, AR_F32, err));
    int n = 0;
    for (int i = 0; i < turned.n; i++) {
        const param_spec *s = &turned.spec[i], *as_is = &m->params.spec[i];
        if (s->shape.rank != 3) continue;
        const int64_t E = s->shape.dim[0], K = s->shape.dim[1],
                      F = s->shape.dim[2];
        float *x = mem_new(float, E *K *F), *y = mem_new(float, E *K *F);
        assert_ok(params_load_one(as_is, AR_F32, m->files, x, err));
        assert_ok(params_load_one(s, AR_F32, m->files, y, err));
        for (int64_t j = 0; j < E * K * F; j++) {
            const int64_t e = j / (K * F), k = j / F % K, f = j % F;
            assert_true(y[j] == x[(e * F + f) * K + k]);
        }
        mem_free(x);
        mem_free(y);
        n++;
    }
    assert_int_equal(n, 4);
    params_close(&turned);
    ar_model_close(m);
}

/* Layers behind the last are passed over if the configuration counts them. */
void test_moe_ahead(void **state) {
    (void)state;
    char path[700], *text;
    size_t size;
    ar_model *m;
    st_writer *w;
    const float x[2] = {0};
    const shape two = shape1(2);
    const char *folder = changed("glm4_moe", NULL, 0);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_ok(ar_model_open(&m, golden_model("glm4_moe", ""), err));
    assert_ok(st_create(&w, path, err));
    for (int64_t i = 0; i < weights_count(m->files); i++) {
        const tensor_view *t = weights_get(m->files, i);
        st_declare(w, t->name, t->type, &t->shape);
    }
    st_declare(w, "model.layers.3.eh_proj.weight", AR_F32, &two);
    for (int64_t i = 0; i < weights_count(m->files); i++) {
        const tensor_view *t = weights_get(m->files, i);
        st_data(w, t->data, t->size);
    }
    st_data(w, x, sizeof x);
    assert_ok(st_commit(w, err));
    ar_model_close(m);
    assert_fails(AR_FORMAT, "eh_proj", ar_model_open(&m, folder, err));
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_ok(file_read(path, 1 << 20, &text, &size, err));
    char *at = strstr(text, "\"num_nextn_predict_layers\": 0");
    assert_non_null(at);
    at[strlen("\"num_nextn_predict_layers\": ")] = '1';
    assert_ok(file_replace(path, text, size, err));
    mem_free(text);
    assert_ok(ar_model_open(&m, folder, err));
    assert_int_equal(m->config.n_layers, 3);
    ar_model_close(m);
}

/* Checkpoints hold stacks whole. */
void test_moe_stacks(void **state) {
    (void)state;
    char path[700];
    ar_model *m, *again;
    st_writer *w;
    const char *folder = changed("mixtral", NULL, 0);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_ok(ar_model_open(&m, golden_model("mixtral", ""), err));
    const param_list *p = &m->params;
    char *block = mem_alloc((size_t)p->size);
    assert_ok(params_load(p, AR_F32, m->files, block, err));
    assert_ok(st_create(&w, path, err));
    for (int i = 0; i < p->n; i++)
        st_declare(w, p->spec[i].name, AR_F32, &p->spec[i].shape);
    for (int i = 0; i < p->n; i++)
        st_data(w, block + p->spec[i].offset,
                (size_t)shape_count(&p->spec[i].shape) * 4);
    assert_ok(st_commit(w, err));
    assert_ok(ar_model_open(&again, folder, err));
    assert_int_equal(weights_count(again->files), p->n);
    char *same = mem_alloc((size_t)p->size);
    assert_ok(params_load(&again->params, AR_F32, again->files, same, err));
    assert_memory_equal(same, block, (size_t)p->size);
    mem_free(same);
    mem_free(block);
    ar_model_close(again);
    ar_model_close(m);
}

/* ---- keys ---- */

#define QWEN "{\"model_type\": \"qwen3_moe\", \"num_hidden_layers\": 6, "
#define GLM "{\"model_type\": \"glm4_moe\", \"head_dim\": 64, "
#define OSS "{\"model_type\": \"gpt_oss\", "

static const struct {
    ar_status code;
    const char *word, *text;
} bad[] = {
    {AR_RANGE, "num_experts_per_tok", QWEN "\"num_experts_per_tok\": 0}"},
    {AR_RANGE, "num_experts_per_tok",
     QWEN "\"num_experts\": 4, \"num_experts_per_tok\": 5}"},
    {AR_FORMAT, "num_experts", QWEN "\"num_experts\": -4}"},
    {AR_FORMAT, "num_experts", QWEN "\"num_experts\": \"many\"}"},
    {AR_RANGE, "experts", QWEN "\"num_experts\": 1000000}"},
    {AR_RANGE, "decoder_sparse_step", QWEN "\"decoder_sparse_step\": 0}"},
    {AR_FORMAT, "mlp_only_layers", QWEN "\"mlp_only_layers\": 3}"},
    {AR_FORMAT, "mlp_only_layers[1]", QWEN "\"mlp_only_layers\": [0, \"x\"]}"},
    {AR_FORMAT, "norm_topk_prob", QWEN "\"norm_topk_prob\": 1}"},
    {AR_RANGE, "n_group", GLM "\"n_group\": 3}"},
    {AR_RANGE, "topk_group", GLM "\"n_group\": 4, \"topk_group\": 5}"},
    {AR_RANGE, "topk_group",
     GLM "\"n_group\": 32, \"topk_group\": 1, \"num_experts_per_tok\": 5}"},
    {AR_RANGE, "n_group", GLM "\"n_group\": 128, \"topk_group\": 9}"},
    {AR_RANGE, "swiglu_limit", OSS "\"swiglu_limit\": -1}"},
    {AR_RANGE, "swiglu_limit", OSS "\"swiglu_limit\": 0}"},
    {AR_RANGE, "swiglu_alpha", OSS "\"swiglu_alpha\": 0}"},
    {AR_RANGE, "clip_qkv", "{\"model_type\": \"olmoe\", \"clip_qkv\": 0}"},
    {AR_UNSUPPORTED, "fp9",
     OSS "\"quantization_config\": {\"quant_method\": \"fp9\"}}"},
};

void test_moe_config(void **state) {
    (void)state;
    model_config c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(bad[i].code, bad[i].word,
                     config_parse(&c, bad[i].text, strlen(bad[i].text), err));
    const char *text = QWEN "\"decoder_sparse_step\": 2, "
                            "\"mlp_only_layers\": [3, 77]}";
    static const bool want[] = {false, true, false, false, false, true};
    assert_ok(config_parse(&c, text, strlen(text), err));
    for (int l = 0; l < 6; l++) assert_int_equal(config_is_moe(&c, l), want[l]);
    text = GLM "\"first_k_dense_replace\": 0, \"n_shared_experts\": 0}";
    assert_ok(config_parse(&c, text, strlen(text), err));
    assert_true(config_is_moe(&c, 0) && c.n_shared_experts == 0);
    text = OSS "\"num_hidden_layers\": 3, \"quantization_config\": "
               "{\"quant_method\": \"mxfp4\"}}";
    assert_ok(config_parse(&c, text, strlen(text), err));
    assert_false(c.experts_turned);
    assert_true(c.window[0] && !c.window[1] && c.window[2]);
}

/* ---- routing ---- */

enum { R = 7, C = 6, E = 12, F = 4, K = 3, MAX_SPECS = 32 };

/* One layer of experts alone, its numbers drawn at random. */
typedef struct branch {
    model_config c;
    param_list params;
    double *w[MAX_SPECS]; /* of each weight */
    double x[R * C], y[R * C];
} branch;

static const double *weight(const branch *b, enum param_role role) {
    const int i = params_find(&b->params, role, 0);
    return i < 0 ? NULL : b->w[i];
}

static void branch_open(branch *b, const model_config *c) {
    b->c = *c;
    assert_ok(params_build(&b->params, c, AR_F64, err));
    assert_true(b->params.n <= MAX_SPECS);
    for (int i = 0; i < b->params.n; i++) {
        const int64_t n = shape_count(&b->params.spec[i].shape);
        b->w[i] = mem_new(double, n);
        for (int64_t k = 0; k < n; k++)
            b->w[i][k] = rng_normal(5, (uint64_t)i, (uint64_t)k);
    }
    for (int i = 0; i < R * C; i++) b->x[i] = rng_normal(6, 0, (uint64_t)i);
}

static void branch_close(branch *b) {
    for (int i = 0; i < b->params.n; i++) mem_free(b->w[i]);
    params_close(&b->params);
}

static void branch_run(branch *b) {
    graph g, h;
    ref param[MAX_SPECS];
    program *p;
    device *dev;
    ticket t;
    buffer buffers[MAX_SPECS + 2];
    const device_options o = {.kernels = "reference"};
    const backend *be = backend_find("cpu");
    const int n = b->params.n;
    assert_ok(be->open(0, &o, &dev, err));
    graph_open(&g);
    for (int i = 0; i < n; i++) {
        const param_spec *s = &b->params.spec[i];
        param[i] = graph_param(&g, s->name, AR_F64, s->shape, i, 0);
        assert_ok(be->import(dev, b->w[i], (size_t)shape_count(&s->shape) * 8,
                             &buffers[i], err));
    }
    decoder d = {.g = &g,
                 .config = &b->c,
                 .params = &b->params,
                 .param = param,
                 .type = AR_F64,
                 .matmul = {.compute = AR_F64}};
    const decoder_state s = {.d = &d, .g = &g, .c = &b->c, .rows = R};
    const ref x = graph_input(&g, "x", AR_F64, shape2(R, C), n, 0);
    const ref out = graph_state(&g, "y", AR_F64, shape2(R, C), n + 1, 0);
    graph_store(&g, out, decoder_moe(&s, x, 0));
    assert_ok(graph_status(&g, err));
    assert_ok(graph_rewrite(&g, &h, err));
    assert_ok(be->compile(dev, &h, &p, err));
    assert_ok(be->import(dev, b->x, sizeof b->x, &buffers[n], err));
    assert_ok(be->alloc(dev, sizeof b->y, &buffers[n + 1], err));
    assert_ok(be->run(p, buffers, n + 2, &t, err));
    assert_ok(be->wait(dev, t, err));
    memcpy(b->y, buffers[n + 1].host, sizeof b->y);
    be->release(p);
    for (int i = 0; i < n + 2; i++) be->free(dev, &buffers[i]);
    graph_close(&h);
    graph_close(&g);
    be->close(dev);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* y [F] of x and the rows of w. */
static void multiply(const double *x, const double *w, int n_in, int n_out,
                     double *y) {
    for (int o = 0; o < n_out; o++) {
        y[o] = 0;
        for (int i = 0; i < n_in; i++) y[o] += x[i] * w[o * n_in + i];
    }
}

/* y [C] += weight times a gated MLP of f channels. */
static void add_mlp(const double *x, const double *gate, const double *up,
                    const double *down, int f, double scale, double *y) {
    double g[4 * F], u[4 * F], z[C];
    multiply(x, gate, C, f, g);
    multiply(x, up, C, f, u);
    for (int i = 0; i < f; i++) g[i] = g[i] * sigmoid(g[i]) * u[i];
    multiply(g, down, f, C, z);
    for (int i = 0; i < C; i++) y[i] += scale * z[i];
}

/* How many of x [n] come before x[i]. */
static int rank_of(const double *x, int n, int i) {
    int before = 0;
    for (int k = 0; k < n; k++)
        before += x[k] > x[i] || (x[k] == x[i] && k < i);
    return before;
}

/* What a group is worth: its largest, or the sum of its two largest. */
static double worth(const double *x, int n, enum group_score how) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (rank_of(x, n, i) < (how == GROUP_BEST ? 1 : 2)) sum += x[i];
    return sum;
}

static void scores_of(const branch *b, const double *x, double *score) {
    double sum = 0;
    multiply(x, weight(b, ROLE_ROUTER), C, E, score);
    for (int e = 0; e < E; e++) sum += exp(score[e]);
    for (int e = 0; e < E; e++)
        if (b->c.route != ROUTE_CHOSEN)
            score[e] = b->c.route == ROUTE_SIGMOID ? sigmoid(score[e])
                                                   : exp(score[e]) / sum;
}

/* One row by the book. */
static void expected(const branch *b, const double *x, double *y) {
    const model_config *c = &b->c;
    const int groups = (int)c->n_expert_groups, each = E / groups;
    double score[E], choice[E], groups_worth[E], sum = 0;
    scores_of(b, x, score);
    for (int e = 0; e < E; e++)
        choice[e] =
            score[e] + (c->route_bias ? weight(b, ROLE_ROUTE_BIAS)[e] : 0);
    for (int k = 0; k < groups; k++)
        groups_worth[k] = worth(choice + k * each, each, c->group_score);
    for (int e = 0; e < E; e++)
        if (rank_of(groups_worth, groups, e / each) >= c->n_groups_used)
            choice[e] = -INFINITY;
    for (int e = 0; e < E; e++) {
        if (c->route == ROUTE_CHOSEN) score[e] = exp(score[e]);
        if (rank_of(choice, E, e) < K) sum += score[e];
    }
    for (int i = 0; i < C; i++) y[i] = 0;
    for (int e = 0; e < E; e++) {
        const double w =
            score[e] / (c->norm_topk || c->route == ROUTE_CHOSEN ? sum : 1);
        if (rank_of(choice, E, e) < K)
            add_mlp(x, weight(b, ROLE_EXPERTS_GATE) + e * F * C,
                    weight(b, ROLE_EXPERTS_UP) + e * F * C,
                    weight(b, ROLE_EXPERTS_DOWN) + e * F * C, F,
                    w * c->routed_scale, y);
    }
    if (c->n_shared_experts)
        add_mlp(x, weight(b, ROLE_SHARED_GATE), weight(b, ROLE_SHARED_UP),
                weight(b, ROLE_SHARED_DOWN), F * (int)c->n_shared_experts, 1,
                y);
}

/* DeepSeek-V2 and V3 have groups and shared experts, others neither. */
void test_moe_routing(void **state) {
    (void)state;
    static const struct {
        enum route_kind route;
        int groups, used;
        enum group_score score;
        bool bias, norm;
        int shared;
        double scale;
    } cases[] = {
        {ROUTE_SOFTMAX, 1, 1, GROUP_BEST, false, false, 0, 1},
        {ROUTE_SOFTMAX, 1, 1, GROUP_BEST, false, true, 0, 1},
        {ROUTE_SOFTMAX, 4, 2, GROUP_BEST, false, false, 2, 16},
        {ROUTE_SOFTMAX, 3, 1, GROUP_BEST, false, true, 1, 1},
        {ROUTE_CHOSEN, 1, 1, GROUP_BEST, false, false, 0, 1},
        {ROUTE_SIGMOID, 1, 1, GROUP_BEST_TWO, true, true, 1, 2.5},
        {ROUTE_SIGMOID, 4, 2, GROUP_BEST_TWO, true, true, 1, 2.5},
        {ROUTE_SIGMOID, 6, 2, GROUP_BEST_TWO, true, false, 0, 0.5},
        {ROUTE_SIGMOID, 4, 3, GROUP_BEST_TWO, false, true, 3, 1},
    };
    static branch b;
    const char *text = "{\"model_type\": \"qwen3_moe\", \"hidden_size\": 6, "
                       "\"num_attention_heads\": 1, \"head_dim\": 2, "
                       "\"num_key_value_heads\": 1, \"vocab_size\": 5, "
                       "\"num_hidden_layers\": 1, \"num_experts\": 12, "
                       "\"num_experts_per_tok\": 3, "
                       "\"tie_word_embeddings\": true, "
                       "\"moe_intermediate_size\": 4}";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c;
        assert_ok(config_parse(&c, text, strlen(text), err));
        c.route = cases[i].route;
        c.n_expert_groups = cases[i].groups;
        c.n_groups_used = cases[i].used;
        c.group_score = cases[i].score;
        c.route_bias = cases[i].bias;
        c.norm_topk = cases[i].norm;
        c.n_shared_experts = cases[i].shared;
        c.routed_scale = cases[i].scale;
        branch_open(&b, &c);
        branch_run(&b);
        for (int r = 0; r < R; r++) {
            double y[C];
            expected(&b, b.x + r * C, y);
            for (int k = 0; k < C; k++)
                assert_near(b.y[r * C + k], y[k], 1e-11 * (1 + fabs(y[k])));
        }
        branch_close(&b);
    }
}
