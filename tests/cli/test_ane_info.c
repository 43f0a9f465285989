/* test_ane_info.c - arcane ane info, with a Neural Engine and without. */
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "tests/test.h"

/* Run the command and return what it printed. */
static const char *printed_by(const char *option) {
    static char out[4096];
    char path[400];
    snprintf(path, sizeof path, "%s/out", test_folder());
    fflush(stdout);
    const int kept = dup(1);
    assert_non_null(freopen(path, "w", stdout));
    char words[4][16] = {"arcane", "ane", "info", ""};
    snprintf(words[3], sizeof words[3], "%s", option);
    char *argv[] = {words[0], words[1], words[2], words[3], NULL};
    const int status = cli_main(*option ? 4 : 3, argv);
    fflush(stdout);
    dup2(kept, 1);
    close(kept);
    assert_int_equal(status, 0);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    out[fread(out, 1, sizeof out - 1, f)] = 0;
    fclose(f);
    return out;
}

static json_t *object(void) {
    json_t *o = json_loads(printed_by("--json"), 0, NULL);
    assert_non_null(o);
    return o;
}

static const char *member(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "absent";
}

void test_ane_info_without(void **state) {
    (void)state;
    setenv("ARCANE_ANE_LIBRARY", "/nowhere/lib.so", 1);
    json_t *o = object();
    assert_true(json_is_false(json_object_get(o, "neural_engine")));
    assert_non_null(strstr(member(o, "reason"), "/nowhere/lib.so"));
    json_decref(o);
    assert_non_null(strstr(printed_by(""), "no Neural Engine here"));
    unsetenv("ARCANE_ANE_LIBRARY");
}

void test_ane_info_with(void **state) {
    (void)state;
    setenv("ARCANE_ANE_LIBRARY", ANE_MOCK_LIBRARY, 1);
    json_t *o = object();
    assert_true(json_is_true(json_object_get(o, "neural_engine")));
    assert_string_equal(member(o, "architecture"), "h16g");
    assert_string_equal(member(o, "build"), "24F74");
    assert_string_equal(member(o, "driver"), "never run");
    json_decref(o);
    const char *text = printed_by("");
    assert_non_null(strstr(text, "h16g"));
    assert_non_null(strstr(text, "never run"));
    unsetenv("ARCANE_ANE_LIBRARY");
}
