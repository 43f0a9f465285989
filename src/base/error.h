/* error.h - setting and passing on errors inside the library. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "arcane/status.h"

/* Store a code and a printf-style sentence in *err, if there is one, and
 * return the code, so that a caller can write `return error_set(...)`. */
ar_status error_set(ar_error *err, ar_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of the sentence already in *err and return its
 * code: how a caller adds the name of the file it was reading. */
ar_status error_prefix(ar_error *err, ar_status code, const char *prefix);

/* Return from the calling function if `expr` failed. */
#define TRY(expr)                                                              \
    do {                                                                       \
        ar_status try_s_ = (expr);                                             \
        if (try_s_ != AR_OK) return try_s_;                                    \
    } while (0)

#endif
