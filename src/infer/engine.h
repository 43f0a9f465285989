/* engine.h - one model answering any number of sessions.
 *
 * The engine owns the device, the programs (one per row capacity), the weights
 * and the pages of the KV cache.  All memory is taken when it opens: no step
 * returns AR_NOMEM.  A session is one text; a step advances several.  Logits
 * are the same bits however a text is cut into calls and whatever runs beside
 * it.  An engine and its sessions belong to one thread at a time. */
#ifndef INFER_ENGINE_H
#define INFER_ENGINE_H

#include "core/backend.h"
#include "model/model.h"

typedef struct engine engine;
typedef struct session session;

typedef struct engine_options {
    const char *device;   /* "cpu", "reference", "reference-f64" */
    int n_threads;        /* 0 = all */
    const char *kernels;  /* NULL = best */
    int64_t max_tokens;   /* KV capacity of all sessions together; 0 = n_ctx */
    int64_t max_sessions; /* 16 */
    int64_t max_rows;     /* rows of the largest program: 256 */
    int64_t page;         /* tokens a KV page: 16 */
    bool exact;           /* activations stay f32 before weights in blocks,
                             where they else are rounded to 8 bits; always in
                             "reference-f64" */
} engine_options;
engine_options engine_options_default(void);

/* The model is borrowed until engine_close. */
ar_status engine_open(engine **out, const model *m, const engine_options *opt,
                      ar_error *err);
void engine_close(engine *e); /* after its sessions */
int64_t engine_free_pages(const engine *e);
/* Memory of the engine by kind, in bytes. */
typedef struct engine_memory {
    size_t weights, mapped, cache, programs, rest;
} engine_memory;
void engine_memory_use(const engine *e, engine_memory *out);

/* Errors: AR_FULL if max_sessions are open. */
ar_status session_open(session **out, engine *e, ar_error *err);
void session_close(session *s);
/* Forget all but the first n tokens. */
void session_rewind(session *s, int64_t n);
int64_t session_length(const session *s); /* tokens evaluated */

/* Feed tokens[0..n) to one session and get logits of the last, or of all.
 *
 *   logits  [V] of the last token, or [n, V] with `all`; f64; may be NULL
 *
 * Errors: AR_RANGE for a bad id or a text longer than the model's context;
 * AR_FULL if the pages do not suffice: the session is then unchanged. */
ar_status session_feed(session *s, const int32_t *tokens, int64_t n, bool all,
                       double *logits, ar_error *err);

/* Feed one token to each of several sessions, all different, in one step:
 * logits [n, V] or NULL.  Errors as session_feed; all are then unchanged. */
ar_status engine_step(engine *e, session *const *s, const int32_t *tokens,
                      int64_t n, double *logits, ar_error *err);

#endif
