/* error.c - setting and passing on errors inside the library. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *ar_status_text(ar_status s) {
    switch (s) {
#define X(name, value, text)                                                   \
    case AR_##name: return text;
        AR_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

ar_status error_set(ar_error *err, ar_status code, const char *fmt, ...) {
    if (!err) return code;
    char text[sizeof err->message]; /* arguments may point into *err */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err->code = code;
    memcpy(err->message, text, sizeof text);
    return code;
}

ar_status error_prefix(ar_error *err, ar_status code, const char *prefix) {
    if (!err) return code;
    return error_set(err, code, "%s: %s", prefix, err->message);
}
