/* test_template.c - chat templates against recorded renderings. */
#include <jansson.h>
#include <stdlib.h>

#include "arcane/template.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/test.h"

enum { PINNED = 1741529107 }; /* 2025-03-09 14:05:07 */

static ar_status render(const ar_template *t, const json_t *variables,
                        ar_template_result *out, ar_error *err) {
    const ar_template_options opt = {.now = PINNED};
    char *s = json_dumps(variables, JSON_COMPACT);
    const ar_status status =
        ar_template_render(t, s, strlen(s), &opt, out, err);
    free(s);
    return status;
}

static json_t *read_json(const char *path) {
    json_error_t e;
    json_t *all = json_load_file(path, 0, &e);
    if (!all) fail_msg("%s: %s", path, e.text);
    return all;
}

static ar_template *open_golden(const char *name) {
    char path[256], *s;
    size_t n;
    snprintf(path, sizeof path, "chat/templates/%s.jinja", name);
    assert_ok(file_read(test_golden(path), 1 << 20, &s, &n, err));
    ar_template *t;
    assert_ok(ar_template_open(&t, name, s, n, err));
    mem_free(s);
    return t;
}

static void check_spans(const ar_template_result *r, const json_t *want,
                        const char *what) {
    if (json_array_size(want) != r->n_spans)
        fail_msg("%s: %zu spans", what, r->n_spans);
    for (size_t i = 0; i < r->n_spans; i++)
        for (size_t k = 0; k < 2; k++) {
            const json_t *one = json_array_get(json_array_get(want, i), k);
            assert_int_equal(r->spans[i][k], json_integer_value(one));
        }
}

/* Returns whether the case came out as it should. */
static bool check_case(const ar_template *t, const json_t *c,
                       const json_t *variables, const char *what) {
    ar_template_result r;
    ar_error err = {0};
    const ar_status s = render(t, variables, &r, &err);
    const char *want = json_string_value(json_object_get(c, "expected"));
    const char *raised =
        json_string_value(json_object_get(c, "raise_exception"));
    char head[160]; /* the sentence of an error is short */
    snprintf(head, sizeof head, "%s", raised ? raised : "");
    bool good = want ? s == AR_OK && !strcmp(r.text, want)
                : raised
                    ? s == AR_FORMAT && r.raised && !strcmp(r.raised, raised) &&
                          strstr(err.message, head)
                    : s != AR_OK && !r.raised && err.message[0];
    if (!good)
        print_message("%s: %d %s\n--- have\n%s\n--- want\n%s\n", what, s,
                      err.message, r.text ? r.text : r.raised,
                      want ? want : raised);
    const json_t *spans = json_object_get(c, "generation_spans");
    if (good && spans) check_spans(&r, spans, what);
    ar_template_result_close(&r);
    return good;
}

static json_t *golden_variables(const json_t *c) {
    static const char *const names[] = {"messages",  "tools",
                                        "documents", "add_generation_prompt",
                                        "bos_token", "eos_token"};
    json_t *v = json_deep_copy(json_object_get(c, "extra"));
    for (size_t i = 0; i < 6; i++)
        json_object_set(v, names[i], json_object_get(c, names[i]));
    return v;
}

void test_template_golden(void **state) {
    (void)state;
    json_t *all = read_json(test_golden("chat/cases.json"));
    assert_true(json_array_size(all) > 400);
    char open[64] = "";
    ar_template *t = NULL;
    int bad = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *c = json_array_get(all, i);
        const char *name = json_string_value(json_object_get(c, "template"));
        if (strcmp(open, name) != 0) {
            ar_template_close(t);
            t = open_golden(name);
            snprintf(open, sizeof open, "%s", name);
        }
        json_t *variables = golden_variables(c);
        char what[128];
        snprintf(what, sizeof what, "%s %s", name,
                 json_string_value(json_object_get(c, "case")));
        bad += !check_case(t, c, variables, what);
        json_decref(variables);
    }
    ar_template_close(t);
    json_decref(all);
    assert_int_equal(bad, 0);
}

/* Cases of our own (tools/golden/template_cases.py): a template each. */
void test_template_own_cases(void **state) {
    (void)state;
    json_t *all = read_json(test_golden("chat/own_cases.json"));
    assert_true(json_array_size(all) > 100);
    int bad = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *c = json_array_get(all, i);
        const char *source = json_string_value(json_object_get(c, "template"));
        ar_template *t;
        ar_error err = {0};
        const ar_status s =
            ar_template_open(&t, "t", source, strlen(source), &err);
        if (s == AR_OK) {
            bad += !check_case(t, c, json_object_get(c, "variables"), source);
        } else if (!json_object_get(c, "error")) {
            print_message("%s: %s\n", source, err.message);
            bad++;
        }
        ar_template_close(t);
    }
    json_decref(all);
    assert_int_equal(bad, 0);
}
