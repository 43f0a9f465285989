/* json_schema_merge.c - two schemas as one, and whether two exclude each
 * other. */
#include <string.h>

#include "base/error.h"
#include "infer/json_schema_int.h"

/* ---- merging ---- */

typedef struct merging {
    schema_writer *w;
    const schema_at *at;
    json_t *into;
} merging;

static ar_status no_memory(schema_writer *w) {
    return error_set(w->err, AR_NOMEM, "no memory for a schema");
}

ar_status schema_without(schema_writer *w, const json_t *node, const char *key,
                         const json_t **out) {
    json_t *copy = json_copy((json_t *)node);
    if (copy) json_object_del(copy, key);
    return schema_keep(w, copy, out);
}

static size_t pairs(const json_t *a, const json_t *b) {
    return json_array_size(a) * json_array_size(b);
}

/* Elements of a that are in b too. */
static json_t *common(const json_t *a, const json_t *b) {
    json_t *out = json_array(), *x, *y;
    size_t i, k;
    json_array_foreach((json_t *)a, i, x) {
        json_array_foreach((json_t *)b, k, y) {
            if (!json_equal(x, y)) continue;
            json_array_append(out, x);
            break;
        }
    }
    return out;
}

static json_t *together(const json_t *a, const json_t *b) {
    json_t *out = json_copy((json_t *)a);
    if (out && json_array_extend(out, (json_t *)b)) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

/* Types of both; "integer" is in "number". */
static json_t *common_types(const json_t *a, const json_t *b) {
    static const char *const names[] = {
        "null", "boolean", "integer", "number", "string", "array", "object"};
    json_t *x = json_pack("{s:O}", "type", a),
           *y = json_pack("{s:O}", "type", b);
    const unsigned both = x && y ? schema_types(x) & schema_types(y) : 0;
    json_t *out = json_array();
    json_decref(x);
    json_decref(y);
    for (int i = 0; i < 7; i++) {
        if (!(both >> i & 1)) continue;
        if (i == 2 && both & TYPE_NUMBER) continue;
        json_array_append_new(out, json_string(names[i]));
    }
    return out;
}

/* Properties of both; where one side has no others, the other side's own have
 * no place, which is for the one who wrote it to sort out. */
static ar_status merge_properties(merging *m, const json_t *b, json_t **out) {
    json_t *all = json_copy(json_object_get(m->into, "properties"));
    const char *key;
    json_t *value;
    if (!all) return no_memory(m->w);
    json_object_foreach((json_t *)b, key, value) {
        const json_t *had = json_object_get(all, key), *both = value;
        const schema_at at = schema_under(m->at, "properties", key, -1, value);
        ar_status s = AR_OK;
        if (had) s = schema_merge(m->w, &at, had, value, &both);
        if (s == AR_OK && json_object_set(all, key, (json_t *)both))
            s = no_memory(m->w);
        if (s != AR_OK) {
            json_decref(all);
            return s;
        }
    }
    *out = all;
    return AR_OK;
}

static bool is_bound(const char *key, bool *upper) {
    static const char *const lower[] = {"minimum", "exclusiveMinimum",
                                        "minItems", "minLength",
                                        "minProperties"};
    static const char *const higher[] = {"maximum", "exclusiveMaximum",
                                         "maxItems", "maxLength",
                                         "maxProperties"};
    for (int i = 0; i < 5; i++) {
        *upper = !strcmp(key, higher[i]);
        if (*upper || !strcmp(key, lower[i])) return true;
    }
    return false;
}

/* The value of a key that both have. */
static ar_status merge_key(merging *m, const char *key, const json_t *a,
                           const json_t *b, json_t **out) {
    bool upper;
    *out = NULL;
    TRY(schema_work(m->w, pairs(a, b)));
    if (json_equal((json_t *)a, (json_t *)b) || schema_says_nothing(key))
        *out = json_incref((json_t *)a);
    else if (!strcmp(key, "type"))
        *out = common_types(a, b);
    else if (!strcmp(key, "enum"))
        *out = common(a, b);
    else if (!strcmp(key, "required"))
        *out = together(a, b);
    else if (!strcmp(key, "allOf"))
        *out = together(a, b);
    else if (!strcmp(key, "properties"))
        return merge_properties(m, b, out);
    else if (is_bound(key, &upper) && json_is_number(a) && json_is_number(b))
        *out = json_incref(
            (json_t *)((json_number_value(a) < json_number_value(b)) != upper
                           ? b
                           : a));
    else
        return schema_fail(m->w, m->at, AR_UNSUPPORTED,
                           "two different \"%.40s\" cannot be joined", key);
    if (*out) return AR_OK;
    return no_memory(m->w);
}

/* "additionalProperties" speaks of the properties beside it: it can be joined
 * only with properties that it knows, or with no others at all. */
static ar_status check_closed(merging *m, const json_t *a, const json_t *b) {
    const json_t *more = json_object_get(a, "additionalProperties");
    const json_t *own = json_object_get(a, "properties");
    const char *key;
    json_t *value;
    if (!more || json_is_true(more)) return AR_OK;
    json_object_foreach(json_object_get(b, "properties"), key, value) {
        if (!json_object_get(own, key))
            return schema_fail(m->w, m->at, AR_UNSUPPORTED,
                               "\"additionalProperties\" is joined with a "
                               "further property, \"%.40s\"",
                               key);
    }
    return AR_OK;
}

static ar_status merge_into(merging *m, const json_t *b) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)b, key, value) {
        const json_t *had = json_object_get(m->into, key);
        json_t *both = json_incref(value);
        if (had) {
            json_decref(both);
            TRY(merge_key(m, key, had, value, &both));
        }
        if (json_object_set_new(m->into, key, both)) return no_memory(m->w);
    }
    return AR_OK;
}

