/* test_recurrent.c - engines of models with states: however a text is cut,
 * whatever runs beside it, and wherever it goes back to, the bits are those of
 * a text fed once. */
#include "base/mem.h"
#include "base/rng.h"
#include "infer/infer.h"
#include "tests/infer/step_tokens.h"
#include "tests/model/golden_io.h"

enum { V = 160, MOST = 250 };

static const char *const names[] = {"mamba2", "mamba2_limits",
                                    "qwen3_next_dense", "qwen3_next"};
enum { N_NAMES = sizeof names / sizeof *names };

typedef struct fixture {
    ar_model *m;
    ar_engine *e;
} fixture;

static void open_engine(fixture *f, const char *path, ar_engine_options o) {
    assert_ok(ar_model_open(&f->m, path, err));
    assert_ok(ar_engine_open(&f->e, f->m, &o, err));
}

static void close_engine(fixture *f) {
    ar_engine_close(f->e);
    ar_model_close(f->m);
}

static ar_engine_options on(const char *where, int64_t snapshots) {
    ar_engine_options o = ar_engine_options_default();
    o.device = where;
    o.max_tokens = 2048;
    o.max_sessions = 6;
    o.snapshots = snapshots;
    return o;
}

static void some_ids(int32_t *ids, int64_t n, int seed) {
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)(rng_uniform((uint64_t)seed, 1, (uint64_t)i) * V);
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

void test_recurrent_pieces(void **state) {
    (void)state;
    enum { N = 90 };
    static double whole[N * V], cut[N * V];
    int32_t ids[N];
    some_ids(ids, N, 1);
    const int64_t pieces[] = {1, 3, 7, 33};
    for (int k = 0; k < N_NAMES; k++) {
        fixture f;
        open_engine(&f, golden_model(names[k], ""), on("cpu", 2));
        feed_in_pieces(f.e, ids, N, N, whole);
        for (int i = 0; i < 4; i++) {
            feed_in_pieces(f.e, ids, N, pieces[i], cut);
            assert_memory_equal(whole, cut, sizeof whole);
        }
        close_engine(&f);
    }
}

/* Texts of different lengths, advanced together. */
static void check_batch(const char *name) {
    enum { S = 5, N = 20 };
    fixture f;
    ar_session *s[S];
    int32_t ids[S][N], next[S];
    static double alone[S][N * V], y[S * V];
    open_engine(&f, golden_model(name, ""), on("cpu", 1));
    for (int i = 0; i < S; i++) {
        some_ids(ids[i], N, i + 2);
        feed_in_pieces(f.e, ids[i], N, N, alone[i]);
        assert_ok(ar_session_open(&s[i], f.e, err));
        if (i) assert_ok(ar_session_feed(s[i], ids[i], i, false, NULL, err));
    }
    for (int step = 0; step < N - S; step++) {
        for (int i = 0; i < S; i++) next[i] = ids[i][i + step];
        assert_ok(step_tokens(f.e, s, next, S, V, y, err));
        for (int i = 0; i < S; i++)
            assert_memory_equal(y + i * V, alone[i] + (i + step) * V,
                                V * sizeof *y);
    }
    for (int i = 0; i < S; i++) ar_session_close(s[i]);
    close_engine(&f);
}

void test_recurrent_batch(void **state) {
    (void)state;
    for (int k = 0; k < N_NAMES; k++) check_batch(names[k]);
}

/* Some text, and what a session that never went further says of its end. */
typedef struct walk {
    fixture f;
    ar_session *s, *other;
    int32_t ids[MOST];
    int64_t n;
    uint64_t draws;
} walk;

static int64_t draw(walk *w, int64_t most) {
    return (int64_t)(rng_uniform(7, 3, w->draws++) * (double)most);
}

