/* test_text.c - growing strings and error sentences. */
#include "tests/test.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

void test_text_grows(void **state) {
    (void)state;
    text t = {0};
    for (int i = 0; i < 1000; i++) text_addf(&t, "%d,", i % 10);
    text_adds(&t, "end");
    text_add(&t, "\0x", 2);
    assert_ok(text_status(&t, err));
    assert_int_equal(t.size, 2005);
    assert_memory_equal(t.data, "0,1,2,3,", 8);
    assert_string_equal(t.data + 1998, "9,end");
    assert_int_equal(t.data[t.size], 0);
    text_clear(&t);
    assert_string_equal(t.data, "");
    text_addf(&t, "%300d", 7);
    assert_int_equal(t.size, 300);
    assert_int_equal(t.data[299], '7');
    text_close(&t);
    assert_null(t.data);
    text_add(&t, "", 0);
    assert_string_equal(t.data, "");
    text_close(&t);
}

void test_text_failure_sticks(void **state) {
    (void)state;
    for (int at = 1; at <= 3; at++) {
        text t = {0};
        mem_fail_at(at, 0);
        for (int i = 0; i < 20; i++) text_addf(&t, "%20d", i);
        mem_fail_at(0, 0);
        const size_t size = t.size;
        text_adds(&t, "more");
        assert_int_equal(t.size, size);
        assert_fails(AR_NOMEM, "memory", text_status(&t, err));
        text_close(&t);
    }
}

void test_error_sentences(void **state) {
    (void)state;
    ar_error err = {0};
    assert_int_equal(error_set(&err, AR_SHAPE, "%s has %d", "x", 3), AR_SHAPE);
    assert_string_equal(err.message, "x has 3");
    assert_int_equal(error_prefix(&err, AR_SHAPE, "file"), AR_SHAPE);
    assert_string_equal(err.message, "file: x has 3");
    error_set(&err, AR_IO, "%s!", err.message); /* reads what it replaces */
    assert_string_equal(err.message, "file: x has 3!");
    assert_int_equal(err.code, AR_IO);
    char wide[1000];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = 0;
    error_set(&err, AR_IO, "%s", wide);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(error_set(NULL, AR_IO, "lost"), AR_IO);
    assert_int_equal(error_prefix(NULL, AR_IO, "lost"), AR_IO);
}

void test_status_texts(void **state) {
    (void)state;
#define X(name, value, words)                                                  \
    assert_string_equal(ar_status_text(AR_##name), words);                     \
    assert_int_equal(AR_##name, value);
    AR_STATUS_LIST(X)
#undef X
    assert_string_equal(ar_status_text((ar_status)-99), "unknown status");
}
