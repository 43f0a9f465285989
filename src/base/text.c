/* text.c - a growing string whose first failure sticks. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static int reserve(text *t, size_t more) {
    if (t->failed) return 0;
    if (more < t->capacity - t->size) return 1;
    size_t want = t->capacity ? t->capacity : 64;
    while (want - t->size <= more) {
        if (want > (size_t)-1 / 2) return !(t->failed = 1);
        want *= 2;
    }
    char *p = mem_realloc(t->data, want);
    if (!p) return !(t->failed = 1);
    t->data = p;
    t->capacity = want;
    return 1;
}

void text_add(text *t, const void *p, size_t n) {
    if (!reserve(t, n)) return;
    if (n) memcpy(t->data + t->size, p, n);
    t->size += n;
    t->data[t->size] = 0;
}

void text_adds(text *t, const char *s) { text_add(t, s, strlen(s)); }

void text_addf(text *t, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && reserve(t, (size_t)n)) {
        vsnprintf(t->data + t->size, (size_t)n + 1, fmt, again);
        t->size += (size_t)n;
    }
    va_end(again);
}

void text_clear(text *t) {
    t->size = 0;
    if (t->data) t->data[0] = 0;
}

ar_status text_status(const text *t, ar_error *err) {
    return t->failed ? error_set(err, AR_NOMEM, "out of memory for text")
                     : AR_OK;
}

void text_close(text *t) {
    mem_free(t->data);
    *t = (text){0};
}
