/* test_gguf_written.c - recorded models written as GGUF files: what is read
 * back gives the recorded logits. */
#include "tests/infer/golden_engine.h"

static const char *const written[] = {
    "llama",
    "llama_linear",
    "qwen2",
    "qwen2_yarn",
    "qwen3",
    "gemma",
    "phi3_longrope",
    "starcoder2",
    "granite",
    "olmo2",
    "olmo3",
    "exaone4",
    "arcee",
    "seed_oss",
    "glm4",
    "ernie4_5",
    "hunyuan_v1_dense",
    "stablelm",
    "stablelm_parallel",
    "cohere2",
    "nemotron",
    "gpt_neox",
    "phi",
    "deepseek_v2",
    "deepseek_v2_lite",
    "deepseek_v3_dense",
    "deepseek_v3_halves",
};

void test_gguf_written(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        char file[400];
        ar_model *m, *g;
        snprintf(file, sizeof file, "%s/m.gguf", test_folder());
        assert_ok(ar_model_open(&m, golden_model(written[i], ""), err));
        assert_ok(export_gguf(m, file, &(export_options){0}, err));
        assert_ok(ar_model_open(&g, file, err));
        golden_check_engine(g, written[i], "reference-f64", 2e-6);
        golden_check_engine(g, written[i], "cpu", 5e-4);
        ar_model_close(g);
        ar_model_close(m);
    }
}

/* A copy of a file but for a key. */
static gguf_writer *copy_values(const ar_model *m, const char *path,
                                const char *but) {
    const gguf *g = weights_gguf(m->files);
    gguf_writer *w;
    assert_ok(gguf_create(&w, path, err));
    for (int64_t i = 0; i < gguf_n_values(g); i++) {
        const gguf_value *v = gguf_value_at(g, i);
        if (v->key.size != strlen(but) || memcmp(v->key.data, but, v->key.size))
            gguf_put_value(w, v);
    }
    return w;
}

static void copy_tensors(gguf_writer *w, const ar_model *m) {
    const gguf *g = weights_gguf(m->files);
    for (int64_t i = 0; i < gguf_count(g); i++) {
        const tensor_view *t = gguf_get(g, i);
        gguf_declare(w, t->name, t->type, &t->shape);
    }
    for (int64_t i = 0; i < gguf_count(g); i++)
        gguf_data(w, gguf_get(g, i)->data, gguf_get(g, i)->size);
    assert_ok(gguf_commit(w, err));
}

/* The pattern of windows is said by a list, one a layer. */
static void with_list(const ar_model *m, const char *path, const bool *list,
                      int64_t n) {
    static const char key[] = "olmo2.attention.sliding_window_pattern";
    gguf_writer *w = copy_values(m, path, key);
    gguf_put_array(w, key, GGUF_BOOL, list, n);
    copy_tensors(w, m);
}

/* Converters say true of StableLM where config.json says nothing: only a
 * missing norm means that the branches are parallel. */
void test_gguf_parallel(void **state) {
    (void)state;
    static const char key[] = "stablelm.use_parallel_residual";
    char file[400], again[400];
    ar_model *m, *g, *p;
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    snprintf(again, sizeof again, "%s/p.gguf", test_folder());
    assert_ok(ar_model_open(&m, golden_model("stablelm", ""), err));
    assert_false(m->config.parallel);
    assert_ok(export_gguf(m, file, &(export_options){0}, err));
    assert_ok(ar_model_open(&g, file, err));
    gguf_writer *w = copy_values(g, again, key);
    gguf_put_bool(w, key, true);
    copy_tensors(w, g);
    assert_ok(ar_model_open(&p, again, err));
    golden_check_engine(p, "stablelm", "cpu", 5e-4);
    ar_model_close(p);
    ar_model_close(g);
    ar_model_close(m);
}

void test_gguf_window_list(void **state) {
    (void)state;
    static const bool list[] = {true, true, true, false};
    static const bool other[] = {false, true, true, false};
    char file[400], again[400];
    ar_model *m, *g, *l;
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    snprintf(again, sizeof again, "%s/l.gguf", test_folder());
    assert_ok(ar_model_open(&m, golden_model("olmo3", ""), err));
    assert_int_equal(m->config.n_layers, 4);
    assert_ok(export_gguf(m, file, &(export_options){0}, err));
    assert_ok(ar_model_open(&g, file, err));
    with_list(g, again, list, 4);
    assert_ok(ar_model_open(&l, again, err));
    assert_memory_equal(l->config.window, m->config.window,
                        sizeof m->config.window);
    golden_check_engine(l, "olmo3", "cpu", 5e-4);
    ar_model_close(l);
    with_list(g, again, other, 4);
    assert_ok(ar_model_open(&l, again, err));
    assert_int_equal(l->config.window[0], 0);
    assert_int_equal(l->config.window[1], m->config.window[1]);
    ar_model_close(l);
    with_list(g, again, list, 3);
    assert_fails(AR_FORMAT, "layer_types", ar_model_open(&l, again, err));
    ar_model_close(g);
    ar_model_close(m);
}