static void compare_end(walk *w, const double *y) {
    double want[V];
    ar_session *fresh;
    assert_ok(ar_session_open(&fresh, w->f.e, err));
    assert_ok(ar_session_feed(fresh, w->ids, w->n, false, want, err));
    ar_session_close(fresh);
    assert_memory_equal(y, want, sizeof want);
}

/* Go back somewhere, then on with other tokens, fed or stepped. */
static void one_leg(walk *w) {
    double y[2 * V];
    const bool far = draw(w, 4) == 0;
    const int64_t back = draw(w, far ? w->n + 1 : 20);
    w->n = back < w->n ? w->n - back : 0;
    ar_session_rewind(w->s, w->n);
    assert_int_equal(ar_session_length(w->s), w->n);
    int64_t more = 1 + draw(w, far ? 120 : 30);
    if (more > MOST - w->n) more = MOST - w->n;
    for (int64_t i = 0; i < more; i++) w->ids[w->n + i] = (int32_t)draw(w, V);
    if (draw(w, 2) && more > 0) {
        assert_ok(ar_session_feed(w->s, w->ids + w->n, more, false, y, err));
        w->n += more;
        compare_end(w, y);
        return;
    }
    ar_session *both[] = {w->other, w->s};
    for (int64_t i = 0; i < more && i < 9; i++) {
        const int32_t next[] = {(int32_t)draw(w, V), w->ids[w->n]};
        assert_ok(step_tokens(w->f.e, both, next, 2, V, y, err));
        w->n++;
    }
    if (more > 0) compare_end(w, y + V);
}

static void check_walk(const char *name, int64_t snapshots) {
    walk w = {.draws = (uint64_t)snapshots * 1000};
    open_engine(&w.f, golden_model(name, ""), on("cpu", snapshots));
    assert_ok(ar_session_open(&w.other, w.f.e, err));
    assert_ok(ar_session_open(&w.s, w.f.e, err));
    for (int leg = 0; leg < 25; leg++) {
        if (ar_session_length(w.other) > 200) ar_session_rewind(w.other, 100);
        one_leg(&w);
    }
    ar_session_close(w.s);
    ar_session_close(w.other);
    close_engine(&w.f);
}

void test_recurrent_rewind(void **state) {
    (void)state;
    for (int k = 0; k < N_NAMES; k++)
        for (int64_t snapshots = 1; snapshots <= 4; snapshots += 3)
            check_walk(names[k], snapshots);
}

/* A session that is opened again has nothing of the text before. */
void test_recurrent_reopen(void **state) {
    (void)state;
    enum { N = 80 };
    static double first[N * V], again[N * V];
    int32_t ids[N], others[N];
    some_ids(ids, N, 5);
    some_ids(others, N, 6);
    fixture f;
    open_engine(&f, golden_model("mamba2", ""), on("cpu", 2));
    feed_in_pieces(f.e, ids, N, N, first);
    feed_in_pieces(f.e, others, N, 70, again);
    feed_in_pieces(f.e, ids, N, 11, again);
    assert_memory_equal(first, again, sizeof first);
    close_engine(&f);
}

/* Files as converters write them give what was recorded of the folders. */
static void check_gguf(const char *name, const char *where, double tolerance) {
    char file[128];
    fixture f;
    snprintf(file, sizeof file, "gguf/%s.gguf", name);
    open_engine(&f, test_golden(file), on(where, 1));
    json_t *io = golden_json(golden_model(name, "io.json"));
    const json_t *prompts = json_object_get(io, "prompts");
    for (size_t k = 0; k < json_array_size(prompts); k++) {
        int32_t ids[MOST];
        double y[V];
        ar_session *s;
        const int64_t n = golden_ids(json_array_get(prompts, k), ids, MOST);
        assert_ok(ar_session_open(&s, f.e, err));
        assert_ok(ar_session_feed(s, ids, n, false, y, err));
        golden_compare(json_array_get(json_object_get(io, "last_logits"), k), y,
                       tolerance);
        ar_session_close(s);
    }
    json_decref(io);
    close_engine(&f);
}

