/* step_tokens.h - a step of one token for each of several sessions. */
#ifndef TESTS_STEP_TOKENS_H
#define TESTS_STEP_TOKENS_H

#include "infer/engine.h"

/* Logits [n, V] or NULL; at most 64 sessions. */
static inline ar_status step_tokens(ar_engine *e, ar_session *const *s,
                                    const int32_t *tokens, int64_t n,
                                    int64_t n_vocab, double *y, ar_error *err) {
    ar_engine_part parts[64];
    for (int64_t i = 0; i < n; i++)
        parts[i] = (ar_engine_part){s[i], tokens + i, 1, AR_LOGITS_LAST,
                                    y ? y + i * n_vocab : NULL};
    return ar_engine_step(e, parts, n, err);
}

#endif
