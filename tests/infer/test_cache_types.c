/* test_cache_types.c - keys and values in other types: near the logits of the
 * full cache, and the same bits however a text is cut. */
#include <stdlib.h>

#include "base/mem.h"
#include "infer/infer.h"
#include "tests/model/golden_io.h"

enum { N = 60 };

static const struct {
    const char *path;
    ar_type k, v;
    double tolerance; /* of the logits, in their deviations */
} cases[] = {
    {"models/llama", AR_F16, AR_F16, 1e-2},
    {"models/mistral", AR_F16, AR_F16, 1e-2},
    {"models/gemma3_text", AR_BF16, AR_F16, 5e-2},
    {"models/gpt2", AR_BF16, AR_BF16, 5e-2},
    {"gguf/llama_mixed.gguf", AR_F16, AR_F16, 1e-2},
    {"gguf/llama_mixed.gguf", AR_Q8_0, AR_Q8_0, 5e-2},
    {"gguf/llama_mixed.gguf", AR_Q8_0, AR_F32, 5e-2},
    {"gguf/llama_mixed.gguf", AR_BF16, AR_Q8_0, 5e-2},
};

/* Logits [N, V] in pieces of `piece`. */
static void run(const ar_model *m, const char *where, ar_type k, ar_type v,
                int64_t piece, double *y, size_t *cache) {
    ar_engine_options o = ar_engine_options_default();
    o.exact = true;
    ar_engine *e;
    ar_session *s;
    ar_engine_memory use;
    int32_t ids[N];
    o.device = where;
    o.k_type = k;
    o.v_type = v;
    o.max_tokens = 128;
    o.page = 8;
    o.max_sessions = 1;
    for (int i = 0; i < N; i++) ids[i] = (i * 37 + i * i) % 150;
    assert_ok(ar_engine_open(&e, m, &o, err));
    assert_ok(ar_session_open(&s, e, err));
    for (int64_t i = 0; i < N; i += piece)
        assert_ok(ar_session_feed(s, ids + i, N - i < piece ? N - i : piece,
                                  true, y + i * m->config.n_vocab, err));
    ar_engine_memory_use(e, &use);
    *cache = use.cache;
    ar_session_close(s);
    ar_engine_close(e);
}

/* Root mean square of the differences, each row's in deviations of its
 * logits. */
static double distance(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < N; i++, a += n, b += n) {
        double mean = 0, var = 0, d = 0;
        for (int64_t j = 0; j < n; j++) mean += a[j] / (double)n;
        for (int64_t j = 0; j < n; j++) {
            var += (a[j] - mean) * (a[j] - mean);
            d += (a[j] - b[j]) * (a[j] - b[j]);
        }
        sum += d / var / N;
    }
    return sqrt(sum);
}

static void check(int i, const char *where) {
    ar_model *m;
    size_t whole, small;
    assert_ok(ar_model_open(&m, test_golden(cases[i].path), err));
    const int64_t n = N * m->config.n_vocab;
    double *a = mem_new(double, n), *b = mem_new(double, n);
    run(m, where, AR_NONE, AR_NONE, N, a, &whole);
    run(m, where, cases[i].k, cases[i].v, N, b, &small);
    assert_true(small < whole);
    const double d = distance(a, b, m->config.n_vocab);
    if (!(d > 0 && d <= cases[i].tolerance))
        fail_msg("%s, %s and %s: %g deviations", cases[i].path,
                 ar_type_name(cases[i].k), ar_type_name(cases[i].v), d);
    run(m, where, cases[i].k, cases[i].v, 7, a, &small);
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
    mem_free(a);
    mem_free(b);
    ar_model_close(m);
}

void test_cache_types_cpu(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check((int)i, "cpu");
}

void test_cache_types_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check((int)i, "reference");
        check((int)i, "reference-f64");
    }
}

/* Both devices read the same rounded keys. */
void test_cache_types_agree(void **state) {
    (void)state;
    ar_model *m;
    size_t size;
    assert_ok(ar_model_open(&m, test_golden("gguf/llama_mixed.gguf"), err));
    const int64_t n = N * m->config.n_vocab;
    double *a = mem_new(double, n), *b = mem_new(double, n);
    run(m, "cpu", AR_F16, AR_F16, N, a, &size);
    run(m, "reference", AR_F16, AR_F16, N, b, &size);
    assert_true(distance(a, b, m->config.n_vocab) < 1e-2);
    run(m, "cpu", AR_Q8_0, AR_Q8_0, N, a, &size);
    run(m, "reference", AR_Q8_0, AR_Q8_0, N, b, &size);
    assert_true(distance(a, b, m->config.n_vocab) < 1e-2);
    mem_free(a);
    mem_free(b);
    ar_model_close(m);
}

void test_cache_types_bad(void **state) {
    (void)state;
    ar_model *m;
    ar_engine *e;
    ar_engine_options o = ar_engine_options_default();
    o.exact = true;
    assert_ok(ar_model_open(&m, golden_model("llama", ""), err));
    o.v_type = AR_Q8_0; /* heads of 16 */
    assert_fails(AR_SHAPE, "16 numbers", ar_engine_open(&e, m, &o, err));
    o.v_type = AR_Q4_0;
    assert_fails(AR_RANGE, "q4_0", ar_engine_open(&e, m, &o, err));
    o.v_type = AR_NONE;
    o.k_type = AR_I8;
    assert_fails(AR_RANGE, "keys", ar_engine_open(&e, m, &o, err));
    ar_model_close(m);
}

/* The largest cache that fits is told, and fits. */
void test_cache_too_large(void **state) {
    (void)state;
    ar_model *m;
    ar_engine *e;
    ar_error why = {0};
    ar_engine_options o = ar_engine_options_default();
    o.exact = true;
    assert_ok(ar_model_open(&m, golden_model("llama", ""), err));
    o.max_tokens = INT32_MAX / 32 * 32; /* 400 bytes each and more */
    o.max_sessions = 1;
    const ar_status st = ar_engine_open(&e, m, &o, &why);
    if (mem_available()) {
        assert_int_equal(st, AR_NOMEM);
        const char *at = strstr(why.message, "free; ");
        assert_non_null(at);
        const long long most = strtoll(at + 6, NULL, 10);
        assert_true(most > 1000 && most < o.max_tokens);
    }
    if (st == AR_OK) ar_engine_close(e);
    o.max_tokens = 1000;
    assert_ok(ar_engine_open(&e, m, &o, err));
    ar_engine_close(e);
    ar_model_close(m);
}
