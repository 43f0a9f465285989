/* session_bench.h - an engine under test beside one that computes every text
 * alone, from its first token, in one call. */
#ifndef TESTS_SESSION_BENCH_H
#define TESTS_SESSION_BENCH_H

#include "base/mem.h"
#include "infer/engine_state.h"
#include "infer/infer.h"
#include "tests/model/golden_io.h"

enum { V = 160, MOST = 96 }; /* the golden models' tokens; those of a text */

typedef struct bench {
    ar_model *m;
    ar_engine *e, *plain;
    ar_session *alone; /* of plain */
    int64_t n_free;    /* pages of e at the start */
} bench;

static inline ar_engine_options small_options(void) {
    ar_engine_options o = ar_engine_options_default();
    o.n_threads = 1;
    o.max_tokens = 240;
    o.max_sessions = 4;
    o.max_rows = 8;
    o.page = 4;
    o.rewind = 6;
    return o;
}

static inline void bench_open(bench *b, const char *name, ar_engine_options o) {
    assert_ok(ar_model_open(&b->m, golden_model(name, ""), err));
    assert_ok(ar_engine_open(&b->e, b->m, &o, err));
    o.max_sessions = 1;
    o.max_rows = 64;
    o.max_tokens = 0;
    assert_ok(ar_engine_open(&b->plain, b->m, &o, err));
    assert_ok(ar_session_open(&b->alone, b->plain, err));
    b->n_free = ar_engine_free_pages(b->e);
}

/* All sessions of e must be closed: no page is left behind. */
static inline void bench_close(bench *b) {
    assert_int_equal(ar_engine_free_pages(b->e), b->n_free);
    for (int g = 0; g < b->e->cache.n_groups; g++) {
        const page_pool *p = &b->e->prefixes.pools[g];
        assert_int_equal(p->n_free + p->n_cached, p->n_pages);
    }
    ar_session_close(b->alone);
    ar_engine_close(b->plain);
    ar_engine_close(b->e);
    ar_model_close(b->m);
}

/* Logits [V] of the last token, or of all [n, V]. */
static inline void bench_alone(const bench *b, const int32_t *ids, int64_t n,
                               bool all, double *y) {
    ar_session_rewind(b->alone, 0);
    assert_ok(ar_session_feed(b->alone, ids, n, all, y, err));
}

static inline void bench_expect(const bench *b, const int32_t *ids, int64_t n,
                                const double *y) {
    double want[V];
    bench_alone(b, ids, n, false, want);
    assert_memory_equal(y, want, sizeof want);
}

static inline void some_text(int32_t *ids, int64_t n, int seed) {
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * 37 + seed * 53 + i * i) % V);
}

#endif
