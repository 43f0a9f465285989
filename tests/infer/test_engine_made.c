/* test_engine_made.c - architectures without a recorded model: weights are
 * drawn here, and the engine, which pages, must agree with the training
 * graph, which does not. */
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "infer/infer.h"
#include "tests/infer/made_model.h"
#include "tests/model/golden_io.h"

enum { T = 50, SLOT_WEIGHTS = 0, SLOT_IDS, SLOT_LOGITS, N_SLOTS };

/* Logits [T, V] of the training graph, in double. */
static void train_logits(const ar_model *m, const int32_t *ids, double *out) {
    const backend *be = backend_find("cpu");
    const device_options o = {.kernels = "reference"};
    const int64_t V = m->config.n_vocab;
    buffer b[N_SLOTS] = {{0}};
    device *dev;
    param_list p;
    ref param[128];
    graph g, h;
    program *prog;
    ticket t;
    assert_ok(be->open(0, &o, &dev, err));
    assert_ok(params_build(&p, &m->config, AR_F64, err));
    assert_ok(be->alloc(dev, (size_t)p.size, &b[SLOT_WEIGHTS], err));
    assert_ok(be->alloc(dev, T * 4, &b[SLOT_IDS], err));
    assert_ok(be->alloc(dev, (size_t)(T * V) * 8, &b[SLOT_LOGITS], err));
    assert_ok(params_load(&p, AR_F64, m->files, b[SLOT_WEIGHTS].host, err));
    assert_ok(be->write(dev, &b[SLOT_IDS], 0, ids, T * 4, err));
    graph_open(&g);
    for (int i = 0; i < p.n; i++)
        param[i] = graph_param(&g, p.spec[i].name, AR_F64, p.spec[i].shape,
                               SLOT_WEIGHTS, p.spec[i].offset);
    decoder d = {.g = &g,
                 .config = &m->config,
                 .params = &p,
                 .param = param,
                 .type = AR_F64,
                 .matmul = {.compute = AR_F64},
                 .n_rows = 1,
                 .n_tokens = T};
    d.ids = graph_input(&g, "ids", AR_I32, shape1(T), SLOT_IDS, 0);
    const ref y = decoder_logits(&d, decoder_hidden(&d));
    graph_store(&g, graph_state(&g, "y", AR_F64, shape2(T, V), SLOT_LOGITS, 0),
                y);
    assert_ok(graph_status(&g, err));
    assert_ok(graph_rewrite(&g, &h, err));
    assert_ok(be->compile(dev, &h, &prog, err));
    assert_ok(be->run(prog, b, N_SLOTS, &t, err));
    assert_ok(be->wait(dev, t, err));
    assert_ok(be->read(dev, &b[SLOT_LOGITS], 0, out, (size_t)(T * V) * 8, err));
    be->release(prog);
    graph_close(&h);
    graph_close(&g);
    for (int i = 0; i < N_SLOTS; i++) be->free(dev, &b[i]);
    params_close(&p);
    be->close(dev);
}

/* `small`: layers with windows have pages of their own, just enough. */
static void check_device(const ar_model *m, const char *where, bool small,
                         const double *want, const int32_t *ids,
                         double tolerance) {
    const int64_t V = m->config.n_vocab;
    ar_engine_options o = ar_engine_options_default();
    o.device = where;
    o.page = 8;
    if (small) {
        o.max_sessions = 1;
        o.max_rows = 4;
        o.rewind = 0;
    }
    ar_engine *e;
    ar_session *s;
    assert_ok(ar_engine_open(&e, m, &o, err));
    double *whole = mem_new(double, T *V), *cut = mem_new(double, T *V);
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_session_feed(s, ids, T, true, whole, err));
    ar_session_rewind(s, 0);
    for (int64_t i = 0; i < T; i += 3)
        assert_ok(ar_session_feed(s, ids + i, T - i < 3 ? T - i : 3, true,
                                  cut + i * V, err));
    assert_memory_equal(whole, cut, (size_t)(T * V) * 8);
    double largest = 0;
    for (int64_t i = 0; i < T * V; i++) {
        assert_near(whole[i], want[i], tolerance);
        if (fabs(want[i]) > largest) largest = fabs(want[i]);
    }
    assert_true(largest > 0.1);
    ar_session_close(s);
    ar_engine_close(e);
    mem_free(whole);
    mem_free(cut);
}

