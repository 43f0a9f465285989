/* test_engine.c - engines and sessions against recorded text, and against
 * themselves: however a text is cut, whatever runs beside it, the bits are
 * the same. */
#include "base/mem.h"
#include "infer/infer.h"
#include "tests/infer/step_tokens.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"

enum { V = 160 };

typedef struct fixture {
    ar_model *m;
    ar_engine *e;
} fixture;

static void open_engine(fixture *f, const char *name, ar_engine_options o) {
    assert_ok(ar_model_open(&f->m, golden_model(name, ""), err));
    assert_ok(ar_engine_open(&f->e, f->m, &o, err));
}

static void close_engine(fixture *f) {
    ar_engine_close(f->e);
    ar_model_close(f->m);
}

static ar_engine_options on(const char *name) {
    ar_engine_options o = ar_engine_options_default();
    o.device = name;
    o.max_tokens = 512;
    return o;
}

static void check_prompts(ar_engine *e, const json_t *io, double tolerance) {
    const json_t *prompts = json_object_get(io, "prompts");
    const size_t which =
        (size_t)json_integer_value(json_object_get(io, "all_logits_prompt"));
    for (size_t k = 0; k < json_array_size(prompts); k++) {
        int32_t ids[256];
        ar_session *s;
        const int64_t n = golden_ids(json_array_get(prompts, k), ids, 256);
        double *y = mem_new(double, n *V);
        assert_ok(ar_session_open(&s, e, err));
        assert_ok(ar_session_feed(s, ids, n, k == which, y, err));
        assert_int_equal(ar_session_length(s), n);
        if (k != which)
            golden_compare(
                json_array_get(json_object_get(io, "last_logits"), k), y,
                tolerance);
        else
            for (int64_t i = 0; i < n; i++)
                golden_compare(json_array_get(json_object_get(io, "all_logits"),
                                              (size_t)i),
                               y + i * V, tolerance);
        ar_session_close(s);
        mem_free(y);
    }
}

static void check_greedy(ar_engine *e, const json_t *io) {
    int32_t ids[256], want[64], next;
    double y[V];
    ar_sample_options o = ar_sample_options_default();
    o.temperature = 0;
    const int64_t p = json_integer_value(json_object_get(io, "greedy_prompt"));
    const int64_t n = golden_ids(
        json_array_get(json_object_get(io, "prompts"), (size_t)p), ids, 256);
    const int64_t m = golden_ids(json_object_get(io, "greedy"), want, 64);
    ar_session *s;
    ar_sampler *greedy;
    assert_ok(ar_sampler_open(&greedy, &o, V, 0, err));
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_session_feed(s, ids, n, false, y, err));
    for (int64_t i = 0; i < m; i++) {
        const ar_sample_input in = {y, NULL, 0, i};
        assert_ok(ar_sampler_next(greedy, &in, &next, err));
        assert_int_equal(next, want[i]);
        assert_ok(step_tokens(e, &s, &next, 1, V, y, err));
    }
    ar_sampler_close(greedy);
    ar_session_close(s);
}

static void check_golden(const char *where, double tolerance) {
    for (size_t i = 0; i < N_GOLDEN_MODELS; i++) {
        fixture f;
        open_engine(&f, golden_models[i], on(where));
        json_t *io = golden_json(golden_model(golden_models[i], "io.json"));
        check_prompts(f.e, io, tolerance);
        check_greedy(f.e, io);
        json_decref(io);
        close_engine(&f);
    }
}

void test_engine_golden_cpu(void **state) {
    (void)state;
    check_golden("cpu", 5e-4);
}

void test_engine_golden_reference(void **state) {
    (void)state;
    check_golden("reference", 5e-4);
}

void test_engine_golden_f64(void **state) {
    (void)state;
    check_golden("reference-f64", 1e-8);
}

static void some_ids(int32_t *ids, int64_t n, int seed) {
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * 37 + seed * 53 + i * i) % V);
}

