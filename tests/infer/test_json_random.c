/* test_json_random.c - a model that says anything, held to a schema: what it
 * writes is JSON that the schema allows, whatever the vocabulary. */
#include <regex.h>

#include <jansson.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "infer/grammar_mask.h"
#include "infer/json_schema.h"
#include "infer/sample.h"
#include "tests/test.h"
#include "tok/utf8.h"

/* ---- does a value follow a schema? ---- */

static bool valid(const json_t *root, const json_t *s, json_t *v);

static bool is_type(const char *type, const json_t *v) {
    if (!strcmp(type, "integer"))
        return json_is_integer(v) ||
               (json_is_real(v) &&
                floor(json_real_value(v)) == json_real_value(v));
    return (!strcmp(type, "number") && json_is_number(v)) ||
           (!strcmp(type, "string") && json_is_string(v)) ||
           (!strcmp(type, "boolean") && json_is_boolean(v)) ||
           (!strcmp(type, "null") && json_is_null(v)) ||
           (!strcmp(type, "array") && json_is_array(v)) ||
           (!strcmp(type, "object") && json_is_object(v));
}

static bool type_valid(const json_t *type, const json_t *v) {
    bool good = false;
    json_t *one;
    size_t i;
    if (json_is_string(type)) return is_type(json_string_value(type), v);
    json_array_foreach((json_t *)type, i, one) good |=
        is_type(json_string_value(one), v);
    return good;
}

static int count_valid(const json_t *root, const json_t *list, json_t *v) {
    json_t *one;
    size_t i;
    int n = 0;
    json_array_foreach((json_t *)list, i, one) n += valid(root, one, v);
    return n;
}

static bool object_valid(const json_t *root, const json_t *s, json_t *v) {
    const json_t *own = json_object_get(s, "properties");
    const json_t *more = json_object_get(s, "additionalProperties");
    const char *key;
    json_t *member, *name;
    size_t i;
    json_object_foreach(v, key, member) {
        const json_t *of = json_object_get(own, key);
        if (!valid(root, of ? of : more ? more : json_true(), member))
            return false;
    }
    json_array_foreach(
        json_object_get(s, "required"), i,
        name) if (!json_object_get(v, json_string_value(name))) return false;
    return true;
}

static double bound(const json_t *s, const char *key, double other) {
    const json_t *b = json_object_get(s, key);
    return b ? json_number_value(b) : other;
}

static bool array_valid(const json_t *root, const json_t *s, json_t *v) {
    const json_t *prefix = json_object_get(s, "prefixItems");
    const json_t *items = json_object_get(s, "items");
    const size_t n = json_array_size(v);
    for (size_t i = 0; i < n; i++) {
        const json_t *of = json_array_get(prefix, i);
        if (!valid(root,
                   of      ? of
                   : items ? items
                           : json_true(),
                   json_array_get(v, i)))
            return false;
    }
    return (double)n >= bound(s, "minItems", 0) &&
           (double)n <= bound(s, "maxItems", 1e9);
}

static bool string_valid(const json_t *s, const json_t *v) {
    const char *p = json_string_value(v);
    const char *pattern = json_string_value(json_object_get(s, "pattern"));
    double n = 0;
    for (const char *q = p; *q; q++) n += (*q & 0xC0) != 0x80;
    if (pattern) {
        regex_t r;
        assert_int_equal(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB), 0);
        const bool matches = regexec(&r, p, 0, NULL, 0) == 0;
        regfree(&r);
        if (!matches) return false;
    }
    return n >= bound(s, "minLength", 0) && n <= bound(s, "maxLength", 1e9);
}

static bool number_valid(const json_t *s, const json_t *v) {
    const double x = json_number_value(v);
    return x >= bound(s, "minimum", -INFINITY) &&
           x <= bound(s, "maximum", INFINITY) &&
           x > bound(s, "exclusiveMinimum", -INFINITY) &&
           x < bound(s, "exclusiveMaximum", INFINITY);
}