/* A schema that is a reference and nothing more, followed. */
static ar_status follow(schema_writer *w, const schema_at *at,
                        const json_t **node) {
    for (int i = 0; i < SCHEMA_MAX_DEPTH; i++) {
        const char *ref = json_string_value(json_object_get(*node, "$ref"));
        if (!ref) return AR_OK;
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)*node, key, value) {
            if (strcmp(key, "$ref") != 0 && !schema_says_nothing(key))
                return schema_fail(w, at, AR_UNSUPPORTED,
                                   "\"%.40s\" beside \"$ref\" is joined with "
                                   "another schema",
                                   key);
        }
        TRY(schema_find(w, at, ref, node));
    }
    return schema_fail(w, at, AR_FORMAT, "\"$ref\" leads in a circle");
}

static bool is_open(const json_t *node) {
    const char *key;
    json_t *value;
    if (json_is_true(node)) return true;
    if (!json_is_object(node)) return false;
    json_object_foreach((json_t *)node, key, value) {
        if (!schema_says_nothing(key)) return false;
    }
    return true;
}

ar_status schema_merge(schema_writer *w, const schema_at *at, const json_t *a,
                       const json_t *b, const json_t **out) {
    *out = json_is_false(a) || is_open(b) ? a : b;
    if (json_is_false(a) || json_is_false(b) || is_open(a) || is_open(b))
        return AR_OK;
    if (at->depth > SCHEMA_MAX_DEPTH)
        return schema_fail(w, at, AR_RANGE, "schemas are joined too deeply");
    TRY(follow(w, at, &a));
    TRY(follow(w, at, &b));
    if (!json_is_object(a) || !json_is_object(b))
        return schema_fail(w, at, AR_FORMAT, "this is not a schema");
    merging m = {w, at, NULL};
    TRY(check_closed(&m, a, b));
    TRY(check_closed(&m, b, a));
    m.into = json_copy((json_t *)a);
    TRY(schema_keep(w, m.into, out));
    return merge_into(&m, b);
}

