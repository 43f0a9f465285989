/* session.h - a text that a model reads and goes on with.
 *
 * A session remembers its tokens.  Whole pages of keys and values that other
 * texts computed, also those of sessions since closed, are found by their
 * tokens and used again, until the room is needed.  A longrope's tokens count
 * as others where the text is longer than its original context.
 *
 *   ar_session *s;
 *   ar_session_open(&s, e, &err);
 *   ar_session_sync(s, ids, n, NULL, logits, &err);
 *   ar_session_feed(s, &next, 1, false, logits, &err);
 *   ar_session_close(s); */
#ifndef AR_SESSION_H
#define AR_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "arcane/engine.h"
#include "arcane/status.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* A text without tokens.  It is owned by the engine until ar_session_close.
 * Errors: AR_FULL if max_sessions are open; *out is then NULL. */
ar_status ar_session_open(ar_session **out, ar_engine *e, ar_error *err);
void ar_session_close(ar_session *s);

/* Another session with the same text; pages are copied when one of them writes
 * to them.  Errors: AR_FULL, AR_DEVICE; *out is then NULL. */
ar_status ar_session_fork(ar_session **out, const ar_session *s, ar_error *err);

/* Forget all but the first n tokens.  The states of some models cannot go back
 * to where they were: the next step then runs the tokens since a snapshot
 * once more. */
void ar_session_rewind(ar_session *s, int64_t n);

int64_t ar_session_length(const ar_session *s); /* tokens of the text */
/* Copy tokens [first, first + n) of the text. */
void ar_session_tokens(const ar_session *s, int64_t first, int64_t n,
                       int32_t *out);

/* Make the text the longest beginning of tokens[0..n) that needs no computing;
 * the rest can go into steps with other texts.  Errors: AR_RANGE and AR_FULL as
 * ar_session_sync, the text is then as it was; AR_DEVICE. */
ar_status ar_session_reuse(ar_session *s, const int32_t *tokens, int64_t n,
                           ar_error *err);

typedef struct ar_sync_options {
    /* Called before the first and after every max_rows tokens with how many of
     * all are there; anything but 0 stops.  Nullable. */
    int (*progress)(void *ctx, int64_t done, int64_t total);
    void *ctx;
    const volatile sig_atomic_t *cancel; /* stops when not 0; Nullable */
} ar_sync_options;

/* Make the text exactly tokens[0..n), computing only what no one has.
 *
 *   opt     NULL = no progress, never cancelled
 *   logits  [V] of the last token; f64; may be NULL
 *
 * The bits are those of a new session fed with all tokens.  Errors: AR_RANGE
 * as ar_engine_step, the text is then as it was; AR_FULL, AR_CANCELLED,
 * AR_DEVICE: the text is the beginning of the new one, ar_session_length
 * long. */
ar_status ar_session_sync(ar_session *s, const int32_t *tokens, int64_t n,
                          const ar_sync_options *opt, double *logits,
                          ar_error *err);

/* A step of one session: tokens[0..n), n at least 1, behind its text, and the
 * logits of the last, [V], or of all, [n, V]; f64; NULL = none.  Errors: those
 * of ar_engine_step. */
ar_status ar_session_feed(ar_session *s, const int32_t *tokens, int64_t n,
                          bool all, double *logits, ar_error *err);

/* Write the text and what was computed of it to a file, which is replaced
 * whole, and open a session with it.  It goes on with the same bits.  Errors:
 * AR_IO; AR_FORMAT (damaged, or of another model, type of cache or size of
 * page); AR_FULL; AR_NOMEM.  *out is NULL on error. */
ar_status ar_session_save(const ar_session *s, const char *path, ar_error *err);
ar_status ar_session_load(ar_session **out, ar_engine *e, const char *path,
                          ar_error *err);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
