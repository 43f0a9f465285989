/* json_schema_util.c - places, types and literals of schemas. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "infer/json_schema_int.h"

/* ---- places ---- */

schema_at schema_under(const schema_at *up, const char *key, const char *word,
                       int64_t index, const json_t *node) {
    return (schema_at){up, key, word, index, node, up->depth + 1};
}

/* Steps inside are left out where there are many. */
static void add_place(text *out, const schema_at *at) {
    const schema_at *chain[SCHEMA_MAX_DEPTH + 2];
    int n = 0;
    for (; at && n < SCHEMA_MAX_DEPTH + 2; at = at->up) chain[n++] = at;
    while (n-- > 0) {
        const schema_at *a = chain[n];
        if (a->key && a->key[0] == '#')
            text_addf(out, "%.80s", a->key);
        else if (a->key)
            text_addf(out, "/%.40s", a->key);
        if (a->word)
            text_addf(out, "/%.40s", a->word);
        else if (a->index >= 0)
            text_addf(out, "/%lld", (long long)a->index);
    }
}

ar_status schema_fail(schema_writer *w, const schema_at *at, ar_status code,
                      const char *fmt, ...) {
    text place = {0}, why = {0};
    char what[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    add_place(&place, at);
    const char *p = place.data && place.size ? place.data : "#";
    const char *cut = place.size > 70 ? "..." : "";
    if (*cut) p += place.size - 67;
    error_set(w->err, code, "%.60s: %s%s: %s", w->name, cut, p, what);
    text_close(&place);
    text_close(&why);
    return code;
}

/* ---- types ---- */

static const struct {
    const char *name;
    unsigned bits;
} type_names[] = {
    {"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN},
    {"integer", TYPE_INTEGER}, {"number", TYPE_NUMBER | TYPE_INTEGER},
    {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
    {"object", TYPE_OBJECT},
};

static unsigned type_bits(const json_t *name) {
    const char *s = json_string_value(name);
    for (size_t i = 0; s && i < sizeof type_names / sizeof *type_names; i++)
        if (!strcmp(s, type_names[i].name)) return type_names[i].bits;
    return 0;
}

/* Keys that speak of one type: without "type" only that type is written. */
static const struct {
    const char *name;
    unsigned bits;
} type_keys[] = {
    {"properties", TYPE_OBJECT},
    {"required", TYPE_OBJECT},
    {"additionalProperties", TYPE_OBJECT},
    {"patternProperties", TYPE_OBJECT},
    {"propertyNames", TYPE_OBJECT},
    {"minProperties", TYPE_OBJECT},
    {"maxProperties", TYPE_OBJECT},
    {"items", TYPE_ARRAY},
    {"prefixItems", TYPE_ARRAY},
    {"additionalItems", TYPE_ARRAY},
    {"minItems", TYPE_ARRAY},
    {"maxItems", TYPE_ARRAY},
    {"minLength", TYPE_STRING},
    {"maxLength", TYPE_STRING},
    {"pattern", TYPE_STRING},
    {"format", TYPE_STRING},
    {"minimum", TYPE_NUMBER | TYPE_INTEGER},
    {"maximum", TYPE_NUMBER | TYPE_INTEGER},
    {"exclusiveMinimum", TYPE_NUMBER | TYPE_INTEGER},
    {"exclusiveMaximum", TYPE_NUMBER | TYPE_INTEGER},
};

unsigned schema_types(const json_t *node) {
    const json_t *type = json_object_get(node, "type");
    unsigned bits = 0;
    if (!type) {
        if (json_object_get(node, "enum") || json_object_get(node, "const"))
            return TYPE_ALL;
        for (size_t i = 0; i < sizeof type_keys / sizeof *type_keys; i++)
            if (json_object_get(node, type_keys[i].name))
                bits |= type_keys[i].bits;
        return bits ? bits : TYPE_ALL;
    }
    if (!json_is_array(type)) return type_bits(type);
    for (size_t i = 0; i < json_array_size(type); i++) {
        const unsigned one = type_bits(json_array_get(type, i));
        if (!one) return 0;
        bits |= one;
    }
    return bits;
}

unsigned schema_type_of(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_NULL: return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE: return TYPE_BOOLEAN;
    case JSON_INTEGER: return TYPE_INTEGER;
    case JSON_REAL:
        return floor(json_real_value(value)) == json_real_value(value)
                   ? TYPE_INTEGER
                   : TYPE_NUMBER;
    case JSON_STRING: return TYPE_STRING;
    case JSON_ARRAY: return TYPE_ARRAY;
    default: return TYPE_OBJECT;
    }
}

/* What a schema may have without a text becoming wrong: notes, and keys that
 * no draft defines. */
bool schema_says_nothing(const char *key) {
    static const char *const says[] = {"type",
                                       "enum",
                                       "const",
                                       "$ref",
                                       "allOf",
                                       "anyOf",
                                       "oneOf",
                                       "not",
                                       "if",
                                       "then",
                                       "else",
                                       "contains",
                                       "minContains",
                                       "maxContains",
                                       "uniqueItems",
                                       "multipleOf",
                                       "dependentRequired",
                                       "dependentSchemas",
                                       "dependencies",
                                       "unevaluatedItems",
                                       "unevaluatedProperties",
                                       "$dynamicRef",
                                       "$recursiveRef"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        if (!strcmp(key, says[i])) return false;
    for (size_t i = 0; i < sizeof type_keys / sizeof *type_keys; i++)
        if (!strcmp(key, type_keys[i].name)) return false;
    return true;
}

/* ---- literals ---- */

void schema_literal(text *out, const char *p, size_t n) {
    text_adds(out, "\"");
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)p[i];
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            text_addf(out, "\\x%02X", c);
        else
            text_add(out, &p[i], 1);
    }
    text_adds(out, "\"");
}

static int add_bytes(const char *p, size_t n, void *ctx) {
    text_add(ctx, p, n);
    return 0;
}

/* The shortest digits that give the number back. */
static void add_real(text *out, double x) {
    char digits[40];
    for (int k = 1; k <= 17; k++) {
        snprintf(digits, sizeof digits, "%.*g", k, x);
        if (strtod(digits, NULL) == x) break;
    }
    text_adds(out, digits);
}

ar_status schema_value(schema_writer *w, const json_t *value, text *out) {
    text json = {0};
    if (json_is_real(value))
        add_real(&json, json_real_value(value));
    else if (json_dump_callback(value, add_bytes, &json,
                                JSON_COMPACT | JSON_ENCODE_ANY))
        json.failed = 1;
    const ar_status s = text_status(&json, w->err);
    if (s == AR_OK) schema_literal(out, json.data, json.size);
    text_close(&json);
    return s;
}

/* ---- counts ---- */

ar_status schema_count(schema_writer *w, const schema_at *at, const char *key,
                       int64_t other, int64_t *out) {
    const json_t *v = json_object_get(at->node, key);
    *out = other;
    if (!v) return AR_OK;
    const double x = json_number_value(v);
    if (!json_is_number(v) || x < 0 || floor(x) != x)
        return schema_fail(w, at, AR_FORMAT, "\"%s\" is not a whole number",
                           key);
    if (x > 100000)
        return schema_fail(w, at, AR_RANGE, "\"%s\" is above 100000", key);
    *out = (int64_t)x;
    return AR_OK;
}
