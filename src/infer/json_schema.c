/* json_schema.c - JSON schemas as grammars: references, choices, constants. */
#include <string.h>

#include "base/error.h"
#include "infer/json_schema_int.h"

/* White space: one space, or a line and its indent, behind { [ , : and in
 * front of ] }.  Numbers have digits that a double holds. */
static const char base_rules[] =
    "ws ::= ( \" \" | \"\\n\" [ \\t]{0,20} )?\n"
    "char ::= [^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" (\n"
    "  \"00\" (\"0\" [1-9a-fA-F] | [1-9a-fA-F] [0-9a-fA-F])\n"
    "  | (\"0\" [1-9a-fA-F] | [1-9abcefABCEF] [0-9a-fA-F] | [dD] [0-7])\n"
    "    [0-9a-fA-F]{2}\n"
    "  | [dD] [89abAB] [0-9a-fA-F]{2} \"\\\\u\" [dD] [c-fC-F]\n"
    "    [0-9a-fA-F]{2}))\n"
    "string ::= \"\\\"\" char* \"\\\"\"\n"
    "integer ::= \"-\"? (\"0\" | [1-9] [0-9]{0,14})\n"
    "number ::= integer (\".\" [0-9]{1,15})? ([eE] [+-]? [0-9]{1,2})?\n"
    "boolean ::= \"true\" | \"false\"\n"
    "null ::= \"null\"\n"
    "pair ::= string \":\" ws value\n"
    "object ::= \"{\" ws (pair (\",\" ws pair)*)? ws \"}\"\n"
    "array ::= \"[\" ws (value (\",\" ws value)*)? ws \"]\"\n"
    "value ::= object | array | string | number | boolean | null\n";

/* ---- rules ---- */

ar_status schema_add(schema_writer *w, const text *side,
                     char rule[SCHEMA_NAME]) {
    if (++w->n_rules > SCHEMA_MAX_RULES ||
        w->rules.size + side->size > GRAMMAR_MAX_SOURCE)
        return error_set(w->err, AR_RANGE, "%.100s: the schema is too large",
                         w->name);
    snprintf(rule, SCHEMA_NAME, "s%d", w->n_rules);
    text_addf(&w->rules, "%s ::= ", rule);
    text_add(&w->rules, side->data ? side->data : "", side->size);
    text_adds(&w->rules, "\n");
    if (side->failed) w->rules.failed = 1;
    return text_status(&w->rules, w->err);
}

ar_status schema_work(schema_writer *w, size_t steps) {
    w->work += steps;
    if (w->work <= SCHEMA_MAX_WORK) return AR_OK;
    return error_set(w->err, AR_RANGE,
                     "%.100s: the schema is too large: its parts have to be "
                     "joined or compared too often",
                     w->name);
}

ar_status schema_keep(schema_writer *w, json_t *made, const json_t **out) {
    *out = made;
    if (made && !json_array_append_new(w->owned, made))
        return schema_work(
            w, 1 + json_object_size(made) +
                   json_object_size(json_object_get(made, "properties")));
    return error_set(w->err, AR_NOMEM, "no memory for a schema");
}

static ar_status write_side(schema_writer *w, const schema_at *at, text *out);

ar_status schema_rule(schema_writer *w, const schema_at *at,
                      char rule[SCHEMA_NAME]) {
    text side = {0};
    ar_status s = write_side(w, at, &side);
    if (s == AR_OK) s = schema_add(w, &side, rule);
    text_close(&side);
    return s;
}

/* ---- references ---- */

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One step of a JSON pointer in a URI: ~0 is ~, ~1 is /, %HH a byte. */
static size_t unescape_step(const char *p, size_t n, char *out) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (c == '%' && i + 2 < n && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
            c = (char)(hex(p[i + 1]) * 16 + hex(p[i + 2]));
            i += 2;
        } else if (c == '~' && i + 1 < n && (p[i + 1] | 1) == '1') {
            c = p[++i] == '0' ? '~' : '/';
        }
        out[k++] = c;
    }
    out[k] = 0;
    return k;
}

static const json_t *child(const json_t *node, const char *word) {
    if (json_is_object(node)) return json_object_get(node, word);
    if (!json_is_array(node) || !*word || strlen(word) > 9) return NULL;
    size_t i = 0;
    for (; *word >= '0' && *word <= '9'; word++)
        i = i * 10 + (size_t)(*word - '0');
    return *word ? NULL : json_array_get(node, i);
}

ar_status schema_find(schema_writer *w, const schema_at *at, const char *ref,
                      const json_t **out) {
    char step[512];
    const json_t *node = w->root;
    if (ref[0] != '#' || (ref[1] && ref[1] != '/'))
        return schema_fail(w, at, AR_UNSUPPORTED,
                           "\"$ref\": \"%.80s\" is not of this document: only "
                           "\"#\" and \"#/...\" are followed",
                           ref);
    const char *p = ref + 1;
    while (*p == '/' && node) {
        const size_t n = strcspn(++p, "/");
        if (n >= sizeof step) break;
        unescape_step(p, n, step);
        node = child(node, step);
        p += n;
    }
    *out = node;
    if (node && !*p) return AR_OK;
    return schema_fail(w, at, AR_FORMAT,
                       "\"$ref\": there is nothing at \"%.80s\"", ref);
}

