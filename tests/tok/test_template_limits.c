/* test_template_limits.c - templates that want too much, that are damaged, or
 * that find no memory. */
#include <stdlib.h>

#include "arcane/template.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/test.h"

static ar_status render(const char *source, const char *variables,
                        ar_template_result *out, ar_error *err) {
    ar_template *t;
    *out = (ar_template_result){0};
    const ar_status opened =
        ar_template_open(&t, "t", source, strlen(source), err);
    if (opened != AR_OK) return opened;
    const ar_status s =
        ar_template_render(t, variables, strlen(variables), NULL, out, err);
    ar_template_close(t);
    return s;
}

static void check_refused(ar_status code, const char *word,
                          const char *source) {
    ar_template_result r;
    assert_fails(code, word, render(source, "{}", &r, err));
    assert_null(r.text);
    ar_template_result_close(&r);
}

/* Each of these would take for ever, or all memory. */
void test_template_endless(void **state) {
    (void)state;
    static const char *const sources[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}"
        "{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}"
        "{% endfor %}",
        "{% macro m(a) %}{{ m(a) }}{% endmacro %}{{ m(1) }}",
        "{% macro m(a) %}{{ m(a ~ a) }}{{ m(a) }}{% endmacro %}{{ m('x') }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'x' * 999999999999 }}",
        "{{ [1] * 999999999999 }}",
        "{{ ('x' * 9999999) * 9999999 }}",
        "{{ range(100001) }}",
        "{{ range(9 ** 30) }}",
        "{{ 9 ** 99 }}",
        "{{ 2 ** 126 * 2 }}",
        "{% set n = namespace(x='ab') %}{% for i in range(999) %}"
        "{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(999) %}"
        "{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=[]) %}{% for i in range(9999) %}"
        "{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[]) %}{% for i in range(9999) %}"
        "{% set n.x = [n.x] %}{% endfor %}{{ n.x | tojson }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(40) %}"
        "{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(40) %}"
        "{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '{:999999999}'.format('x') }}",
        "{{ 'x'.center(999999999) }}",
        "{{ 'x' | indent(999999999) }}",
        "{{ ('x' * 9999999).replace('', 'y' * 999) }}",
        "{{ ('x' * 9999) | replace('x', 'y' * 99999) }}",
        "{{ ('x' * 999999) | list | join('y' * 99999) }}",
        "{{ range(99999) | map('string') | sort | join | list | join('y' * "
        "9999) }}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        ar_template_result r;
        ar_error err = {0};
        const ar_status s = render(sources[i], "{}", &r, &err);
        if (s == AR_OK || s == AR_NOMEM || !strstr(err.message, "t:1:"))
            fail_msg("%s: %d %s", sources[i], s, err.message);
        ar_template_result_close(&r);
    }
}

static void add_times(text *t, const char *s, int n) {
    for (int i = 0; i < n; i++) text_adds(t, s);
}

/* Equality of values that share their parts is a tree of 2^40 otherwise. */
void test_template_shared(void **state) {
    (void)state;
    ar_template_result r;
    ar_error err = {0};
    const ar_status s =
        render("{% set n = namespace(x=[1], y=[1]) %}{% for i in range(40) %}"
               "{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}"
               "{% endfor %}{{ n.x == n.y }}",
               "{}", &r, &err);
    assert_true(s == AR_OK || s == AR_RANGE);
    ar_template_result_close(&r);
}

