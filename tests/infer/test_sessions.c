/* test_sessions.c - texts that share pages, are forked, cut and made another,
 * in any order: always the bits of a text computed alone. */
#include "base/rng.h"
#include "tests/infer/session_bench.h"

static const char *const models[] = {"llama", "mistral", "gemma3_text"};
enum { N_MODELS = sizeof models / sizeof *models };

/* A second text with the same beginning computes only what differs, also when
 * the first is gone. */
void test_sessions_share(void **state) {
    (void)state;
    for (int k = 0; k < N_MODELS; k++) {
        bench b;
        ar_session *s, *t;
        int32_t ids[64];
        double y[V];
        bench_open(&b, models[k], small_options());
        some_text(ids, 64, 1);
        assert_ok(ar_session_open(&s, b.e, err));
        assert_ok(ar_session_sync(s, ids, 40, NULL, y, err));
        assert_int_equal(ar_engine_rows_run(b.e), 40);
        bench_expect(&b, ids, 40, y);
        /* The same text: 9 whole pages, and the last token is computed. */
        assert_ok(ar_session_open(&t, b.e, err));
        assert_ok(ar_session_sync(t, ids, 40, NULL, y, err));
        assert_int_equal(ar_engine_rows_run(b.e), 44);
        bench_expect(&b, ids, 40, y);
        assert_int_equal(ar_engine_free_pages(b.e), b.n_free - 10);
        ar_session_close(s);
        ar_session_close(t);
        assert_int_equal(ar_engine_free_pages(b.e), b.n_free);
        /* 22 tokens are the same: 5 pages. */
        ids[22] = (ids[22] + 1) % V;
        assert_ok(ar_session_open(&s, b.e, err));
        assert_ok(ar_session_sync(s, ids, 50, NULL, y, err));
        assert_int_equal(ar_engine_rows_run(b.e), 44 + 30);
        bench_expect(&b, ids, 50, y);
        /* The text it has, whole: one token for its logits, or none. */
        assert_ok(ar_session_sync(s, ids, 50, NULL, y, err));
        assert_int_equal(ar_engine_rows_run(b.e), 75);
        bench_expect(&b, ids, 50, y);
        assert_ok(ar_session_sync(s, ids, 50, NULL, NULL, err));
        assert_int_equal(ar_engine_rows_run(b.e), 75);
        assert_ok(ar_session_sync(s, ids, 0, NULL, NULL, err));
        assert_int_equal(ar_session_length(s), 0);
        ar_session_close(s);
        bench_close(&b);
    }
}

/* What is there is taken, the rest goes into a step with others. */
void test_sessions_reuse(void **state) {
    (void)state;
    bench b;
    ar_session *s, *t;
    int32_t ids[64];
    double y[2][V];
    bench_open(&b, "gemma3_text", small_options());
    some_text(ids, 64, 1);
    assert_ok(ar_session_open(&s, b.e, err));
    assert_ok(ar_session_open(&t, b.e, err));
    assert_ok(ar_session_feed(s, ids, 30, false, NULL, err));
    ids[26] = 0;
    assert_ok(ar_session_reuse(t, ids, 40, err));
    assert_int_equal(ar_session_length(t), 24);
    assert_ok(ar_session_reuse(s, ids, 40, err));
    assert_int_equal(ar_session_length(s), 26);
    assert_int_equal(ar_engine_rows_run(b.e), 30);
    const ar_engine_part parts[] = {
        {s, ids + 26, 14, AR_LOGITS_LAST, y[0]},
        {t, ids + 24, 12, AR_LOGITS_LAST, y[1]},
    };
    assert_ok(ar_engine_step(b.e, parts, 2, err));
    assert_int_equal(ar_engine_rows_run(b.e), 56);
    bench_expect(&b, ids, 40, y[0]);
    bench_expect(&b, ids, 36, y[1]);
    ids[3] = V;
    assert_fails(AR_RANGE, "160", ar_session_reuse(t, ids, 40, err));
    assert_int_equal(ar_session_length(t), 36);
    ar_session_close(s);
    ar_session_close(t);
    bench_close(&b);
}