ar_status schema_ref(schema_writer *w, const schema_at *at, const char *ref,
                     const char **rule) {
    const json_t *node;
    json_t *known = json_object_get(w->refs, ref);
    if (!known) {
        char name[SCHEMA_NAME] = "";
        TRY(schema_find(w, at, ref, &node));
        snprintf(name, sizeof name, "r%zu", json_array_size(w->queue));
        known = json_string(name);
        if (!known || json_object_set_new(w->refs, ref, known) ||
            json_array_append_new(w->queue, json_string(ref)))
            return error_set(w->err, AR_NOMEM, "no memory for a schema");
    }
    *rule = json_string_value(known);
    return AR_OK;
}

/* ---- choices ---- */

/* Alternatives of a list of schemas, each merged with what stands beside. */
static ar_status write_choice(schema_writer *w, const schema_at *at,
                              const char *key, text *out) {
    const json_t *list = json_object_get(at->node, key), *rest, *both;
    char rule[SCHEMA_NAME] = "";
    TRY(schema_without(w, at->node, key, &rest));
    if (!json_is_array(list) || !json_array_size(list))
        return schema_fail(w, at, AR_FORMAT, "\"%s\" is not a list", key);
    const bool one = !strcmp(key, "oneOf");
    const size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        const json_t *branch = json_array_get(list, i);
        for (size_t k = 0; one && k < i; k++)
            if (!schema_apart(w, json_array_get(list, k), branch, 0))
                return schema_fail(
                    w, at, AR_UNSUPPORTED,
                    "\"oneOf\": choices %zu and %zu may allow the same value; "
                    "\"anyOf\" would do",
                    k, i);
        schema_at under = schema_under(at, key, NULL, (int64_t)i, branch);
        TRY(schema_merge(w, &under, rest, branch, &both));
        under.node = both;
        TRY(schema_rule(w, &under, rule));
        text_addf(out, "%s%s", i ? " | " : "", rule);
    }
    return AR_OK;
}

static ar_status write_all_of(schema_writer *w, const schema_at *at,
                              text *out) {
    const json_t *list = json_object_get(at->node, "allOf"), *all;
    char rule[SCHEMA_NAME] = "";
    if (!json_is_array(list))
        return schema_fail(w, at, AR_FORMAT, "\"allOf\" is not a list");
    TRY(schema_without(w, at->node, "allOf", &all));
    schema_at under = *at;
    for (size_t i = 0; i < json_array_size(list); i++) {
        under = schema_under(at, "allOf", NULL, (int64_t)i,
                             json_array_get(list, i));
        TRY(schema_merge(w, &under, all, under.node, &all));
    }
    under = *at;
    under.node = all;
    under.depth++;
    TRY(schema_rule(w, &under, rule));
    text_adds(out, rule);
    return AR_OK;
}

static bool is_alone(const json_t *node, const char *key) {
    const char *other;
    json_t *value;
    json_object_foreach((json_t *)node, other, value) {
        if (strcmp(other, key) != 0 && !schema_says_nothing(other))
            return false;
    }
    return true;
}

static ar_status write_reference(schema_writer *w, const schema_at *at,
                                 text *out) {
    const char *ref = json_string_value(json_object_get(at->node, "$ref"));
    const json_t *target, *rest, *both;
    const char *known;
    char rule[SCHEMA_NAME] = "";
    if (!ref) return schema_fail(w, at, AR_FORMAT, "\"$ref\" is not a text");
    if (is_alone(at->node, "$ref")) {
        TRY(schema_ref(w, at, ref, &known));
        text_adds(out, known);
        return AR_OK;
    }
    TRY(schema_find(w, at, ref, &target));
    TRY(schema_without(w, at->node, "$ref", &rest));
    schema_at under = schema_under(at, "$ref", NULL, -1, NULL);
    TRY(schema_merge(w, &under, target, rest, &both));
    under.node = both;
    TRY(schema_rule(w, &under, rule));
    text_adds(out, rule);
    return AR_OK;
}

/* ---- one schema ---- */

static ar_status write_types(schema_writer *w, const schema_at *at, text *out) {
    const unsigned types = schema_types(at->node);
    const json_t *type = json_object_get(at->node, "type");
    int n = 0;
    if (json_is_array(type) && !json_array_size(type))
        return schema_fail(w, at, AR_UNSUPPORTED, "no type is allowed");
    if (!types) return schema_fail(w, at, AR_FORMAT, "\"type\" is no type");
    for (unsigned bit = 1; bit <= TYPE_OBJECT; bit *= 2) {
        text side = {0};
        char rule[SCHEMA_NAME] = "boolean";
        ar_status s = AR_OK;
        if (!(types & bit)) continue;
        /* every integer is a number */
        if (bit == TYPE_INTEGER && types & TYPE_NUMBER) continue;
        switch (bit) {
        case TYPE_NULL: text_adds(&side, "null"); break;
        case TYPE_BOOLEAN: text_adds(&side, "boolean"); break;
        case TYPE_STRING: s = schema_string(w, at, &side); break;
        case TYPE_ARRAY: s = schema_array(w, at, &side); break;
        case TYPE_OBJECT: s = schema_object(w, at, &side); break;
        default: s = schema_number(w, at, bit == TYPE_INTEGER, &side);
        }
        if (s == AR_OK) s = schema_add(w, &side, rule);
        text_close(&side);
        TRY(s);
        text_addf(out, "%s%s", n++ ? " | " : "", rule);
    }
    return AR_OK;
}

