/* test_session_faults.c - every call of the device fails in turn: texts stay
 * what they were, or become the beginning of what was wanted, and go on with
 * the same bits. */
#include "base/error.h"
#include "tests/infer/session_bench.h"

static const backend *real;
static int64_t n_calls, fail_at; /* 0 = none fails */
static int64_t n_tried;          /* calls of the one that may fail */

static ar_status count_call(ar_error *err) {
    if (++n_calls != fail_at) return AR_OK;
    return error_set(err, AR_DEVICE, "the device is gone");
}

static ar_status faulty_write(device *d, buffer *dst, size_t at,
                              const void *src, size_t n, ar_error *err) {
    TRY(count_call(err));
    return real->write(d, dst, at, src, n, err);
}

static ar_status faulty_read(device *d, const buffer *src, size_t at, void *dst,
                             size_t n, ar_error *err) {
    TRY(count_call(err));
    return real->read(d, src, at, dst, n, err);
}

static ar_status faulty_copy(device *d, buffer *dst, size_t dst_at,
                             const buffer *src, size_t src_at, size_t n,
                             ar_error *err) {
    TRY(count_call(err));
    return real->copy(d, dst, dst_at, src, src_at, n, err);
}

static ar_status faulty_run(program *p, const buffer *buffers, int n_buffers,
                            ticket *out, ar_error *err) {
    TRY(count_call(err));
    return real->run(p, buffers, n_buffers, out, err);
}

static backend faulty;

static void bench_open_faulty(bench *b, const char *name) {
    bench_open(b, name, small_options());
    real = b->e->be;
    faulty = *real;
    faulty.write = faulty_write;
    faulty.read = faulty_read;
    faulty.copy = faulty_copy;
    faulty.run = faulty_run;
    b->e->be = &faulty;
    n_calls = fail_at = 0;
}

static void expect_text(const ar_session *s, const int32_t *ids, int64_t n) {
    int32_t got[MOST];
    assert_int_equal(ar_session_length(s), n);
    ar_session_tokens(s, 0, n, got);
    assert_memory_equal(got, ids, (size_t)n * sizeof *ids);
}

/* A step of two texts that share a page partly full. */
static bool step_fails_at(const char *name, int64_t at) {
    bench b;
    ar_session *s, *t;
    int32_t ids[2][MOST];
    double y[2][V];
    bench_open_faulty(&b, name);
    for (int i = 0; i < 2; i++) some_text(ids[i], MOST, 3);
    ids[1][22] = 1;
    assert_ok(ar_session_open(&s, b.e, err));
    assert_ok(ar_session_feed(s, ids[0], 22, false, NULL, err));
    assert_ok(ar_session_fork(&t, s, err));
    const ar_engine_part parts[2] = {
        {s, ids[0] + 22, 17, AR_LOGITS_LAST, y[0]},
        {t, ids[1] + 22, 20, AR_LOGITS_LAST, y[1]},
    };
    n_calls = 0;
    fail_at = at;
    const ar_status st = ar_engine_step(b.e, parts, 2, NULL);
    fail_at = 0;
    n_tried = n_calls;
    if (st != AR_OK) {
        assert_int_equal(st, AR_DEVICE);
        expect_text(s, ids[0], 22);
        expect_text(t, ids[0], 22);
        assert_ok(ar_engine_step(b.e, parts, 2, err));
    }
    bench_expect(&b, ids[0], 39, y[0]);
    bench_expect(&b, ids[1], 42, y[1]);
    ar_session_close(s);
    ar_session_close(t);
    bench_close(&b);
    return st != AR_OK;
}

void test_session_faults_step(void **state) {
    (void)state;
    static const char *const models[] = {"llama", "gemma3_text"};
    for (int k = 0; k < 2; k++) {
        int64_t n_failed = 0; /* some calls may fail unseen */
        for (int64_t n = 1; n == 1 || n <= n_tried + 1; n++)
            n_failed += step_fails_at(models[k], n);
        assert_true(n_failed > 20);
    }
}

static bool sync_fails_at(int64_t at) {
    bench b;
    ar_session *s, *t;
    int32_t ids[MOST];
    double y[V];
    bench_open_faulty(&b, "gemma3_text");
    some_text(ids, MOST, 3);
    assert_ok(ar_session_open(&t, b.e, err));
    assert_ok(ar_session_feed(t, ids, 30, false, NULL, err));
    assert_ok(ar_session_open(&s, b.e, err));
    n_calls = 0;
    fail_at = at;
    const ar_status st = ar_session_sync(s, ids, 60, NULL, y, NULL);
    fail_at = 0;
    n_tried = n_calls;
    if (st != AR_OK) {
        assert_int_equal(st, AR_DEVICE);
        assert_true(ar_session_length(s) <= 60);
        expect_text(s, ids, ar_session_length(s));
        assert_ok(ar_session_sync(s, ids, 60, NULL, y, err));
    }
    bench_expect(&b, ids, 60, y);
    ar_session_close(t);
    assert_ok(ar_session_feed(s, ids + 60, 3, false, y, err));
    bench_expect(&b, ids, 63, y);
    ar_session_close(s);
    bench_close(&b);
    return st != AR_OK;
}

void test_session_faults_sync(void **state) {
    (void)state;
    int64_t n_failed = 0;
    for (int64_t n = 1; n == 1 || n <= n_tried + 1; n++)
        n_failed += sync_fails_at(n);
    assert_true(n_failed > 20);
}
