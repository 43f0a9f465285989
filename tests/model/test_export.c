/* test_export.c - models written as GGUF files and back. */
#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"

static const export_options as_they_are;

/* Every weight of a in b: its bytes, or near where it is computed with. */
static void compare(const model *a, const model *b, double tolerance) {
    assert_int_equal(a->params.n, b->params.n);
    for (int i = 0; i < a->params.n; i++) {
        const param_spec *s = &a->params.spec[i];
        const int64_t n = shape_count(&s->shape);
        float *x = mem_new(float, n), *y = mem_new(float, n);
        assert_string_equal(s->name, b->params.spec[i].name);
        assert_ok(params_load_one(s, AR_F32, a->files, x, err));
        assert_ok(
            params_load_one(&b->params.spec[i], AR_F32, b->files, y, err));
        for (int64_t k = 0; k < n; k++) assert_near(y[k], x[k], tolerance);
        mem_free(x);
        mem_free(y);
    }
}

static void there_and_back(const char *name, double tolerance) {
    char file[600], folder[700];
    model *m, *g, *b;
    const char *last = strrchr(name, '/');
    snprintf(file, sizeof file, "%s/%s.gguf", test_folder(),
             last ? last + 1 : name);
    snprintf(folder, sizeof folder, "%s.folder", file);
    assert_ok(model_open(&m, golden_model(name, ""), err));
    assert_ok(export_gguf(m, file, &as_they_are, err));
    assert_ok(model_open(&g, file, err));
    assert_ok(export_folder(g, folder, &as_they_are, err));
    assert_ok(model_open(&b, folder, err));
    compare(m, b, tolerance);
    model_close(b);
    model_close(g);
    model_close(m);
}

void test_export_and_back(void **state) {
    (void)state;
    static const char *const exact[] = {
        "gpt2",  "llama", "llama_bf16", "llama_f16",  "qwen2",
        "qwen3", "phi3",  "olmo2",      "starcoder2", "granite"};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        there_and_back(exact[i], 0);
    there_and_back("gemma", 2.5e-7); /* 1 + w is rounded */
}

/* Packed matrices become f32; their values stay. */
void test_export_packed(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PACKED_MODELS; i++) {
        there_and_back(packed_models[i], 0);
    }
}

/* q of llama: rows i and i + D/2 of a head become neighbours. */
void test_export_pairs(void **state) {
    (void)state;
    char file[600];
    model *m, *g;
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    assert_ok(model_open(&m, golden_model("llama", ""), err));
    assert_ok(export_gguf(m, file, &as_they_are, err));
    assert_ok(model_open(&g, file, err));
    const tensor_view *q =
        weights_find(m->files, "model.layers.0.self_attn.q_proj.weight");
    const tensor_view *p = weights_find(g->files, "blk.0.attn_q.weight");
    const int64_t D = m->config.head_dim;
    const size_t row = ar_type_size(q->type, q->shape.dim[1]);
    const char *from = q->data, *to = p->data;
    for (int64_t h = 0; h < m->config.n_heads; h++)
        for (int64_t i = 0; i < D / 2; i++)
            for (int64_t half = 0; half < 2; half++)
                assert_memory_equal(
                    to + (size_t)(h * D + 2 * i + half) * row,
                    from + (size_t)(h * D + i + half * D / 2) * row, row);
    assert_non_null(weights_find(g->files, "rope_freqs.weight"));
    model_close(g);
    model_close(m);
}

/* Whatever allocation fails, there is a whole file or none. */
void test_export_nomem(void **state) {
    (void)state;
    char file[600];
    model *m;
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    assert_ok(model_open(&m, golden_model("llama", ""), err));
    int64_t n = 1;
    for (;; n++) {
        ar_error err = {0};
        mem_fail_at(n, 1);
        const ar_status s = export_gguf(m, file, &as_they_are, &err);
        mem_fail_at(0, 0);
        if (s == AR_OK) break;
        assert_int_equal(s, AR_NOMEM);
        assert_true(err.message[0]);
        assert_false(file_exists(file));
    }
    assert_true(n > 20);
    model_close(m);
}