static void check_made(const char *config) {
    int32_t ids[T];
    char folder[400];
    ar_model *m;
    snprintf(folder, sizeof folder, "%s", test_folder());
    made_model(folder, config, 0.3);
    assert_ok(ar_model_open(&m, folder, err));
    for (int i = 0; i < T; i++) ids[i] = (i * i * 7 + i) % 96;
    double *want = mem_new(double, T * m->config.n_vocab);
    train_logits(m, ids, want);
    for (int small = 0; small < 2; small++) {
        check_device(m, "reference-f64", small, want, ids, 1e-10);
        check_device(m, "cpu", small, want, ids, 2e-3);
    }
    mem_free(want);
    ar_model_close(m);
}

void test_engine_made_ar(void **state) {
    (void)state;
    check_made("{\"model_type\": \"arcane_ar\", \"vocab_size\": 96, "
               "\"max_position_embeddings\": 64, \"num_hidden_layers\": 4, "
               "\"hidden_size\": 64, \"num_attention_heads\": 4, "
               "\"num_key_value_heads\": 2, \"head_dim\": 16, "
               "\"intermediate_size\": 96, \"window_pattern\": \"SL\"}");
}

void test_engine_made_rustane(void **state) {
    (void)state;
    check_made("{\"model_type\": \"arcane_rustane\", \"vocab_size\": 96, "
               "\"max_position_embeddings\": 64, \"num_hidden_layers\": 3, "
               "\"hidden_size\": 48, \"num_attention_heads\": 6, "
               "\"num_key_value_heads\": 3, \"intermediate_size\": 80, "
               "\"hidden_act\": \"leaky_relu_sqr\", "
               "\"layer_windows\": [9, 0, 17]}");
}

/* Every layer another window, of one key too; more than there are groups. */
void test_engine_made_windows(void **state) {
    (void)state;
    check_made("{\"model_type\": \"arcane_rustane\", \"vocab_size\": 96, "
               "\"max_position_embeddings\": 64, \"num_hidden_layers\": 6, "
               "\"hidden_size\": 32, \"num_attention_heads\": 2, "
               "\"num_key_value_heads\": 1, \"intermediate_size\": 40, "
               "\"layer_windows\": [1, 5, 1, 9, 12, 3]}");
}

void test_engine_made_partial_rope(void **state) {
    (void)state;
    check_made("{\"model_type\": \"llama\", \"vocab_size\": 96, "
               "\"max_position_embeddings\": 64, \"num_hidden_layers\": 2, "
               "\"hidden_size\": 48, \"num_attention_heads\": 3, "
               "\"head_dim\": 24, \"intermediate_size\": 80, "
               "\"hidden_act\": \"gelu\", \"attention_bias\": true, "
               "\"partial_rotary_factor\": 0.5}");
}

/* A base that grows with the text cannot be that of rows of many texts. */
void test_engine_made_dynamic_rope(void **state) {
    (void)state;
    char folder[400], config[500];
    const char *const text =
        "{\"model_type\": \"llama\", \"vocab_size\": 96, "
        "\"max_position_embeddings\": 64, \"num_hidden_layers\": 2, "
        "\"hidden_size\": 32, \"num_attention_heads\": 2, "
        "\"intermediate_size\": 48, \"rope_scaling\": {\"type\": "
        "\"dynamic\", \"factor\": 2, "
        "\"original_max_position_embeddings\": %d}}";
    snprintf(config, sizeof config, text, 64);
    check_made(config); /* within its context it is as unscaled */
    snprintf(config, sizeof config, text, 32);
    snprintf(folder, sizeof folder, "%s", test_folder());
    made_model(folder, config, 0.3);
    ar_model *m;
    ar_engine *e;
    assert_ok(ar_model_open(&m, folder, err));
    assert_fails(AR_UNSUPPORTED, "dynamic", ar_engine_open(&e, m, NULL, err));
    ar_model_close(m);
}
