/* test_hub_head.c - headers of answers, and how far a file is. */
#include "base/file.h"
#include "base/mem.h"
#include "hub/hub_cache.h"
#include "hub/hub_curl.h"
#include "hub/hub_http.h"
#include "hub/hub_part.h"
#include "tests/test.h"

#define SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static http_head head_of(const char *const *lines) {
    http_head h;
    http_head_begin(&h);
    for (; *lines; lines++) http_head_line(&h, *lines, strlen(*lines));
    return h;
}

void test_hub_head_lines(void **state) {
    (void)state;
    static const char *const lines[] = {
        "HTTP/1.1 302 Found\r\n",
        "X-Linked-Etag: \"" SUM "\"\r\n",
        "Content-Length: 7\r\n",
        "ETag: \"old\"\r\n",
        "\r\n",
        "HTTP/2 206\r\n",
        "content-length:  100 \r\n",
        "CONTENT-RANGE: bytes 0-99/5000000000\r\n",
        "etag: W/\"new\"\r\n",
        "nonsense\r\n",
        "\r\n",
        NULL};
    const http_head h = head_of(lines);
    assert_int_equal(h.status, 206);
    assert_int_equal(h.length, 100);
    assert_int_equal(h.from, 0);
    assert_int_equal(h.to, 99);
    assert_true(h.total == 5000000000);
    assert_string_equal(h.etag, "W/\"new\"");
    assert_false(http_etag_strong(h.etag));
    assert_true(http_etag_strong("\"new\""));
    assert_string_equal(h.sum, SUM); /* of the hop before */
}

void test_hub_head_nonsense(void **state) {
    (void)state;
    static const char *const lines[] = {"HTTP/1.1 banana",
                                        "Content-Length: -5",
                                        "Content-Length: 99999999999999999999",
                                        "Content-Range: bytes 5",
                                        "Content-Range: bytes -/",
                                        "Content-Range: kilobytes 0-1/2",
                                        "Content-Range: bytes",
                                        "Content-Range:",
                                        "X-Linked-Etag: \"abc\"",
                                        "X-Error-Code: a\x1b[2J",
                                        "ETag: \"\xff\"",
                                        ": 5",
                                        ":",
                                        "HTTP/",
                                        NULL};
    const http_head h = head_of(lines);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.length, -1);
    assert_int_equal(h.total, -1);
    assert_string_equal(h.sum, "");
    assert_string_equal(h.code, "");
    assert_string_equal(h.etag, "");
    static const char *const star[] = {"HTTP/1.1 416 No",
                                       "Content-Range: bytes */100", NULL};
    const http_head s = head_of(star);
    assert_int_equal(s.from, -1);
    assert_int_equal(s.total, 100);
}

void test_hub_same_origin(void **state) {
    (void)state;
    assert_true(http_same_origin("https://H.org/a", "https://h.org"));
    assert_true(http_same_origin("https://h.org:1?x", "https://h.org:1/y"));
    assert_false(http_same_origin("https://h.org", "http://h.org"));
    assert_false(http_same_origin("https://h.org", "https://h.org:444"));
    assert_false(http_same_origin("https://h.org", "https://h.org.evil"));
    assert_false(http_same_origin("https://h.org", "https://h.or"));
    assert_false(http_same_origin("", ""));
}

/* ---- segments ---- */

void test_hub_part_cut(void **state) {
    (void)state;
    part p = {.size = -1};
    assert_ok(part_cut(&p, 25, 10, err));
    assert_int_equal(p.n, 3);
    assert_int_equal(part_length(&p, 0), 10);
    assert_int_equal(part_length(&p, 2), 5);
    assert_int_equal(part_start(&p, 2), 20);
    assert_int_equal(part_extent(&p), 0);
    p.done[0] = 3;
    p.done[2] = 4;
    assert_int_equal(part_done(&p), 7);
    assert_int_equal(part_extent(&p), 24);
    assert_ok(part_cut(&p, 20, 10, err));
    assert_int_equal(p.n, 2);
    assert_int_equal(part_done(&p), 0);
    assert_ok(part_cut(&p, 0, 10, err));
    assert_int_equal(p.n, 1);
    assert_int_equal(part_length(&p, 0), 0);
    assert_ok(part_cut(&p, -1, 10, err));
    assert_int_equal(part_length(&p, 0), -1);
    /* never more segments than the limit */
    assert_ok(part_cut(&p, (int64_t)1 << 40, 1, err));
    assert_true(p.n <= PART_MAX_SEGMENTS);
    assert_true(part_start(&p, p.n - 1) + part_length(&p, p.n - 1) ==
                (int64_t)1 << 40);
    assert_fails(AR_RANGE, "bytes", part_cut(&p, INT64_MAX, 10, err));
    part_close(&p);
}

void test_hub_part_written_and_read(void **state) {
    (void)state;
    char path[600];
    part p = {.size = -1,
              .url = "http://h/a",
              .etag = "\"x\\\"",
              .sha256 = SUM},
         q;
    snprintf(path, sizeof path, "%s/state", test_folder());
    assert_ok(part_cut(&p, 25, 10, err));
    p.done[1] = 10;
    p.done[2] = 5;
    assert_ok(part_write(&p, path, err));
    assert_ok(part_read(&q, path, err));
    assert_string_equal(q.url, p.url);
    assert_string_equal(q.etag, p.etag);
    assert_string_equal(q.sha256, p.sha256);
    assert_int_equal(q.size, 25);
    assert_int_equal(q.n, 3);
    assert_memory_equal(q.done, p.done, 3 * sizeof *p.done);
    part_close(&p);
    part_close(&q);
}