/* Cached pages make room for new texts, those given back first going first. */
void test_sessions_oldest_first(void **state) {
    (void)state;
    ar_engine_options o = small_options();
    o.max_tokens = 96; /* 24 pages */
    bench b;
    ar_session *s;
    int32_t ids[3][32];
    bench_open(&b, "llama", o);
    assert_ok(ar_session_open(&s, b.e, err));
    for (int i = 0; i < 3; i++) {
        some_text(ids[i], 32, i + 1);
        ids[i][0] = i;
        assert_ok(ar_session_sync(s, ids[i], 32, NULL, NULL, err));
    }
    assert_ok(ar_session_sync(s, ids[0], 32, NULL, NULL, err));
    assert_int_equal(ar_engine_rows_run(b.e), 96); /* all three are there */
    int32_t other[16];
    some_text(other, 16, 9);
    other[0] = 9;
    assert_ok(ar_session_sync(s, other, 16, NULL, NULL, err));
    assert_int_equal(ar_engine_rows_run(b.e), 112);
    /* Text 1 lost its last four pages, the others are whole. */
    assert_ok(ar_session_sync(s, ids[2], 32, NULL, NULL, err));
    assert_ok(ar_session_sync(s, ids[0], 32, NULL, NULL, err));
    assert_int_equal(ar_engine_rows_run(b.e), 112);
    assert_ok(ar_session_sync(s, ids[1], 32, NULL, NULL, err));
    assert_int_equal(ar_engine_rows_run(b.e), 128);
    ar_session_close(s);
    bench_close(&b);
}

void test_sessions_fork(void **state) {
    (void)state;
    for (int k = 0; k < N_MODELS; k++) {
        bench b;
        ar_session *s, *t;
        int32_t ids[64], other[64];
        double y[V];
        bench_open(&b, models[k], small_options());
        some_text(ids, 64, 1);
        assert_ok(ar_session_open(&s, b.e, err));
        assert_ok(ar_session_feed(s, ids, 30, false, NULL, err));
        assert_ok(ar_session_fork(&t, s, err));
        assert_int_equal(ar_session_length(t), 30);
        ar_session_tokens(t, 0, 30, other);
        assert_memory_equal(other, ids, 30 * sizeof *ids);
        assert_int_equal(ar_engine_free_pages(b.e), b.n_free - 8);
        /* Both write to the page that is partly full. */
        some_text(other + 30, 10, 7);
        assert_ok(ar_session_feed(t, other + 30, 5, false, y, err));
        bench_expect(&b, other, 35, y);
        assert_ok(ar_session_feed(s, ids + 30, 5, false, y, err));
        bench_expect(&b, ids, 35, y);
        assert_ok(ar_session_feed(t, other + 35, 5, false, y, err));
        bench_expect(&b, other, 40, y);
        ar_session_close(s);
        assert_ok(ar_session_fork(&s, t, err));
        ar_session_rewind(t, 33);
        assert_ok(ar_session_feed(s, ids, 1, false, y, err));
        other[40] = ids[0];
        bench_expect(&b, other, 41, y);
        ar_session_close(s);
        ar_session_close(t);
        bench_close(&b);
    }
}

/* A text is a beginning of what was wanted however it is stopped. */
typedef struct stopper {
    int64_t at, seen, total;
    int calls;
} stopper;

static int stop_at(void *ctx, int64_t done, int64_t total) {
    stopper *s = ctx;
    assert_true(done >= s->seen && total > 0);
    s->seen = done;
    s->total = total;
    s->calls++;
    return done >= s->at;
}

void test_sessions_cancel(void **state) {
    (void)state;
    bench b;
    ar_session *s;
    int32_t ids[64], got[64];
    double y[V];
    bench_open(&b, "gemma3_text", small_options());
    some_text(ids, 64, 1);
    assert_ok(ar_session_open(&s, b.e, err));
    for (int64_t at = 0; at < 57; at += 7) {
        stopper stop = {.at = at};
        const ar_sync_options o = {.progress = stop_at, .ctx = &stop};
        ar_session_rewind(s, 0);
        ids[0] = (int32_t)at; /* nothing is cached */
        assert_fails(AR_CANCELLED, "of 64",
                     ar_session_sync(s, ids, 64, &o, y, err));
        const int64_t n = ar_session_length(s);
        assert_true(n >= at && n < at + 8 && stop.seen == n);
        assert_int_equal(stop.total, 64);
        ar_session_tokens(s, 0, n, got);
        assert_memory_equal(got, ids, (size_t)n * sizeof *ids);
        stop = (stopper){.at = 99};
        const int64_t rows = ar_engine_rows_run(b.e);
        assert_ok(ar_session_sync(s, ids, 64, &o, y, err));
        assert_int_equal(stop.seen, 64);
        assert_int_equal(ar_engine_rows_run(b.e) - rows, 64 - n);
        bench_expect(&b, ids, 64, y);
    }
    volatile sig_atomic_t flag = 1;
    const ar_sync_options o = {.cancel = &flag};
    ids[0] = 100;
    assert_fails(AR_CANCELLED, "0 of 64",
                 ar_session_sync(s, ids, 64, &o, y, err));
    assert_int_equal(ar_session_length(s), 0);
    assert_int_equal(ar_engine_free_pages(b.e), b.n_free);
    flag = 0;
    assert_ok(ar_session_sync(s, ids, 64, &o, y, err));
    ar_session_close(s);
    bench_close(&b);
}

