/* test_export.c - models written as GGUF files and back. */
#include <signal.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "format/imatrix.h"
#include "model/export_mix.h"
#include "model/model.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"

static const export_options as_they_are;

/* Every weight of a in b: its bytes, or near where it is computed with. */
static void compare(const ar_model *a, const ar_model *b, double tolerance) {
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
    ar_model *m, *g, *b;
    const char *last = strrchr(name, '/');
    snprintf(file, sizeof file, "%s/%s.gguf", test_folder(),
             last ? last + 1 : name);
    snprintf(folder, sizeof folder, "%s.folder", file);
    assert_ok(ar_model_open(&m, golden_model(name, ""), err));
    assert_ok(export_gguf(m, file, &as_they_are, err));
    assert_ok(ar_model_open(&g, file, err));
    assert_ok(export_folder(g, folder, &as_they_are, err));
    assert_ok(ar_model_open(&b, folder, err));
    compare(m, b, tolerance);
    ar_model_close(b);
    ar_model_close(g);
    ar_model_close(m);
}

void test_export_and_back(void **state) {
    (void)state;
    static const char *const exact[] = {"gpt2",
                                        "llama",
                                        "llama_bf16",
                                        "llama_f16",
                                        "qwen2",
                                        "qwen3",
                                        "phi3",
                                        "olmo2",
                                        "starcoder2",
                                        "granite",
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
                                        "gpt_neox",
                                        "phi",
                                        "deepseek_v2",
                                        "deepseek_v2_lite",
                                        "mixtral",
                                        "qwen3_moe",
                                        "olmoe",
                                        "glm4_moe"};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        there_and_back(exact[i], 0);
    there_and_back("gemma", 2.5e-7); /* 1 + w is rounded */
    there_and_back("nemotron", 2.5e-7);
    there_and_back("mamba2", 2.5e-7); /* so is -exp(A) */
    there_and_back("qwen3_next_dense", 2.5e-7);
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
    ar_model *m, *g;
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    assert_ok(ar_model_open(&m, golden_model("llama", ""), err));
    assert_ok(export_gguf(m, file, &as_they_are, err));
    assert_ok(ar_model_open(&g, file, err));
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
    ar_model_close(g);
    ar_model_close(m);
}

/* ---- quantising ---- */

static ar_type by_mix(void *ctx, const param_spec *s, ar_type t) {
    (void)t;
    return export_mix_choose(ctx, s);
}

static void quantise(const char *path, const ar_model *m, const char *to,
                     const char *rule, const imatrix *importance,
                     int n_threads) {
    export_mix mix;
    pool *threads;
    assert_ok(export_mix_find(&mix, to, err));
    if (rule) assert_ok(export_mix_rule(&mix, rule, err));
    assert_ok(pool_open(&threads, n_threads, err));
    const export_options o = {.choose = by_mix,
                              .importance = importance,
                              .pool = threads,
                              .ctx = &mix};
    assert_ok(export_gguf(m, path, &o, err));
    pool_close(threads);
}

static bool same_files(const char *a, const char *b) {
    char *x, *y;
    size_t n, k;
    assert_ok(file_read(a, 1 << 24, &x, &n, err));
    assert_ok(file_read(b, 1 << 24, &y, &k, err));
    const bool same = n == k && !memcmp(x, y, n);
    mem_free(x);
    mem_free(y);
    return same;
}

/* A path for each name; two at a time. */
static const char *made(const char *name) {
    static char root[300], path[2][600];
    static int which;
    if (!root[0]) snprintf(root, sizeof root, "%s", test_folder());
    which = !which;
    snprintf(path[which], sizeof path[0], "%s/%s.gguf", root, name);
    return path[which];
}

/* The bytes do not depend on threads; on importance, where there is any. */
void test_export_quantised(void **state) {
    (void)state;
    ar_model *m;
    imatrix *x;
    float mean[64];
    assert_ok(ar_model_open(&m, golden_model("../packed/int8", ""), err));
    for (int i = 0; i < 64; i++) mean[i] = i % 7 ? 0.01f : 10;
    assert_ok(imatrix_new(&x, err));
    assert_ok(imatrix_add(x, "blk.0.attn_q.weight", 64, 1, mean, err));
    quantise(made("one"), m, "iq4_nl", NULL, NULL, 1);
    quantise(made("three"), m, "iq4_nl", NULL, NULL, 3);
    assert_true(same_files(made("one"), made("three")));
    quantise(made("three"), m, "iq4_nl", NULL, x, 3);
    assert_false(same_files(made("one"), made("three")));
    quantise(made("one"), m, "iq4_nl", NULL, x, 1);
    assert_true(same_files(made("one"), made("three")));
    imatrix_close(x);
    ar_model_close(m);
}

