/* engine.h - one model answering any number of sessions.
 *
 * The engine owns the device, the programs (one per row capacity), the weights
 * and the pages of the KV cache.  All memory is taken when it opens: no step
 * returns AR_NOMEM.  A session is one text; a step advances several.  Logits
 * are the same bits however a text is cut into calls and whatever runs beside
 * it.  An engine and its sessions belong to one thread at a time. */
#ifndef INFER_ENGINE_H
#define INFER_ENGINE_H

#include <signal.h>

#include "core/backend.h"
#include "model/model.h"

typedef struct engine engine;
typedef struct session session;

typedef struct ar_engine_options {
    const char *device;   /* "cpu", "reference", "reference-f64" */
    int n_threads;        /* 0 = all */
    const char *kernels;  /* NULL = best */
    int64_t max_tokens;   /* KV capacity of all sessions together; 0 = n_ctx */
    int64_t max_sessions; /* 16 */
    int64_t max_rows;     /* rows of the largest program: 256 */
    int64_t page;         /* tokens a KV page: 16 */
    int64_t snapshots;    /* of models with states, kept of each session to go
                             back to: 4 */
    int64_t rewind;       /* tokens that layers with a window keep behind it,
                           * so that a rewind computes nothing again: 512 */
    /* Of keys and values in the cache: f32, f16, bf16, q8_0; AR_NONE = that of
     * activations.  Keys are read back from it, also those just written. */
    ar_type k_type, v_type;
    bool exact; /* activations stay f32 before the blocks of a GGUF file, where
                   they else are rounded to 8 bits; always in folders and in
                   "reference-f64" */
} ar_engine_options;
ar_engine_options ar_engine_options_default(void);

/* The model is borrowed until ar_engine_close.  Errors: AR_NOMEM says how large
 * a cache would fit where the wanted one does not. */
ar_status ar_engine_open(ar_engine **out, const ar_model *m,
                         const ar_engine_options *opt, ar_error *err);
void ar_engine_close(ar_engine *e); /* after its sessions */
/* Pages that texts could take, those of texts that are gone included. */
int64_t ar_engine_free_pages(const ar_engine *e);
/* Rows computed since it was opened. */
int64_t ar_engine_rows_run(const ar_engine *e);
/* Memory of the engine by kind, in bytes. */
typedef struct ar_engine_memory {
    size_t weights, mapped, cache, programs, rest;
} ar_engine_memory;
void ar_engine_memory_use(const ar_engine *e, ar_engine_memory *out);

/* ---- texts ----
 *
 * A session remembers its tokens.  Whole pages of keys and values that other
 * texts computed, also those of sessions since closed, are found by their
 * tokens and used again, until the room is needed.  A longrope's tokens count
 * as others where the text is longer than its original context. */

/* Errors: AR_FULL if max_sessions are open. */
ar_status ar_session_open(ar_session **out, ar_engine *e, ar_error *err);
void ar_session_close(ar_session *s);
/* Another session with the same text; pages are copied when one of them writes
 * to them.  Errors: AR_FULL, AR_DEVICE. */
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
 *   logits  [V] of the last token; f64; may be NULL
 *
 * The bits are those of a new session fed with all tokens.  Errors: AR_RANGE
 * as ar_session_feed, the text is then as it was; AR_FULL, AR_CANCELLED,
 * AR_DEVICE: the text is the beginning of the new one, ar_session_length long.
 */
ar_status ar_session_sync(ar_session *s, const int32_t *tokens, int64_t n,
                          const ar_sync_options *opt, double *logits,
                          ar_error *err);

/* Write the text and what was computed of it to a file, and open a session
 * with it.  It goes on with the same bits.  Errors: AR_IO; AR_FORMAT (damaged,
 * or of another model, type of cache or size of page); AR_FULL; AR_NOMEM. */
ar_status ar_session_save(const ar_session *s, const char *path, ar_error *err);
ar_status ar_session_load(ar_session **out, ar_engine *e, const char *path,
                          ar_error *err);

/* ---- steps ---- */

enum ar_step_logits { AR_LOGITS_NONE, AR_LOGITS_LAST, AR_LOGITS_ALL };

/* What one text gets in a step: tokens[0..n) after those it has. */
typedef struct ar_engine_part {
    ar_session *s;
    const int32_t *tokens;
    int64_t n; /* at least 1 */
    enum ar_step_logits want;
    double *logits; /* [V] or [n, V], f64; NULL = none */
    /* Tokens that the text is about to have, where this part is a piece of a
     * prompt: a longrope turns by it.  0 = what it has after the part. */
    int64_t length;
} ar_engine_part;

/* Advance several texts, all different, by any number of tokens each.  Every
 * one gets the bits that it would get alone.  Errors: AR_RANGE for a bad id or
 * a text longer than the model's context; AR_FULL if the pages do not suffice;
 * AR_DEVICE.  All texts are then unchanged. */
ar_status ar_engine_step(ar_engine *e, const ar_engine_part *parts, int64_t n,
                         ar_error *err);

/* A step of one session: logits of the last token, or of all. */
ar_status ar_session_feed(ar_session *s, const int32_t *tokens, int64_t n,
                          bool all, double *logits, ar_error *err);

#endif
