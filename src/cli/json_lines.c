/* json_lines.c - standard input as JSON lines. */
#include "cli/json_lines.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/options.h"
#include "tok/tok.h"

/* Append the next line with its end; nothing at the end of the input. */
static ar_status read_line(text *t, ar_error *err) {
    char part[4096];
    size_t n = 0;
    int c = 0;
    while (c != '\n' && (c = getc(stdin)) != EOF) {
        part[n++] = (char)c;
        if (n < sizeof part) continue;
        text_add(t, part, n);
        n = 0;
    }
    text_add(t, part, n);
    if (ferror(stdin))
        return error_set(err, AR_IO, "standard input: %s", strerror(errno));
    return text_status(t, err);
}

static json_t *parse(const text *t) {
    json_t *o = json_loadb(t->data, t->size, JSON_ALLOW_NUL, NULL);
    if (json_is_object(o)) return o;
    json_decref(o);
    return NULL;
}

/* A sentence may have been cut inside of a character. */
static json_t *error_object(const char *sentence) {
    text t = {0};
    utf8_add_lossy(&t, sentence, strlen(sentence));
    json_t *o = t.failed || !t.data
                    ? NULL
                    : json_pack("{s:s%}", "error", t.data, t.size);
    text_close(&t);
    return o;
}

static ar_status answer_line(const text *line, json_line_answer *answer,
                             void *ctx, bool *good, ar_error *err) {
    json_t *in = parse(line), *out = NULL;
    ar_error why;
    const ar_status s =
        in ? answer(ctx, in, &out, &why)
           : error_set(&why, AR_FORMAT, "the line is no JSON object");
    json_decref(in);
    if (s == AR_NOMEM) return error_set(err, s, "%s", why.message);
    if (s != AR_OK) *good = false;
    TRY(print_json(s == AR_OK ? out : error_object(why.message), err));
    fflush(stdout);
    return AR_OK;
}

static ar_status answer_all(text *line, json_line_answer *answer, void *ctx,
                            ar_error *err) {
    bool good = true;
    while (line->size) {
        if (strspn(line->data, " \t\r\n") < line->size)
            TRY(answer_line(line, answer, ctx, &good, err));
        text_clear(line);
        TRY(read_line(line, err));
    }
    return good ? AR_OK
                : error_set(err, AR_FORMAT, "some lines could not be answered");
}

static ar_status read_rest(text *t, ar_error *err) {
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, stdin))) text_add(t, part, n);
    if (ferror(stdin))
        return error_set(err, AR_IO, "standard input: %s", strerror(errno));
    text_add(t, "", 0);
    return text_status(t, err);
}

ar_status json_lines(const char *key, json_line_answer *answer, void *ctx,
                     char **raw, size_t *size, ar_error *err) {
    text line = {0};
    *raw = NULL;
    *size = 0;
    /* Whether it is JSON shows at its first byte; text may have NULs. */
    const int first = getc(stdin);
    if (first != EOF) ungetc(first, stdin);
    ar_status s = first == '{' ? read_line(&line, err) : AR_OK;
    json_t *o = s == AR_OK && line.size ? parse(&line) : NULL;
    const bool lines = json_object_get(o, key) != NULL;
    json_decref(o);
    if (s == AR_OK)
        s = lines ? answer_all(&line, answer, ctx, err) : read_rest(&line, err);
    if (s == AR_OK && !lines) {
        *raw = line.data;
        *size = line.size;
        return AR_OK;
    }
    text_close(&line);
    return s;
}
