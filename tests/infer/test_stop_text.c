/* test_stop_text.c - stop strings: every way to cut a text gives the same. */
#include "base/mem.h"
#include "base/text.h"
#include "infer/stop_text.h"
#include "tests/test.h"
#include "tok/utf8.h"

typedef struct outcome {
    text shown;
    char found[64];
} outcome;

/* Cut where the bits of `cuts` say, cycling. */
static void run(const char *const *stops, int n_stops, const char *words,
                uint64_t cuts, outcome *o) {
    stop_text *s;
    const char *out;
    size_t n_out;
    const size_t n = strlen(words);
    assert_ok(stop_text_open(&s, stops, n_stops, err));
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        while (end < n && !(cuts >> end % 60 & 1)) end++;
        assert_ok(stop_text_add(s, words + i, end - i, &out, &n_out, err));
        /* never half a character */
        assert_int_equal(utf8_valid(out, n_out), n_out);
        text_add(&o->shown, out, n_out);
    }
    stop_text_end(s, &out, &n_out);
    text_add(&o->shown, out, n_out);
    text_add(&o->shown, "", 0);
    snprintf(o->found, sizeof o->found, "%s",
             stop_text_found(s) ? stop_text_found(s) : "");
    stop_text_close(s);
}

static void check(const char *const *stops, const char *words,
                  const char *shown, const char *found) {
    int n_stops = 0;
    while (stops[n_stops]) n_stops++;
    const size_t n = strlen(words);
    assert_true(n < 14); /* so that all cuts are tried */
    for (uint64_t cuts = 0; cuts < (uint64_t)1 << n; cuts++) {
        outcome o = {0};
        run(stops, n_stops, words, cuts, &o);
        if (strcmp(o.shown.data, shown) != 0 || strcmp(o.found, found) != 0)
            fail_msg("\"%s\" cut %llx: \"%s\" and \"%s\"", words,
                     (unsigned long long)cuts, o.shown.data, o.found);
        text_close(&o.shown);
    }
}

#define STOPS(...) ((const char *const[]){__VA_ARGS__, NULL})

void test_stop_text_cuts(void **state) {
    (void)state;
    check(STOPS("end"), "to the end.", "to the ", "end");
    check(STOPS("end"), "eend end", "e", "end");
    check(STOPS("aab"), "aaaab", "aa", "aab");
    check(STOPS("end"), "en", "en", "");
    check(STOPS("end"), "an enemy", "an enemy", "");
    /* The first to end counts, the longest of those that end there. */
    check(STOPS("abc", "b"), "xabc", "xa", "b");
    check(STOPS("c", "abc"), "xabc", "x", "abc");
    check(STOPS("abcd", "bce"), "xabce", "xa", "bce");
    check(STOPS("\n\n"), "a\nb\n\nc", "a\nb", "\n\n");
    /* characters of several bytes */
    check(STOPS("\xC3\xA9"), "a\xC3\xA8\xC3\xA9z", "a\xC3\xA8", "\xC3\xA9");
    check(STOPS("\xE2\x82\xAC"
                "b"),
          "\xE2\x82\xAC\xE2\x82\xAC"
          "ab",
          "\xE2\x82\xAC\xE2\x82\xAC"
          "ab",
          "");
    check(STOPS("x"), "\xF0\x9F\x98\x80y", "\xF0\x9F\x98\x80y", "");
    check(STOPS("x"), "", "", "");
    outcome o = {0};
    run(NULL, 0, "any text", 5, &o);
    assert_string_equal(o.shown.data, "any text");
    text_close(&o.shown);
}

void test_stop_text_holds(void **state) {
    (void)state;
    /* Only what may still become a stop is held back. */
    stop_text *s;
    const char *out;
    size_t n;
    assert_ok(stop_text_open(&s, STOPS("<end>"), 1, err));
    assert_ok(stop_text_add(s, "a <e", 4, &out, &n, err));
    assert_int_equal(n, 2);
    assert_ok(stop_text_add(s, "n", 1, &out, &n, err));
    assert_int_equal(n, 0);
    assert_ok(stop_text_add(s, "x", 1, &out, &n, err));
    assert_int_equal(n, 4);
    assert_memory_equal(out, "<enx", 4);
    assert_ok(stop_text_add(s, "<end> more", 10, &out, &n, err));
    assert_int_equal(n, 0);
    assert_string_equal(stop_text_found(s), "<end>");
    assert_ok(stop_text_add(s, "more", 4, &out, &n, err));
    assert_int_equal(n, 0);
    stop_text_end(s, &out, &n);
    assert_int_equal(n, 0);
    stop_text_close(s);
}

void test_stop_text_bad(void **state) {
    (void)state;
    stop_text *s;
    char large[STOP_TEXT_BYTES + 2];
    const char *many[STOP_TEXT_MOST + 1];
    memset(large, 'a', sizeof large);
    large[sizeof large - 1] = 0;
    for (int i = 0; i <= STOP_TEXT_MOST; i++) many[i] = "x";
    assert_fails(AR_RANGE, "empty", stop_text_open(&s, STOPS(""), 1, err));
    assert_fails(AR_RANGE, "UTF-8", stop_text_open(&s, STOPS("\xC3"), 1, err));
    assert_fails(AR_RANGE, "1024",
                 stop_text_open(&s, STOPS("a", large), 2, err));
    assert_fails(AR_RANGE, "64 stop",
                 stop_text_open(&s, many, STOP_TEXT_MOST + 1, err));
    assert_null(s);
    for (int n = 1; n <= 3; n++) {
        mem_fail_at(n, 1);
        ar_error e;
        const ar_status status = stop_text_open(&s, STOPS("a", "b"), 2, &e);
        mem_fail_at(0, 0);
        assert_int_equal(status, AR_NOMEM);
        assert_null(s);
    }
}