/* Importance of another model is not taken. */
void test_export_importance_shape(void **state) {
    (void)state;
    ar_model *m;
    imatrix *x;
    export_mix mix;
    assert_ok(export_mix_find(&mix, "q8_0", err));
    const float mean[32] = {0};
    assert_ok(ar_model_open(&m, golden_model("../packed/int8", ""), err));
    assert_ok(imatrix_new(&x, err));
    assert_ok(imatrix_add(x, "blk.0.attn_q.weight", 32, 1, mean, err));
    const export_options o = {.choose = by_mix, .importance = x, .ctx = &mix};
    assert_fails(AR_SHAPE, "blk.0.attn_q.weight",
                 export_gguf(m, made("x"), &o, err));
    assert_false(file_exists(made("x")));
    imatrix_close(x);
    ar_model_close(m);
}

static ar_type type_in(const char *path, const char *name) {
    weights *w;
    assert_ok(weights_open(&w, path, err));
    const tensor_view *t = weights_find(w, name);
    assert_non_null(t);
    const ar_type type = t->type;
    weights_close(w);
    return type;
}

void test_export_rules(void **state) {
    (void)state;
    static const struct {
        const char *rule, *name;
        ar_type type;
    } cases[] = {
        {"blk.1.*=q4_0", "blk.1.attn_q.weight", AR_Q4_0},
        {"blk.1.*=q4_0", "blk.0.attn_q.weight", AR_Q8_0},
        {"*attn_?.weight=f16", "blk.0.attn_k.weight", AR_F16},
        {"*attn_?.weight=f16", "blk.0.attn_output.weight", AR_Q8_0},
        {"*.weight*x=f16", "blk.0.attn_k.weight", AR_Q8_0},
        {"*a*t*k*=bf16", "blk.0.attn_k.weight", AR_BF16},
        {"token_embd.weight=f32", "token_embd.weight", AR_F32},
        {"*ffn_up*=q5_k", "blk.0.ffn_up.weight", AR_Q5_1}, /* 64 columns */
        {"*=q4_0", "blk.0.attn_norm.weight", AR_F32},
    };
    static const char *const bad[] = {"x",      "=q4_0", "a=q4_9",
                                      "a=q8_k", "a=i32", "a="};
    ar_model *m;
    assert_ok(ar_model_open(&m, golden_model("../packed/int8", ""), err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        quantise(made("rules"), m, "q8_0", cases[i].rule, NULL, 1);
        assert_int_equal(type_in(made("rules"), cases[i].name), cases[i].type);
    }
    export_mix mix;
    assert_ok(export_mix_find(&mix, "q8_0", err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(AR_USAGE, "--tensor", export_mix_rule(&mix, bad[i], err));
    for (int i = 0; i < MOST_RULES; i++)
        assert_ok(export_mix_rule(&mix, "a=q4_0", err));
    assert_fails(AR_USAGE, "more than", export_mix_rule(&mix, "a=q4_0", err));
    ar_model_close(m);
}

/* No file may grow beyond `size` bytes, as if the disk were full. */
static void limit_files(rlim_t size) {
    struct rlimit l;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
    l.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* Wherever the disk is full: a sentence, what was there is there, and nothing
 * half done beside it. */
void test_export_full_disk(void **state) {
    (void)state;
    char file[600], fresh[700], folder[600], inside[700];
    ar_model *m;
    char *text;
    size_t n;
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    snprintf(fresh, sizeof fresh, "%s.new", file);
    snprintf(folder, sizeof folder, "%s/f", test_folder());
    snprintf(inside, sizeof inside, "%s/model.safetensors", folder);
    assert_ok(ar_model_open(&m, golden_model("llama", ""), err));
    assert_ok(file_replace(file, "before", 6, err));
    void (*const old)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t size = 0; size < 340000; size += size ? 57000 : 100) {
        ar_error a = {0}, b = {0};
        limit_files(size);
        const ar_status x = export_gguf(m, file, &as_they_are, &a),
                        y = export_folder(m, folder, &as_they_are, &b);
        limit_files(RLIM_INFINITY);
        assert_int_equal(x, AR_IO);
        assert_int_equal(y, AR_IO);
        assert_non_null(strstr(a.message, "m.gguf"));
        assert_non_null(strstr(b.message, "model.safetensors"));
        assert_ok(file_read(file, 100, &text, &n, err));
        assert_true(n == 6 && !memcmp(text, "before", 6));
        mem_free(text);
        assert_false(file_exists(fresh));
        assert_false(file_exists(inside));
    }
    signal(SIGXFSZ, old);
    assert_ok(export_gguf(m, file, &as_they_are, err));
    ar_model_close(m);
}

/* Whatever allocation fails, there is a whole file or none. */
static void check_nomem(const char *name) {
    char file[600];
    ar_model *m;
    snprintf(file, sizeof file, "%s/%s.gguf", test_folder(), name);
    assert_ok(ar_model_open(&m, golden_model(name, ""), err));
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
    ar_model_close(m);
}

void test_export_nomem(void **state) {
    (void)state;
    check_nomem("llama");
    check_nomem("gpt_oss_mxfp4");
}
