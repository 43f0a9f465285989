/* test_mil_blob.c - weight files against coremltools' own, and damaged ones. */
#include <stdlib.h>

#include "backend/ane/mil_blob.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/test.h"

/* The blobs of tests/golden/mil/blobs.bin; ORDER: tools/golden/mil_blob.py. */
static const struct {
    enum mil_dtype type;
    int n;
} golden[] = {
    {MIL_FP16, 37},  {MIL_FP32, 5},    {MIL_UINT8, 64}, {MIL_INT8, 65},
    {MIL_INT16, 33}, {MIL_UINT16, 32}, {MIL_INT4, 13},  {MIL_UINT1, 17},
    {MIL_UINT2, 9},  {MIL_UINT4, 7},   {MIL_UINT3, 11}, {MIL_UINT6, 5},
    {MIL_INT32, 3},  {MIL_UINT32, 1},
};
enum { N_GOLDEN = sizeof golden / sizeof *golden };

/* Packs little-endian streams of bits, independently of the code under test. */
static void put(uint8_t *to, int bits, int i, uint64_t x) {
    for (int b = 0; b < bits; b++) {
        const int at = i * bits + b;
        if (x >> b & 1) to[at / 8] |= (uint8_t)(1 << at % 8);
    }
}

/* Bits of small whole numbers as floats, by their definition. */
static uint64_t float_bits(unsigned x, int exponent_bits, int mantissa_bits) {
    int e = 0;
    if (!x) return 0;
    while (x >> (e + 1)) e++;
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const uint64_t mantissa = (uint64_t)(x - (1u << e)) << (mantissa_bits - e);
    return (uint64_t)(e + bias) << mantissa_bits | mantissa;
}

static void fill(int k, uint8_t *to) {
    const int bits = mil_dtype_bits(golden[k].type);
    for (int i = 0; i < golden[k].n; i++) {
        uint64_t x = (uint64_t)((i + 1) * (k + 3));
        if (golden[k].type == MIL_FP16) x = float_bits(x % 31, 5, 10);
        if (golden[k].type == MIL_FP32) x = float_bits(x % 31, 8, 23);
        put(to, bits, i, x);
    }
}

void test_mil_blob_writes_what_coremltools_writes(void **state) {
    (void)state;
    file_map map;
    assert_ok(file_map_open(&map, test_golden("mil/blobs.bin"), err));
    mil_blob_writer *w = mil_blob_open();
    assert_non_null(w);
    for (int k = 0; k < N_GOLDEN; k++) {
        uint8_t data[512] = {0};
        fill(k, data);
        assert_true(mil_blob_add(w, golden[k].type, data, golden[k].n) >= 64);
    }
    const void *file;
    size_t size;
    assert_ok(mil_blob_finish(w, &file, &size, err));
    assert_int_equal(size, map.size);
    assert_memory_equal(file, map.data, size);
    mil_blob_close(w);
    file_map_close(&map);
}

void test_mil_blob_reads_what_coremltools_writes(void **state) {
    (void)state;
    file_map map;
    uint64_t next = 0;
    mil_blob b;
    assert_ok(file_map_open(&map, test_golden("mil/blobs.bin"), err));
    for (int k = 0; k < N_GOLDEN; k++) {
        uint8_t data[512] = {0};
        fill(k, data);
        assert_ok(
            mil_blob_next("blobs.bin", map.data, map.size, &next, &b, err));
        assert_int_equal(b.dtype, golden[k].type);
        assert_int_equal(b.count, golden[k].n);
        assert_memory_equal(b.data, data, b.size);
        mil_blob again;
        assert_ok(mil_blob_at("blobs.bin", map.data, map.size, b.offset, &again,
                              err));
        assert_ptr_equal(again.data, b.data);
    }
    assert_ok(mil_blob_next("blobs.bin", map.data, map.size, &next, &b, err));
    assert_null(b.data);
    file_map_close(&map);
}

/* A file of one fp16 blob of four elements. */
static void one_blob(uint8_t file[136]) {
    static const uint16_t data[4] = {0x3C00, 0x4000, 0x4200, 0x4400};
    mil_blob_writer *w = mil_blob_open();
    const void *made;
    size_t size;
    assert_int_equal(mil_blob_add(w, MIL_FP16, data, 4), 64);
    assert_ok(mil_blob_finish(w, &made, &size, err));
    assert_int_equal(size, 136);
    memcpy(file, made, size);
    mil_blob_close(w);
}

static void put_u64(uint8_t *p, uint64_t x) { memcpy(p, &x, sizeof x); }

