/* test_hash.c - XXH64 and FNV-1a against published values. */
#include "tests/test.h"

#include "base/hash.h"

void test_hash_xx64_texts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t hash;
    } rows[] = {
        {"", 0xef46db3751d8e999},
        {"a", 0xd24ec4f1a98c6e5b},
        {"abc", 0x44bc2cf5ad770999},
        {"Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(hash_xx64(rows[i].text, strlen(rows[i].text), 0),
                         rows[i].hash);
}

/* The sanity check that xxHash itself runs. */
void test_hash_xx64_sanity(void **state) {
    (void)state;
    enum { SIZE = 222 };
    const uint64_t seed = 2654435761u;
    unsigned char bytes[SIZE + 1];
    uint64_t x = seed;
    for (int i = 0; i < SIZE; i++, x *= 11400714785074694797u)
        bytes[i] = (unsigned char)(x >> 56);
    static const struct {
        size_t n;
        uint64_t plain, seeded;
    } rows[] = {
        {0, 0xef46db3751d8e999, 0xac75fda2929b17ef},
        {1, 0xe934a84adb052768, 0x5014607643a9b4c3},
        {14, 0x8282dcc4994e35c8, 0xc3bd6bf63deb6df0},
        {222, 0xb641ae8cb691c174, 0x20cb8ab7ae10c14a},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(hash_xx64(bytes, rows[i].n, 0), rows[i].plain);
        assert_int_equal(hash_xx64(bytes, rows[i].n, seed), rows[i].seeded);
        memmove(bytes + 1, bytes, SIZE); /* alignment does not matter */
        assert_int_equal(hash_xx64(bytes + 1, rows[i].n, 0), rows[i].plain);
        memmove(bytes, bytes + 1, SIZE);
    }
}

void test_hash_fnv(void **state) {
    (void)state;
    assert_int_equal(hash_bytes("", 0, 0), 0xcbf29ce484222325);
    assert_int_equal(hash_bytes("a", 1, 0), 0xaf63dc4c8601ec8c);
    assert_int_equal(hash_bytes("foobar", 6, 0), 0x85944171f73967e8);
    const uint64_t half = hash_bytes("foo", 3, 0);
    assert_int_equal(hash_bytes("bar", 3, half), 0x85944171f73967e8);
}
