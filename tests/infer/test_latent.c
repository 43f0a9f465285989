/* test_latent.c - engines on models with latent attention: what the cache
 * holds, the same bits however a text is cut, GGUF files of both forms. */
#include "base/file.h"
#include "base/mem.h"
#include "tests/infer/golden_engine.h"
#include "tests/infer/made_model.h"
#include "tests/infer/step_tokens.h"

enum { V = 160, N = 60 };

static const char *const latents[] = {"deepseek_v2", "deepseek_v2_lite",
                                      "deepseek_v3_dense",
                                      "deepseek_v3_halves"};
enum { N_LATENTS = sizeof latents / sizeof *latents };

static void some_ids(int32_t *ids, int seed) {
    for (int i = 0; i < N; i++) ids[i] = (i * 37 + seed * 53 + i * i) % V;
}

static void open_on(ar_engine **e, const ar_model *m, const char *where) {
    ar_engine_options o = ar_engine_options_default();
    o.exact = true;
    o.device = where;
    o.max_tokens = 256;
    o.page = 8;
    assert_ok(ar_engine_open(e, m, &o, err));
}

/* Logits [N, V] of ids [N] fed in pieces. */
static void feed(ar_engine *e, const int32_t *ids, int64_t piece, double *y) {
    ar_session *s;
    assert_ok(ar_session_open(&s, e, err));
    for (int64_t i = 0; i < N; i += piece)
        assert_ok(ar_session_feed(s, ids + i, N - i < piece ? N - i : piece,
                                  true, y + i * V, err));
    ar_session_close(s);
}

/* One key of lora + rope numbers a token and layer, and no values. */
void test_latent_cache(void **state) {
    (void)state;
    for (int i = 0; i < N_LATENTS; i++) {
        ar_model *m;
        ar_engine *e;
        ar_engine_memory use;
        assert_ok(ar_model_open(&m, golden_model(latents[i], ""), err));
        open_on(&e, m, "cpu");
        ar_engine_memory_use(e, &use);
        const model_config *c = &m->config;
        const int64_t numbers =
            256 * (c->kv_lora_rank + c->qk_rope_dim) * c->n_layers;
        assert_int_equal(use.cache, numbers * 4);
        ar_engine_close(e);
        ar_model_close(m);
    }
}

/* However a text is cut, and whatever is stepped beside it. */
void test_latent_same_bits(void **state) {
    (void)state;
    static double whole[2][N * V], cut[N * V], y[2 * V];
    int32_t ids[2][N];
    for (int i = 0; i < N_LATENTS; i++) {
        ar_model *m;
        ar_engine *e;
        ar_session *s[2];
        assert_ok(ar_model_open(&m, golden_model(latents[i], ""), err));
        open_on(&e, m, "cpu");
        for (int k = 0; k < 2; k++) {
            some_ids(ids[k], k + i);
            feed(e, ids[k], N, whole[k]);
            assert_ok(ar_session_open(&s[k], e, err));
        }
        for (int64_t piece = 1; piece < 20; piece += 5) {
            feed(e, ids[0], piece, cut);
            assert_memory_equal(whole[0], cut, sizeof cut);
        }
        assert_ok(ar_session_feed(s[1], ids[1], 11, false, NULL, err));
        for (int at = 0; at < N - 11; at++) {
            const int32_t next[2] = {ids[0][at], ids[1][at + 11]};
            assert_ok(step_tokens(e, s, next, 2, V, y, err));
            assert_memory_equal(y, whole[0] + at * V, V * sizeof *y);
            assert_memory_equal(y + V, whole[1] + (at + 11) * V, V * sizeof *y);
        }
        for (int k = 0; k < 2; k++) ar_session_close(s[k]);
        ar_engine_close(e);
        ar_model_close(m);
    }
}

/* A file of the newer form, whose k_b and v_b are two tensors; and the folder
 * that is made of it, where they are one. */
