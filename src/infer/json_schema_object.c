/* json_schema_object.c - objects and arrays.
 *
 * Properties come in the order of the schema.  rule k is what may follow once
 * something stands before it, from property k on; the object is a choice of
 * which property comes first. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "infer/json_schema_int.h"

/* A property, or what may stand for any further one. */
typedef struct member {
    char pair[SCHEMA_NAME]; /* rule of "key": value */
    bool required;
} member;

typedef struct object {
    schema_writer *w;
    const schema_at *at;
    const json_t *properties, *required, *patterns, *more;
    json_t *needed;  /* {"key": true}: "required" */
    json_t *members; /* {"key": true}: in the order they are written */
    int64_t n;       /* members */
    int64_t n_required;
    int64_t min, max;        /* pairs; -1 = no limit */
    char other[SCHEMA_NAME]; /* rule of a further pair, "" = none */
} object;

/* ---- pairs ---- */

static ar_status add_pair(object *o, const char *key, const schema_at *value,
                          char rule[SCHEMA_NAME]) {
    char of[SCHEMA_NAME] = "";
    text side = {0};
    json_t *name = json_string(key);
    if (!name) return error_set(o->w->err, AR_NOMEM, "no memory for a schema");
    ar_status s = schema_rule(o->w, value, of);
    if (s == AR_OK) s = schema_value(o->w, name, &side);
    text_addf(&side, " \":\" ws %s", of);
    if (s == AR_OK) s = schema_add(o->w, &side, rule);
    text_close(&side);
    json_decref(name);
    return s;
}

static bool is_required(const object *o, const char *key) {
    return json_object_get(o->needed, key) != NULL;
}

/* The schema of a member: of its property, or of all further ones. */
static schema_at member_schema(const object *o, const char *key) {
    const json_t *node = json_object_get(o->properties, key);
    if (node) return schema_under(o->at, "properties", key, -1, node);
    return schema_under(o->at, "additionalProperties", NULL, -1,
                        o->more ? o->more : json_true());
}

/* ---- which members there are ---- */

static ar_status note(object *o, const char *key) {
    if (json_object_get(o->members, key)) return AR_OK;
    if (json_object_set_new(o->members, key, json_true()))
        return error_set(o->w->err, AR_NOMEM, "no memory for a schema");
    o->n++;
    o->n_required += is_required(o, key);
    return AR_OK;
}

static ar_status find_needed(object *o) {
    json_t *value;
    size_t i;
    json_array_foreach((json_t *)o->required, i, value) {
        const char *key = json_string_value(value);
        if (!key)
            return schema_fail(o->w, o->at, AR_FORMAT,
                               "\"required\" is not a list of texts");
        if (json_object_set_new(o->needed, key, json_true()))
            return error_set(o->w->err, AR_NOMEM, "no memory for a schema");
    }
    return AR_OK;
}

static ar_status find_members(object *o) {
    const char *key;
    json_t *value;
    TRY(find_needed(o));
    json_object_foreach((json_t *)o->properties, key, value) {
        /* one that must not be there is left out */
        if (json_is_false(value) && !is_required(o, key)) continue;
        TRY(note(o, key));
    }
    json_object_foreach(o->needed, key, value) {
        if (!json_object_get(o->properties, key) &&
            (json_is_false(o->more) || o->patterns))
            return schema_fail(o->w, o->at, AR_UNSUPPORTED,
                               "\"%.60s\" is required, but no property", key);
        TRY(note(o, key));
    }
    return AR_OK;
}

static ar_status read_object(object *o) {
    const json_t *node = o->at->node;
    o->properties = json_object_get(node, "properties");
    o->required = json_object_get(node, "required");
    o->patterns = json_object_get(node, "patternProperties");
    o->more = json_object_get(node, "additionalProperties");
    if (o->properties && !json_is_object(o->properties))
        return schema_fail(o->w, o->at, AR_FORMAT,
                           "\"properties\" is not an object");
    if (o->required && !json_is_array(o->required))
        return schema_fail(o->w, o->at, AR_FORMAT,
                           "\"required\" is not a list");
    if (o->patterns && !json_is_object(o->patterns))
        return schema_fail(o->w, o->at, AR_FORMAT,
                           "\"patternProperties\" is not an object");
    if (!json_object_size(o->patterns)) o->patterns = NULL;
    TRY(schema_count(o->w, o->at, "minProperties", 0, &o->min));
    TRY(schema_count(o->w, o->at, "maxProperties", -1, &o->max));
    return find_members(o);
}

