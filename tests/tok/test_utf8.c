/* test_utf8.c - UTF-8 and the characters that stand for bytes. */
#include "tests/test.h"
#include "tok/byte_chars.h"
#include "tok/utf8.h"

void test_utf8_round_trip(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        uint32_t back = 0;
        const int n = utf8_encode(c, bytes);
        const unsigned char *p = (const unsigned char *)bytes;
        const int k = utf8_decode(p, p + n, &back);
        if (c >= 0xD800 && c < 0xE000) {
            assert_int_equal(k, 0);
            continue;
        }
        if (k != n || back != c) fail_msg("U+%04X", c);
        for (int cut = 1; cut < n; cut++)
            assert_int_equal(utf8_decode(p, p + cut, &back), 0);
        int size;
        assert_int_equal(utf8_before(p, p + n, &size), c);
        assert_int_equal(size, n);
    }
}

/* The Unicode Standard, tables 3-8 to 3-11, and Rust's from_utf8_lossy. */
void test_utf8_lossy(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"abc", "abc"},
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "????????A"},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "????????A"},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "?????A??B"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "????A"},
        {"\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", "a???b?c??d"},
        {"\xE2\x82", "?"},
        {"\xF0\x9F\x98", "?"},
        {"12345678\xFF"
         "12345678",
         "12345678?12345678"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text t = {0}, want = {0};
        text_adds(&t, "");
        text_adds(&want, "");
        utf8_add_lossy(&t, cases[i].in, strlen(cases[i].in));
        for (const char *c = cases[i].out; *c; c++)
            text_add(&want, *c == '?' ? "\xEF\xBF\xBD" : c, *c == '?' ? 3 : 1);
        assert_string_equal(t.data, want.data);
        text_close(&t);
        text_close(&want);
    }
}

void test_byte_chars(void **state) {
    (void)state;
    char all[256], back[1024];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    text t = {0};
    byte_chars_encode(&t, all, 256);
    assert_int_equal(utf8_valid(t.data, t.size), t.size);
    assert_int_equal(byte_chars_decode(t.data, t.size, back), 256);
    assert_memory_equal(all, back, 256);
    text_clear(&t);
    byte_chars_encode(&t, " \n\xAD\x7F\xFF", 5);
    assert_string_equal(t.data, "\xC4\xA0\xC4\x8A\xC5\x83\xC4\xA1\xC3\xBF");
    text_close(&t);
    assert_int_equal(byte_chars_decode("a b", 3, back), -1);
    assert_int_equal(byte_chars_decode("\xE2\x96\x81", 3, back), -1);
    assert_int_equal(byte_chars_decode("\xC5\x84", 2, back), -1);
}