void test_template_deep(void **state) {
    (void)state;
    static const struct {
        const char *open, *close;
    } nests[] = {
        {"(", ")"},   {"[", "]"},    {"-", ""},
        {"not ", ""}, {"{1:", "}"},  {"1 if 1 else ", ""},
        {"f(", ")"},  {"x|f(", ")"}, {"x[", "]"},
    };
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        text t = {0};
        text_adds(&t, "{{ ");
        add_times(&t, nests[i].open, 100000);
        text_adds(&t, "1");
        add_times(&t, nests[i].close, 100000);
        text_adds(&t, " }}");
        ar_template_result r;
        ar_error err = {0};
        const ar_status s = render(t.data, "{}", &r, &err);
        if (s != AR_RANGE && s != AR_FORMAT)
            fail_msg("%s: %d", nests[i].open, s);
        assert_true(err.message[0]);
        ar_template_result_close(&r);
        text_close(&t);
    }
    static const char *const chains[] = {"+1",  ".x", "|list", " and 1",
                                         "[0]", "~1", "()"};
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        text t = {0};
        text_adds(&t, "{{ 1");
        add_times(&t, chains[i], 100000);
        text_adds(&t, " }}");
        check_refused(AR_RANGE, "nested", t.data);
        text_close(&t);
    }
    text t = {0};
    add_times(&t, "{% if 1 %}", 100000);
    check_refused(AR_RANGE, "nested", t.data);
    text_clear(&t);
    text_adds(&t, "{\"a\":");
    add_times(&t, "[", 300);
    add_times(&t, "]", 300);
    text_adds(&t, "}");
    ar_template_result r;
    assert_fails(AR_RANGE, "nested", render("{{ a }}", t.data, &r, err));
    text_close(&t);
}

void test_template_places(void **state) {
    (void)state;
    check_refused(AR_FORMAT, "t:2:11: 'x' is undefined", "a\n  {{ 1 ~ x.y }}");
    check_refused(AR_FORMAT, "t:1:8: No filter named 'nope'.",
                  "{{ 1 | nope }}");
    check_refused(AR_FORMAT, "t:3:4:", "\n\n{% nope %}");
    check_refused(AR_FORMAT, "t:1:11: \"endif\" is missing at the end",
                  "{% if 1 %}");
    ar_template_result r;
    assert_fails(AR_FORMAT, "not a JSON object", render("", "[]", &r, err));
    assert_fails(AR_FORMAT, "line 1", render("", "{", &r, err));
    assert_fails(AR_FORMAT, "t:1:4: why",
                 render("{{ raise_exception('why') }}", "{}", &r, err));
    assert_string_equal(r.raised, "why");
    ar_template_result_close(&r);
    ar_template *t;
    assert_fails(AR_FORMAT, "byte 2",
                 ar_template_open(&t, "t", "ab\xFF", 3, err));
    assert_null(t);
    assert_int_equal(render("{{ x", "{}", &r, NULL), AR_FORMAT);
}

/* Templates that are cut, or that have a byte changed, end in some way. */
void test_template_damaged(void **state) {
    (void)state;
    char *s;
    size_t n;
    assert_ok(file_read(test_golden("chat/templates/filters.jinja"), 1 << 20,
                        &s, &n, err));
    char *copy = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i += 3) {
        ar_template_result r;
        memcpy(copy, s, n + 1);
        if (i % 2)
            copy[i] = 0;
        else
            copy[i] = "{}%'|("[i / 2 % 6];
        ar_error err = {0};
        const ar_status status =
            render(copy, "{\"messages\":[{\"role\":\"a\"}]}", &r, &err);
        if (status != AR_OK && (!err.message[0] || status == AR_NOMEM))
            fail_msg("%zu: %d %s", i, status, err.message);
        ar_template_result_close(&r);
    }
    mem_free(copy);
    mem_free(s);
}

/* Every allocation failed in turn. */
void test_template_no_memory(void **state) {
    (void)state;
    char *s;
    size_t size;
    assert_ok(file_read(test_golden("chat/templates/channels.jinja"), 1 << 20,
                        &s, &size, err));
    for (int64_t n = 1;; n++) {
        ar_template *t = NULL;
        ar_template_result r = {0};
        ar_error err = {0};
        static const char variables[] =
            "{\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":"
            "\"user\",\"content\":\"b\"}],\"tools\":null}";
        mem_fail_at(n, n & 1);
        ar_status status = ar_template_open(&t, "t", s, size, &err);
        if (status == AR_OK)
            status = ar_template_render(t, variables, sizeof variables - 1,
                                        NULL, &r, &err);
        const int64_t calls = mem_fail_count();
        mem_fail_at(0, 0);
        if (status != AR_OK) assert_int_equal(status, AR_NOMEM);
        ar_template_result_close(&r);
        ar_template_close(t);
        if (calls < n) break;
        assert_true(n < 20000);
    }
    mem_free(s);
}
