/* test_hub_ref.c - what a person writes for a model that is fetched. */
#include "base/mem.h"
#include "base/text.h"
#include "hub/hub.h"
#include "hub/hub_ref.h"
#include "tests/test.h"

void test_hub_ref_repositories(void **state) {
    (void)state;
    static const struct {
        const char *name, *id, *revision, *choice, *folder;
    } rows[] = {
        {"hf:a/b", "a/b", "main", "", "hf/a/b"},
        {"hf:a/b@main", "a/b", "main", "", "hf/a/b"},
        {"hf:Qwen/Qwen3-0.6B:Q4_K_M", "Qwen/Qwen3-0.6B", "main", "Q4_K_M",
         "hf/Qwen/Qwen3-0.6B"},
        {"hf:a/b@refs/pr/1:x/y.gguf", "a/b", "refs/pr/1", "x/y.gguf",
         "hf/a/b@refs~pr~1"},
        {"hf:a/b@v1.0", "a/b", "v1.0", "", "hf/a/b@v1.0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hub_ref r;
        assert_true(hub_is_name(rows[i].name));
        assert_ok(hub_ref_parse(&r, rows[i].name, err));
        assert_false(r.is_url);
        assert_string_equal(r.id, rows[i].id);
        assert_string_equal(r.revision, rows[i].revision);
        assert_string_equal(r.choice, rows[i].choice);
        assert_string_equal(r.folder, rows[i].folder);
    }
}

void test_hub_ref_urls(void **state) {
    (void)state;
    static const struct {
        const char *name, *url, *folder, *file;
    } rows[] = {
        {"https://h.org/m.gguf", "https://h.org/m.gguf", "url/h.org", "m.gguf"},
        {"http://h:80/a/b/m.gguf?x=/1#y", "http://h:80/a/b/m.gguf?x=/1",
         "url/h_80/a/b", "m.gguf"},
        {"https://[::1]:8/a%2Fb", "https://[::1]:8/a%2Fb", "url/___1__8",
         "a%2Fb"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hub_ref r;
        assert_true(hub_is_name(rows[i].name));
        assert_ok(hub_ref_parse(&r, rows[i].name, err));
        assert_true(r.is_url);
        assert_string_equal(r.url, rows[i].url);
        assert_string_equal(r.folder, rows[i].folder);
        assert_string_equal(r.file, rows[i].file);
    }
}

void test_hub_ref_refused(void **state) {
    (void)state;
    static const char *const names[] = {
        "model.gguf",
        "hf:",
        "hf:a",
        "hf:a/",
        "hf:/b",
        "hf:a/b/c",
        "hf:../b",
        "hf:a/..",
        "hf:.a/b",
        "hf:a/b@",
        "hf:a/b@../x",
        "hf:a/b:",
        "hf:a/b:../x",
        "hf:a/b:/etc/passwd",
        "hf:a/b:x\ny",
        "hf:a b/c",
        "hf:a/b@m:.hidden",
        "https://",
        "https://h",
        "https://h/",
        "https://h/a/",
        "https://h/a//b",
        "https://h/../b",
        "https://h/a/./b",
        "https://h/.ssh/id",
        "https://user:secret@h/a",
        "https://h/a\\b",
        "https://h/a b",
        "https://h/\xc3\xa4",
        "https://../a",
        "ftp://h/a",
    };
    hub_ref r;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (hub_ref_parse(&r, names[i], NULL) != AR_USAGE)
            fail_msg("%s is taken", names[i]);
    char name[4000];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = 0;
    memcpy(name, "https://h/", 10);
    assert_fails(AR_USAGE, "too long", hub_ref_parse(&r, name, err));
    name[1000] = 0;
    assert_fails(AR_USAGE, "not the URL", hub_ref_parse(&r, name, err));
    memcpy(name, "hf:aaa/aaa", 10);
    assert_fails(AR_USAGE, "hf:OWNER/NAME", hub_ref_parse(&r, name, err));
}

void test_hub_ref_paths(void **state) {
    (void)state;
    assert_int_equal(hub_path_check("a/b.c/d e"), HUB_PATH_GOOD);
    assert_int_equal(hub_path_check("\xc3\xa4.gguf"), HUB_PATH_GOOD);
    assert_int_equal(hub_path_check(".gitattributes"), HUB_PATH_HIDDEN);
    assert_int_equal(hub_path_check("a/..b"), HUB_PATH_HIDDEN);
    static const char *const bad[] = {
        "",        "/a",
        "a/",      "a//b",
        "..",      "a/../b",
        ".",       "./a",
        "a\\b",    "a\n",
        "a\x7f/b", "a\xc2\x9b",
        ".x/..",   "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hub_path_check(bad[i]) != HUB_PATH_BAD)
            fail_msg("\"%s\" is taken", bad[i]);
    text t = {0};
    hub_add_encoded(&t, "a b/\xc3\xa4%?#.x", true);
    assert_string_equal(t.data, "a%20b/%C3%A4%25%3F%23.x");
    text_clear(&t);
    hub_add_encoded(&t, "refs/pr/1", false);
    assert_string_equal(t.data, "refs%2Fpr%2F1");
    text_close(&t);
}
