/* test_json_schema.c - JSON schemas as grammars: what is written, what is
 * refused. */
#include <jansson.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "infer/json_schema.h"
#include "tests/test.h"

static bool follows(grammar_run *r, const char *p) {
    grammar_state s;
    assert_ok(grammar_run_start(r, &s, err));
    for (; *p; p++) assert_ok(grammar_run_step(r, s, (uint8_t)*p, &s, err));
    return grammar_run_can_end(r, s);
}

static void check(const char *schema, const char *const *good,
                  const char *const *bad) {
    ar_grammar *g;
    grammar_run *r;
    assert_ok(ar_grammar_from_schema(&g, "s", schema, strlen(schema), err));
    assert_ok(grammar_run_open(&r, g, err));
    for (; *good; good++)
        if (!follows(r, *good))
            fail_msg("%s is not accepted by %s", *good, schema);
    for (; *bad; bad++)
        if (follows(r, *bad)) fail_msg("%s is accepted by %s", *bad, schema);
    grammar_run_close(r);
    ar_grammar_close(g);
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

void test_json_schema_any(void **state) {
    (void)state;
    const char *const good[] = {"1",
                                "-1.5e3",
                                "\"a\\n\\u00e9\\ud83d\\ude00\"",
                                "[]",
                                "[1, [2,3], {}]",
                                "{\"a\": {\"b\":[true,false,null]}}",
                                "{\n  \"a\": 1,\n  \"b\": 2\n}",
                                NULL};
    const char *const bad[] = {
        "",       "01",          "[1,]",        "{\"a\":}",    "tru",
        "\"\n\"", "\"\\ud83d\"", "\"\\udc00\"", "\"\\u0000\"", "[1  ,2]",
        " 1",     NULL};
    check("true", good, bad);
    check("{}", good, bad);
    check("{\"title\": \"T\", \"description\": \"d\", \"default\": 3}", good,
          bad);
    check("{\"type\": \"object\"}", TEXTS("{}", "{ \"a\": [1] }"),
          TEXTS("[]", "1", "{\"a\"}"));
}

void test_json_schema_objects(void **state) {
    (void)state;
    check("{\"type\": \"object\", \"properties\": {\"a\": {\"type\": "
          "\"integer\"}, \"b\": {\"type\": \"boolean\"}, \"c\": {\"type\": "
          "\"null\"}}, \"required\": [\"b\"]}",
          TEXTS("{\"b\":true}", "{\"a\": 1, \"b\": false}",
                "{\"a\":1,\"b\":true,\"c\":null}", "{\"b\":true,\"c\":null}"),
          TEXTS("{}", "{\"a\":1}", "{\"b\":1}", "{\"b\":true,\"a\":1}",
                "{\"b\":true,\"d\":1}", "{\"b\":true,}"));
    check("{\"properties\": {\"x\": {\"const\": 1}, \"y\": {\"const\": 2}}}",
          TEXTS("{}", "{\"x\":1}", "{\"y\":2}", "{\"x\":1,\"y\":2}"),
          TEXTS("{\"y\":2,\"x\":1}", "{,}", "{\"x\":2}"));
    check("{\"properties\": {\"ab\": {\"const\": 1}, \"a\": {\"const\": 2}}, "
          "\"additionalProperties\": {\"const\": 3}, \"required\": [\"ab\"]}",
          TEXTS("{\"ab\":1}", "{\"ab\":1,\"abc\":3}", "{\"ab\":1,\"\":3}",
                "{\"ab\":1,\"a\":2,\"b\":3,\"\xC3\xA9\":3}",
                "{\"ab\":1,\"b\":3,\"c\":3}"),
          TEXTS("{\"ab\":1,\"ab\":3}", "{\"ab\":1,\"a\":3}", "{\"b\":3}",
                "{\"ab\":1,\"b\":2}", "{\"ab\":1,\"\\u0061\":3}"));
    check("{\"additionalProperties\": {\"type\": \"integer\"}, "
          "\"minProperties\": 1, \"maxProperties\": 2}",
          TEXTS("{\"a\":1}", "{\"a\":1,\"b\":2}"),
          TEXTS("{}", "{\"a\":true}", "{\"a\":1,\"b\":2,\"c\":3}"));
    check("{\"properties\": {\"x\": {\"const\": 1}, \"y\": {\"const\": 2}}, "
          "\"minProperties\": 1}",
          TEXTS("{\"x\":1}", "{\"y\":2}", "{\"x\":1,\"y\":2}"), TEXTS("{}"));
    check("{\"type\": \"object\", \"additionalProperties\": false}",
          TEXTS("{}", "{ }"), TEXTS("{\"a\":1}"));
    check("{\"type\": \"object\", \"required\": [\"q\\\"\"]}",
          TEXTS("{\"q\\\"\":1}", "{\"q\\\"\":1,\"b\":2}"), TEXTS("{}"));
    check("{\"patternProperties\": {\"^x[0-9]$\": {\"type\": \"null\"}}, "
          "\"additionalProperties\": false}",
          TEXTS("{}", "{\"x1\":null,\"x2\":null}"), TEXTS("{\"x\":null}"));
    check("{\"additionalProperties\": {\"const\": 1}, \"propertyNames\": "
          "{\"maxLength\": 2}}",
          TEXTS("{\"ab\":1}"), TEXTS("{\"abc\":1}"));
    check("{\"properties\": {\"a\": {\"const\": 1}, \"no\": false}}",
          TEXTS("{\"a\":1}", "{}"), TEXTS("{\"no\":1}"));
}

void test_json_schema_arrays(void **state) {
    (void)state;
    check("{\"items\": {\"enum\": [1, 2]}}",
          TEXTS("[]", "[1]", "[1,2,1]", "[ 1, 2 ]"), TEXTS("[3]", "{}"));
    check("{\"items\": {\"enum\": [1]}, \"minItems\": 2, \"maxItems\": 3}",
          TEXTS("[1,1]", "[1,1,1]"), TEXTS("[]", "[1]", "[1,1,1,1]"));
    check("{\"type\": \"array\", \"maxItems\": 0}", TEXTS("[]"), TEXTS("[1]"));
    check("{\"type\": \"array\", \"maxItems\": 1, \"items\": {\"const\": 1}}",
          TEXTS("[]", "[1]"), TEXTS("[1,1]"));
    check("{\"prefixItems\": [{\"const\": 1}, {\"const\": 2}]}",
          TEXTS("[]", "[1]", "[1,2]"), TEXTS("[2]", "[1,2,3]"));
    check("{\"prefixItems\": [{\"const\": 1}, {\"const\": 2}], \"minItems\": 1,"
          " \"items\": {\"const\": 3}, \"maxItems\": 4}",
          TEXTS("[1]", "[1,2]", "[1,2,3]", "[1,2,3,3]"),
          TEXTS("[]", "[1,3]", "[1,2,3,3,3]"));
    check("{\"prefixItems\": [{\"const\": 1}], \"items\": {\"const\": 3}, "
          "\"minItems\": 3}",
          TEXTS("[1,3,3]", "[1,3,3,3]"), TEXTS("[1]", "[1,3]"));
    check("{\"items\": [{\"const\": 1}], \"additionalItems\": false}",
          TEXTS("[]", "[1]"), TEXTS("[1,1]"));
    check("{\"type\": \"array\"}", TEXTS("[]", "[1,\"a\",{}]"), TEXTS("1"));
}

void test_json_schema_strings(void **state) {
    (void)state;
    check("{\"minLength\": 2, \"maxLength\": 3}",
          TEXTS("\"ab\"", "\"\xC3\xA9\\n\"", "\"\\ud83d\\ude00xx\"",
                "\"\\\"\\\\\""),
          TEXTS("\"a\"", "\"abcd\"", "\"\\\"\""));
    check("{\"enum\": [\"a\\\"b\", \"\\n\", \"\xC3\xA9\", null, 1.5, 0.1, "
          "[1, {\"x\": true}]]}",
          TEXTS("\"a\\\"b\"", "\"\\n\"", "\"\xC3\xA9\"", "null", "1.5", "0.1",
                "[1,{\"x\":true}]"),
          TEXTS("\"a\"", "true", "\"\\u00e9\""));
    check("{\"enum\": [1, \"a\", null], \"type\": [\"string\", \"null\"]}",
          TEXTS("\"a\"", "null"), TEXTS("1"));
    check("{\"enum\": [1, 2, 3, \"a\", \"\\u00e9bc\", [1]], \"minimum\": 2, "
          "\"exclusiveMaximum\": 3, \"maxLength\": 3, \"minLength\": 2, "
          "\"minItems\": 2}",
          TEXTS("2", "\"\xC3\xA9"
                     "bc\""),
          TEXTS("1", "3", "\"a\"", "[1]"));
    check("{\"format\": \"date\"}",
          TEXTS("\"2024-02-28\"", "\"1999-12-31\"", "\"2000-04-30\""),
          TEXTS("\"2024-02-30\"", "\"2024-13-01\"", "\"2024-04-31\"",
                "\"2024-1-01\"", "\"2024-00-01\"", "\"2024-01-00\""));
    check("{\"format\": \"date-time\"}",
          TEXTS("\"2024-02-28T23:59:59Z\"", "\"2024-02-28T00:00:00.5+02:00\""),
          TEXTS("\"2024-02-28\"", "\"2024-02-28T24:00:00Z\"",
                "\"2024-02-28T00:00:00\""));
    check("{\"format\": \"time\"}", TEXTS("\"10:00:00-11:30\""),
          TEXTS("\"10:60:00Z\""));
    check("{\"format\": \"uuid\"}",
          TEXTS("\"123e4567-e89b-12d3-a456-426614174000\""),
          TEXTS("\"123e4567e89b12d3a456426614174000\""));
    check("{\"format\": \"ipv4\"}", TEXTS("\"0.0.0.0\"", "\"255.249.199.99\""),
          TEXTS("\"256.0.0.1\"", "\"01.1.1.1\"", "\"1.1.1\""));
    check("{\"format\": \"email\"}", TEXTS("\"a.b@c.de\""), TEXTS("\"a@b\""));
    check("{\"format\": \"hostname\"}", TEXTS("\"a-b.example.org\""),
          TEXTS("\"-a\"", "\"a..b\""));
    check("{\"type\": \"string\", \"format\": \"colour\"}",
          TEXTS("\"anything\""), TEXTS("1"));
}

static void pattern(const char *p, const char *const *good,
                    const char *const *bad) {
    json_t *schema = json_pack("{s:s}", "pattern", p);
    char whole[256];
    const size_t n = json_dumpb(schema, whole, sizeof whole - 1, 0);
    assert_true(n < sizeof whole);
    whole[n] = 0;
    json_decref(schema);
    check(whole, good, bad);
}

void test_json_schema_patterns(void **state) {
    (void)state;
    pattern("^[a-z]+$", TEXTS("\"abc\""), TEXTS("\"\"", "\"aB\""));
    pattern("b", TEXTS("\"b\"", "\"abc\"", "\"\\nb\""), TEXTS("\"a\"", "\"\""));
    pattern("^a|b$", TEXTS("\"ax\"", "\"xb\"", "\"a\""), TEXTS("\"xa\""));
    pattern("^(a|bc){2,3}d?$", TEXTS("\"aa\"", "\"abcad\"", "\"bcbc\""),
            TEXTS("\"a\"", "\"aaaa\"", "\"aadd\""));
    pattern("^\\d{3}-\\d{4}$", TEXTS("\"555-1234\""), TEXTS("\"5551234\""));
    pattern("^(?:\\(\\d\\))?\\w\\s?$", TEXTS("\"(1)a\"", "\"_ \"", "\"a\\t\""),
            TEXTS("\"(1)\"", "\"1)a\""));
    pattern("^[^\"a]$", TEXTS("\"b\"", "\"\\\\\"", "\"\xC3\xA9\""),
            TEXTS("\"a\"", "\"\\\"\"", "\"\"\""));
    pattern("^[\"\\\\]+$", TEXTS("\"\\\"\\\\\""), TEXTS("\"\\\"", "\"a\""));
    pattern("^.\\.$", TEXTS("\"a.\"", "\"\xF0\x9F\x98\x80.\""),
            TEXTS("\"ab\"", "\"\\n.\""));
    pattern("^\\n\\x41\\u00e9\\x01$", TEXTS("\"\\nA\xC3\xA9\\u0001\""),
            TEXTS("\"nA\""));
    pattern("^[\\d\\-x-z]*?$", TEXTS("\"\"", "\"1-y\""), TEXTS("\"w\""));
    pattern("^(?<year>[0-9]{4})(|x)$", TEXTS("\"2024\"", "\"2024x\""),
            TEXTS("\"204\""));
    pattern("^\\S\\D\\W$", TEXTS("\"1a!\""), TEXTS("\" a!\"", "\"a1!\""));
    pattern("", TEXTS("\"\"", "\"x\""), TEXTS("1"));
    check("{\"pattern\": \"^[a-z]+$\", \"maxLength\": 3}",
          TEXTS("\"a\"", "\"abc\""), TEXTS("\"\"", "\"abcd\""));
    check("{\"pattern\": \"^x[a-z]*y$\", \"maxLength\": 4, \"minLength\": 3}",
          TEXTS("\"xay\"", "\"xaby\""), TEXTS("\"xy\"", "\"xabcy\""));
    check("{\"pattern\": \"^[ab]{4}$\", \"maxLength\": 4, \"minLength\": 2}",
          TEXTS("\"abab\""), TEXTS("\"aba\""));
}

/* Bounds against every number near them. */
static void bounds(int low, int high) {
    char schema[128], word[32];
    ar_grammar *g;
    grammar_run *r;
    snprintf(schema, sizeof schema,
             "{\"type\": \"integer\", \"minimum\": %d, \"maximum\": %d}", low,
             high);
    assert_ok(ar_grammar_from_schema(&g, "s", schema, strlen(schema), err));
    assert_ok(grammar_run_open(&r, g, err));
    for (int i = -1200; i <= 12000; i++) {
        snprintf(word, sizeof word, "%d", i);
        if (follows(r, word) != (i >= low && i <= high))
            fail_msg("%s: %s", schema, word);
        snprintf(word, sizeof word, "0%d", i);
        if (i >= 0) assert_false(follows(r, word));
    }
    grammar_run_close(r);
    ar_grammar_close(g);
}

void test_json_schema_integers(void **state) {
    (void)state;
    static const int pairs[][2] = {
        {0, 0},      {0, 9},     {1, 10},    {5, 123},   {99, 101},
        {-5, 5},     {-100, -7}, {-999, 99}, {10, 9999}, {1000, 10000},
        {347, 8215}, {-1, 0},    {0, 100},   {19, 20},   {-1000, 1}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        bounds(pairs[i][0], pairs[i][1]);
    for (uint64_t i = 0; i < 60; i++) {
        const int a = (int)(rng_bits(1, 0, i) % 11000) - 1000;
        bounds(a, a + (int)(rng_bits(1, 1, i) % 900));
    }
    check("{\"type\": \"integer\"}", TEXTS("0", "-12", "999999999999999"),
          TEXTS("1.0", "01", "1e3", "1000000000000000"));
    check("{\"type\": \"integer\", \"exclusiveMinimum\": 2.5, "
          "\"exclusiveMaximum\": 5}",
          TEXTS("3", "4"), TEXTS("2", "5"));
    check("{\"type\": \"integer\", \"minimum\": 7}", TEXTS("7", "123456"),
          TEXTS("6", "-7", "0"));
    check("{\"type\": \"integer\", \"maximum\": -1}", TEXTS("-1", "-123456"),
          TEXTS("0", "1"));
    check("{\"type\": \"integer\", \"minimum\": 9007199254740990}",
          TEXTS("9007199254740991"), TEXTS("9007199254740989"));
}

void test_json_schema_numbers(void **state) {
    (void)state;
    check("{\"type\": \"number\"}", TEXTS("0", "-1.5", "2e-3", "1E+5"),
          TEXTS("1.", ".5", "+1", "1e999"));
    check("{\"type\": \"number\", \"minimum\": 0, \"maximum\": 1}",
          TEXTS("0", "1", "0.5", "1.0", "0.999"),
          TEXTS("1.01", "-0.1", "2", "1e0", "10"));
    check("{\"type\": \"number\", \"exclusiveMinimum\": 0, "
          "\"exclusiveMaximum\": 2}",
          TEXTS("1", "0.001", "1.9"), TEXTS("0", "0.0", "2", "2.0", "-1"));
    check("{\"type\": \"number\", \"minimum\": -3, \"maximum\": 12}",
          TEXTS("-3", "-2.9", "-0.1", "0", "11.9", "12.00"),
          TEXTS("-3.1", "12.1", "13"));
    check("{\"type\": \"number\", \"minimum\": 0}", TEXTS("0", "17.25"),
          TEXTS("-1"));
    check("{\"type\": \"number\", \"maximum\": -2}", TEXTS("-2", "-2.5", "-9"),
          TEXTS("-1.9", "2", "0"));
}

/* Bounds with a fraction against numbers near them, as strtod reads both. */
static void decimals(double low, double high, bool above, bool below) {
    char schema[160], word[32];
    ar_grammar *g;
    grammar_run *r;
    int n_in = 0;
    snprintf(schema, sizeof schema,
             "{\"type\": \"number\", \"%s\": %.10g, \"%s\": %.10g}",
             above ? "exclusiveMinimum" : "minimum", low,
             below ? "exclusiveMaximum" : "maximum", high);
    assert_ok(ar_grammar_from_schema(&g, "s", schema, strlen(schema), err));
    assert_ok(grammar_run_open(&r, g, err));
    for (int i = -4000; i <= 4000; i++) {
        for (int places = 0; places < 5; places++) {
            snprintf(word, sizeof word, "%.*f", places, i / 1000.0);
            const double x = strtod(word, NULL);
            const bool in =
                (above ? x > low : x >= low) && (below ? x < high : x <= high);
            const bool is = follows(r, word);
            if (is && !in) fail_msg("%s is accepted by %s", word, schema);
            /* few are left out: the narrow part beside a bound that is out */
            if (in && !is && fabs(x - low) > 0.011 && fabs(x - high) > 0.011)
                fail_msg("%s is not accepted by %s", word, schema);
            n_in += is;
        }
    }
    assert_true(n_in > 0);
    grammar_run_close(r);
    ar_grammar_close(g);
}

void test_json_schema_decimals(void **state) {
    (void)state;
    static const double pairs[][2] = {
        {0, 0.5},     {0.1, 0.9},    {0.25, 1.75}, {-0.5, 0.5}, {-2.25, -0.1},
        {-1.5, 0},    {1, 1.5},      {0.9, 1},     {1.1, 1.2},  {0.5, 3},
        {-0.3, 0.01}, {-1.2, -1.1},  {2.05, 2.55}, {0, 1},      {-3, 2},
        {1.01, 3.99}, {-3.75, 3.75}, {0.2, 0.25}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        for (int k = 0; k < 4; k++)
            decimals(pairs[i][0], pairs[i][1], k & 1, k & 2);
    decimals(0.5, 0.5, false, false);
    check("{\"type\": \"number\", \"minimum\": 0.5}",
          TEXTS("0.5", "0.75", "1", "123.5"), TEXTS("0.49", "0", "-1"));
    check("{\"type\": \"number\", \"maximum\": -0.5}",
          TEXTS("-0.5", "-0.75", "-1", "-123.5"), TEXTS("-0.49", "0", "1"));
}

void test_json_schema_choices(void **state) {
    (void)state;
    check("{\"anyOf\": [{\"type\": \"integer\"}, {\"enum\": [\"x\"]}]}",
          TEXTS("1", "\"x\""), TEXTS("\"y\"", "null"));
    check("{\"type\": [\"integer\", \"null\", \"number\"]}",
          TEXTS("1", "1.5", "null"), TEXTS("\"a\""));
    check("{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}",
          TEXTS("\"a\"", "null"), TEXTS("1"));
    /* told apart by a member that both require */
    check("{\"oneOf\": [{\"properties\": {\"t\": {\"const\": \"a\"}}, "
          "\"required\": [\"t\"]}, {\"properties\": {\"t\": {\"const\": "
          "\"b\"}, \"n\": {\"type\": \"integer\"}}, \"required\": [\"t\", "
          "\"n\"]}]}",
          TEXTS("{\"t\":\"a\"}", "{\"t\":\"b\",\"n\":1}"),
          TEXTS("{\"t\":\"b\"}", "{}"));
    check("{\"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\":"
          " \"integer\"}}, \"anyOf\": [{\"required\": [\"a\"]}, "
          "{\"required\": [\"b\"]}]}",
          TEXTS("{\"a\":1}", "{\"b\":1}", "{\"a\":1,\"b\":2}"), TEXTS("{}"));
    check("{\"allOf\": [{\"properties\": {\"a\": {\"minimum\": 1}}, "
          "\"required\": [\"a\"]}, {\"properties\": {\"a\": {\"type\": "
          "\"integer\", \"minimum\": 0, \"maximum\": 3}, \"b\": true}}]}",
          TEXTS("{\"a\":1}", "{\"a\":3,\"b\":[]}"),
          TEXTS("{\"a\":0}", "{\"a\":4}", "{\"a\":1.5}", "{}"));
    check("{\"const\": {\"a\": 1}}", TEXTS("{\"a\":1}"), TEXTS("{}"));
}

void test_json_schema_references(void **state) {
    (void)state;
    check("{\"$defs\": {\"n/1~x\": {\"type\": \"integer\"}}, \"items\": "
          "{\"$ref\": \"#/$defs/n~11~0x\"}}",
          TEXTS("[1,2]"), TEXTS("[\"a\"]"));
    check("{\"properties\": {\"v\": {\"const\": 1}, \"next\": {\"$ref\": "
          "\"#\"}}, \"required\": [\"v\"]}",
          TEXTS("{\"v\":1}", "{\"v\":1,\"next\":{\"v\":1,\"next\":{\"v\":1}}}"),
          TEXTS("{\"v\":1,\"next\":{}}"));
    check("{\"$ref\": \"#/definitions/t\", \"definitions\": {\"t\": {\"anyOf\":"
          " [{\"type\": \"null\"}, {\"items\": {\"$ref\": "
          "\"#/definitions/t\"}}]}}}",
          TEXTS("null", "[null,[[]]]"), TEXTS("1", "[1]"));
    check("{\"$defs\": {\"s\": {\"type\": \"string\", \"maxLength\": 3}}, "
          "\"$ref\": \"#/%24defs/s\", \"minLength\": 2}",
          TEXTS("\"ab\""), TEXTS("\"a\"", "\"abcd\""));
}

static const struct {
    const char *schema;
    ar_status code;
    const char *word;
} cases[] = {
    {"", AR_FORMAT, "s: line 1"},
    {"{", AR_FORMAT, "line 1"},
    {"[]", AR_FORMAT, "s: #: this is not a schema"},
    {"{\"type\": \"text\"}", AR_FORMAT, "\"type\" is no type"},
    {"{\"type\": []}", AR_UNSUPPORTED, "no type is allowed"},
    {"false", AR_UNSUPPORTED, "no value is allowed"},
    {"{\"properties\": {\"a\": {\"multipleOf\": 3}}}", AR_UNSUPPORTED,
     "/properties/a: \"multipleOf\""},
    {"{\"items\": {\"not\": {}}}", AR_UNSUPPORTED, "/items: \"not\""},
    {"{\"if\": {}, \"then\": {}}", AR_UNSUPPORTED, "\"if\""},
    {"{\"items\": {}, \"uniqueItems\": true}", AR_UNSUPPORTED, "\"unique"},
    {"{\"contains\": {}}", AR_UNSUPPORTED, "\"contains\""},
    {"{\"enum\": []}", AR_UNSUPPORTED, "no value"},
    {"{\"enum\": [1], \"minimum\": 2}", AR_UNSUPPORTED, "no value"},
    {"{\"enum\": [1], \"pattern\": \"a\"}", AR_UNSUPPORTED,
     "\"pattern\" beside"},
    {"{\"$ref\": \"http://x/y\"}", AR_UNSUPPORTED, "not of this document"},
    {"{\"$ref\": \"#/a\"}", AR_FORMAT, "nothing at \"#/a\""},
    {"{\"$ref\": \"#\"}", AR_FORMAT, "calls itself"},
    {"{\"anyOf\": [{\"$ref\": \"#\"}, {\"type\": \"null\"}]}", AR_FORMAT,
     "calls itself"},
    {"{\"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"]}",
     AR_FORMAT, "ever ends"},
    {"{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}",
     AR_UNSUPPORTED, "choices 0 and 1"},
    {"{\"anyOf\": []}", AR_FORMAT, "\"anyOf\" is not a list"},
    {"{\"allOf\": [{\"pattern\": \"a\"}, {\"pattern\": \"b\"}]}",
     AR_UNSUPPORTED, "/allOf/1: two different \"pattern\""},
    {"{\"allOf\": [{\"type\": \"null\"}, {\"type\": \"string\"}]}",
     AR_UNSUPPORTED, "no type is allowed"},
    {"{\"patternProperties\": {\"a\": {}, \"b\": {}}}", AR_UNSUPPORTED,
     "only one pattern"},
    {"{\"properties\": {}, \"required\": [\"a\"], "
     "\"additionalProperties\": false}",
     AR_UNSUPPORTED, "\"a\" is required"},
    {"{\"minProperties\": 2, \"type\": \"object\"}", AR_UNSUPPORTED,
     "\"minProperties\""},
    {"{\"minItems\": 3, \"maxItems\": 2}", AR_UNSUPPORTED, "minItems"},
    {"{\"minLength\": 3, \"maxLength\": 2}", AR_UNSUPPORTED, "minLength"},
    {"{\"minLength\": -1}", AR_FORMAT, "not a whole number"},
    {"{\"maxLength\": 1e9}", AR_RANGE, "above 100000"},
    {"{\"minimum\": 3, \"maximum\": 2, \"type\": \"integer\"}", AR_UNSUPPORTED,
     "no number"},
    {"{\"minimum\": 0.12345678, \"type\": \"number\"}", AR_UNSUPPORTED,
     "more than 6 digits"},
    {"{\"minimum\": 1000000.5, \"type\": \"number\"}", AR_UNSUPPORTED,
     "beyond 1e6"},
    {"{\"exclusiveMinimum\": true}", AR_FORMAT, "older drafts"},
    {"{\"pattern\": \"(?=a)\"}", AR_UNSUPPORTED, "looking around"},
    {"{\"pattern\": \"^(a\"}", AR_UNSUPPORTED, "not closed"},
    {"{\"pattern\": \"a)\"}", AR_UNSUPPORTED, "not open"},
    {"{\"pattern\": \"a**\"}", AR_UNSUPPORTED, "count behind"},
    {"{\"pattern\": \"*\"}", AR_UNSUPPORTED, "nothing to repeat"},
    {"{\"pattern\": \"a{2,1}\"}", AR_UNSUPPORTED, "no such count"},
    {"{\"pattern\": \"(^a)\"}", AR_UNSUPPORTED, "anchor inside"},
    {"{\"pattern\": \"\\\\bx\"}", AR_UNSUPPORTED, "escape"},
    {"{\"pattern\": \"(a)\\\\1\"}", AR_UNSUPPORTED, "escape"},
    {"{\"pattern\": \"\\\\p{L}\"}", AR_UNSUPPORTED, "escape"},
    {"{\"pattern\": \"[b-a]\"}", AR_UNSUPPORTED, "upside down"},
    {"{\"pattern\": \"[a\"}", AR_UNSUPPORTED, "class is not closed"},
    {"{\"pattern\": \"a+b+\", \"maxLength\": 3}", AR_UNSUPPORTED,
     "does not keep"},
    {"{\"format\": \"date\", \"maxLength\": 3}", AR_UNSUPPORTED,
     "beside \"format\""},
    {"{\"a\": 1, \"a\": 2}", AR_FORMAT, "duplicate"},
};

void test_json_schema_bad(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ar_grammar *g;
        ar_error e = {0};
        const ar_status s = ar_grammar_from_schema(&g, "s", cases[i].schema,
                                                   strlen(cases[i].schema), &e);
        if (s != cases[i].code || g || !strstr(e.message, cases[i].word))
            fail_msg("%s: %d \"%s\", wanted %d \"%s\"", cases[i].schema, s,
                     e.message, cases[i].code, cases[i].word);
    }
}