void test_mil_blob_damaged(void **state) {
    (void)state;
    static const struct {
        int at;
        uint64_t value;
        const char *word;
    } cases[] = {
        {0, 1 | (3ull << 32), "version 3"},
        {64, 0xDEADBEEE, "no blob begins"},
        {64, 0xDEADBEEF | (18ull << 32), "type is unknown"},
        {64, 0xDEADBEEF | (0ull << 32), "type is unknown"},
        {72, 9, "behind the file"},
        {72, 7, "whole elements"},
        {72, UINT64_MAX, "behind the file"},
        {80, 192, "behind the file"},
        {80, 127, "multiple of 64"},
        {80, 0, "multiple of 64"},
        {80, UINT64_MAX - 63, "behind the file"},
        {88, 8, "whole elements"},
        {88, UINT64_MAX, "whole elements"},
    };
    uint8_t good[136], file[136];
    mil_blob b;
    one_blob(good);
    assert_ok(mil_blob_at("w", good, sizeof good, 64, &b, err));
    assert_int_equal(b.count, 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(file, good, sizeof file);
        put_u64(file + cases[i].at, cases[i].value);
        assert_fails(AR_FORMAT, cases[i].word,
                     mil_blob_at("w", file, sizeof file, 64, &b, err));
        assert_null(b.data);
    }
    for (size_t n = 0; n < sizeof good; n++)
        assert_fails(AR_FORMAT, "w", mil_blob_at("w", good, n, 64, &b, err));
    assert_fails(AR_FORMAT, "blob at 0",
                 mil_blob_at("w", good, sizeof good, 0, &b, err));
    assert_fails(AR_FORMAT, "blob at 128",
                 mil_blob_at("w", good, sizeof good, 128, &b, err));
    assert_fails(AR_FORMAT, "multiples of 64",
                 mil_blob_at("w", good, sizeof good, 65, &b, err));
}

void test_mil_blob_equal_ones_once(void **state) {
    (void)state;
    static const uint8_t a[80] = {1, 2, 3}, c[80] = {1, 2, 4};
    mil_blob_writer *w = mil_blob_open();
    const uint64_t first = mil_blob_add(w, MIL_UINT8, a, 80);
    const uint64_t other = mil_blob_add(w, MIL_UINT8, c, 80);
    assert_int_equal(first, 64);
    assert_int_equal(other, 64 + 64 + 128);
    assert_int_equal(mil_blob_add(w, MIL_UINT8, a, 80), first);
    /* The same bytes of another type or length are another blob. */
    assert_true(mil_blob_add(w, MIL_INT8, a, 80) > other);
    assert_true(mil_blob_add(w, MIL_UINT8, a, 79) > other);
    const void *file;
    size_t size;
    assert_ok(mil_blob_finish(w, &file, &size, err));
    assert_int_equal(*(const uint32_t *)file, 4);
    mil_blob_close(w);
}

void test_mil_blob_refuses(void **state) {
    (void)state;
    static const uint8_t data[2] = {0xFF, 0xFF};
    const void *file;
    size_t size;
    mil_blob_writer *w = mil_blob_open();
    assert_int_equal(mil_blob_add(w, MIL_UINT3, data, 3), 0);
    assert_int_equal(mil_blob_add(w, MIL_UINT8, data, 2), 0); /* sticks */
    assert_fails(AR_FORMAT, "behind the last",
                 mil_blob_finish(w, &file, &size, err));
    mil_blob_close(w);
    w = mil_blob_open();
    assert_int_equal(mil_blob_add(w, MIL_STRING, data, 1), 0);
    assert_fails(AR_UNSUPPORTED, "no blobs of this type",
                 mil_blob_finish(w, &file, &size, err));
    mil_blob_close(w);
    w = mil_blob_open(); /* an empty file is one */
    assert_ok(mil_blob_finish(w, &file, &size, err));
    assert_int_equal(size, 64);
    mil_blob_close(w);
}

void test_mil_blob_out_of_memory(void **state) {
    (void)state;
    uint8_t data[100] = {1};
    for (int64_t n = 1;; n++) {
        const void *file;
        size_t size;
        ar_error err;
        mem_fail_at(n, n % 2);
        mil_blob_writer *w = mil_blob_open();
        for (int i = 0; w && i < 100; i++) {
            data[1] = (uint8_t)i;
            mil_blob_add(w, MIL_UINT8, data, 100);
        }
        const ar_status s =
            w ? mil_blob_finish(w, &file, &size, &err) : AR_NOMEM;
        mil_blob_close(w);
        const bool reached = mem_fail_count() >= n;
        mem_fail_at(0, 0);
        if (!reached) {
            assert_int_equal(s, AR_OK);
            assert_true(n > 5);
            return;
        }
        assert_int_equal(s, AR_NOMEM);
    }
}