/* ---- further pairs ---- */

/* Any text as key, or those that "propertyNames" allows. */
static ar_status key_rule(object *o, char rule[SCHEMA_NAME]) {
    const json_t *names = json_object_get(o->at->node, "propertyNames"), *both;
    snprintf(rule, SCHEMA_NAME, "string");
    if (!names || json_is_true(names)) return AR_OK;
    schema_at at = schema_under(o->at, "propertyNames", NULL, -1, names);
    const json_t *string;
    TRY(schema_keep(o->w, json_pack("{s:s}", "type", "string"), &string));
    TRY(schema_merge(o->w, &at, string, names, &both));
    at.node = both;
    return schema_rule(o->w, &at, rule);
}

static ar_status pattern_rule(object *o, const char *pattern,
                              char rule[SCHEMA_NAME]) {
    text side = {0};
    const schema_at at =
        schema_under(o->at, "patternProperties", pattern, -1, NULL);
    text_adds(&side, "\"\\\"\" ");
    ar_status s =
        schema_pattern(o->w, &at, pattern, (schema_lengths){0, -1}, &side);
    text_adds(&side, " \"\\\"\"");
    if (s == AR_OK) s = schema_add(o->w, &side, rule);
    text_close(&side);
    return s;
}

static ar_status add_other(object *o, const char *key, const schema_at *value) {
    char of[SCHEMA_NAME] = "";
    text side = {0};
    TRY(schema_rule(o->w, value, of));
    text_addf(&side, "%s \":\" ws %s", key, of);
    const ar_status s = schema_add(o->w, &side, o->other);
    text_close(&side);
    return s;
}

/* One pattern alone: beside others it would have to be known which of them a
 * key matches. */
static ar_status find_pattern(object *o) {
    char key[SCHEMA_NAME] = "";
    const char *pattern =
        json_object_iter_key(json_object_iter((json_t *)o->patterns));
    if (json_object_size(o->patterns) > 1 || o->n ||
        (o->more && !json_is_false(o->more)) ||
        json_object_get(o->at->node, "propertyNames"))
        return schema_fail(o->w, o->at, AR_UNSUPPORTED,
                           "\"patternProperties\": only one pattern, without "
                           "properties beside it, can be held to");
    const schema_at at = schema_under(o->at, "patternProperties", pattern, -1,
                                      json_object_get(o->patterns, pattern));
    TRY(pattern_rule(o, pattern, key));
    return add_other(o, key, &at);
}

static ar_status find_other(object *o) {
    char key[SCHEMA_NAME] = "";
    const bool names = json_object_get(o->at->node, "propertyNames") != NULL;
    if (o->patterns) return find_pattern(o);
    if (o->n && names)
        return schema_fail(o->w, o->at, AR_UNSUPPORTED,
                           "\"propertyNames\" beside properties");
    /* beside properties, others are written only if they are asked for */
    if (json_is_false(o->more) || (!o->more && json_object_size(o->properties)))
        return AR_OK;
    if (o->n)
        TRY(schema_other_keys(o->w, o->at, o->members, key));
    else
        TRY(key_rule(o, key));
    const schema_at at = schema_under(o->at, "additionalProperties", NULL, -1,
                                      o->more ? o->more : json_true());
    return add_other(o, key, &at);
}

/* ---- counts ---- */

