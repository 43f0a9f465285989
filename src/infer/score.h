/* score.h - how likely given tokens are after the text of a session. */
#ifndef INFER_SCORE_H
#define INFER_SCORE_H

#include "infer/engine.h"

/* log of the sum of exp over logits x [n]: what log-probabilities are less by.
 */
double score_log_sum(const double *x, int64_t n);

typedef struct scorer scorer;

/* The engine is borrowed until scorer_close; it needs a free session.  Errors:
 * AR_FULL, AR_NOMEM. */
ar_status scorer_open(scorer **out, ar_engine *e, ar_error *err);
void scorer_close(scorer *s);

/* Forget all but the first n tokens of the text. */
void scorer_rewind(scorer *s, int64_t n);

/* Append tokens [n] to the text:
 *
 *   logp[i]  log p(targets[i] | text, tokens[0..i]), 0 where targets[i] is -1
 *
 * Errors: AR_RANGE (an id outside the vocabulary) and those of ar_session_feed.
 */
ar_status scorer_feed(scorer *s, const int32_t *tokens, const int32_t *targets,
                      int64_t n, double *logp, ar_error *err);

#endif
