/* normalize.h - Unicode normal forms. */
#ifndef TOK_NORMALIZE_H
#define TOK_NORMALIZE_H

#include "base/text.h"

/* One way to normalise: *p and *n become the result, which is the text itself
 * where nothing changes, else lives in `room`.  Bytes that are not UTF-8 stay
 * as they are.  Errors: AR_NOMEM. */
typedef ar_status normalize_fn(const char **p, size_t *n, text *room,
                               ar_error *err);

normalize_fn normalize_nfc;

#endif