static ar_status refuse_keys(schema_writer *w, const schema_at *at) {
    static const char *const refused[] = {
        "not",
        "if",
        "then",
        "else",
        "multipleOf",
        "uniqueItems",
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
        "unevaluatedItems",
        "unevaluatedProperties",
        "$dynamicRef",
        "$recursiveRef",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const json_t *v = json_object_get(at->node, refused[i]);
        if (v && (!json_is_false(v) || !strcmp(refused[i], "not")))
            return schema_fail(w, at, AR_UNSUPPORTED,
                               "\"%s\" cannot be held to by a grammar",
                               refused[i]);
    }
    return AR_OK;
}

static ar_status write_side(schema_writer *w, const schema_at *at, text *out) {
    const json_t *node = at->node;
    if (at->depth > SCHEMA_MAX_DEPTH)
        return schema_fail(w, at, AR_RANGE,
                           "schemas are nested more than %d deep",
                           SCHEMA_MAX_DEPTH);
    if (json_is_true(node)) {
        text_adds(out, "value");
        return AR_OK;
    }
    if (json_is_false(node))
        return schema_fail(w, at, AR_UNSUPPORTED, "no value is allowed");
    if (!json_is_object(node))
        return schema_fail(w, at, AR_FORMAT, "this is not a schema");
    TRY(refuse_keys(w, at));
    if (json_object_get(node, "$ref")) return write_reference(w, at, out);
    if (json_object_get(node, "allOf")) return write_all_of(w, at, out);
    if (json_object_get(node, "anyOf"))
        return write_choice(w, at, "anyOf", out);
    if (json_object_get(node, "oneOf"))
        return write_choice(w, at, "oneOf", out);
    if (json_object_get(node, "enum") || json_object_get(node, "const"))
        return schema_enum(w, at, out);
    if (is_alone(node, "")) {
        text_adds(out, "value");
        return AR_OK;
    }
    return write_types(w, at, out);
}

/* ---- a document ---- */

/* References lead to further ones; each is written once. */
static ar_status write_references(schema_writer *w) {
    for (size_t i = 0; i < json_array_size(w->queue); i++) {
        const char *ref = json_string_value(json_array_get(w->queue, i));
        const schema_at none = {.index = -1};
        char rule[SCHEMA_NAME] = "";
        const json_t *node;
        TRY(schema_find(w, &none, ref, &node));
        const schema_at at = {.key = ref, .index = -1, .node = node};
        TRY(schema_rule(w, &at, rule));
        text_addf(&w->rules, "r%zu ::= %s\n", i, rule);
    }
    return AR_OK;
}

static ar_status write_document(schema_writer *w, text *out) {
    char rule[SCHEMA_NAME] = "";
    const schema_at at = {.index = -1, .node = w->root};
    if (!w->refs || !w->queue || !w->owned)
        return error_set(w->err, AR_NOMEM, "no memory for a schema");
    TRY(schema_rule(w, &at, rule));
    TRY(write_references(w));
    TRY(text_status(&w->rules, w->err));
    text_addf(out, "root ::= %s\n", rule);
    text_add(out, w->rules.data, w->rules.size);
    text_adds(out, base_rules);
    return text_status(out, w->err);
}

ar_status json_schema_text(text *out, const char *name, const char *json,
                           size_t n, ar_error *err) {
    json_error_t je;
    if (n > JSON_SCHEMA_MAX)
        return error_set(err, AR_RANGE, "%.100s: a schema of more than 1 MiB",
                         name);
    json_t *root =
        json_loadb(json, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (!root)
        return error_set(err, AR_FORMAT, "%.100s: line %d: %.80s", name,
                         je.line, je.text);
    schema_writer w = {.name = name,
                       .root = root,
                       .refs = json_object(),
                       .queue = json_array(),
                       .owned = json_array(),
                       .err = err};
    const ar_status s = write_document(&w, out);
    text_close(&w.rules);
    json_decref(w.refs);
    json_decref(w.queue);
    json_decref(w.owned);
    json_decref(root);
    return s;
}

ar_status ar_grammar_from_schema(ar_grammar **out, const char *name,
                                 const char *json, size_t n, ar_error *err) {
    text gbnf = {0};
    *out = NULL;
    ar_status s = json_schema_text(&gbnf, name, json, n, err);
    if (s == AR_OK) s = ar_grammar_open(out, name, gbnf.data, gbnf.size, err);
    text_close(&gbnf);
    return s;
}
