/* json_schema_string.c - strings: lengths, formats, patterns, other keys. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "infer/json_schema_int.h"
#include "tok/utf8.h"

/* ---- formats ---- */

#define DAY_28 "(\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8])"
#define DAY_30 "(\"0\" [1-9] | [12] [0-9] | \"30\")"
#define DAY_31 "(\"0\" [1-9] | [12] [0-9] | \"3\" [01])"
#define DATE                                                                   \
    "[1-9] [0-9]{3} \"-\" (\"0\" [13578] \"-\" " DAY_31                        \
    " | \"1\" [02] \"-\" " DAY_31 " | (\"0\" [469] | \"11\") \"-\" " DAY_30    \
    " | \"02-\" " DAY_28 ")"
#define HOUR "([01] [0-9] | \"2\" [0-3])"
#define TIME                                                                   \
    HOUR " \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,6})? "           \
         "(\"Z\" | [+\\-] " HOUR " \":\" [0-5] [0-9])"
#define BYTE                                                                   \
    "(\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9]{2} | [1-9] [0-9] | "      \
    "[0-9])"
#define LABEL "[a-zA-Z0-9] ([a-zA-Z0-9\\-]{0,30} [a-zA-Z0-9])?"

/* The inside of strings; the 29th of February is left out. */
static const struct {
    const char *name, *inside;
} formats[] = {
    {"date", DATE},
    {"time", TIME},
    {"date-time", DATE " \"T\" " TIME},
    {"uuid", "[0-9a-fA-F]{8} (\"-\" [0-9a-fA-F]{4}){3} \"-\" "
             "[0-9a-fA-F]{12}"},
    {"ipv4", BYTE " (\".\" " BYTE "){3}"},
    {"hostname", LABEL " (\".\" " LABEL "){0,3}"},
    {"email", "[a-zA-Z0-9] ([a-zA-Z0-9_+.\\-]{0,40} [a-zA-Z0-9])? \"@\" " LABEL
              " (\".\" " LABEL "){1,3}"},
};

static const char *find_format(const json_t *node) {
    const char *name = json_string_value(json_object_get(node, "format"));
    for (size_t i = 0; name && i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(name, formats[i].name)) return formats[i].inside;
    return NULL; /* another format is a note */
}

/* ---- strings ---- */

ar_status schema_string(schema_writer *w, const schema_at *at, text *out) {
    schema_lengths asked;
    const json_t *pattern = json_object_get(at->node, "pattern");
    const char *inside = find_format(at->node);
    TRY(schema_count(w, at, "minLength", 0, &asked.min));
    TRY(schema_count(w, at, "maxLength", -1, &asked.max));
    if (asked.max >= 0 && asked.max < asked.min)
        return schema_fail(w, at, AR_UNSUPPORTED,
                           "\"maxLength\" is below \"minLength\"");
    if (pattern && !json_is_string(pattern))
        return schema_fail(w, at, AR_FORMAT, "\"pattern\" is not a text");
    const bool lengths = asked.min > 0 || asked.max >= 0;
    if (inside && (pattern || lengths))
        return schema_fail(w, at, AR_UNSUPPORTED, "\"%s\" beside \"format\"",
                           pattern ? "pattern" : "minLength or maxLength");
    text_adds(out, "\"\\\"\" ");
    if (inside)
        text_adds(out, inside);
    else if (pattern)
        TRY(schema_pattern(w, at, json_string_value(pattern), asked, out));
    else if (asked.max >= 0)
        text_addf(out, "char{%lld,%lld}", (long long)asked.min,
                  (long long)asked.max);
    else
        text_addf(out, "char{%lld,}", (long long)asked.min);
    text_adds(out, " \"\\\"\"");
    return AR_OK;
}

/* ---- keys that are none of a list ---- */

enum { MAX_KEY = 256 }; /* characters */

typedef struct key_rest {
    const unsigned char *p, *end; /* what is left of it */
} key_rest;

static int compare_keys(const void *a, const void *b) {
    const key_rest *x = a, *y = b;
    const size_t n = (size_t)(x->end - x->p), m = (size_t)(y->end - y->p);
    const int c = memcmp(x->p, y->p, n < m ? n : m);
    return c ? c : n < m ? -1 : n > m;
}

/* What is left of n sorted keys that begin alike; depth: MAX_KEY. */
static ar_status rest_rule(schema_writer *w, key_rest *k, size_t n,
                           char rule[SCHEMA_NAME]) {
    text side = {0}, first = {0};
    const bool whole = n && k[0].p == k[0].end; /* a key ends here */
    ar_status s = AR_OK;
    for (size_t i = whole, end; i < n && s == AR_OK; i = end) {
        uint32_t c, other;
        char next[SCHEMA_NAME] = "";
        const int size = utf8_decode(k[i].p, k[i].end, &c);
        for (end = i; end < n; end++) {
            utf8_decode(k[end].p, k[end].end, &other);
            if (other != c) break;
            k[end].p += size;
        }
        s = rest_rule(w, k + i, end - i, next);
        text_addf(&side, "[\\U%08X] %s | ", c, next);
        text_addf(&first, "\\U%08X", c);
    }
    text_addf(&side, "[^\"\\\\\\x00-\\x1F%s] [^\"\\\\\\x00-\\x1F]*%s",
              first.data ? first.data : "", whole ? "" : " | \"\"");
    if (first.failed) side.failed = 1;
    if (s == AR_OK) s = schema_add(w, &side, rule);
    text_close(&side);
    text_close(&first);
    return s;
}

/* Those with quotes and such can only be written with escapes. */
static bool needs_escape(const char *key) {
    for (; *key; key++)
        if ((unsigned char)*key < 0x20 || *key == '"' || *key == '\\')
            return true;
    return false;
}

ar_status schema_other_keys(schema_writer *w, const schema_at *at,
                            const json_t *keys, char rule[SCHEMA_NAME]) {
    const char *name;
    json_t *value;
    size_t n = 0;
    char inside[SCHEMA_NAME] = "";
    text side = {0};
    key_rest *list = mem_new(key_rest, json_object_size(keys));
    if (!list) return error_set(w->err, AR_NOMEM, "no memory for a schema");
    ar_status s = AR_OK;
    json_object_foreach((json_t *)keys, name, value) {
        const unsigned char *p = (const unsigned char *)name;
        if (strlen(name) > MAX_KEY)
            s = schema_fail(w, at, AR_RANGE,
                            "a property's name has more than %d bytes",
                            MAX_KEY);
        if (!needs_escape(name)) list[n++] = (key_rest){p, p + strlen(name)};
    }
    qsort(list, n, sizeof *list, compare_keys);
    if (s == AR_OK) s = rest_rule(w, list, n, inside);
    mem_free(list);
    text_addf(&side, "\"\\\"\" %s \"\\\"\"", inside);
    if (s == AR_OK) s = schema_add(w, &side, rule);
    text_close(&side);
    return s;
}
