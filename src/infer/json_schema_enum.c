/* json_schema_enum.c - schemas that list their values. */
#include <string.h>

#include "base/error.h"
#include "infer/json_schema_int.h"

/* A length or a number that a key bounds; false if the value has none. */
static bool measure(const json_t *value, const char *key, double *out) {
    const bool length = !strcmp(key, "minLength") || !strcmp(key, "maxLength");
    const bool items = !strcmp(key, "minItems") || !strcmp(key, "maxItems");
    *out = 0;
    if (length && json_is_string(value))
        for (const char *p = json_string_value(value); *p; p++)
            *out += (*p & 0xC0) != 0x80;
    else if (items && json_is_array(value))
        *out = (double)json_array_size(value);
    else if (!length && !items && json_is_number(value))
        *out = json_number_value(value);
    else
        return false;
    return true;
}

static const char *const bounds[] = {
    "minLength", "minItems", "minimum", "exclusiveMinimum",
    "maxLength", "maxItems", "maximum", "exclusiveMaximum"};

static bool in_bounds(const json_t *node, const json_t *value) {
    for (int i = 0; i < 8; i++) {
        const json_t *bound = json_object_get(node, bounds[i]);
        double x;
        if (!bound || !measure(value, bounds[i], &x)) continue;
        const double limit = json_number_value(bound);
        if (i < 4 ? x < limit : x > limit) return false;
        if (i % 4 == 3 && x == limit) return false;
    }
    return true;
}

/* Beside the values there may be a type and bounds. */
static ar_status check_beside(schema_writer *w, const schema_at *at) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)at->node, key, value) {
        int i = 0;
        while (i < 8 && (strcmp(key, bounds[i]) != 0 || !json_is_number(value)))
            i++;
        if (i == 8 && strcmp(key, "enum") != 0 && strcmp(key, "const") != 0 &&
            strcmp(key, "type") != 0 && !schema_says_nothing(key))
            return schema_fail(w, at, AR_UNSUPPORTED,
                               "\"%.40s\" beside \"enum\" or \"const\"", key);
    }
    return AR_OK;
}

ar_status schema_enum(schema_writer *w, const schema_at *at, text *out) {
    json_t *const one = json_object_get(at->node, "const");
    const json_t *list = json_object_get(at->node, "enum");
    const unsigned types = schema_types(at->node);
    size_t n = 0;
    TRY(check_beside(w, at));
    if (list && !json_is_array(list))
        return schema_fail(w, at, AR_FORMAT, "\"enum\" is not a list");
    const size_t all = list ? json_array_size(list) : 1;
    for (size_t i = 0; i < all; i++) {
        json_t *const v = list ? json_array_get(list, i) : one;
        if (!(schema_type_of(v) & types) || (one && !json_equal(one, v)) ||
            !in_bounds(at->node, v))
            continue;
        text_adds(out, n++ ? " | " : "");
        TRY(schema_value(w, v, out));
    }
    if (n) return AR_OK;
    return schema_fail(w, at, AR_UNSUPPORTED, "no value is allowed");
}