/* Logits [n, V] of a text fed in pieces of `piece`. */
static void feed_in_pieces(ar_engine *e, const int32_t *ids, int64_t n,
                           int64_t piece, double *y) {
    ar_session *s;
    assert_ok(ar_session_open(&s, e, err));
    for (int64_t i = 0; i < n; i += piece) {
        const int64_t m = n - i < piece ? n - i : piece;
        assert_ok(ar_session_feed(s, ids + i, m, true, y + i * V, err));
    }
    ar_session_close(s);
}

void test_engine_pieces(void **state) {
    (void)state;
    enum { N = 90 };
    static double whole[N * V], cut[N * V];
    int32_t ids[N];
    some_ids(ids, N, 1);
    const char *const models[] = {"gpt2", "llama", "mixtral", "gpt_oss",
                                  "glm4_moe"};
    const int64_t pieces[] = {1, 3, 7, 33};
    for (int k = 0; k < 5; k++) {
        fixture f;
        open_engine(&f, models[k], on("cpu"));
        feed_in_pieces(f.e, ids, N, N, whole);
        for (int i = 0; i < 4; i++) {
            feed_in_pieces(f.e, ids, N, pieces[i], cut);
            assert_memory_equal(whole, cut, sizeof whole);
        }
        close_engine(&f);
    }
}

/* A longrope turns what a call feeds by the length the text then has: up to
 * 40 tokens the cut is free, beyond it a text fed at once is all long. */
void test_engine_longrope(void **state) {
    (void)state;
    enum { N = 44, SHORT = 40 };
    static double whole[N * V], cut[N * V], below[SHORT * V];
    int32_t ids[N];
    some_ids(ids, N, 8);
    fixture f;
    open_engine(&f, "phi3_longrope", on("cpu"));
    feed_in_pieces(f.e, ids, SHORT, SHORT, below);
    feed_in_pieces(f.e, ids, SHORT, 7, cut);
    assert_memory_equal(below, cut, sizeof below);
    feed_in_pieces(f.e, ids, N, N, whole);
    assert_true(memcmp(whole + V, below + V, V * sizeof *whole) != 0);
    /* Cut at the switch: what is cached stays short, what follows is long. */
    feed_in_pieces(f.e, ids, N, SHORT, cut);
    assert_memory_equal(below, cut, sizeof below);
    assert_true(memcmp(whole + SHORT * V, cut + SHORT * V, V * sizeof *cut) !=
                0);
    /* One by one, in a step beside another text: the same bits. */
    ar_session *s[2];
    static double y[2 * V];
    for (int i = 0; i < 2; i++) assert_ok(ar_session_open(&s[i], f.e, err));
    assert_ok(ar_session_feed(s[0], ids, SHORT, false, NULL, err));
    for (int i = SHORT; i < N; i++) {
        const int32_t next[2] = {ids[i], ids[i - SHORT]};
        assert_ok(step_tokens(f.e, s, next, 2, V, y, err));
        assert_memory_equal(y, cut + i * V, V * sizeof *y);
        assert_memory_equal(y + V, below + (i - SHORT) * V, V * sizeof *y);
    }
    for (int i = 0; i < 2; i++) ar_session_close(s[i]);
    close_engine(&f);
}

static void check_batch(const char *name) {
    enum { S = 5, N = 20 };
    fixture f;
    open_engine(&f, name, on("cpu"));
    ar_session *s[S];
    int32_t ids[S][N];
    static double alone[S][N * V], y[S * V];
    for (int i = 0; i < S; i++) {
        some_ids(ids[i], N, i + 2);
        feed_in_pieces(f.e, ids[i], N, N, alone[i]);
    }
    /* Texts of different lengths, advanced together. */
    for (int i = 0; i < S; i++) {
        assert_ok(ar_session_open(&s[i], f.e, err));
        if (i) assert_ok(ar_session_feed(s[i], ids[i], i, false, NULL, err));
    }
    for (int step = 0; step < N - S; step++) {
        int32_t next[S];
        for (int i = 0; i < S; i++) next[i] = ids[i][i + step];
        assert_ok(step_tokens(f.e, s, next, S, V, y, err));
        for (int i = 0; i < S; i++)
            assert_memory_equal(y + i * V, alone[i] + (i + step) * V,
                                V * sizeof *y);
    }
    int32_t next[2] = {1, 2};
    ar_session *same[2] = {s[0], s[0]};
    assert_fails(AR_RANGE, "same", step_tokens(f.e, same, next, 2, V, y, err));
    for (int i = 0; i < S; i++) ar_session_close(s[i]);
    close_engine(&f);
}