void test_latent_gguf_split(void **state) {
    (void)state;
    static double a[N * V], b[N * V];
    char folder[400];
    int32_t ids[N];
    ar_model *m, *f, *whole;
    ar_engine *e;
    assert_ok(ar_model_open(&m, test_golden("gguf/deepseek_v2.gguf"), err));
    assert_true(m->config.split_kv_b);
    assert_int_equal(m->config.n_kv_heads, 4);
    golden_check_engine(m, "deepseek_v2", "reference-f64", 2e-6);
    golden_check_engine(m, "deepseek_v2", "cpu", 5e-4);
    snprintf(folder, sizeof folder, "%s/folder", test_folder());
    assert_ok(export_folder(m, folder, &(export_options){0}, err));
    assert_ok(ar_model_open(&f, folder, err));
    golden_check_engine(f, "deepseek_v2", "reference-f64", 2e-6);
    /* Joined again, every weight is that of the first folder. */
    assert_ok(ar_model_open(&whole, golden_model("deepseek_v2", ""), err));
    for (int i = 0; i < f->params.n; i++) {
        const char *name = f->params.spec[i].name;
        const tensor_view *x = weights_find(f->files, name);
        const tensor_view *y = weights_find(whole->files, name);
        assert_int_equal(x->size, y->size);
        assert_memory_equal(x->data, y->data, x->size);
    }
    some_ids(ids, 3);
    open_on(&e, m, "reference-f64");
    feed(e, ids, N, a);
    ar_engine_close(e);
    open_on(&e, f, "reference-f64");
    feed(e, ids, N, b);
    ar_engine_close(e);
    for (int i = 0; i < N * V; i++) assert_near(a[i], b[i], 1e-11);
    ar_model_close(whole);
    ar_model_close(f);
    ar_model_close(m);
}

/* Wide enough for blocks of 32, and more heads than attention takes at a
 * time. */
static const char wide[] =
    "{\"model_type\": \"kimi_k2\", \"vocab_size\": 160, "
    "\"max_position_embeddings\": 64, \"num_hidden_layers\": 2, "
    "\"hidden_size\": 64, \"num_attention_heads\": 36, "
    "\"num_key_value_heads\": 36, \"intermediate_size\": 64, "
    "\"q_lora_rank\": 32, \"kv_lora_rank\": 64, \"qk_nope_head_dim\": 32, "
    "\"qk_rope_head_dim\": 32, \"v_head_dim\": 32, "
    "\"first_k_dense_replace\": 2}";

/* Weights in 16 bits and in blocks: the same as their values in f32. */
void test_latent_types(void **state) {
    (void)state;
    static const ar_type types[] = {AR_F16, AR_BF16, AR_Q8_0, AR_Q4_0};
    static double got[N * V], want[N * V];
    char folder[400], file[500], values[500];
    int32_t ids[N];
    ar_model *m;
    some_ids(ids, 5);
    snprintf(folder, sizeof folder, "%s/wide", test_folder());
    made_model(folder, wide, 0.15);
    assert_ok(ar_model_open(&m, folder, err));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ar_model *g, *f;
        ar_engine *e;
        double largest = 0;
        snprintf(file, sizeof file, "%s/%zu.gguf", test_folder(), i);
        snprintf(values, sizeof values, "%s/%zu", test_folder(), i);
        assert_ok(
            export_gguf(m, file, &(export_options){.type = types[i]}, err));
        assert_ok(ar_model_open(&g, file, err));
        assert_ok(
            export_folder(g, values, &(export_options){.type = AR_F32}, err));
        assert_ok(ar_model_open(&f, values, err));
        open_on(&e, f, "reference-f64");
        feed(e, ids, N, want);
        ar_engine_close(e);
        open_on(&e, g, "cpu");
        feed(e, ids, N, got);
        ar_engine_close(e);
        for (int k = 0; k < N * V; k++) {
            assert_near(got[k], want[k], 2e-3);
            if (fabs(want[k]) > largest) largest = fabs(want[k]);
        }
        assert_true(largest > 0.5);
        ar_model_close(f);
        ar_model_close(g);
    }
    ar_model_close(m);
}

/* Keys in blocks: values are the first blocks of the keys. */
void test_latent_cache_blocks(void **state) {
    (void)state;
    static double got[N * V], cut[N * V], want[N * V];
    char folder[400];
    int32_t ids[N];
    ar_model *m;
    ar_engine *e;
    ar_engine_memory use;
    some_ids(ids, 6);
    snprintf(folder, sizeof folder, "%s/wide", test_folder());
    made_model(folder, wide, 0.15);
    assert_ok(ar_model_open(&m, folder, err));
    open_on(&e, m, "cpu");
    feed(e, ids, N, want);
    ar_engine_close(e);
    ar_engine_options o = ar_engine_options_default();
    o.exact = true;
    o.max_tokens = 256;
    o.page = 8;
    o.k_type = AR_Q8_0;
    assert_ok(ar_engine_open(&e, m, &o, err));
    ar_engine_memory_use(e, &use);
    assert_int_equal(use.cache, 256 * 2 * (96 / 32 * 34));
    feed(e, ids, N, got);
    feed(e, ids, 7, cut);
    assert_memory_equal(got, cut, sizeof cut);
    double sum = 0, all = 0;
    for (int i = 0; i < N * V; i++) {
        sum += (got[i] - want[i]) * (got[i] - want[i]);
        all += want[i] * want[i];
    }
    assert_true(sum > 0 && sum < 1e-3 * all);
    ar_engine_close(e);
    ar_model_close(m);
}
