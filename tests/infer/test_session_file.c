/* test_session_file.c - sessions on disk: they go on with the same bits; a
 * damaged file, or one of another model, is told. */
#include "base/file.h"
#include "infer/session_file.h"
#include "tests/infer/session_bench.h"

enum { MOST_SIZE = 1 << 20 };

static const char *saved_path(void) {
    static char path[600];
    if (!path[0])
        assert_ok(
            file_join(path, sizeof path, test_folder(), "a.session", err));
    return path;
}

/* Saved after n tokens, gone back to `length`; loaded by an engine that differs
 * in all that may differ, and by its own. */
static void check_round(const char *name, ar_type type, int64_t n,
                        int64_t length) {
    bench b;
    ar_session *s, *t;
    int32_t ids[128], got[128];
    double y[V];
    ar_engine_options o = small_options();
    o.k_type = o.v_type = type;
    o.max_tokens = 400;
    bench_open(&b, name, o);
    some_text(ids, 128, 3);
    const char *path = saved_path();
    assert_ok(ar_session_open(&s, b.e, err));
    if (n) assert_ok(ar_session_feed(s, ids, n, false, NULL, err));
    ar_session_rewind(s, length);
    assert_ok(ar_session_save(s, path, err));
    assert_ok(ar_session_load(&t, b.e, path, err));
    ar_session_close(s);

    o.max_rows = 3;
    o.max_sessions = 1;
    o.max_tokens = 256;
    o.rewind = 2;
    ar_engine *other;
    assert_ok(ar_engine_open(&other, b.m, &o, err));
    assert_ok(ar_session_load(&s, other, path, err));
    assert_int_equal(ar_session_length(s), length);
    ar_session_tokens(s, 0, length, got);
    assert_memory_equal(got, ids, (size_t)length * sizeof *ids);
    ids[length] = 7;
    ar_session *const both[] = {s, t};
    for (int i = 0; i < 2; i++) {
        assert_ok(ar_session_feed(both[i], ids + length, 12, false, y, err));
        bench_expect(&b, ids, length + 12, y);
    }
    ar_session_close(s);
    ar_session_close(t);
    ar_engine_close(other);
    bench_close(&b);
}

void test_session_file_rounds(void **state) {
    (void)state;
    check_round("llama", AR_NONE, 37, 37);
    check_round("llama", AR_F16, 16, 16);
    check_round("llama", AR_NONE, 0, 0);
    check_round("gpt2", AR_BF16, 40, 3);
    check_round("mistral", AR_NONE, 90, 90);
    check_round("gemma3_text", AR_F16, 90, 88);
    check_round("gemma3_text", AR_NONE, 90, 40); /* must be computed again */
    check_round("phi3_longrope", AR_NONE, 60, 60);
}

/* What was loaded counts as computed, also for others. */
void test_session_file_rows(void **state) {
    (void)state;
    bench b;
    ar_session *s, *t;
    int32_t ids[64];
    double y[V];
    bench_open(&b, "gemma3_text", small_options());
    some_text(ids, 64, 3);
    assert_ok(ar_session_open(&s, b.e, err));
    assert_ok(ar_session_feed(s, ids, 50, false, NULL, err));
    assert_ok(ar_session_save(s, saved_path(), err));
    ar_engine *other;
    const ar_engine_options o = small_options();
    assert_ok(ar_engine_open(&other, b.m, &o, err));
    assert_ok(ar_session_load(&t, other, saved_path(), err));
    assert_int_equal(ar_engine_rows_run(other), 0);
    ar_session_close(s);
    ar_session_close(t);
    assert_ok(ar_session_open(&t, other, err));
    assert_ok(ar_session_sync(t, ids, 50, NULL, y, err));
    assert_int_equal(ar_engine_rows_run(other), 2);
    bench_expect(&b, ids, 50, y);
    ar_session_close(t);
    ar_engine_close(other);
    bench_close(&b);
}

static void save_some(const char *name, ar_engine_options o) {
    bench b;
    ar_session *s;
    int32_t ids[64];
    bench_open(&b, name, o);
    some_text(ids, 64, 3);
    assert_ok(ar_session_open(&s, b.e, err));
    assert_ok(ar_session_feed(s, ids, 30, false, NULL, err));
    assert_ok(ar_session_save(s, saved_path(), err));
    ar_session_close(s);
    bench_close(&b);
}

static void expect_refused(const char *name, ar_engine_options o,
                           ar_status code, const char *word) {
    bench b;
    ar_session *s;
    bench_open(&b, name, o);
    assert_fails(code, word, ar_session_load(&s, b.e, saved_path(), err));
    assert_null(s);
    assert_fails(code, "a.session",
                 ar_session_load(&s, b.e, saved_path(), err));
    bench_close(&b);
}