static const json_t *follow(const json_t *root, const char *ref) {
    char step[64];
    for (ref += 1; *ref == '/';) {
        const size_t n = strcspn(++ref, "/");
        snprintf(step, sizeof step, "%.*s", (int)n, ref);
        root = json_object_get(root, step);
        ref += n;
    }
    return root;
}

static bool choices_valid(const json_t *root, const json_t *s, json_t *v) {
    const json_t *ref = json_object_get(s, "$ref");
    const json_t *any = json_object_get(s, "anyOf");
    const json_t *one = json_object_get(s, "oneOf");
    const json_t *all = json_object_get(s, "allOf");
    if (ref && !valid(root, follow(root, json_string_value(ref)), v))
        return false;
    return (!any || count_valid(root, any, v) > 0) &&
           (!one || count_valid(root, one, v) == 1) &&
           (!all || count_valid(root, all, v) == (int)json_array_size(all));
}

static bool valid(const json_t *root, const json_t *s, json_t *v) {
    if (json_is_boolean(s)) return json_is_true(s);
    json_t *list = json_object_get(s, "enum"), *one;
    json_t *same = json_object_get(s, "const");
    const json_t *type = json_object_get(s, "type");
    size_t i;
    bool found = !list;
    json_array_foreach(list, i, one) found |= json_equal(one, v) != 0;
    if (!found || (same && !json_equal(same, v)) ||
        (type && !type_valid(type, v)) || !choices_valid(root, s, v))
        return false;
    if (json_is_object(v)) return object_valid(root, s, v);
    if (json_is_array(v)) return array_valid(root, s, v);
    if (json_is_string(v)) return string_valid(s, v);
    return !json_is_number(v) || number_valid(s, v);
}

/* ---- writing ---- */

typedef struct writer {
    ar_tokenizer *tok;
    ar_token_tree *tree;
    int64_t n_vocab;
    int32_t eos;
    double *logits;
} writer;

/* After a while what ends things is likelier. */
static double liking(const writer *w, int32_t id, int64_t at) {
    size_t n;
    const char *p = token_tree_bytes(w->tree, id, &n);
    const double haste = at < 40 ? 0 : (double)(at - 40) / 4;
    if (id == w->eos) return haste;
    if (!n || haste == 0) return 0;
    if (n == 1 && strchr("}]\"", *p)) return haste;
    if (n == 1 && strchr("0123456789lenutrfas", *p)) return haste / 2;
    return 0;
}

static void write_text(const writer *w, ar_grammar_mask *m, uint64_t seed,
                       text *out) {
    ar_sampler *s;
    ar_sample_options o = ar_sample_options_default();
    o.seed = seed;
    assert_ok(ar_sampler_open(&s, &o, w->n_vocab, 0, err));
    for (int64_t at = 0; !ar_grammar_mask_is_over(m); at++) {
        const uint64_t *bits;
        int32_t id = -1;
        size_t n;
        if (at == 4000) fail_msg("no end: %.300s", out->data);
        for (int32_t i = 0; i < w->n_vocab; i++)
            w->logits[i] = 3 * rng_normal(seed, (uint64_t)at, (uint64_t)i) +
                           liking(w, i, at);
        assert_ok(ar_grammar_mask_allowed(m, &bits, err));
        ar_sampler_allow(s, bits);
        const ar_sample_input in = {w->logits, NULL, 0, at};
        assert_ok(ar_sampler_next(s, &in, &id, err));
        assert_true(bits[id >> 6] >> (id & 63) & 1);
        assert_ok(ar_grammar_mask_accept(m, id, err));
        const char *p = token_tree_bytes(w->tree, id, &n);
        if (id != w->eos) text_add(out, p, n);
    }
    text_add(out, "", 0);
    ar_sampler_close(s);
}

