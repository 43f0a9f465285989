/* test_gpu_models.c - recorded models through the kernels of GPUs, on the host
 * driver. */
#include "tests/infer/golden_engine.h"
#include "tests/model/golden_models.h"

static void check(const char *name, const char *where) {
    ar_model *m;
    assert_ok(ar_model_open(&m, golden_model(name, ""), err));
    golden_check_engine(m, name, where, 1e-4);
    ar_model_close(m);
}

/* Learned places and rotary ones, windows and soft caps, experts, sinks, latent
 * vectors, states. */
void test_gpu_models_golden(void **state) {
    (void)state;
    static const char *const some[] = {
        "gpt2",      "gemma2", "mixtral", "gpt_oss", "deepseek_v3_dense",
        "qwen3_next"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        check(some[i], "gpu-host");
}

/* Memory of its own, lanes in falling order. */
void test_gpu_models_discrete(void **state) {
    (void)state;
    static const char *const some[] = {"llama_bf16", "gemma3_text", "olmo2"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        check(some[i], "gpu-host:3");
}

/* Logits of a file of blocks as the CPU has them.  Activations of 8 bits make
 * whole steps of what differs in the last bit. */
static void check_file(const char *name, const char *where, bool exact,
                       double tolerance) {
    enum { N = 24, MOST = 512 };
    static double y[2][MOST];
    const char *const devices[] = {"cpu", where};
    ar_model *m;
    int32_t ids[N];
    char path[128];
    snprintf(path, sizeof path, "gguf/%s", name);
    assert_ok(ar_model_open(&m, test_golden(path), err));
    assert_true(m->config.n_vocab <= MOST);
    for (int32_t i = 0; i < N; i++)
        ids[i] = (i * i * 7 + i * 31 + 5) % (int32_t)m->config.n_vocab;
    for (int k = 0; k < 2; k++) {
        ar_engine *e;
        ar_session *s;
        ar_engine_options o = ar_engine_options_default();
        o.device = devices[k];
        o.exact = exact;
        o.max_tokens = 64;
        assert_ok(ar_engine_open(&e, m, &o, err));
        assert_ok(ar_session_open(&s, e, err));
        assert_ok(ar_session_feed(s, ids, N, false, y[k], err));
        ar_session_close(s);
        ar_engine_close(e);
    }
    for (int64_t i = 0; i < m->config.n_vocab; i++)
        assert_near(y[1][i], y[0][i], tolerance);
    ar_model_close(m);
}

void test_gpu_models_blocks(void **state) {
    (void)state;
    static const char *const files[] = {"llama_mixed.gguf", "gpt2_q8_0.gguf"};
    for (int i = 0; i < 2; i++) {
        check_file(files[i], "gpu-host", true, 1e-4);
        check_file(files[i], "gpu-host:1", true, 1e-4);
        check_file(files[i], "gpu-host:1", false, 0.1);
    }
}
