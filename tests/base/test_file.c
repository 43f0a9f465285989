/* test_file.c - files are replaced whole or not at all. */
#include <sys/stat.h>
#include <unistd.h>

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

/* A rename would put a file in the place of a device, a folder or a link. */
void test_file_create_only_replaces_files(void **state) {
    (void)state;
    char dir[600], real[700], link_path[700], pipe_path[700];
    snprintf(dir, sizeof dir, "%s", test_folder());
    snprintf(real, sizeof real, "%s/real", dir);
    snprintf(link_path, sizeof link_path, "%s/link", dir);
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", dir);
    assert_fails(AR_IO, "/dev/null: is not a regular file",
                 file_replace("/dev/null", "x", 1, err));
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_fails(AR_IO, "pipe: is not a regular file",
                 file_replace(pipe_path, "x", 1, err));
    assert_fails(AR_IO, "is not a regular file",
                 file_replace(dir, "x", 1, err));
    assert_int_equal(symlink(real, link_path), 0);
    assert_fails(AR_IO, "link", file_replace(link_path, "x", 1, err));
    assert_ok(file_replace(real, "old", 3, err));
    assert_ok(file_replace(link_path, "new", 3, err));
    struct stat st;
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    char *text;
    size_t n;
    assert_ok(file_read(real, 100, &text, &n, err));
    assert_string_equal(text, "new");
    mem_free(text);
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(symlink(pipe_path, link_path), 0);
    assert_fails(AR_IO, "link: is not a regular file",
                 file_replace(link_path, "x", 1, err));
}

void test_file_lock(void **state) {
    (void)state;
    const char *path = in_folder("lock");
    int a, b;
    assert_ok(file_lock(&a, path, "somebody is there", err));
    assert_fails(AR_IO, "somebody is there",
                 file_lock(&b, path, "somebody is there", err));
    assert_int_equal(b, -1);
    file_unlock(b);
    file_unlock(a);
    assert_ok(file_lock(&b, path, "somebody is there", err));
    file_unlock(b);
    assert_true(file_exists(path));
    assert_fails(AR_IO, "/no/such/lock",
                 file_lock(&a, "/no/such/lock", "somebody is there", err));
}

void test_folder_made_listed_removed(void **state) {
    (void)state;
    char dir[600], link_path[700];
    snprintf(dir, sizeof dir, "%s", test_folder());
    snprintf(link_path, sizeof link_path, "%s/sub/deep", dir);
    assert_ok(file_make_folder(link_path, err));
    assert_true(file_is_folder(link_path));
    assert_ok(file_sync_folder(dir, err));
    char round[800];
    snprintf(round, sizeof round, "%s/../deep/.", link_path);
    assert_true(file_same(link_path, round));
    assert_false(file_same(link_path, dir));
    assert_false(file_same("/no/such/file", "/no/such/file"));
    file_list l;
    assert_ok(file_list_open(&l, dir, err));
    assert_int_equal(l.n, 1);
    assert_string_equal(l.names[0], "sub");
    file_list_close(&l);
    assert_ok(file_remove(link_path, err));
    assert_false(file_exists(link_path));
}
