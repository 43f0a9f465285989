/* engine.h - one model answering any number of sessions.
 *
 * The engine owns the device, the programs (one per row capacity), the weights
 * and the pages of the KV cache.  All memory is taken when it opens: no step
 * returns AR_NOMEM.  A session is one text; a step advances several.  Logits
 * are the same bits however a text is cut into calls and whatever runs beside
 * it.  An engine and its sessions belong to one thread at a time.
 *
 *   ar_engine *e;
 *   ar_engine_options o = ar_engine_options_default();
 *   o.n_threads = 4;
 *   ar_engine_open(&e, m, &o, &err);
 *   ar_engine_part parts[] = {{s, ids, n, AR_LOGITS_LAST, y, 0},
 *                             {t, &id, 1, AR_LOGITS_LAST, z, 0}};
 *   ar_engine_step(e, parts, 2, &err);
 *   ar_engine_close(e); */
#ifndef AR_ENGINE_H
#define AR_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/model.h"
#include "arcane/status.h"
#include "arcane/types.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

typedef struct ar_engine ar_engine;
typedef struct ar_session ar_session; /* session.h */

typedef struct ar_engine_options {
    const char *device;   /* "cpu", "reference", "reference-f64" */
    int n_threads;        /* 0 = all */
    const char *kernels;  /* "avx2" ...; NULL = the best of this machine */
    int64_t max_tokens;   /* of all sessions together; 0 = the context */
    int64_t max_sessions; /* 16 */
    int64_t max_rows;     /* tokens computed at once: 256 */
    int64_t page;         /* tokens a page of the cache: 16 */
    int64_t snapshots;    /* of models with states, kept of each session to go
                             back to: 4 */
    int64_t rewind;       /* tokens that layers with a window keep behind it,
                           * so that a rewind computes nothing again: 512 */
    /* Of keys and values in the cache: AR_F32, AR_F16, AR_BF16, AR_Q8_0;
     * AR_NONE = that of activations.  Keys are read back from it, also those
     * just written. */
    ar_type k_type, v_type;
    bool exact; /* activations stay f32 before the blocks of a GGUF file, where
                   they else are rounded to 8 bits; always in folders and in
                   "reference-f64" */
} ar_engine_options;
ar_engine_options ar_engine_options_default(void);

/* opt NULL = the default options.  The model is borrowed until
 * ar_engine_close.  Errors: AR_NOMEM says how large a cache would fit where
 * the wanted one does not; AR_RANGE and AR_SHAPE naming the option;
 * AR_UNSUPPORTED (a device or kernels that are not there); AR_DEVICE.  On error
 * *out is NULL. */
ar_status ar_engine_open(ar_engine **out, const ar_model *m,
                         const ar_engine_options *opt, ar_error *err);
void ar_engine_close(ar_engine *e); /* after its sessions */

/* Pages that texts could take, those of texts that are gone included. */
int64_t ar_engine_free_pages(const ar_engine *e);
/* Rows computed since it was opened: one for each token of each text. */
int64_t ar_engine_rows_run(const ar_engine *e);
/* Memory of the engine by kind, in bytes; mapped is used in the file. */
typedef struct ar_engine_memory {
    size_t weights, mapped, cache, programs, rest;
} ar_engine_memory;
void ar_engine_memory_use(const ar_engine *e, ar_engine_memory *out);

/* Whose logits a text wants from a step. */
typedef enum ar_step_logits {
    AR_LOGITS_NONE,
    AR_LOGITS_LAST, /* of the last of its new tokens */
    AR_LOGITS_ALL
} ar_step_logits;

/* What one text gets in a step: tokens[0..n) after those it has; all
 * borrowed. */
typedef struct ar_engine_part {
    ar_session *s;
    const int32_t *tokens;
    int64_t n; /* at least 1 */
    ar_step_logits want;
    double *logits; /* [V] or [n, V], f64; NULL = none */
    /* Tokens that the text is about to have, where this part is a piece of a
     * prompt: a longrope turns by it.  0 = what it has after the part. */
    int64_t length;
} ar_engine_part;

/* Advance several texts, all different, by any number of tokens each, prompts
 * and answers mixed.  Every one gets the bits that it would get alone.  Never
 * AR_NOMEM.  Errors: AR_RANGE for a bad id or a text longer than the model's
 * context; AR_FULL if the pages do not suffice; AR_DEVICE.  All texts are then
 * unchanged. */
ar_status ar_engine_step(ar_engine *e, const ar_engine_part *parts, int64_t n,
                         ar_error *err);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
