/* golden_text.h - made-up texts for the recorded models, fed in pieces. */
#ifndef TESTS_GOLDEN_TEXT_H
#define TESTS_GOLDEN_TEXT_H

#include "arcane/session.h"
#include "tests/test.h"

enum { V = 160 }; /* the recorded models' tokens */

static inline void some_text(int32_t *ids, int64_t n, int seed) {
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * 37 + seed * 53 + i * i) % V);
}

/* Logits [n, V] of a text fed in pieces of `piece`. */
static inline void feed_in_pieces(ar_engine *e, const int32_t *ids, int64_t n,
                                  int64_t piece, double *y) {
    ar_session *s;
    assert_ok(ar_session_open(&s, e, err));
    for (int64_t i = 0; i < n; i += piece) {
        const int64_t m = n - i < piece ? n - i : piece;
        assert_ok(ar_session_feed(s, ids + i, m, true, y + i * V, err));
    }
    ar_session_close(s);
}

#endif
