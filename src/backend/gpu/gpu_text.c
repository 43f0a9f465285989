/* gpu_text.c - finding kernel text and putting includes in their places. */
#include "backend/gpu/gpu_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

enum { MOST_DEPTH = 8, NAME_SIZE = 128 };

const char *gpu_text_find(const char *name) {
    for (const gpu_text *t = gpu_texts; t->name; t++)
        if (!strcmp(t->name, name)) return t->text;
    return NULL;
}

/* The name in a line `#include "name"`; false of any other line. */
static bool included(const char *line, size_t n, char *name) {
    static const char start[] = "#include \"";
    const size_t at = sizeof start - 1;
    if (n <= at || memcmp(line, start, at) != 0) return false;
    const char *end = memchr(line + at, '"', n - at);
    if (!end || (size_t)(end - line) - at >= NAME_SIZE) return false;
    memcpy(name, line + at, (size_t)(end - line) - at);
    name[(size_t)(end - line) - at] = 0;
    return true;
}

typedef struct place {
    const char *at; /* what is left of a file */
} place;

ar_status gpu_text_expand(const char *name, struct text *out, ar_error *err) {
    place stack[MOST_DEPTH] = {{gpu_text_find(name)}};
    int depth = 0;
    char next[NAME_SIZE];
    if (!stack[0].at)
        return error_set(err, AR_RANGE, "no kernel text \"%s\"", name);
    while (depth >= 0) {
        const char *line = stack[depth].at;
        if (!*line) {
            depth--;
            continue;
        }
        const char *end = strchr(line, '\n');
        const size_t n = end ? (size_t)(end - line) + 1 : strlen(line);
        stack[depth].at += n;
        if (!included(line, n, next)) {
            text_add(out, line, n);
            continue;
        }
        const char *found = gpu_text_find(next);
        if (!found || depth + 1 == MOST_DEPTH)
            return error_set(err, AR_RANGE, "kernel text \"%s\" %s", next,
                             found ? "is included too deep" : "is missing");
        stack[++depth].at = found;
    }
    return AR_OK;
}

ar_status gpu_text_of(const gpu_source *s, const char *lang, struct text *out,
                      ar_error *err) {
    char prelude[NAME_SIZE];
    snprintf(prelude, sizeof prelude, "backend/gpu/lang/%s.h", lang);
    if (s->defines) text_adds(out, s->defines);
    TRY(gpu_text_expand(prelude, out, err));
    for (const char *const *p = s->parts; *p; p++) text_adds(out, *p);
    return text_status(out, err);
}

ar_status gpu_text_complaint(const char *name, const char *compiler,
                             const char *log, ar_error *err) {
    enum { MOST = 180 };
    const char *line = strstr(log, "error");
    while (line && line > log && line[-1] != '\n') line--;
    if (!line) line = log;
    const size_t n = strcspn(line, "\n");
    return error_set(err, AR_FORMAT, "%s: the %s compiler says: %.*s", name,
                     compiler, (int)(n > MOST ? MOST : n), line);
}