/* ---- apart ---- */

/* Types that a schema's texts can have. */
static unsigned types_of(const json_t *node) {
    const json_t *list = json_object_get(node, "enum");
    const json_t *one = json_object_get(node, "const");
    unsigned bits = schema_types(node), values = 0;
    if (one) return bits & schema_type_of(one);
    if (!list) return bits;
    for (size_t i = 0; i < json_array_size(list); i++)
        values |= schema_type_of(json_array_get(list, i));
    return bits & values;
}

static bool has_value(const json_t *node, const json_t *value) {
    const json_t *list = json_object_get(node, "enum");
    const json_t *one = json_object_get(node, "const");
    if (one) return json_equal((json_t *)one, (json_t *)value);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), (json_t *)value)) return true;
    return false;
}

static bool values_apart(const json_t *a, const json_t *b) {
    const json_t *list = json_object_get(a, "enum");
    const json_t *one = json_object_get(a, "const");
    if ((!list && !one) ||
        (!json_object_get(b, "enum") && !json_object_get(b, "const")))
        return false;
    if (one) return !has_value(b, one);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (has_value(b, json_array_get(list, i))) return false;
    return true;
}

static bool requires(const json_t *node, const char *key) {
    const json_t *list = json_object_get(node, "required");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s && !strcmp(s, key)) return true;
    }
    return false;
}

/* Never does an object written for a have all that b requires, or b is closed
 * and a requires more. */
static bool avoids(const json_t *a, const json_t *b) {
    const json_t *own = json_object_get(a, "properties");
    const json_t *more = json_object_get(a, "additionalProperties");
    const json_t *theirs = json_object_get(b, "properties");
    const char *key;
    json_t *value;
    size_t i;
    json_array_foreach(json_object_get(b, "required"), i, value) {
        key = json_string_value(value);
        if (key && own && (!more || json_is_false(more)) &&
            !json_object_get(own, key) && !requires(a, key))
            return true;
    }
    if (!json_is_false(json_object_get(b, "additionalProperties")) ||
        json_object_get(b, "patternProperties"))
        return false;
    json_array_foreach(json_object_get(a, "required"), i, value) {
        key = json_string_value(value);
        if (key && !json_object_get(theirs, key)) return true;
    }
    return false;
}

/* Both require a member that excludes the other's. */
static bool members_apart(schema_writer *w, const json_t *a, const json_t *b,
                          int depth) {
    const json_t *other = json_object_get(b, "properties");
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(a, "properties"), key, value) {
        const json_t *match = json_object_get(other, key);
        if (match && requires(a, key) && requires(b, key) &&
            schema_apart(w, value, match, depth + 1))
            return true;
    }
    return false;
}

/* At most so many steps of values_apart, avoids and members_apart. */
static size_t comparisons(const json_t *a, const json_t *b) {
    const json_t *x = json_object_get(a, "required");
    const json_t *y = json_object_get(b, "required");
    const size_t n = json_array_size(x) + json_array_size(y);
    return 1 + pairs(json_object_get(a, "enum"), json_object_get(b, "enum")) +
           n * (1 + json_object_size(json_object_get(a, "properties")) + n);
}

bool schema_apart(schema_writer *w, const json_t *a, const json_t *b,
                  int depth) {
    const schema_at none = {.index = -1};
    ar_error ignored;
    schema_writer quiet = *w;
    quiet.err = &ignored;
    if (depth > 8 || follow(&quiet, &none, &a) || follow(&quiet, &none, &b))
        return false;
    if (!json_is_object(a) || !json_is_object(b) ||
        schema_work(&quiet, comparisons(a, b)) != AR_OK)
        return false;
    w->work = quiet.work;
    const unsigned both = types_of(a) & types_of(b);
    if (!both || values_apart(a, b)) return true;
    if (both != TYPE_OBJECT) return false;
    return members_apart(w, a, b, depth) || (avoids(a, b) && avoids(b, a));
}
