/* test_grammar.c - GBNF: what texts a grammar accepts, what is refused. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "infer/grammar.h"
#include "tests/test.h"
#include "tok/utf8.h"

static ar_grammar *open_source(const char *source) {
    ar_grammar *g;
    assert_ok(ar_grammar_open(&g, "g", source, strlen(source), err));
    return g;
}

/* Does a text of n bytes follow the grammar whole? */
static bool follows(grammar_run *r, const char *p, size_t n) {
    grammar_state s;
    assert_ok(grammar_run_start(r, &s, err));
    for (size_t i = 0; i < n; i++) {
        assert_ok(grammar_run_step(r, s, (uint8_t)p[i], &s, err));
        /* what is dead stays so */
        assert_int_equal(grammar_run_can_go_on(r, s) ||
                             grammar_run_can_end(r, s),
                         s != GRAMMAR_DEAD);
    }
    return grammar_run_can_end(r, s);
}

/* Texts end with NULL. */
static void check(const char *source, const char *const *good,
                  const char *const *bad) {
    ar_grammar *g = open_source(source);
    grammar_run *r;
    assert_ok(grammar_run_open(&r, g, err));
    for (; *good; good++)
        if (!follows(r, *good, strlen(*good)))
            fail_msg("\"%s\" is not accepted by %s", *good, source);
    for (; *bad; bad++)
        if (follows(r, *bad, strlen(*bad)))
            fail_msg("\"%s\" is accepted by %s", *bad, source);
    grammar_run_close(r);
    ar_grammar_close(g);
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char json_source[] =
    "# values as in RFC 8259\n"
    "root  ::= ws value ws\n"
    "value ::= object | array | string | number | \"true\" | \"false\"\n"
    "        | \"null\"\n"
    "object ::= \"{\" ws ( member (ws \",\" ws member)* )? ws \"}\"\n"
    "member ::= string ws \":\" ws value\n"
    "array ::= \"[\" ws ( value (ws \",\" ws value)* )? ws \"]\"\n"
    "string ::= \"\\\"\" ( [^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] |\n"
    "    \"u\" [0-9a-fA-F]{4}) )* \"\\\"\"\n"
    "number ::= \"-\"? (\"0\" | [1-9] [0-9]*) (\".\" [0-9]+)? (\n"
    "    [eE] [-+]? [0-9]+)?\n"
    "ws ::= [ \\t\\r\\n]*\n";

void test_grammar_json(void **state) {
    (void)state;
    check(json_source,
          TEXTS("1", "-0.5e+10", " [ ] ", "{}", "{\"a\":[1,2,{\"b\":null}]}",
                "\"\\u00e9\xC3\xA9\\n\"", "[[[[[[[[1]]]]]]]]",
                "[true, false,\tnull]", "\"\xF0\x9F\x98\x80\""),
          TEXTS("", "01", "[1,]", "{\"a\"}", "{a:1}", "\"a", "nul", "[1}",
                "\"\\x\"", "\"\t\"", "1.", "--1", "[[1]", "\"\xC3\"",
                "\"\x80\"", "\"\xED\xA0\x80\""));
}

void test_grammar_kinds(void **state) {
    (void)state;
    check("root ::= (expr \"=\" ws term \"\\n\")+\n"
          "expr ::= term ([-+*/] ws term)*\n"
          "term ::= ident | num | \"(\" ws expr \")\" ws\n"
          "ident ::= [a-z] [a-z0-9_]* ws\n"
          "num ::= [0-9]+ ws\n"
          "ws ::= [ \\t]*\n",
          TEXTS("x=1\n", "a + (b*2) = c\n", "1=2\n3=4\n", "((1))=(x)\n"),
          TEXTS("", "x=1", "x==1\n", "1+=2\n", "(1=2\n"));
    check("root ::= item+\nitem ::= \"- \" [^\\r\\n]+ \"\\n\"",
          TEXTS("- a\n", "- a\n- b c\n"), TEXTS("- \n", "-a\n", "- a"));
    check("root ::= (nr \". \" move \" \" move \"\\n\")+\n"
          "nr ::= [1-9] [0-9]?\n"
          "move ::= (piece | pawn | castle) [+#]?\n"
          "piece ::= [NBKQR] [a-h]? [1-8]? \"x\"? [a-h] [1-8]\n"
          "pawn ::= ([a-h] \"x\")? [a-h] [1-8] (\"=\" [NBQR])?\n"
          "castle ::= \"O-O\" \"-O\"?\n",
          TEXTS("1. e4 e5\n", "1. Nf3 Nc6\n12. O-O-O exd8=Q+\n",
                "9. Nbd2 R1a3\n", "3. Qxe4# O-O\n"),
          TEXTS("0. e4 e5\n", "1. e9 e5\n", "1. e4\n", "1. O-O-O-O e5\n"));
}

void test_grammar_syntax(void **state) {
    (void)state;
    check("root ::= \"a\"{2} \"b\"{0,2} \"cd\"{ 1 , }",
          TEXTS("aacd", "aabbcdcd"),
          TEXTS("aa", "acd", "aabbbcd", "aacdc", "aaacd"));
    check("root::=\"a\"?\"b\"*\"c\"+", TEXTS("c", "abbc", "bcc"),
          TEXTS("", "a", "aac", "ab"));
    /* A literal is repeated whole; counts of groups; counts of counts. */
    check("root ::= (\"a\" | \"bc\"){2,3} \"x\"{0} (\"y\"{2})*",
          TEXTS("aa", "abca", "bcbcbcyy", "aayyyy"),
          TEXTS("a", "bc", "aaaa", "aax", "aay"));
    check("root ::= \"x\"+?", TEXTS("", "x", "xx"), TEXTS("y"));
    /* Lines: after ::= and |, and inside parentheses. */
    check("root ::=\n  a |\n  b # one\r\n\r\na ::= ( \"1\"\n | \"2\" )\r\n"
          "# two\nb ::= \"3\" ",
          TEXTS("1", "2", "3"), TEXTS("", "12"));
    check("root ::= | \"a\" root", TEXTS("", "a", "aaaa"), TEXTS("b", "ab"));
    check("root ::= \"\" (\"\")* \"a\" ()", TEXTS("a"), TEXTS("", "aa"));
    check("root ::= \"\\n\\t\\r\\\\\\\"\\x41\\u00e9\\U0001F600\\[\\]\"",
          TEXTS("\n\t\r\\\"A\xC3\xA9\xF0\x9F\x98\x80[]"), TEXTS("A"));
    check("root ::= [a\\-c^] [^\\]] [a-] .",
          TEXTS("a1-x", "-aa\n", "^a-\xC3\xA9"),
          TEXTS("b1-x", "a]-x", "a1bx", "a1-"));
    check("root ::= a-rule_2\na-rule_2 ::= \"x\"", TEXTS("x"), TEXTS(""));
    /* Rules that are empty, and loops over what is empty. */
    check("root ::= (e | \"a\")* e\ne ::= (\"b\"?)*", TEXTS("", "ab", "bba"),
          TEXTS("c"));
    check("root ::= (\"a\"*)* \"b\"", TEXTS("b", "aab"), TEXTS("a"));
}

/* A class accepts its characters and no others: all of Unicode is tried. */
void test_grammar_unicode(void **state) {
    (void)state;
    static const struct {
        const char *source;
        uint32_t ranges[8]; /* low, high; ends with 0, 0 behind the first */
        bool not ;
    } cases[] = {
        {"root ::= .", {0, 0x10FFFF}, false},
        {"root ::= [^\\n]", {'\n', '\n'}, true},
        {"root ::= [a-z\\u00df-\\u07FF]", {'a', 'z', 0xDF, 0x7FF}, false},
        {"root ::= [\\u0801-\\u0FFE]", {0x801, 0xFFE}, false},
        {"root ::= [\\x7F-\\U00010000]", {0x7F, 0x10000}, false},
        {"root ::= [\\uD7FF-\\uE000]", {0xD7FF, 0xE000}, false},
        {"root ::= [\\U00012345-\\U000FEDCB]", {0x12345, 0xFEDCB}, false},
        {"root ::= [^\\u1000-\\U0010FFFF]", {0x1000, 0x10FFFF}, true},
        {"root ::= [\\U00040000-\\U0010FFFF]", {0x40000, 0x10FFFF}, false},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ar_grammar *g = open_source(cases[c].source);
        grammar_run *r;
        assert_ok(grammar_run_open(&r, g, err));
        const uint32_t *k = cases[c].ranges;
        for (uint32_t code = 0; code <= 0x10FFFF; code++) {
            char bytes[4];
            if (code >= 0xD800 && code < 0xE000) continue;
            bool want = (code >= k[0] && code <= k[1]) ||
                        (k[3] && code >= k[2] && code <= k[3]);
            if (cases[c].not ) want = !want;
            const int n = utf8_encode(code, bytes);
            if (follows(r, bytes, (size_t)n) != want)
                fail_msg("%s: U+%04X", cases[c].source, code);
        }
        /* what is no character */
        static const char *const bad[] = {
            "\x80",         "\xC0\x80",         "\xE0\x80\x80",
            "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"};
        for (int i = 0; i < 6; i++)
            assert_false(follows(r, bad[i], strlen(bad[i])));
        grammar_run_close(r);
        ar_grammar_close(g);
    }
}

/* A part of a character may be followed by its rest only. */
void test_grammar_parts(void **state) {
    (void)state;
    ar_grammar *g = open_source("root ::= \"\xC3\xA9\" | [\\u20A0-\\u20AF]");
    grammar_run *r;
    grammar_state s, t;
    assert_ok(grammar_run_open(&r, g, err));
    assert_ok(grammar_run_start(r, &s, err));
    assert_ok(grammar_run_step(r, s, 0xC3, &t, err));
    assert_true(grammar_run_can_go_on(r, t) && !grammar_run_can_end(r, t));
    assert_ok(grammar_run_step(r, t, 0xA9, &t, err));
    assert_true(!grammar_run_can_go_on(r, t) && grammar_run_can_end(r, t));
    assert_ok(grammar_run_step(r, s, 0xE2, &t, err));
    assert_ok(grammar_run_step(r, t, 0x81, &t, err));
    assert_int_equal(t, GRAMMAR_DEAD);
    grammar_run_close(r);
    ar_grammar_close(g);
}

static void refuse(const char *source, ar_status code, const char *word) {
    ar_grammar *g = (grammar *)source;
    assert_fails(code, word,
                 ar_grammar_open(&g, "g.gbnf", source, strlen(source), err));
    assert_null(g);
}

void test_grammar_bad(void **state) {
    (void)state;
    static const struct {
        const char *source, *word;
    } cases[] = {
        {"", "has no rule \"root\""},
        {"# nothing\n", "has no rule \"root\""},
        {"a ::= \"b\"", "has no rule \"root\""},
        {"root ::= a\n", "line 1, column 10: there is no rule \"a\""},
        {"root ::= \"a\nb\"", "line 1, column 10: the text is not closed"},
        {"root ::= \"a", "column 10: the text is not closed"},
        {"root ::= \"a\\\"", "column 10: the text is not closed"},
        {"root ::= [a", "line 1, column 10: the class is not closed"},
        {"root ::= []", "the class has no character"},
        {"root ::= [^\\x00-\\U0010FFFF]", "the class has no character"},
        {"root ::= [z-a]", "column 11: the range is upside down"},
        {"root ::= (\"a\"", "column 10: the group is not closed"},
        {"root ::= \"a\")", "column 13: this cannot stand in a rule"},
        {"root ::= (\"a\" ] )", "column 15: this cannot stand in a group"},
        {"root ::= *", "column 10: there is nothing to repeat"},
        {"root ::= | ?", "column 12: there is nothing to repeat"},
        {"root ::= \"a\"{", "a number is expected"},
        {"root ::= \"a\"{2,1}", "column 13: the range is upside down"},
        {"root ::= \"a\"{2", "} is expected"},
        {"root ::= \"a\"{,2}", "column 14: a number is expected"},
        {"root ::= \"\\q\"", "column 11: there is no such escape"},
        {"root ::= \"\\x4\"", "column 14: a hexadecimal digit"},
        {"root ::= \"\\uD800\"", "column 11: this is no character"},
        {"root ::= [\\U00110000]", "this is no character"},
        {"root = \"a\"", "column 6: ::= is expected"},
        {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: the rule is def"},
        {"\nroot ::= \"\xC3\xA9\" \xFF", "line 2, column 14"},
        {"root ::= \"\xC3\"", "column 11: the text is not valid UTF-8"},
        {"::= \"a\"", "a rule's name is expected"},
        /* left recursion */
        {"root ::= root \"a\" | \"b\"", "rule \"root\" calls itself"},
        {"root ::= \"x\" a\na ::= b \"1\" | \"2\"\nb ::= c\nc ::= a \"3\"",
         "line 2, column 1: rule \"a\" calls itself"},
        {"root ::= (\"a\"? root \"b\")", "rule \"root\" calls itself"},
        {"root ::= e e root | \"a\"\ne ::= \"\" | \"x\"", "\"root\" calls"},
        {"root ::= \"y\" z\nz ::= \"a\"* (z){0,3}", "\"z\" calls itself"},
        /* no end */
        {"root ::= \"a\" root", "no text of rule \"root\" ever ends"},
        {"root ::= \"a\" | \"b\" x\nx ::= \"c\" y\ny ::= \"d\" x",
         "rule \"x\" ever ends"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].source, AR_FORMAT, cases[i].word);
    /* Bytes may be zero. */
    ar_grammar *g;
    assert_fails(AR_FORMAT, "column 10",
                 ar_grammar_open(&g, "g", "root ::= \0", 10, err));
}

static void repeat(text *t, const char *part, int n) {
    for (int i = 0; i < n; i++) text_adds(t, part);
}

void test_grammar_limits(void **state) {
    (void)state;
    text t = {0};
    ar_grammar *g;
    refuse("root ::= \"a\"{100001}", AR_RANGE, "up to 100000");
    text_adds(&t, "root ::= ");
    repeat(&t, "(", 65);
    refuse(t.data, AR_RANGE, "64 groups");
    text_clear(&t);
    text_adds(&t, "root ::= ");
    repeat(&t, "(", 64);
    text_adds(&t, "\"a\"");
    repeat(&t, ")", 64);
    assert_ok(ar_grammar_open(&g, "g", t.data, t.size, err));
    ar_grammar_close(g);
    text_clear(&t);
    text_adds(&t, "root ::= [");
    repeat(&t, "a", 600);
    text_adds(&t, "]");
    refuse(t.data, AR_RANGE, "too long");
    text_clear(&t);
    repeat(&t, "a", 200);
    refuse(t.data, AR_FORMAT, "name is too long");
    /* too many places */
    text_clear(&t);
    text_adds(&t, "root ::= ");
    repeat(&t, "\"a\"{100000} ", 30);
    refuse(t.data, AR_RANGE, "too large");
    /* too many rules */
    text_clear(&t);
    text_adds(&t, "root ::= ");
    repeat(&t, "(()()()()()()()())\n  |", 20000);
    refuse(t.data, AR_RANGE, "too many rules");
    text_clear(&t);
    repeat(&t, "#", GRAMMAR_MAX_SOURCE + 1);
    assert_fails(AR_RANGE, "4 MiB",
                 ar_grammar_open(&g, "g", t.data, t.size, err));
    text_close(&t);
}

/* Long chains of rules are checked in time that grows with their length. */
void test_grammar_chains(void **state) {
    (void)state;
    text t = {0};
    enum { N = 60000 };
    text_adds(&t, "root ::= r0\n");
    for (int i = 0; i < N; i++) text_addf(&t, "r%d ::= r%d\n", i, i + 1);
    text_addf(&t, "r%d ::= \"a\"\n", N);
    ar_grammar *g;
    grammar_run *r;
    assert_ok(ar_grammar_open(&g, "g", t.data, t.size, err));
    assert_ok(grammar_run_open(&r, g, err));
    assert_true(follows(r, "a", 1));
    grammar_run_close(r);
    ar_grammar_close(g);
    text_close(&t);
}

/* Texts that can be read in ever more ways: an error, in bounded time. */
void test_grammar_ambiguous(void **state) {
    (void)state;
    ar_grammar *g =
        open_source("root ::= s\ns ::= \"a\" s \"b\" | \"a\" s \"c\" | \"d\"");
    grammar_run *r;
    grammar_state s;
    ar_error e = {0};
    ar_status status = AR_OK;
    assert_ok(grammar_run_open(&r, g, err));
    assert_ok(grammar_run_start(r, &s, err));
    int n = 0;
    for (; n < 100 && status == AR_OK; n++)
        status = grammar_run_step(r, s, 'a', &s, &e);
    assert_in_range(n, 10, 40);
    assert_int_equal(status, AR_RANGE);
    assert_non_null(strstr(e.message, "ambiguous"));
    grammar_run_close(r);
    ar_grammar_close(g);
    /* Many ways that come to the same are one. */
    g = open_source("root ::= (\"a\" | \"a\"? \"a\" | [a-b])*");
    assert_ok(grammar_run_open(&r, g, err));
    assert_ok(grammar_run_start(r, &s, err));
    for (n = 0; n < 5000; n++) assert_ok(grammar_run_step(r, s, 'a', &s, err));
    assert_true(grammar_run_can_end(r, s) && !grammar_run_is_large(r));
    grammar_run_close(r);
    ar_grammar_close(g);
}

/* Trimmed at any point, a run goes on as if it had not been. */
void test_grammar_trim(void **state) {
    (void)state;
    static const char doc[] =
        "{\"a\":[1,[true,{\"\xC3\xA9\":[[[\"x\"]]]}],-2]}";
    ar_grammar *g = open_source(json_source);
    for (size_t cut = 0; cut < sizeof doc; cut++) {
        grammar_run *r;
        grammar_state s, old;
        assert_ok(grammar_run_open(&r, g, err));
        assert_ok(grammar_run_start(r, &s, err));
        for (size_t i = 0; i + 1 < sizeof doc; i++) {
            if (i == cut) assert_ok(grammar_run_trim(r, &s, err));
            assert_ok(grammar_run_step(r, s, (uint8_t)doc[i], &s, err));
            assert_int_not_equal(s, GRAMMAR_DEAD);
        }
        assert_true(grammar_run_can_end(r, s));
        old = s;
        assert_ok(grammar_run_step(r, s, ']', &s, err));
        assert_int_equal(s, GRAMMAR_DEAD);
        assert_ok(grammar_run_step(r, old, ' ', &s, err));
        assert_true(grammar_run_can_end(r, s));
        grammar_run_close(r);
    }
    ar_grammar_close(g);
}

/* A text that nests without end fills a run; trimming makes room. */
void test_grammar_deep(void **state) {
    (void)state;
    ar_grammar *g = open_source(json_source);
    grammar_run *r;
    grammar_state s;
    ar_status status = AR_OK;
    ar_error e = {0};
    int depth = 0;
    assert_ok(grammar_run_open(&r, g, err));
    assert_ok(grammar_run_start(r, &s, err));
    for (; depth < 200000 && status == AR_OK; depth++) {
        status = grammar_run_step(r, s, '[', &s, &e);
        if (grammar_run_is_large(r)) break;
    }
    assert_int_equal(status, AR_OK);
    assert_true(depth > 1000);
    assert_ok(grammar_run_trim(r, &s, err));
    for (int i = 0; i < depth; i++)
        assert_ok(grammar_run_step(r, s, i ? ']' : '[', &s, err));
    assert_int_not_equal(s, GRAMMAR_DEAD);
    grammar_run_close(r);
    ar_grammar_close(g);
}

/* Cut short or with a byte changed, a grammar is read or refused. */
void test_grammar_damaged(void **state) {
    (void)state;
    char source[sizeof json_source];
    for (size_t i = 0; i < sizeof json_source; i++) {
        ar_grammar *g;
        ar_error e = {0};
        memcpy(source, json_source, sizeof source);
        if (ar_grammar_open(&g, "g", source, i, &e) != AR_OK)
            assert_true(e.message[0] != 0);
        ar_grammar_close(g);
        for (uint64_t k = 0; k < 8 && i + 1 < sizeof json_source; k++) {
            source[i] = (char)rng_bits(7, i, k);
            if (ar_grammar_open(&g, "g", source, sizeof source - 1, &e) !=
                AR_OK)
                assert_true(e.message[0] != 0);
            ar_grammar_close(g);
        }
    }
}

void test_grammar_nomem(void **state) {
    (void)state;
    const char *doc = "[1,{\"a\":[\"\xC3\xA9\"]}]";
    for (int64_t n = 1;; n++) {
        ar_grammar *g = NULL;
        grammar_run *r = NULL;
        grammar_state s = 0;
        ar_error e = {0};
        mem_fail_at(n, 1);
        ar_status status =
            ar_grammar_open(&g, "g", json_source, strlen(json_source), &e);
        if (status == AR_OK) status = grammar_run_open(&r, g, &e);
        if (status == AR_OK) status = grammar_run_start(r, &s, &e);
        for (size_t i = 0; i < strlen(doc) && status == AR_OK; i++)
            status = grammar_run_step(r, s, (uint8_t)doc[i], &s, &e);
        if (status == AR_OK) status = grammar_run_trim(r, &s, &e);
        mem_fail_at(0, 0);
        if (status == AR_OK) assert_true(grammar_run_can_end(r, s));
        grammar_run_close(r);
        ar_grammar_close(g);
        if (status == AR_OK) break;
        assert_int_equal(status, AR_NOMEM);
    }
}
