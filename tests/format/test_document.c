/* test_document.c - documents out of text, JSON lines, and both zipped. */
#include "tests/test.h"

#include <stdlib.h>
#include <jansson.h>
#include <zstd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/document.h"

static const char *write_file(const char *folder, const char *name,
                              const char *p, size_t n) {
    static char path[4][400];
    static unsigned turn;
    char *to = path[turn++ % 4];
    snprintf(to, 400, "%s/%s", folder, name);
    const size_t end = strlen(name);
    if (end > 4 && !strcmp(name + end - 4, ".zst")) {
        const size_t room = ZSTD_compressBound(n);
        char *zipped = mem_alloc(room);
        const size_t size = ZSTD_compress(zipped, room, p, n, 3);
        assert_false(ZSTD_isError(size));
        assert_ok(file_replace(to, zipped, size, err));
        mem_free(zipped);
    } else {
        assert_ok(file_replace(to, p, n, err));
    }
    return to;
}

static void expect(documents *d, const char *want, size_t size) {
    const char *p;
    size_t n;
    assert_ok(documents_next(d, &p, &n, err));
    if (!want) {
        assert_null(p);
        return;
    }
    assert_non_null(p);
    assert_int_equal(n, size);
    assert_memory_equal(p, want, size);
}

void test_documents_kinds(void **state) {
    (void)state;
    const char *folder = test_folder();
    static const char lines[] =
        "\xef\xbb\xbf{\"text\": \"one\", \"n\": 1}\r\n\n  \n"
        "{\"text\": \"\"}\n{\"body\": 5, \"text\": \"tw\\u0000\\u00e9\"}";
    const char *paths[] = {
        write_file(folder, "a.txt", "plain\ntext\n", 11),
        write_file(folder, "b.jsonl", lines, strlen(lines)),
        write_file(folder, "empty", "", 0),
        write_file(folder, "c.txt.zst", "zipped", 6),
    };
    documents *d;
    uint64_t done, total;
    assert_ok(documents_open(&d, paths, 4, NULL, err));
    for (int again = 0; again < 2; again++) {
        documents_progress(d, &done, &total);
        assert_true(done == 0 && total > 100);
        expect(d, "plain\ntext\n", 11);
        expect(d, "one", 3);
        documents_progress(d, &done, &total);
        assert_true(done > 11 && done < total);
        expect(d, "tw\0\xc3\xa9", 5);
        expect(d, "zipped", 6);
        expect(d, NULL, 0);
        expect(d, NULL, 0);
        documents_progress(d, &done, &total);
        assert_true(done == total);
        documents_rewind(d);
    }
    documents_close(d);
}

/* Lines longer and shorter than the pieces that are decompressed. */
void test_documents_zipped_lines(void **state) {
    (void)state;
    const char *folder = test_folder();
    static const size_t sizes[] = {1, 300000, 2, 131072, 5, 1000000, 77};
    text t = {0};
    for (int i = 0; i < 7; i++) {
        text_adds(&t, "{\"body\":\"");
        for (size_t k = 0; k < sizes[i]; k++)
            text_add(&t, &"abcdefghijk"[(k * k + (size_t)i) % 11], 1);
        text_adds(&t, "\"}\n");
    }
    const char *paths[] = {
        write_file(folder, "a.jsonl", t.data, t.size),
        write_file(folder, "a.jsonl.zst", t.data, t.size),
    };
    documents *plain, *zipped;
    assert_ok(documents_open(&plain, paths, 1, "body", err));
    assert_ok(documents_open(&zipped, paths + 1, 1, "body", err));
    for (int i = 0; i < 7; i++) {
        const char *p;
        size_t n;
        assert_ok(documents_next(plain, &p, &n, err));
        assert_int_equal(n, sizes[i]);
        expect(zipped, p, n);
    }
    expect(plain, NULL, 0);
    expect(zipped, NULL, 0);
    documents_close(plain);
    documents_close(zipped);
    text_close(&t);
}

static ar_status read_all(const char *path, ar_error *err) {
    documents *d;
    const char *p = "";
    size_t n;
    ar_status s = documents_open(&d, &path, 1, NULL, err);
    while (s == AR_OK && p) s = documents_next(d, &p, &n, err);
    documents_close(d);
    return s;
}

void test_documents_errors(void **state) {
    (void)state;
    const char *folder = test_folder();
    const char *p;
    p = write_file(folder, "a.jsonl", "{\"text\":\"a\"}\n\n{\"text\":", 22);
    assert_fails(AR_FORMAT, "a.jsonl:3: not valid JSON", read_all(p, err));
    p = write_file(folder, "a.jsonl", "[1]\n", 4);
    assert_fails(AR_FORMAT, "a.jsonl:1: ", read_all(p, err));
    p = write_file(folder, "a.jsonl.zst", "{\"text\":\"a\"}\n{\"t\":\"\"}", 21);
    assert_fails(AR_FORMAT, "a.jsonl.zst:2: ", read_all(p, err));
    assert_fails(AR_IO, "none.txt", read_all("/nonexistent/none.txt", err));
    p = write_file(folder, "a.txt.zst", "some text, some text", 20);
    char *zipped;
    size_t n;
    assert_ok(file_read(p, 1 << 20, &zipped, &n, err));
    char cut[400];
    snprintf(cut, sizeof cut, "%s/cut.txt.zst", folder);
    assert_ok(file_replace(cut, zipped, n - 3, err));
    assert_fails(AR_FORMAT, "cut short", read_all(cut, err));
    zipped[1] ^= 8;
    assert_ok(file_replace(cut, zipped, n, err));
    assert_fails(AR_FORMAT, "cut.txt.zst: zstd at byte 0", read_all(cut, err));
    mem_free(zipped);
    text t = {0}; /* nesting deeper than any reader should follow */
    text_adds(&t, "{\"text\":");
    for (int i = 0; i < 100000; i++) text_adds(&t, "[");
    p = write_file(folder, "deep.jsonl", t.data, t.size);
    assert_fails(AR_FORMAT, "deep.jsonl:1: ", read_all(p, err));
    text_close(&t);
}

void test_documents_memory(void **state) {
    (void)state;
    json_malloc_t get;
    json_free_t put;
    json_get_alloc_funcs(&get, &put);
    const char *path = write_file(test_folder(), "a.jsonl.zst",
                                  "{\"text\":\"a\"}\n{\"text\":\"b\"}", 25);
    json_set_alloc_funcs(mem_alloc, mem_free);
    ar_status s = AR_OK;
    int failures = 0;
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        mem_fail_at(n, n % 2);
        s = read_all(path, &err);
        hit = mem_fail_count() >= n; /* some failures are survived */
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0]);
    }
    json_set_alloc_funcs(get, put);
    assert_int_equal(s, AR_OK);
    assert_true(failures > 10);
}