/* Schemas that are too much come to an end, with a sentence. */
void test_json_schema_large(void **state) {
    (void)state;
    text t = {0};
    ar_grammar *g;
    enum { N = 20000 };
    static const char *const lists[] = {"oneOf", "allOf"};
    for (int k = 0; k < 2; k++) {
        text_clear(&t);
        text_addf(&t, "{\"%s\": [", lists[k]);
        for (int i = 0; i < N; i++)
            text_addf(&t, "%s{\"properties\": {\"p%d\": {\"const\": 1}}}",
                      i ? "," : "", i);
        text_adds(&t, "]}");
        ar_error e = {0};
        assert_int_not_equal(
            ar_grammar_from_schema(&g, "s", t.data, t.size, &e), AR_OK);
        assert_true(e.message[0] != 0);
    }
    /* many values and many names are fine */
    text_clear(&t);
    text_adds(&t, "{\"enum\": [0");
    for (int i = 1; i < N; i++) text_addf(&t, ",%d", i);
    text_adds(&t, "]}");
    assert_ok(ar_grammar_from_schema(&g, "s", t.data, t.size, err));
    grammar_run *r;
    assert_ok(grammar_run_open(&r, g, err));
    assert_true(follows(r, "19999") && !follows(r, "20000"));
    grammar_run_close(r);
    ar_grammar_close(g);
    text_clear(&t);
    text_adds(&t, "{\"allOf\": [{\"enum\": [0");
    for (int i = 1; i < N; i++) text_addf(&t, ",%d", i);
    text_adds(&t, "]},{\"enum\": [7");
    for (int i = 1; i < N; i++) text_addf(&t, ",-%d", i);
    text_adds(&t, "]}]}");
    assert_fails(AR_RANGE, "too often",
                 ar_grammar_from_schema(&g, "s", t.data, t.size, err));
    text_clear(&t);
    text_adds(&t, "{\"required\": [\"q\"");
    for (int i = 1; i < 15000; i++) text_addf(&t, ",\"%d\"", i);
    text_adds(&t, "]}");
    assert_ok(ar_grammar_from_schema(&g, "s", t.data, t.size, err));
    ar_grammar_close(g);
    /* deep */
    text_clear(&t);
    for (int i = 0; i < 100; i++) text_adds(&t, "{\"items\": ");
    text_adds(&t, "{}");
    for (int i = 0; i < 100; i++) text_adds(&t, "}");
    assert_fails(AR_RANGE, "64 deep",
                 ar_grammar_from_schema(&g, "s", t.data, t.size, err));
    text_close(&t);
}