void test_sessions_bad_sync(void **state) {
    (void)state;
    ar_engine_options o = small_options();
    o.max_tokens = 64;
    bench b;
    ar_session *s, *t;
    int32_t ids[300];
    double y[V];
    bench_open(&b, "llama", o);
    some_text(ids, 300, 1);
    assert_ok(ar_session_open(&s, b.e, err));
    assert_ok(ar_session_sync(s, ids, 20, NULL, y, err));
    ids[9] = V;
    assert_fails(AR_RANGE, "160", ar_session_sync(s, ids, 20, NULL, y, err));
    ids[9] = 1;
    const int64_t most = b.m->config.n_ctx;
    assert_true(most < 300);
    assert_fails(AR_RANGE, "context",
                 ar_session_sync(s, ids, most + 1, NULL, y, err));
    assert_fails(AR_FULL, "cache", ar_session_sync(s, ids, 65, NULL, y, err));
    assert_int_equal(ar_session_length(s), 20); /* unchanged so far */
    /* No room beside another text: what is the same stays. */
    assert_ok(ar_session_open(&t, b.e, err));
    some_text(ids + 100, 40, 5);
    assert_ok(ar_session_sync(t, ids + 100, 40, NULL, y, err));
    assert_fails(AR_FULL, "pages", ar_session_sync(s, ids, 30, NULL, y, err));
    assert_int_equal(ar_session_length(s), 9);
    assert_ok(ar_session_sync(s, ids, 24, NULL, y, err));
    bench_expect(&b, ids, 24, y);
    ar_session_close(s);
    ar_session_close(t);
    bench_close(&b);
}

/* Layers with a window hold what lies in it and the margin, however long the
 * text is; a rewind beyond the margin computes again. */
void test_sessions_windows(void **state) {
    (void)state;
    ar_engine_options o = small_options();
    o.max_tokens = 0;
    o.max_sessions = 2;
    for (int k = 1; k < N_MODELS; k++) {
        bench b;
        ar_session *s;
        int32_t ids[200];
        double y[V];
        bench_open(&b, models[k], o);
        assert_int_equal(b.e->cache.n_groups, 2);
        const page_pool *p = &b.e->prefixes.pools[1];
        /* 7 tokens before the next, a margin of 6, 8 rows: 7 pages at most. */
        assert_int_equal(p->n_pages, 2 * 7);
        some_text(ids, 200, 1);
        assert_ok(ar_session_open(&s, b.e, err));
        assert_ok(ar_session_feed(s, ids, 200, false, y, err));
        bench_expect(&b, ids, 200, y);
        int64_t used = 0;
        for (int64_t i = 0; i < p->n_pages; i++) used += p->uses[i] > 0;
        assert_true(used <= 5);
        int64_t rows = ar_engine_rows_run(b.e);
        ar_session_rewind(s, 194);
        assert_ok(ar_session_feed(s, ids + 194, 2, false, y, err));
        assert_int_equal(ar_engine_rows_run(b.e) - rows, 2);
        bench_expect(&b, ids, 196, y);
        /* Three layers of 8 keys, the margin, pages: not the whole text. */
        rows = ar_engine_rows_run(b.e);
        ar_session_rewind(s, 150);
        assert_int_equal(ar_session_length(s), 150);
        assert_int_equal(ar_engine_free_pages(b.e), b.n_free - 38);
        ids[150] = 5;
        assert_ok(ar_session_feed(s, ids + 150, 1, false, y, err));
        const int64_t again = ar_engine_rows_run(b.e) - rows - 1;
        assert_true(again >= 3 * 7 && again <= 3 * 7 + 6 + 2 * 4);
        bench_expect(&b, ids, 151, y);
        /* The margin is right too. */
        rows = ar_engine_rows_run(b.e);
        for (int64_t n = 150; n > 145; n--) {
            ar_session_rewind(s, n - 1);
            assert_ok(ar_session_feed(s, ids + n - 1, 1, false, y, err));
            bench_expect(&b, ids, n, y);
        }
        assert_int_equal(ar_engine_rows_run(b.e) - rows, 5);
        /* Rewound twice, and everything is wanted. */
        ar_session_rewind(s, 100);
        ar_session_rewind(s, 90);
        static double all[10 * V], want[100 * V];
        assert_ok(ar_session_feed(s, ids + 90, 10, true, all, err));
        bench_alone(&b, ids, 100, true, want);
        assert_memory_equal(all, want + 90 * V, sizeof all);
        ar_session_close(s);
        bench_close(&b);
    }
}