void test_session_file_refused(void **state) {
    (void)state;
    ar_engine_options o = small_options();
    save_some("llama", o);
    expect_refused("gpt2", o, AR_FORMAT, "another model");
    expect_refused("llama_f16", o, AR_FORMAT, "another model");
    o.k_type = AR_F16;
    expect_refused("llama", o, AR_FORMAT, "types f32 and f32");
    o = small_options();
    o.page = 8;
    expect_refused("llama", o, AR_FORMAT, "pages of 4");
    o = small_options();
    o.max_tokens = 28;
    expect_refused("llama", o, AR_FULL, "30 tokens");
    ar_session *s;
    bench b;
    bench_open(&b, "llama", small_options());
    assert_fails(AR_IO, "nothing",
                 ar_session_load(&s, b.e, "/nothing/there", err));
    assert_ok(ar_session_open(&s, b.e, err));
    assert_fails(AR_IO, "nothing", ar_session_save(s, "/nothing/there", err));
    ar_session_close(s);
    bench_close(&b);
}

static void expect_damaged(const unsigned char *data, size_t size,
                           session_image *m) {
    ar_error e = {0};
    assert_int_equal(session_image_read(m, data, size, &e), AR_FORMAT);
    assert_true(e.message[0] != 0);
}

/* Cut anywhere, or with any byte changed. */
void test_session_file_damaged(void **state) {
    (void)state;
    char *data;
    size_t size;
    session_image *m = mem_new(session_image, 1);
    save_some("gemma3_text", small_options());
    assert_ok(file_read(saved_path(), MOST_SIZE, &data, &size, err));
    unsigned char *p = (unsigned char *)data;
    assert_ok(session_image_read(m, p, size, err));
    assert_int_equal(m->n_text, 30);
    assert_int_equal(m->n_layers, 4);
    for (size_t n = 0; n < size; n += n < 400 ? 1 : 61) expect_damaged(p, n, m);
    for (size_t i = 0; i < size; i += i < 400 ? 1 : 61)
        for (int bit = 0; bit < 8; bit++) {
            p[i] ^= (unsigned char)(1 << bit);
            expect_damaged(p, size, m);
            p[i] ^= (unsigned char)(1 << bit);
        }
    mem_free(m);
    mem_free(data);
}

/* Files that are whole by their checksum and still cannot be. */
void test_session_file_lies(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        const char *word;
    } lies[] = {
        {0, 0x11111111, "not a saved"},
        {4, 0x39737365, "another version"},
        {16, 0x00003939, "no known type"},
        {16, 0x39393939, "no known type"},
        {32, 0, "pages of 0"},
        {32, 0x7fffffff, "cannot be"},
        {36, 0, "0 layers"},
        {36, 513, "513 layers"},
        {40, 0x7fffffff, "ends inside its tokens"},
        {44, 0x7fffffff, "cannot be"},
        {48, 31, "cannot be"},
        {36, 3, "too many"},
        {56 + 120, 3, "begins at token 3"},
        {56 + 120, 32, "begins at token 32"},
        {56 + 120 + 8, 0xffffffff, "keys and values"},
    };
    char *data;
    size_t size;
    save_some("gemma3_text", small_options());
    assert_ok(file_read(saved_path(), MOST_SIZE, &data, &size, err));
    session_image *m = mem_new(session_image, 1);
    unsigned char *p = mem_alloc(size);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        memcpy(p, data, size);
        memcpy(p + lies[i].at, &lies[i].value, 4);
        const uint64_t sum = session_sum_of(p, size - 8);
        memcpy(p + size - 8, &sum, 8);
        assert_fails(AR_FORMAT, lies[i].word,
                     session_image_read(m, p, size, err));
    }
    /* A token that the model has not. */
    bench b;
    ar_session *s;
    const int32_t bad[] = {V, -1, INT32_MIN};
    bench_open(&b, "gemma3_text", small_options());
    for (int i = 0; i < 3; i++) {
        memcpy(p, data, size);
        memcpy(p + 56 + 20, &bad[i], 4);
        const uint64_t sum = session_sum_of(p, size - 8);
        memcpy(p + size - 8, &sum, 8);
        assert_ok(file_replace(saved_path(), p, size, err));
        assert_fails(AR_FORMAT, "token 5",
                     ar_session_load(&s, b.e, saved_path(), err));
    }
    bench_close(&b);
    mem_free(p);
    mem_free(m);
    mem_free(data);
}

/* Every allocation fails in turn; the old file stays. */
void test_session_file_nomem(void **state) {
    (void)state;
    bench b;
    ar_session *s, *t = NULL;
    int32_t ids[64];
    double y[V];
    bench_open(&b, "mistral", small_options());
    some_text(ids, 64, 3);
    assert_ok(ar_session_open(&s, b.e, err));
    assert_ok(ar_session_feed(s, ids, 30, false, NULL, err));
    assert_ok(ar_session_save(s, saved_path(), err));
    int64_t n[2] = {1, 1};
    for (int what = 0; what < 2; what++)
        for (;; n[what]++) {
            mem_fail_at(n[what], 1);
            const ar_status st =
                what ? ar_session_load(&t, b.e, saved_path(), NULL)
                     : ar_session_save(s, saved_path(), NULL);
            mem_fail_at(0, 0);
            if (st == AR_OK) break;
            assert_int_equal(st, AR_NOMEM);
            assert_null(t);
        }
    assert_true(n[0] > 2 && n[1] > 2);
    assert_ok(ar_session_feed(t, ids + 30, 5, false, y, err));
    bench_expect(&b, ids, 35, y);
    ar_session_close(s);
    ar_session_close(t);
    bench_close(&b);
}