/* Cut short or with a byte changed, a schema is read or refused. */
void test_json_schema_damaged(void **state) {
    (void)state;
    static const char whole[] =
        "{\"$defs\": {\"a\": {\"type\": [\"string\", \"null\"], \"maxLength\": "
        "7}}, \"properties\": {\"x\": {\"$ref\": \"#/$defs/a\"}, \"y\": "
        "{\"items\": {\"minimum\": -12, \"maximum\": 3}}, \"z\": {\"pattern\": "
        "\"^[a-z]{2,3}|\\\\d$\"}}, \"required\": [\"y\"], \"anyOf\": [{}, "
        "{\"required\": [\"x\"]}]}";
    char source[sizeof whole];
    for (size_t i = 0; i + 1 < sizeof whole; i++) {
        for (uint64_t k = 0; k < 6; k++) {
            ar_grammar *g;
            ar_error e = {0};
            memcpy(source, whole, sizeof whole);
            if (k) source[i] = (char)rng_bits(9, i, k);
            const size_t n = k ? sizeof whole - 1 : i;
            if (ar_grammar_from_schema(&g, "s", source, n, &e) != AR_OK)
                assert_true(e.message[0] != 0 && !g);
            ar_grammar_close(g);
        }
    }
}

/* Memory that runs out anywhere is an error.  (jansson's own is not ours to
 * fail.) */
void test_json_schema_nomem(void **state) {
    (void)state;
    static const char source[] =
        "{\"properties\": {\"a\": {\"minimum\": 2, \"type\": \"integer\"}, "
        "\"b\": {\"prefixItems\": [{}], \"minItems\": 1}, \"c\": {\"pattern\": "
        "\"^a+$\", \"maxLength\": 3}}, \"additionalProperties\": true}";
    for (int64_t n = 1;; n++) {
        ar_grammar *g;
        ar_error e = {0};
        mem_fail_at(n, 1);
        const ar_status s =
            ar_grammar_from_schema(&g, "s", source, strlen(source), &e);
        mem_fail_at(0, 0);
        ar_grammar_close(g);
        if (s == AR_OK) break;
        assert_int_equal(s, AR_NOMEM);
        assert_null(g);
    }
}