/* A longrope's text has other keys where it is longer than the original
 * context: neither its own beginning nor that of others is used again. */
void test_sessions_longrope(void **state) {
    (void)state;
    bench b;
    ar_session *s, *t;
    int32_t ids[64];
    double y[V];
    bench_open(&b, "phi3_longrope", small_options());
    some_text(ids, 64, 1);
    assert_ok(ar_session_open(&s, b.e, err));
    assert_ok(ar_session_open(&t, b.e, err));
    static const int64_t lengths[] = {36, 44, 40, 41, 50};
    static const int64_t rows[] = {36, 44, 4, 1, 6};
    for (int i = 0; i < 5; i++) {
        const int64_t before = ar_engine_rows_run(b.e);
        assert_ok(ar_session_sync(s, ids, lengths[i], NULL, y, err));
        assert_int_equal(ar_engine_rows_run(b.e) - before, rows[i]);
        bench_expect(&b, ids, lengths[i], y);
        assert_ok(ar_session_sync(t, ids, lengths[i], NULL, y, err));
        bench_expect(&b, ids, lengths[i], y);
    }
    /* A prompt in pieces that says how long it will be. */
    ar_session_rewind(s, 0);
    for (int64_t i = 0; i < 50; i += 10) {
        const ar_engine_part part = {s, ids + i, 10, AR_LOGITS_LAST, y, 50};
        assert_ok(ar_engine_step(b.e, &part, 1, err));
    }
    bench_expect(&b, ids, 50, y);
    ar_session_close(s);
    ar_session_close(t);
    bench_close(&b);
}

/* ---- any schedule ---- */

enum { S = 4 };

typedef struct schedule {
    bench b;
    ar_session *s[S];
    int32_t ids[S][MOST];
    int64_t n[S];
    uint64_t seed, drawn;
    int64_t n_full, n_checked;
} schedule;

static int64_t draw(schedule *x, int64_t n) {
    return (int64_t)(rng_bits(x->seed, 1, x->drawn++) % (uint64_t)n);
}

static void check_text(schedule *x, int i) {
    int32_t got[MOST];
    assert_int_equal(ar_session_length(x->s[i]), x->n[i]);
    ar_session_tokens(x->s[i], 0, x->n[i], got);
    assert_memory_equal(got, x->ids[i], (size_t)x->n[i] * sizeof *got);
}

/* Several texts go on, each by any number of tokens. */
static void do_step(schedule *x) {
    static double y[S][MOST * V];
    static double want[MOST * V];
    ar_engine_part parts[S];
    int who[S], n = 0;
    for (int i = (int)draw(x, S), k = 0; k < S; k++, i = (i + 1) % S) {
        const int64_t room = MOST - x->n[i];
        const int64_t m = draw(x, 3) ? 1 + draw(x, 3) : 1 + draw(x, 30);
        if (!draw(x, 3) || m > room) continue;
        for (int64_t j = 0; j < m; j++)
            x->ids[i][x->n[i] + j] = (int32_t)draw(x, 3);
        who[n] = i;
        parts[n++] = (ar_engine_part){x->s[i], x->ids[i] + x->n[i], m,
                                      (enum ar_step_logits)draw(x, 3), y[i]};
    }
    ar_error e;
    const ar_status st = ar_engine_step(x->b.e, parts, n, &e);
    assert_true(st == AR_OK || st == AR_FULL);
    x->n_full += st == AR_FULL;
    for (int k = 0; k < n && st == AR_OK; k++) {
        const int i = who[k];
        const int64_t m = parts[k].n;
        x->n[i] += m;
        if (parts[k].want == AR_LOGITS_NONE) continue;
        const bool all = parts[k].want == AR_LOGITS_ALL;
        bench_alone(&x->b, x->ids[i], x->n[i], true, want);
        assert_memory_equal(y[i], want + (x->n[i] - (all ? m : 1)) * V,
                            (size_t)(all ? m : 1) * V * sizeof **y);
        x->n_checked++;
    }
}