/* Between min and max pairs, as far as the order of members shows it. */
static ar_status check_counts(object *o) {
    const bool maps = !o->n && o->other[0];
    if (o->max >= 0 && o->max < o->min)
        return schema_fail(o->w, o->at, AR_UNSUPPORTED,
                           "\"maxProperties\" is below \"minProperties\"");
    if (o->min > 1 && (maps || o->min > o->n_required))
        return schema_fail(o->w, o->at, AR_UNSUPPORTED,
                           "\"minProperties\" is more than what \"required\" "
                           "makes sure of");
    if (o->min && !o->n && !maps)
        return schema_fail(o->w, o->at, AR_UNSUPPORTED,
                           "\"minProperties\" where there are none");
    if (!maps && o->max >= 0 && (o->max < o->n || o->other[0]))
        return schema_fail(o->w, o->at, AR_UNSUPPORTED,
                           "\"maxProperties\" beside more properties");
    return AR_OK;
}

/* "a, a, a": min to max of them (-1 = no limit), max > 0 */
static void add_list(text *out, const char *item, int64_t min, int64_t max) {
    text_addf(out, "%s%s (\",\" ws %s)", min ? "" : "(", item, item);
    if (max < 0)
        text_addf(out, "{%lld,}", (long long)(min ? min - 1 : 0));
    else
        text_addf(out, "{%lld,%lld}", (long long)(min ? min - 1 : 0),
                  (long long)max - 1);
    text_adds(out, min ? "" : ")?");
}

/* ---- writing ---- */

/* What may follow once there is a pair, from each member on; follow [n + 1]. */
static ar_status write_follow(object *o, const member *m,
                              char (*follow)[SCHEMA_NAME]) {
    text side = {0};
    if (o->other[0])
        text_addf(&side, "(\",\" ws %s)*", o->other);
    else
        text_adds(&side, "\"\"");
    ar_status s = schema_add(o->w, &side, follow[o->n]);
    for (int64_t i = o->n - 1; i >= 0 && s == AR_OK; i--) {
        text_clear(&side);
        text_addf(&side, "(\",\" ws %s)%s %s", m[i].pair,
                  m[i].required ? "" : "?", follow[i + 1]);
        s = schema_add(o->w, &side, follow[i]);
    }
    text_close(&side);
    return s;
}

/* Which member comes first, up to the first that must. */
static void write_first(const object *o, const member *m,
                        char (*follow)[SCHEMA_NAME], text *out) {
    int64_t i = 0;
    for (; i < o->n; i++) {
        text_addf(out, "%s%s %s", i ? " | " : "", m[i].pair, follow[i + 1]);
        if (m[i].required) return;
    }
    if (o->other[0]) text_addf(out, " | %s %s", o->other, follow[o->n]);
    if (!o->min) text_adds(out, " | \"\"");
}

static ar_status write_members(object *o, member *m,
                               char (*follow)[SCHEMA_NAME], text *out) {
    const char *key;
    json_t *value;
    int64_t i = 0;
    json_object_foreach(o->members, key, value) {
        const schema_at at = member_schema(o, key);
        m[i].required = is_required(o, key);
        TRY(add_pair(o, key, &at, m[i++].pair));
    }
    TRY(write_follow(o, m, follow));
    write_first(o, m, follow, out);
    return AR_OK;
}

static ar_status write_object(object *o, text *out) {
    TRY(read_object(o));
    TRY(find_other(o));
    TRY(check_counts(o));
    text_adds(out, "\"{\" ws (");
    if (o->n) {
        member *m = mem_new(member, o->n);
        char(*follow)[SCHEMA_NAME] =
            mem_alloc((size_t)(o->n + 1) * sizeof *follow);
        ar_status s = AR_NOMEM;
        if (m && follow)
            s = write_members(o, m, follow, out);
        else
            error_set(o->w->err, s, "no memory for a schema");
        mem_free(m);
        mem_free(follow);
        TRY(s);
    } else if (o->other[0] && o->max != 0) {
        add_list(out, o->other, o->min, o->max);
    }
    text_adds(out, ") ws \"}\"");
    return AR_OK;
}

ar_status schema_object(schema_writer *w, const schema_at *at, text *out) {
    object o = {
        .w = w, .at = at, .needed = json_object(), .members = json_object()};
    ar_status s = AR_NOMEM;
    if (o.members && o.needed)
        s = write_object(&o, out);
    else
        error_set(w->err, s, "no memory for a schema");
    json_decref(o.members);
    json_decref(o.needed);
    return s;
}

/* ---- arrays ---- */

