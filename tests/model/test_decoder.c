/* test_decoder.c - whole models against recorded logits. */
#include "base/mem.h"
#include "core/backend.h"
#include "model/model.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"

enum { SLOT_WEIGHTS, SLOT_IDS, SLOT_LOGITS, N_SLOTS };

/* Everything needed to run one graph on one device. */
typedef struct bench {
    const backend *be;
    device *dev;
    ar_type type;
    const model_config *c;
    param_list params;
    buffer buffers[N_SLOTS];
} bench;

static void bench_open(bench *b, const ar_model *m, const char *kernels,
                       ar_type t) {
    const device_options o = {.kernels = kernels};
    *b = (bench){.type = t, .c = &m->config};
    b->be = backend_find("cpu");
    assert_non_null(b->be);
    assert_ok(b->be->open(0, &o, &b->dev, err));
    assert_ok(params_build(&b->params, b->c, t, err));
    assert_ok(
        b->be->alloc(b->dev, (size_t)b->params.size, &b->buffers[0], err));
    assert_ok(params_load(&b->params, t, m->files, b->buffers[0].host, err));
}

static void bench_close(bench *b) {
    for (int i = 0; i < N_SLOTS; i++)
        if (b->buffers[i].host) b->be->free(b->dev, &b->buffers[i]);
    params_close(&b->params);
    b->be->close(b->dev);
}

/* Rows of [B, T] tokens; at: also give the positions as an input. */
static void build(bench *b, graph *g, int64_t B, int64_t T, bool at) {
    ref param[256];
    assert_true(b->params.n <= 256);
    for (int i = 0; i < b->params.n; i++)
        param[i] = graph_param(g, b->params.spec[i].name, b->type,
                               b->params.spec[i].shape, SLOT_WEIGHTS,
                               b->params.spec[i].offset);
    decoder d = {.g = g,
                 .config = b->c,
                 .params = &b->params,
                 .param = param,
                 .type = b->type,
                 .matmul = {.compute = b->type, .exact = 1},
                 .n_rows = B,
                 .n_tokens = T};
    d.ids = graph_input(g, "ids", AR_I32, shape1(B * T), SLOT_IDS, 0);
    if (at)
        d.positions = graph_input(g, "positions", AR_I32, shape1(B * T),
                                  SLOT_IDS, 4 * B * T);
    const ref y = decoder_logits(&d, decoder_hidden(&d));
    const ref out = graph_state(g, "logits", b->type,
                                shape2(B * T, b->c->n_vocab), SLOT_LOGITS, 0);
    graph_store(g, out, y);
}

/* Logits [B * T, V], in a block of the caller. */
static void run(bench *b, const int32_t *ids, int64_t B, int64_t T, bool at,
                double *logits) {
    graph g, h;
    graph_open(&g);
    build(b, &g, B, T, at);
    assert_ok(graph_status(&g, err));
    assert_ok(graph_rewrite(&g, &h, err));
    program *p;
    assert_ok(b->be->compile(b->dev, &h, &p, err));
    const int64_t n = B * T, V = b->c->n_vocab;
    assert_ok(b->be->alloc(b->dev, (size_t)n * 8, &b->buffers[SLOT_IDS], err));
    assert_ok(b->be->alloc(b->dev, ar_type_size(b->type, n * V),
                           &b->buffers[SLOT_LOGITS], err));
    int32_t *in = b->buffers[SLOT_IDS].host;
    for (int64_t i = 0; i < n; i++) {
        in[i] = ids[i];
        in[n + i] = (int32_t)(i % T);
    }
    ticket t;
    assert_ok(b->be->run(p, b->buffers, N_SLOTS, &t, err));
    assert_ok(b->be->wait(b->dev, t, err));
    const void *y = b->buffers[SLOT_LOGITS].host;
    for (int64_t i = 0; i < n * V; i++)
        logits[i] = b->type == AR_F64 ? ((const double *)y)[i]
                                      : (double)((const float *)y)[i];
    b->be->release(p);
    for (int i = SLOT_IDS; i <= SLOT_LOGITS; i++) {
        b->be->free(b->dev, &b->buffers[i]);
        b->buffers[i] = (buffer){0};
    }
    graph_close(&h);
    graph_close(&g);
}

