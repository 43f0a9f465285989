/* guess.h - tokens that may come next: from the text itself, or from a smaller
 * model. */
#ifndef INFER_GUESS_H
#define INFER_GUESS_H

#include "infer/engine.h"

/* Prompt look-up: what followed the last occurrence of the last words.
 *
 *   ids  [n] the text
 *   out  [most]; returns how many there are, 0 if the words are new
 *
 * The longest of 4 to 2 last tokens that occurs before is followed (Saxena
 * 2023, "Prompt lookup decoding"). */
int64_t guess_look_up(const int32_t *ids, int64_t n, int32_t *out,
                      int64_t most);

/* A smaller model that writes ahead, greedily. */
typedef struct draft draft;

/* The engine is borrowed until draft_close; it needs a free session.  Errors:
 * AR_FULL, AR_NOMEM. */
ar_status draft_open(draft **out, ar_engine *e, ar_error *err);
void draft_close(draft *d);

/* As guess_look_up; 0 as well where the text does not fit the model's context
 * or cache.  Errors: those of the device. */
ar_status draft_guess(draft *d, const int32_t *ids, int64_t n, int32_t *out,
                      int64_t most, int64_t *n_out, ar_error *err);

#endif
