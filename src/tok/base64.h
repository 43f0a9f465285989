/* base64.h - bytes written as letters (RFC 4648, section 4). */
#ifndef TOK_BASE64_H
#define TOK_BASE64_H

#include "base/text.h"

/* Append the bytes that n letters stand for; "=" may be left out at the end.
 * Errors: AR_FORMAT, AR_NOMEM. */
ar_status base64_decode(text *out, const char *p, size_t n, ar_error *err);

#endif
