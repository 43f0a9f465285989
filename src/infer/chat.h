/* chat.h - a conversation with a model: turns in, streamed answers out.
 *
 *   chat *c;
 *   TRY(chat_open(&c, m, e, NULL, err));
 *   TRY(chat_say(c, "user", "Hello", err));
 *   TRY(chat_answer(c, &request, &stats, err));
 *   chat_close(c);
 *
 * The turns are rendered by the model's chat template.  A model without one
 * continues the text of all turns.  What the session has already seen of a
 * text is not computed again. */
#ifndef INFER_CHAT_H
#define INFER_CHAT_H

#include <jansson.h>

#include "arcane/tokenizer.h"
#include "infer/generate.h"

typedef struct chat chat;

/* Model and engine are borrowed until chat_close.  o: how to guess ahead, may
 * be NULL.  Errors: AR_UNSUPPORTED (the model has no tokenizer), AR_FORMAT (a
 * template that cannot be read), AR_NOMEM, AR_FULL, those of
 * ar_generator_open. */
ar_status chat_open(chat **out, const ar_model *m, ar_engine *e,
                    const ar_generate_options *o, ar_error *err);
void chat_close(chat *c);
bool chat_has_template(const chat *c);
const ar_tokenizer *chat_tokenizer(const chat *c); /* owned by c */

/* The turns: a list of {"role", "content"}; owned by c. */
const json_t *chat_turns(const chat *c);
/* Add a turn; "system" replaces the system turn, "" removes it.  Errors:
 * AR_FORMAT (not UTF-8), AR_NOMEM. */
ar_status chat_say(chat *c, const char *role, const char *text, ar_error *err);
void chat_reset(chat *c); /* all turns but the system's */
/* Take back the last question and its answer; false if there is none. */
bool chat_undo(chat *c);
/* Errors: AR_IO, AR_FORMAT; the turns are then as they were. */
ar_status chat_save(const chat *c, const char *path, ar_error *err);
ar_status chat_load(chat *c, const char *path, ar_error *err);

typedef struct chat_request {
    ar_sampler *sampler;         /* borrowed */
    const ar_sync_options *sync; /* while the prompt is read; Nullable */
    int64_t n; /* tokens of the answer at most; 0 = what the context has */
    /* A piece of the answer as it comes, whole characters; false stops. */
    bool (*on_text)(void *ctx, const char *text, size_t n);
    void *ctx;
} chat_request;

typedef struct chat_stats {
    int64_t n_prompt, n_new; /* tokens of the prompt; those computed */
    int64_t n_answer;
    int64_t n_dropped; /* oldest turns that no longer fit */
    double prompt_seconds, answer_seconds;
} chat_stats;

/* Answer the last turn; the answer becomes a turn, also when it was stopped.
 * Where the turns do not fit the context, the oldest after the system's are
 * dropped, question and answer together.  Errors: AR_RANGE (the last turn
 * alone does not fit), AR_FORMAT (the template fails), AR_NOMEM, AR_FULL,
 * AR_CANCELLED (while the prompt was read: there is no answer). */
ar_status chat_answer(chat *c, const chat_request *r, chat_stats *out,
                      ar_error *err);

#endif