void test_engine_batch(void **state) {
    (void)state;
    check_batch("llama");
    check_batch("mixtral");
    check_batch("gpt_oss");
    check_batch("glm4_moe");
}

void test_engine_rewind(void **state) {
    (void)state;
    enum { N = 40 };
    static double first[N * V], again[N * V];
    int32_t ids[N], other[N];
    fixture f;
    open_engine(&f, "gpt2", on("cpu"));
    some_ids(ids, N, 3);
    some_ids(other, N, 9);
    const int64_t free_pages = ar_engine_free_pages(f.e);
    ar_session *s;
    assert_ok(ar_session_open(&s, f.e, err));
    assert_ok(ar_session_feed(s, ids, N, true, first, err));
    ar_session_rewind(s, 13);
    assert_int_equal(ar_session_length(s), 13);
    assert_ok(ar_session_feed(s, other, 20, false, NULL, err));
    ar_session_rewind(s, 13);
    ar_session_rewind(s, 30); /* not that long: nothing happens */
    assert_int_equal(ar_session_length(s), 13);
    assert_ok(ar_session_feed(s, ids + 13, N - 13, true, again, err));
    assert_memory_equal(first + 13 * V, again, (N - 13) * V * sizeof *again);
    ar_session_close(s);
    assert_int_equal(ar_engine_free_pages(f.e), free_pages);
    close_engine(&f);
}

void test_engine_full(void **state) {
    (void)state;
    ar_engine_options o = on("cpu");
    o.max_tokens = 64;
    o.page = 8;
    o.max_sessions = 2;
    fixture f;
    open_engine(&f, "llama", o);
    int32_t ids[64], other[64];
    static double y[2 * V], z[2 * V];
    some_ids(ids, 64, 4);
    some_ids(other, 64, 5);
    ar_session *s[2], *third;
    for (int i = 0; i < 2; i++) assert_ok(ar_session_open(&s[i], f.e, err));
    assert_fails(AR_FULL, "sessions", ar_session_open(&third, f.e, err));
    assert_ok(ar_session_feed(s[0], ids, 40, false, y, err));
    assert_ok(ar_session_feed(s[1], other, 16, false, y + V, err));
    /* One page is free, two are needed: nothing changes. */
    assert_fails(AR_FULL, "pages",
                 ar_session_feed(s[1], ids, 16, false, NULL, err));
    assert_int_equal(ar_session_length(s[1]), 16);
    assert_int_equal(ar_engine_free_pages(f.e), 1);
    assert_fails(AR_FULL, "pages", step_tokens(f.e, s, ids, 2, V, z, err));
    assert_int_equal(ar_session_length(s[0]), 40);
    assert_int_equal(ar_engine_free_pages(f.e), 1);
    ar_session_rewind(s[0], 39);
    assert_ok(step_tokens(f.e, s, (int32_t[]){ids[39], ids[0]}, 2, V, z, err));
    assert_memory_equal(y, z, V * sizeof *y);
    for (int i = 0; i < 2; i++) ar_session_close(s[i]);
    close_engine(&f);
}

