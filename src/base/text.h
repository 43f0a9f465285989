/* text.h - a growing string whose first failure sticks.
 *
 *   text t = {0};
 *   text_addf(&t, "%d rows", n);
 *   TRY(text_status(&t, err));       once, at the end
 *   use(t.data, t.size);             NUL-terminated, owned by t
 *   text_close(&t); */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#include "arcane/status.h"

typedef struct text {
    char *data;
    size_t size, capacity; /* bytes, without and with room for the NUL */
    int failed;
} text;

void text_add(text *t, const void *p, size_t n);
void text_adds(text *t, const char *s);
void text_addf(text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void text_clear(text *t); /* keeps the memory */
ar_status text_status(const text *t, ar_error *err);
void text_close(text *t);

#endif