typedef struct list {
    schema_writer *w;
    const schema_at *at;
    const json_t *prefix, *more; /* more NULL = nothing further */
    int64_t n, min, max;         /* of prefix; items, max -1 = no limit */
    char (*item)[SCHEMA_NAME];   /* [n] */
    char other[SCHEMA_NAME];
} list;

/* "prefixItems" and "items", or a list of "items" and "additionalItems" as
 * older drafts have it. */
static ar_status read_list(list *l) {
    const json_t *items = json_object_get(l->at->node, "items");
    l->prefix = json_object_get(l->at->node, "prefixItems");
    l->more = items;
    if (json_is_array(items)) {
        l->prefix = items;
        l->more = json_object_get(l->at->node, "additionalItems");
    }
    if (l->prefix && !json_is_array(l->prefix))
        return schema_fail(l->w, l->at, AR_FORMAT,
                           "\"prefixItems\" is not a list");
    l->n = (int64_t)json_array_size(l->prefix);
    TRY(schema_count(l->w, l->at, "minItems", 0, &l->min));
    TRY(schema_count(l->w, l->at, "maxItems", -1, &l->max));
    if (json_is_false(l->more)) {
        l->more = NULL;
        if (l->max < 0 || l->max > l->n) l->max = l->n;
    } else if (!l->more && (!l->n || l->min > l->n)) {
        l->more = json_true();
    } else if (!l->more && (l->max < 0 || l->max > l->n)) {
        l->max = l->n; /* as with properties: no others unasked */
    }
    if (l->max < 0 || l->max >= l->min) return AR_OK;
    return schema_fail(l->w, l->at, AR_UNSUPPORTED,
                       "there are fewer items than \"minItems\"");
}

/* Behind item k - 1: "..., item k ..." as one side, from the end on. */
static ar_status write_tail(list *l, text *out) {
    char rule[SCHEMA_NAME] = "";
    text side = {0};
    const int64_t n = l->max >= 0 && l->max < l->n ? l->max : l->n;
    ar_status s = AR_OK;
    if (l->more && (l->max < 0 || l->max > l->n)) {
        const int64_t least = l->min > l->n ? l->min - l->n : 0;
        text_addf(&side, "(\",\" ws %s){%lld,", l->other, (long long)least);
        if (l->max >= 0) text_addf(&side, "%lld", (long long)(l->max - l->n));
        text_adds(&side, "}");
        s = schema_add(l->w, &side, rule);
    }
    for (int64_t k = n - 1; k >= 0 && s == AR_OK; k--) {
        text_clear(&side);
        text_addf(&side, "(%s%s %s)%s", k ? "\",\" ws " : "", l->item[k], rule,
                  k < l->min ? "" : "?");
        s = schema_add(l->w, &side, rule);
    }
    if (s == AR_OK) text_adds(out, rule);
    text_close(&side);
    return s;
}

static ar_status write_items(list *l, text *out) {
    for (int64_t i = 0; i < l->n; i++) {
        const schema_at at = schema_under(l->at, "prefixItems", NULL, i,
                                          json_array_get(l->prefix, (size_t)i));
        if (l->max < 0 || i < l->max) TRY(schema_rule(l->w, &at, l->item[i]));
    }
    if (l->more && (l->max < 0 || l->max > l->n)) {
        const schema_at at = schema_under(l->at, "items", NULL, -1, l->more);
        TRY(schema_rule(l->w, &at, l->other));
    }
    text_adds(out, "\"[\" ws (");
    if (l->n)
        TRY(write_tail(l, out));
    else if (l->max != 0)
        add_list(out, l->other, l->min, l->max);
    text_adds(out, ") ws \"]\"");
    return AR_OK;
}

ar_status schema_array(schema_writer *w, const schema_at *at, text *out) {
    list l = {.w = w, .at = at};
    TRY(read_list(&l));
    l.item = mem_alloc((size_t)(l.n + 1) * sizeof *l.item);
    if (!l.item) return error_set(w->err, AR_NOMEM, "no memory for a schema");
    const ar_status s = write_items(&l, out);
    mem_free(l.item);
    return s;
}
