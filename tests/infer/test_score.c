/* test_score.c - log-probabilities of given tokens, however a text is cut. */
#include "base/mem.h"
#include "infer/infer.h"
#include "model/model.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"
#include "tests/test.h"

enum { V = 160, N = 40 };

void test_score(void **state) {
    (void)state;
    ar_model *m;
    ar_engine *e;
    ar_session *s;
    scorer *sc;
    int32_t ids[N], next[N];
    double whole[N], pieces[N], y[N * V];
    assert_ok(ar_model_open(&m, golden_model("qwen3", ""), err));
    assert_ok(ar_engine_open(&e, m, NULL, err));
    for (int i = 0; i < N; i++) ids[i] = (7 * i + 3) % V;
    for (int i = 0; i < N; i++) next[i] = i + 1 < N ? ids[i + 1] : -1;
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_session_feed(s, ids, N, true, y, err));
    assert_ok(scorer_open(&sc, e, err));
    assert_ok(scorer_feed(sc, ids, next, N, whole, err));
    for (int i = 0; i < N - 1; i++) {
        double sum = 0;
        for (int k = 0; k < V; k++) sum += exp(y[i * V + k]);
        assert_near(whole[i], y[i * V + next[i]] - log(sum), 1e-9);
    }
    assert_true(whole[N - 1] == 0);
    /* In pieces, and after going back. */
    scorer_rewind(sc, 0);
    assert_ok(scorer_feed(sc, ids, next, 11, pieces, err));
    assert_ok(scorer_feed(sc, next, ids, 5, y, err));
    scorer_rewind(sc, 11);
    assert_ok(scorer_feed(sc, ids + 11, next + 11, N - 11, pieces + 11, err));
    assert_memory_equal(pieces, whole, sizeof whole);
    next[3] = V;
    assert_fails(AR_RANGE, "vocabulary",
                 scorer_feed(sc, ids, next, N, whole, err));
    scorer_close(sc);
    ar_session_close(s);
    ar_engine_close(e);
    ar_model_close(m);
}