void test_engine_bad_input(void **state) {
    (void)state;
    fixture f;
    open_engine(&f, "gpt2", on("cpu"));
    ar_session *s;
    int32_t ids[100] = {0};
    assert_ok(ar_session_open(&s, f.e, err));
    ids[3] = V;
    assert_fails(AR_RANGE, "160", ar_session_feed(s, ids, 5, false, NULL, err));
    ids[3] = -1;
    assert_fails(AR_RANGE, "-1",
                 step_tokens(f.e, &s, ids + 3, 1, V, NULL, err));
    ids[3] = 0;
    assert_fails(AR_RANGE, "context",
                 ar_session_feed(s, ids, 97, false, NULL, err));
    assert_ok(ar_session_feed(s, ids, 96, false, NULL, err));
    assert_fails(AR_RANGE, "context",
                 step_tokens(f.e, &s, ids, 1, V, NULL, err));
    assert_fails(AR_RANGE, "no tokens",
                 ar_session_feed(s, ids, 0, false, NULL, err));
    ar_session_close(s);
    ar_engine *e;
    ar_engine_options o = on("abacus");
    assert_fails(AR_UNSUPPORTED, "abacus", ar_engine_open(&e, f.m, &o, err));
    o = on("cpu");
    o.page = -1;
    assert_fails(AR_RANGE, "page", ar_engine_open(&e, f.m, &o, err));
    close_engine(&f);
}

/* Threads do not change a bit. */
void test_engine_threads(void **state) {
    (void)state;
    enum { N = 50 };
    static double one[N * V], many[N * V];
    int32_t ids[N];
    some_ids(ids, N, 5);
    for (int t = 1; t <= 11; t += 2) {
        ar_engine_options o = on("cpu");
        o.n_threads = t % 6;
        fixture f;
        open_engine(&f, t < 6 ? "llama" : "gpt_oss", o);
        feed_in_pieces(f.e, ids, N, 20, t % 6 == 1 ? one : many);
        if (t % 6 != 1) assert_memory_equal(one, many, sizeof one);
        close_engine(&f);
    }
}

/* Every allocation fails in turn: an error each time, and nothing leaks. */
void test_engine_nomem(void **state) {
    (void)state;
    ar_model *m;
    ar_engine_options o = on("cpu");
    o.n_threads = 1;
    o.max_rows = 4;
    o.max_sessions = 2;
    assert_ok(ar_model_open(&m, golden_model("gpt2", ""), err));
    const size_t before = mem_block_bytes();
    int64_t n = 1;
    for (;; n += n < 400 ? 1 : 7) {
        ar_engine *e = NULL;
        ar_error err = {0};
        mem_fail_at(n, 1);
        const ar_status s = ar_engine_open(&e, m, &o, &err);
        mem_fail_at(0, 0);
        if (s == AR_OK) {
            ar_engine_close(e);
            break;
        }
        assert_int_equal(s, AR_NOMEM);
        assert_null(e);
        assert_int_equal(mem_block_bytes(), before);
    }
    assert_true(n > 50);
    ar_model_close(m);
}

/* Once open, an engine takes no memory. */
void test_engine_takes_nothing(void **state) {
    (void)state;
    fixture f;
    open_engine(&f, "llama", on("cpu"));
    int32_t ids[64];
    static double y[64 * V];
    some_ids(ids, 64, 6);
    ar_session *s;
    mem_fail_at(1, 1);
    const ar_status open = ar_session_open(&s, f.e, NULL);
    const ar_status fed = ar_session_feed(s, ids, 60, true, y, NULL);
    const ar_status stepped = step_tokens(f.e, &s, ids, 1, V, y, NULL);
    mem_fail_at(0, 0);
    assert_int_equal(open, AR_OK);
    assert_int_equal(fed, AR_OK);
    assert_int_equal(stepped, AR_OK);
    ar_session_close(s);
    ar_engine_memory use;
    ar_engine_memory_use(f.e, &use);
    assert_true(use.cache > 0 && use.programs > 0 && use.rest > 0);
    assert_true(use.weights + use.mapped > 100000);
    close_engine(&f);
}
