/* test_thread.c - the pool does every share once, in any number of threads. */
#include <stdatomic.h>

#include "base/thread.h"
#include "tests/test.h"

enum { SHARES = 97 };

typedef struct tally {
    _Atomic int done[SHARES];
    _Atomic int bad_worker;
    int n_threads;
} tally;

static void count_share(void *ctx, int64_t share, int worker) {
    tally *t = ctx;
    t->done[share]++;
    if (worker < 0 || worker >= t->n_threads) t->bad_worker = 1;
}

void test_pool_does_every_share_once(void **state) {
    (void)state;
    for (int n = 1; n <= 5; n++) {
        pool *p = NULL;
        assert_ok(pool_open(&p, n, err));
        assert_int_equal(pool_threads(p), n);
        for (int round = 0; round < 2000; round++) {
            tally t = {.n_threads = n};
            const int shares = round % SHARES;
            pool_run(p, count_share, &t, shares);
            for (int i = 0; i < SHARES; i++)
                assert_int_equal(t.done[i], i < shares);
            assert_int_equal(t.bad_worker, 0);
        }
        pool_close(p);
    }
}

void test_pool_null_runs_in_the_caller(void **state) {
    (void)state;
    tally t = {.n_threads = 1};
    pool_run(NULL, count_share, &t, SHARES);
    for (int i = 0; i < SHARES; i++) assert_int_equal(t.done[i], 1);
}

void test_pool_refuses_silly_sizes(void **state) {
    (void)state;
    pool *p;
    assert_fails(AR_RANGE, "threads", pool_open(&p, -1, err));
    assert_fails(AR_RANGE, "threads", pool_open(&p, 100000, err));
    assert_null(p);
}
