/* test_sha256.c - SHA-256 against the examples of FIPS 180 and of NIST. */
#include "tests/test.h"

#include "base/sha256.h"

static const char *sum_of(const void *p, size_t n, size_t piece) {
    static char hex[SHA256_HEX];
    sha256 s;
    sha256_begin(&s);
    for (size_t at = 0; at < n; at += piece)
        sha256_add(&s, (const char *)p + at, at + piece < n ? piece : n - at);
    sha256_end(&s, hex);
    return hex;
}

void test_sha256_published(void **state) {
    (void)state;
    static const struct {
        const char *text, *sum;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb924"
             "27ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223"
                "b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
         "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(sum_of(rows[i].text, strlen(rows[i].text), 1000),
                            rows[i].sum);
    static char many[1000000];
    memset(many, 'a', sizeof many);
    assert_string_equal(
        sum_of(many, sizeof many, sizeof many),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* However the bytes are cut, and for every length around a block's. */
void test_sha256_pieces(void **state) {
    (void)state;
    unsigned char bytes[200];
    for (int i = 0; i < 200; i++) bytes[i] = (unsigned char)(i * 7);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        char whole[SHA256_HEX];
        memcpy(whole, sum_of(bytes, n, 200), sizeof whole);
        for (size_t piece = 1; piece < 140; piece += 7)
            assert_string_equal(sum_of(bytes, n, piece), whole);
    }
    /* 119 and 120 bytes: the count just fits behind the padding, or not */
    assert_string_equal(
        sum_of(memset(bytes, 'a', 120), 119, 200),
        "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
    assert_string_equal(
        sum_of(bytes, 120, 200),
        "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c");
    assert_true(sha256_is_hex(sum_of(bytes, 120, 200)));
    assert_false(sha256_is_hex("2f3d"));
}