/* A text becomes the beginning of another, and something else. */
static void do_sync(schedule *x) {
    const int i = (int)draw(x, S), j = (int)draw(x, S);
    int64_t same = draw(x, x->n[j] + 1), n = same + 1 + draw(x, 20);
    double y[V];
    ar_error e;
    if (n > MOST) n = MOST;
    if (same > n) same = n;
    memmove(x->ids[i], x->ids[j], (size_t)same * sizeof **x->ids);
    for (int64_t k = same; k < n; k++) x->ids[i][k] = (int32_t)draw(x, 3);
    const ar_status st = ar_session_sync(x->s[i], x->ids[i], n, NULL, y, &e);
    assert_true(st == AR_OK || st == AR_FULL);
    x->n_full += st == AR_FULL;
    x->n[i] = ar_session_length(x->s[i]);
    assert_true(x->n[i] <= n && (st == AR_FULL || x->n[i] == n));
    if (st != AR_OK) return;
    bench_expect(&x->b, x->ids[i], n, y);
    x->n_checked++;
}

static void do_fork(schedule *x) {
    const int i = (int)draw(x, S), j = (int)draw(x, S);
    if (i == j) return;
    ar_session_close(x->s[i]);
    assert_ok(ar_session_fork(&x->s[i], x->s[j], err));
    x->n[i] = x->n[j];
    memcpy(x->ids[i], x->ids[j], sizeof x->ids[i]);
}

static void do_rewind(schedule *x) {
    const int i = (int)draw(x, S);
    const int64_t back = draw(x, 2) ? draw(x, 5) : draw(x, MOST);
    x->n[i] = x->n[i] > back ? x->n[i] - back : 0;
    ar_session_rewind(x->s[i], x->n[i]);
}

static void run_schedule(const char *name, uint64_t seed, ar_type type) {
    static schedule x;
    x = (schedule){.seed = seed};
    ar_engine_options o = small_options();
    o.max_tokens = 160;
    o.k_type = o.v_type = type;
    bench_open(&x.b, name, o);
    for (int i = 0; i < S; i++) assert_ok(ar_session_open(&x.s[i], x.b.e, err));
    for (int step = 0; step < 400; step++) {
        const int64_t what = draw(&x, 10);
        if (what < 5)
            do_step(&x);
        else if (what < 7)
            do_sync(&x);
        else if (what < 8)
            do_fork(&x);
        else
            do_rewind(&x);
        for (int i = 0; i < S; i++) check_text(&x, i);
    }
    assert_true(x.n_full > 0 && x.n_checked > 100);
    for (int i = 0; i < S; i++) ar_session_close(x.s[i]);
    bench_close(&x.b);
}

void test_sessions_any_schedule(void **state) {
    (void)state;
    for (int k = 0; k < N_MODELS; k++)
        for (uint64_t seed = 1; seed <= 3; seed++)
            run_schedule(models[k], seed, AR_NONE);
    run_schedule("gemma3_text", 4, AR_F16);
}

/* No step takes memory. */
void test_sessions_take_nothing(void **state) {
    (void)state;
    bench b;
    ar_session *s, *t;
    int32_t ids[64];
    double y[V];
    bench_open(&b, "gemma3_text", small_options());
    some_text(ids, 64, 1);
    mem_fail_at(1, 1);
    const ar_status st[] = {
        ar_session_open(&s, b.e, NULL),
        ar_session_sync(s, ids, 60, NULL, y, NULL),
        ar_session_fork(&t, s, NULL),
        ar_session_sync(t, ids, 40, NULL, y, NULL),
        ar_session_feed(t, ids, 9, false, y, NULL),
    };
    const int64_t count = mem_fail_count();
    mem_fail_at(0, 0);
    for (size_t i = 0; i < sizeof st / sizeof *st; i++)
        assert_int_equal(st[i], AR_OK);
    assert_int_equal(count, 0);
    ar_session_close(s);
    ar_session_close(t);
    bench_close(&b);
}
