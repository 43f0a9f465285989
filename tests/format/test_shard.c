/* test_shard.c - files of token ids. */
#include "tests/test.h"

#include "format/shard.h"

static const char *in_folder(const char *name) {
    static char path[400];
    static const char *folder;
    if (!folder) folder = test_folder();
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void test_shard_round_trip(void **state) {
    (void)state;
    int32_t ids[5000];
    for (int i = 0; i < 5000; i++) ids[i] = i * 13 % 65536;
    for (int width = 2; width <= 4; width += 2) {
        const char *path = in_folder("a.bin");
        shard s;
        if (width == 4) ids[4999] = 0x7fffffff;
        assert_ok(shard_write(path, ids, 5000, width, err));
        assert_ok(shard_open(&s, path, err));
        assert_int_equal(s.width, width);
        assert_int_equal(s.n_tokens, 5000);
        assert_int_equal(s.map.size, 1024 + 5000 * width);
        for (int i = 0; i < 5000; i++)
            assert_int_equal(shard_token(&s, i), ids[i]);
        shard_close(&s);
    }
    const char *path = in_folder("a.bin");
    assert_fails(AR_RANGE, "2147483647", shard_write(path, ids, 5000, 2, err));
    ids[4999] = -1;
    assert_fails(AR_RANGE, "-1", shard_write(path, ids, 5000, 4, err));
    assert_fails(AR_RANGE, "a.bin", shard_write(path, ids, 5000, 3, err));
    shard s; /* the old file is as it was */
    assert_ok(shard_open(&s, path, err));
    assert_int_equal(s.n_tokens, 5000);
    shard_close(&s);
    assert_ok(shard_write(path, ids, 0, 2, err));
    assert_ok(shard_open(&s, path, err));
    assert_int_equal(s.n_tokens, 0);
    shard_close(&s);
}

void test_shard_bare(void **state) {
    (void)state;
    const uint16_t ids[3] = {7, 65535, 0};
    const char *path = in_folder("bare.bin");
    shard s;
    assert_ok(file_replace(path, ids, sizeof ids, err));
    assert_ok(shard_open(&s, path, err));
    assert_int_equal(s.n_tokens, 3);
    assert_int_equal(shard_token(&s, 1), 65535);
    shard_close(&s);
    assert_ok(file_replace(path, ids, 5, err));
    assert_fails(AR_FORMAT, "bare.bin", shard_open(&s, path, err));
    assert_ok(file_replace(path, ids, 0, err));
    assert_fails(AR_FORMAT, "bare.bin", shard_open(&s, path, err));
    assert_fails(AR_IO, "none.bin", shard_open(&s, in_folder("none.bin"), err));
}

void test_shard_damaged(void **state) {
    (void)state;
    int32_t file[256 + 4] = {20240520, 1, 8};
    shard s;
    assert_ok(shard_view(&s, file, 1024 + 16, "a.bin", err));
    assert_int_equal(s.n_tokens, 8);
    shard_close(&s);
    assert_fails(AR_FORMAT, "1038 bytes",
                 shard_view(&s, file, 1024 + 14, "a.bin", err));
    file[2] = -8;
    assert_fails(AR_FORMAT, "-8 ids",
                 shard_view(&s, file, 1024 + 16, "a.bin", err));
    file[2] = 0x7fffffff;
    assert_fails(AR_FORMAT, "2147483647 ids",
                 shard_view(&s, file, 1024 + 16, "a.bin", err));
    file[1] = 2;
    assert_fails(AR_FORMAT, "version 2",
                 shard_view(&s, file, 1024 + 16, "a.bin", err));
}