/* -exp(A), 1 + w and the norms' epsilon are floats in the file. */
void test_recurrent_gguf(void **state) {
    (void)state;
    check_gguf("mamba2", "cpu", 5e-4);
    check_gguf("mamba2", "reference-f64", 1e-5);
    check_gguf("qwen3_next_dense", "cpu", 5e-4);
    check_gguf("qwen3_next_dense", "reference-f64", 1e-5);
}

/* Once open nothing is taken, not even to go back. */
static void use_without_memory(ar_engine *e) {
    int32_t ids[100];
    double y[V];
    ar_session *s;
    some_ids(ids, 100, 3);
    mem_fail_at(1, 1);
    const ar_status open = ar_session_open(&s, e, NULL);
    const ar_status fed = ar_session_feed(s, ids, 100, false, y, NULL);
    ar_session_rewind(s, 70);
    const ar_status again = ar_session_feed(s, ids, 9, false, y, NULL);
    ar_session_close(s);
    mem_fail_at(0, 0);
    assert_int_equal(open, AR_OK);
    assert_int_equal(fed, AR_OK);
    assert_int_equal(again, AR_OK);
}

/* Whatever allocation fails, opening says so. */
void test_recurrent_nomem(void **state) {
    (void)state;
    ar_model *m;
    ar_engine *e = NULL;
    int64_t n = 1;
    const ar_engine_options o = on("cpu", 2);
    assert_ok(ar_model_open(&m, golden_model("qwen3_next_dense", ""), err));
    for (; !e; n += n < 60 ? 1 : 97) {
        ar_error err = {0};
        mem_fail_at(n, 1);
        const ar_status status = ar_engine_open(&e, m, &o, &err);
        mem_fail_at(0, 0);
        assert_int_equal(status, e ? AR_OK : AR_NOMEM);
    }
    assert_true(n > 60);
    use_without_memory(e);
    ar_engine_close(e);
    ar_model_close(m);
}

/* Forks, texts with the same beginning, and files: the states go along, or
 * are computed anew. */
static void check_shared(const char *name) {
    enum { N = 150, MORE = 20 };
    fixture f;
    ar_session *a, *b;
    int32_t ids[N + MORE];
    double want[V], y[V];
    char path[600];
    some_ids(ids, N + MORE, 9);
    snprintf(path, sizeof path, "%s/%s.session", test_folder(), name);
    open_engine(&f, golden_model(name, ""), on("cpu", 2));
    assert_ok(ar_session_open(&a, f.e, err));
    assert_ok(ar_session_feed(a, ids, N, false, NULL, err));
    assert_ok(ar_session_save(a, path, err));
    assert_ok(ar_session_fork(&b, a, err));
    assert_ok(ar_session_feed(a, ids + N, MORE, false, want, err));
    assert_ok(ar_session_feed(b, ids + N, MORE, false, y, err));
    assert_memory_equal(y, want, sizeof y);
    ar_session_close(b);
    assert_ok(ar_session_load(&b, f.e, path, err));
    assert_int_equal(ar_session_length(b), N);
    assert_ok(ar_session_feed(b, ids + N, MORE, false, y, err));
    assert_memory_equal(y, want, sizeof y);
    ar_session_rewind(b, 100);
    assert_ok(ar_session_sync(b, ids, N + MORE, NULL, y, err));
    assert_memory_equal(y, want, sizeof y);
    ar_session_close(b);
    assert_ok(ar_session_open(&b, f.e, err));
    assert_ok(ar_session_sync(b, ids, N + MORE, NULL, y, err));
    assert_memory_equal(y, want, sizeof y);
    ar_session_close(b);
    ar_session_close(a);
    close_engine(&f);
}

void test_recurrent_shared(void **state) {
    (void)state;
    for (int k = 0; k < N_NAMES; k++) check_shared(names[k]);
}
