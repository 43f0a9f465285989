/* test_file.c - files are replaced whole or not at all. */
#include "base/file.h"
#include "base/mem.h"
#include "tests/test.h"

static const char *in_folder(const char *name) {
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

void test_file_replace_then_read_and_map(void **state) {
    (void)state;
    const char *path = in_folder("a");
    assert_ok(file_replace(path, "hello", 5, err));
    assert_ok(file_replace(path, "good bye", 8, err));
    char *text;
    size_t n;
    assert_ok(file_read(path, 100, &text, &n, err));
    assert_int_equal(n, 8);
    assert_string_equal(text, "good bye");
    mem_free(text);
    file_map m;
    assert_ok(file_map_open(&m, path, err));
    assert_int_equal(m.size, 8);
    assert_memory_equal(m.data, "good bye", 8);
    file_map_close(&m);
    assert_fails(AR_RANGE, "more than 4", file_read(path, 4, &text, &n, err));
    assert_null(text);
}

void test_file_abandoned_leaves_the_old_one(void **state) {
    (void)state;
    const char *path = in_folder("a");
    assert_ok(file_replace(path, "old", 3, err));
    file_writer *w = NULL;
    assert_ok(file_create(&w, path, err));
    file_write(w, "new", 3);
    file_abandon(w);
    char *text;
    size_t n;
    assert_ok(file_read(path, 100, &text, &n, err));
    assert_string_equal(text, "old");
    mem_free(text);
}

void test_file_errors_name_the_path(void **state) {
    (void)state;
    file_map m;
    assert_fails(AR_IO, "/no/such/file",
                 file_map_open(&m, "/no/such/file", err));
    assert_fails(AR_IO, "not a regular file", file_map_open(&m, "/", err));
    file_writer *w;
    assert_fails(AR_IO, "/no/such/x", file_create(&w, "/no/such/x", err));
}

void test_folder_made_listed_removed(void **state) {
    (void)state;
    char dir[600], link_path[700];
    snprintf(dir, sizeof dir, "%s", test_folder());
    snprintf(link_path, sizeof link_path, "%s/sub/deep", dir);
    assert_ok(file_make_folder(link_path, err));
    assert_true(file_is_folder(link_path));
    assert_ok(file_sync_folder(dir, err));
    file_list l;
    assert_ok(file_list_open(&l, dir, err));
    assert_int_equal(l.n, 1);
    assert_string_equal(l.names[0], "sub");
    file_list_close(&l);
    assert_ok(file_remove(link_path, err));
    assert_false(file_exists(link_path));
}