static void check_model(const char *name, const char *kernels, ar_type t,
                        double tolerance) {
    ar_model *m;
    bench b;
    assert_ok(ar_model_open(&m, golden_model(name, ""), err));
    bench_open(&b, m, kernels, t);
    json_t *io = golden_json(golden_model(name, "io.json"));
    const json_t *prompts = json_object_get(io, "prompts");
    const size_t which =
        (size_t)json_integer_value(json_object_get(io, "all_logits_prompt"));
    const int64_t V = m->config.n_vocab;
    for (size_t k = 0; k < json_array_size(prompts); k++) {
        int32_t ids[256];
        const int64_t n = golden_ids(json_array_get(prompts, k), ids, 256);
        double *y = mem_new(double, n *V);
        run(&b, ids, 1, n, k % 2 == 1, y);
        golden_compare(json_array_get(json_object_get(io, "last_logits"), k),
                       y + (n - 1) * V, tolerance);
        if (k == which)
            for (int64_t i = 0; i < n; i++)
                golden_compare(json_array_get(json_object_get(io, "all_logits"),
                                              (size_t)i),
                               y + i * V, tolerance);
        mem_free(y);
    }
    json_decref(io);
    bench_close(&b);
    ar_model_close(m);
}

void test_decoder_golden_f64(void **state) {
    (void)state;
    for (size_t i = 0; i < N_GOLDEN_MODELS; i++)
        check_model(golden_models[i], "reference", AR_F64, 1e-8);
}

void test_decoder_golden_f32(void **state) {
    (void)state;
    for (size_t i = 0; i < N_GOLDEN_MODELS; i++) {
        check_model(golden_models[i], "reference", AR_F32, 5e-4);
        check_model(golden_models[i], NULL, AR_F32, 5e-4);
    }
}

void test_decoder_packed(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PACKED_MODELS; i++) {
        check_model(packed_models[i], "reference", AR_F64, 1e-8);
        check_model(packed_models[i], NULL, AR_F32, 5e-4);
    }
}

void test_decoder_rows(void **state) {
    (void)state;
    /* Rows of a batch do not see each other; positions start anew in each. */
    ar_model *m;
    bench b;
    assert_ok(ar_model_open(&m, golden_model("gpt2", ""), err));
    bench_open(&b, m, NULL, AR_F32);
    enum { T = 12, V = 160 };
    static double two[2 * T * V], one[T * V];
    int32_t ids[2 * T];
    for (int i = 0; i < 2 * T; i++) ids[i] = (i * 37 + 11) % V;
    run(&b, ids, 2, T, false, two);
    run(&b, ids + T, 1, T, false, one);
    for (int i = 0; i < T * V; i++) assert_near(two[T * V + i], one[i], 1e-5);
    bench_close(&b);
    ar_model_close(m);
}

/* More tokens than the model has positions: a sentence, not a crash. */
void test_decoder_too_long(void **state) {
    (void)state;
    model_config c;
    param_list p;
    assert_ok(config_preset(&c, "nanogpt-cpu", err));
    assert_ok(params_build(&p, &c, AR_F32, err));
    graph g;
    graph_open(&g);
    ref param[128];
    for (int i = 0; i < p.n; i++)
        param[i] = graph_param(&g, p.spec[i].name, AR_F32, p.spec[i].shape, 0,
                               p.spec[i].offset);
    decoder d = {.g = &g,
                 .config = &c,
                 .params = &p,
                 .param = param,
                 .type = AR_F32,
                 .n_rows = 1,
                 .n_tokens = 65};
    d.ids = graph_input(&g, "ids", AR_I32, shape1(65), 1, 0);
    assert_int_equal(decoder_hidden(&d), 0);
    assert_fails(AR_RANGE, "context", graph_status(&g, err));
    graph_close(&g);
    params_close(&p);
}
