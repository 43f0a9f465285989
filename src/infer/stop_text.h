/* stop_text.h - a text that comes in pieces, up to the first stop string.
 *
 *   stop_text *s;
 *   TRY(stop_text_open(&s, stops, n_stops, err));
 *   TRY(stop_text_add(s, piece, n, &out, &n_out, err));    show out
 *   if (stop_text_found(s)) ...
 *   stop_text_end(s, &out, &n_out);                        show out
 *   stop_text_close(s);
 *
 * What is shown does not depend on how the text is cut.  Bytes that may be
 * the start of a stop string, or of a character, are held back.  The stop
 * that ends first counts, the longest of those that end there; it is not
 * shown, nor is what comes behind it. */
#ifndef INFER_STOP_TEXT_H
#define INFER_STOP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "arcane/status.h"

enum { STOP_TEXT_MOST = 64, STOP_TEXT_BYTES = 1024 };

typedef struct stop_text stop_text;

/* The strings are copied.  Errors: AR_RANGE for more than STOP_TEXT_MOST, for
 * an empty one, one that is longer than STOP_TEXT_BYTES or not UTF-8;
 * AR_NOMEM. */
ar_status stop_text_open(stop_text **out, const char *const *stops, int n,
                         ar_error *err);
void stop_text_close(stop_text *s);

/* One more piece; *out is what can be shown now, owned by s, valid until its
 * next call.  Behind a stop it is empty.  Errors: AR_NOMEM. */
ar_status stop_text_add(stop_text *s, const char *p, size_t n, const char **out,
                        size_t *n_out, ar_error *err);
/* The text is over: what was held back, unless a stop was found. */
void stop_text_end(stop_text *s, const char **out, size_t *n_out);

/* Another text begins: nothing is held back or found. */
void stop_text_reset(stop_text *s);

/* The stop that was found, or NULL. */
const char *stop_text_found(const stop_text *s);

#endif