void test_hub_part_damaged(void **state) {
    (void)state;
#define STATE(size, segment, done)                                             \
    "{\"url\": \"u\", \"etag\": \"\", \"sha256\": \"\", \"size\": " size       \
    ", \"segment\": " segment ", \"done\": " done "}"
    static const char *const texts[] = {
        "",
        "{}",
        STATE("-1", "10", "[0]"),
        STATE("25", "0", "[0]"),
        STATE("25", "-5", "[0]"),
        STATE("25", "10", "[0, 0]"),
        STATE("25", "10", "[0, 0, 6]"),
        STATE("25", "10", "[0, -1, 5]"),
        STATE("25", "10", "[0, 0.5, 5]"),
        STATE("25", "10", "5"),
        STATE("9223372036854775807", "1", "[]"),
        STATE("1000000000", "1", "[]"),
        STATE("25", "9223372036854775807", "[0]"),
        "{\"url\": \"u\\n\", \"etag\": \"\", \"sha256\": \"\", \"size\": 0, "
        "\"segment\": 1, \"done\": [0]}",
        "{\"url\": \"u\", \"etag\": \"\", \"sha256\": \"ab\", \"size\": 0, "
        "\"segment\": 1, \"done\": [0]}",
    };
    part p;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (part_parse(&p, "s", texts[i], strlen(texts[i]), NULL) != AR_FORMAT)
            fail_msg("taken: %s", texts[i]);
    static const char good[] = STATE("25", "10", "[0, 0, 5]");
    assert_ok(part_parse(&p, "s", good, strlen(good), err));
    part_close(&p);
}

/* ---- the list of a folder ---- */

void test_hub_pulled_written_and_read(void **state) {
    (void)state;
    const char *folder = test_folder();
    pulled p, q;
    assert_ok(pulled_read(&p, folder, err));
    assert_int_equal(p.n, 0);
    p.source = "hf:a/b";
    for (int i = 0; i < 20; i++) {
        char path[20];
        snprintf(path, sizeof path, "f%d", i);
        pulled_row *row = pulled_add(&p, path);
        assert_non_null(row);
        row->have = i % 2;
        row->size = i - 1;
        snprintf(row->id, sizeof row->id, "git:%d", i);
    }
    assert_ptr_equal(pulled_add(&p, "f3"), &p.row[3]);
    pulled_drop(&p, &p.row[5]);
    assert_null(pulled_find(&p, "f5"));
    assert_ok(pulled_write(&p, folder, err));
    assert_ok(pulled_read(&q, folder, err));
    assert_int_equal(q.n, 19);
    assert_string_equal(q.source, "hf:a/b");
    for (int i = 0; i < q.n; i++) {
        assert_string_equal(q.row[i].path, p.row[i].path);
        assert_string_equal(q.row[i].id, p.row[i].id);
        assert_int_equal(q.row[i].size, p.row[i].size);
        assert_int_equal(q.row[i].have, p.row[i].have);
    }
    pulled_close(&p);
    pulled_close(&q);
}

void test_hub_pulled_damaged(void **state) {
    (void)state;
#define ROW(path, size)                                                        \
    "{\"path\": \"" path "\", \"size\": " size                                 \
    ", \"id\": \"\", \"from\": \"\", \"have\": true}"
    static const char *const texts[] = {
        "",
        "{}",
        "{\"source\": \"hf:a/b\"}",
        "{\"source\": 5, \"files\": []}",
        "{\"source\": \"s\", \"files\": [" ROW("../x", "1") "]}",
        "{\"source\": \"s\", \"files\": [" ROW("/x", "1") "]}",
        "{\"source\": \"s\", \"files\": [" ROW(".x", "1") "]}",
        "{\"source\": \"s\", \"files\": [" ROW("x", "-2") "]}",
        "{\"source\": \"s\", \"files\": [" ROW("x", "\"1\"") "]}",
        "{\"source\": \"s\", \"files\": [" ROW("x", "1") ", " ROW("x",
                                                                  "1") "]}",
        "{\"source\": \"s\", \"files\": [{\"path\": \"x\"}]}",
    };
    pulled p;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (pulled_parse(&p, "list", texts[i], strlen(texts[i]), NULL) !=
            AR_FORMAT)
            fail_msg("taken: %s", texts[i]);
    static const char good[] =
        "{\"source\": \"s\", \"files\": [" ROW("x", "1") "]}";
    assert_ok(pulled_parse(&p, "list", good, strlen(good), err));
    pulled_close(&p);
}

void test_hub_curl_missing(void **state) {
    (void)state;
    static const char *const absent[] = {"libno-such-thing.so.9", NULL};
    /* what is loaded already, and has no such functions */
    static const char *const other[] = {"libjansson.so.4", "libjansson.4.dylib",
                                        NULL};
    curl_calls calls = {.easy_init = NULL};
    ar_error err;
    assert_int_equal(hub_curl_load(&calls, absent, &err), AR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "libno-such-thing.so.9"));
    assert_int_equal(hub_curl_load(&calls, other, &err), AR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "curl_"));
    assert_null(calls.easy_init); /* written on success only */
    assert_int_equal(hub_curl_start(&err), AR_OK);
    assert_int_equal(hub_curl_start(&err), AR_OK);
    assert_string_equal(hub_curl.easy_strerror(CURLE_OK), "No error");
}
