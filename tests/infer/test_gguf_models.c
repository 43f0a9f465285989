/* test_gguf_models.c - GGUF files as models, against what an independent
 * implementation recorded of their dequantised weights. */
#include "base/mem.h"
#include "base/text.h"
#include "infer/infer.h"
#include "tests/infer/step_tokens.h"
#include "tests/model/golden_io.h"

enum { MOST = 512 }; /* tokens of a vocabulary, of a prompt */

static const struct {
    const char *file, *record;
} files[] = {
    {"llama_mixed.gguf", "llama_mixed.json"},
    {"gpt2_q8_0.gguf", "gpt2_q8_0.json"},
    {"gemma3_q8_0.gguf", "gemma3_q8_0.json"},
    {"qwen3_q8_0.gguf", "qwen3_q8_0.json"},
    {"qwen3_split-00002-of-00003.gguf", "qwen3_split.json"},
};
enum { N_FILES = sizeof files / sizeof *files };

static const char *gguf_path(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "gguf/%s", name);
    return test_golden(path);
}

static void check_logits(ar_engine *e, const json_t *record, double tolerance) {
    const json_t *prompts = json_object_get(record, "prompts");
    for (size_t k = 0; k < json_array_size(prompts); k++) {
        int32_t ids[MOST];
        double y[MOST];
        ar_session *s;
        const int64_t n = golden_ids(json_array_get(prompts, k), ids, MOST);
        assert_ok(ar_session_open(&s, e, err));
        assert_ok(ar_session_feed(s, ids, n, false, y, err));
        golden_compare(
            json_array_get(json_object_get(record, "last_logits"), k), y,
            tolerance);
        ar_session_close(s);
    }
}

static void check_greedy(ar_engine *e, const json_t *record, int64_t n_vocab) {
    int32_t ids[MOST], want[64], id;
    double y[MOST];
    ar_sampler *greedy;
    ar_sample_options o = ar_sample_options_default();
    o.temperature = 0;
    assert_ok(ar_sampler_open(&greedy, &o, n_vocab, 0, err));
    ar_session *s;
    const size_t p =
        (size_t)json_integer_value(json_object_get(record, "greedy_prompt"));
    const int64_t n = golden_ids(
        json_array_get(json_object_get(record, "prompts"), p), ids, MOST);
    const int64_t m = golden_ids(json_object_get(record, "greedy"), want, 64);
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_session_feed(s, ids, n, false, y, err));
    for (int64_t i = 0; i < m; i++) {
        const ar_sample_input in = {y, NULL, 0, i};
        assert_ok(ar_sampler_next(greedy, &in, &id, err));
        assert_int_equal(id, want[i]);
        assert_ok(step_tokens(e, &s, &id, 1, n_vocab, y, err));
    }
    ar_session_close(s);
    ar_sampler_close(greedy);
}

static void check_file(int i, const char *where, double tolerance) {
    ar_model *m;
    ar_engine *e;
    ar_engine_options o = ar_engine_options_default();
    o.device = where;
    o.exact = true;
    assert_ok(ar_model_open(&m, gguf_path(files[i].file), err));
    assert_true(m->config.n_vocab <= MOST);
    json_t *record = golden_json(gguf_path(files[i].record));
    assert_ok(ar_engine_open(&e, m, &o, err));
    check_logits(e, record, tolerance);
    check_greedy(e, record, m->config.n_vocab);
    ar_engine_close(e);
    json_decref(record);
    ar_model_close(m);
}

void test_gguf_models_cpu(void **state) {
    (void)state;
    for (int i = 0; i < N_FILES; i++) check_file(i, "cpu", 5e-4);
}

/* Activations of 8 bits: no logit is further off than a fifth of their
 * deviation, in models this narrow. */
void test_gguf_models_act8(void **state) {
    (void)state;
    int changed = 0;
    for (int i = 0; i < N_FILES; i++) {
        ar_model *m;
        ar_engine *e[2];
        ar_engine_options o = ar_engine_options_default();
        assert_ok(ar_model_open(&m, gguf_path(files[i].file), err));
        assert_ok(ar_engine_open(&e[0], m, &o, err));
        o.exact = true;
        assert_ok(ar_engine_open(&e[1], m, &o, err));
        static const int32_t ids[] = {3, 14, 15, 92, 65, 35, 8, 9, 79};
        double y[2][MOST], sum = 0, square = 0, worst = 0;
        for (int k = 0; k < 2; k++) {
            ar_session *s;
            assert_ok(ar_session_open(&s, e[k], err));
            assert_ok(ar_session_feed(s, ids, 9, false, y[k], err));
            ar_session_close(s);
            ar_engine_close(e[k]);
        }
        const int64_t n = m->config.n_vocab;
        for (int64_t v = 0; v < n; v++) {
            sum += y[1][v];
            square += y[1][v] * y[1][v];
            worst = fmax(worst, fabs(y[0][v] - y[1][v]));
        }
        const double mean = sum / (double)n;
        const double deviation = sqrt(square / (double)n - mean * mean);
        changed += worst > 0;
        if (worst > 0.2 * deviation)
            fail_msg("%s: %g of a deviation of %g", files[i].file, worst,
                     deviation);
        ar_model_close(m);
    }
    assert_int_equal(changed, N_FILES - 1); /* one is F32 */
}

/* The norms' epsilon is a float in the file, which is 2e-9 off. */
void test_gguf_models_f64(void **state) {
    (void)state;
    for (int i = 0; i < N_FILES; i++) check_file(i, "reference-f64", 2e-6);
}

/* Blocks are multiplied where they lie: no copy of them is made. */
void test_gguf_in_place(void **state) {
    (void)state;
    ar_model *m;
    ar_engine *e;
    ar_engine_memory use;
    assert_ok(ar_model_open(&m, gguf_path("llama_mixed.gguf"), err));
    assert_ok(ar_engine_open(&e, m, NULL, err));
    ar_engine_memory_use(e, &use);
    int64_t vectors = 0;
    for (int i = 0; i < m->params.n; i++)
        if (m->params.spec[i].shape.rank == 1)
            vectors += shape_count(&m->params.spec[i].shape);
    assert_true(use.weights <=
                (size_t)vectors * 4 + 64u * (unsigned)m->params.n);
    assert_true(use.mapped > 0);
    ar_engine_close(e);
    ar_model_close(m);
}

/* The tokenizer inside the file gives the recorded ids. */
void test_gguf_tokenizers(void **state) {
    (void)state;
    for (int i = 0; i < N_FILES; i++) {
        ar_model *m;
        ar_tokenizer *tok;
        size_t k, count;
        json_t *row;
        assert_ok(ar_model_open(&m, gguf_path(files[i].file), err));
        assert_ok(ar_model_tokenizer(&tok, m, err));
        assert_non_null(tok);
        json_t *record = golden_json(gguf_path(files[i].record));
        json_array_foreach(json_object_get(record, "tokenizer"), k, row) {
            int32_t ids[MOST], want[MOST];
            const json_t *list = json_object_get(row, "ids");
            const json_t *t = json_object_get(row, "text");
            assert_ok(ar_tokenizer_encode(tok, json_string_value(t),
                                          json_string_length(t), 0, ids, MOST,
                                          &count, err));
            assert_int_equal(count, json_array_size(list));
            if (count) golden_ids(list, want, MOST);
            assert_memory_equal(ids, want, count * sizeof *ids);
        }
        json_decref(record);
        ar_tokenizer_close(tok);
        ar_model_close(m);
    }
}