static const char *const schemas[] = {
    "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\", "
    "\"minLength\": 1, \"maxLength\": 12}, \"age\": {\"type\": \"integer\", "
    "\"minimum\": 0, \"maximum\": 130}, \"tags\": {\"type\": \"array\", "
    "\"items\": {\"enum\": [\"a\", \"bc\", null, 1.5]}, \"maxItems\": 4}}, "
    "\"required\": [\"name\", \"age\"], \"additionalProperties\": false}",
    "{\"type\": \"array\", \"items\": {\"type\": \"number\", \"minimum\": -7, "
    "\"exclusiveMaximum\": 12}, \"minItems\": 2, \"maxItems\": 5}",
    "{\"$defs\": {\"tree\": {\"type\": \"object\", \"properties\": {\"v\": "
    "{\"type\": \"integer\"}, \"l\": {\"$ref\": \"#/$defs/tree\"}, \"r\": "
    "{\"$ref\": \"#/$defs/tree\"}}, \"required\": [\"v\"]}}, \"$ref\": "
    "\"#/$defs/tree\"}",
    "{\"oneOf\": [{\"properties\": {\"kind\": {\"const\": \"dot\"}, \"at\": "
    "{\"prefixItems\": [{\"type\": \"integer\"}, {\"type\": \"integer\"}], "
    "\"items\": false, \"minItems\": 2, \"type\": \"array\"}}, \"required\": "
    "[\"kind\", \"at\"], \"type\": \"object\"}, {\"properties\": {\"kind\": "
    "{\"const\": \"text\"}, \"s\": {\"type\": \"string\", \"pattern\": "
    "\"^[A-Z][a-z]{0,5}( [0-9]+)?$\"}}, \"required\": [\"kind\", \"s\"], "
    "\"type\": \"object\"}]}",
    "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"integer\"}},"
    " \"additionalProperties\": {\"type\": [\"boolean\", \"null\"]}}",
    "{\"anyOf\": [{\"type\": \"string\", \"maxLength\": 5}, {\"type\": "
    "\"array\", \"items\": {\"type\": \"boolean\"}}, {\"type\": \"null\"}]}",
    "{\"allOf\": [{\"type\": \"object\", \"properties\": {\"a\": {\"type\": "
    "\"integer\", \"minimum\": 3}}, \"required\": [\"a\"]}, {\"type\": "
    "\"object\", \"properties\": {\"a\": {\"type\": \"integer\", \"maximum\": "
    "1999}, \"b\": {\"type\": \"string\"}}}]}",
    "{\"type\": \"object\"}",
    "{}",
};

static void check_schema(const writer *w, const char *source, uint64_t seed) {
    ar_grammar *g;
    ar_grammar_mask *m;
    text written = {0};
    json_error_t je;
    const ar_grammar_mask_options o = {&w->eos, 1, w->n_vocab};
    json_t *schema = json_loads(source, JSON_DECODE_ANY, &je);
    assert_ok(ar_grammar_from_schema(&g, "s", source, strlen(source), err));
    assert_ok(ar_grammar_mask_open(&m, g, w->tree, &o, err));
    write_text(w, m, seed, &written);
    assert_int_equal(utf8_valid(written.data, written.size), written.size);
    json_t *v = json_loadb(written.data, written.size, JSON_DECODE_ANY, &je);
    if (!v || !valid(schema, schema, v))
        fail_msg("%s: wrote %.400s (%s)", source, written.data,
                 v ? "against the schema" : je.text);
    json_decref(v);
    json_decref(schema);
    text_close(&written);
    ar_grammar_mask_close(m);
    ar_grammar_close(g);
}

void test_json_random(void **state) {
    (void)state;
    static const char *const vocabularies[] = {"bpe_qwen2", "bpe_llama2",
                                               "bpe_gpt2"};
    for (size_t v = 0; v < 3; v++) {
        writer w;
        char path[64];
        snprintf(path, sizeof path, "tokenizers/%s", vocabularies[v]);
        assert_ok(ar_tokenizer_open(&w.tok, test_golden(path), err));
        assert_ok(ar_token_tree_open(&w.tree, w.tok, err));
        w.n_vocab = ar_tokenizer_vocab(w.tok);
        w.eos = ar_tokenizer_eos(w.tok);
        w.logits = mem_new(double, w.n_vocab);
        for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
            for (uint64_t seed = 0; seed < 4; seed++)
                check_schema(&w, schemas[i], seed);
        mem_free(w.logits);
        ar_token_tree_close(w.tree);
        ar_tokenizer_close(w.tok);
    }
}
