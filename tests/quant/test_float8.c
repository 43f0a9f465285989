/* test_float8.c - 8-bit floats: every value, rounding, overflow. */
#include "tests/quant/golden.h"

#include "base/mem.h"
#include "quant/quant.h"

static const struct {
    ar_type type;
    const char *name;
} kinds[] = {
    {AR_F8_E4M3, "fp8_e4m3fn"}, {AR_F8_E5M2, "fp8_e5m2"}, {AR_F8_E8M0, "e8m0"}};

static uint8_t one(ar_type t, float f) {
    uint8_t x;
    assert_true(type_encode_f32(t, &f, &x, 1));
    return x;
}

void test_quant_float8_values(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) {
        float *want = golden_need(kinds[k].name, ".f32", 1024), got[256];
        uint8_t all[256];
        for (int i = 0; i < 256; i++) all[i] = (uint8_t)i;
        assert_true(type_decode_f32(kinds[k].type, all, got, 256));
        golden_equal(kinds[k].name, got, want, 256);
        for (int i = 0; i < 256; i++)
            if (!isnan(want[i]))
                assert_int_equal(one(kinds[k].type, want[i]), i);
            else
                assert_true(isnan(want[one(kinds[k].type, NAN)]));
        mem_free(want);
    }
}

void test_quant_float8_encode(void **state) {
    (void)state;
    enum { N = 4000 };
    static uint8_t got[N];
    float *x = golden_need("fp8_in", ".f32", N * sizeof *x);
    for (int k = 0; k < 2; k++) {
        uint8_t *want = golden_need(kinds[k].name, ".enc.bin", N);
        assert_true(type_encode_f32(kinds[k].type, x, got, N));
        assert_memory_equal(got, want, N);
        mem_free(want);
    }
    mem_free(x);
}

/* Nearest, halves to even, between all neighbours, from f32 and from f64. */
void test_quant_float8_rounding(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        const int last = k ? 0x7b : 0x7e;
        for (int i = 0; i < last; i++) {
            const uint8_t pair[2] = {(uint8_t)i, (uint8_t)(i + 1)};
            float v[2];
            double d;
            uint8_t x;
            assert_true(type_decode_f32(kinds[k].type, pair, v, 2));
            const float mid = (v[0] + v[1]) / 2;
            assert_int_equal(one(kinds[k].type, mid), i + (i & 1));
            assert_int_equal(one(kinds[k].type, -mid), (i + (i & 1)) | 0x80);
            assert_int_equal(one(kinds[k].type, nextafterf(mid, 0)), i);
            assert_int_equal(one(kinds[k].type, nextafterf(mid, 1e9f)), i + 1);
            d = (double)mid + (double)mid * 0x1p-40; /* not a half any more */
            assert_true(type_encode_f64(kinds[k].type, &d, &x, 1));
            assert_int_equal(x, i + 1);
        }
    }
}

void test_quant_float8_limits(void **state) {
    (void)state;
    assert_int_equal(one(AR_F8_E4M3, 464), 0x7e);
    assert_int_equal(one(AR_F8_E4M3, 464.1f), 0x7f);
    assert_int_equal(one(AR_F8_E4M3, -INFINITY), 0xff);
    assert_int_equal(one(AR_F8_E4M3, 1e-30f), 0);
    assert_int_equal(one(AR_F8_E5M2, 61439), 0x7b);
    assert_int_equal(one(AR_F8_E5M2, 61440), 0x7c);
    assert_int_equal(one(AR_F8_E5M2, -3e38f), 0xfc);
    assert_int_equal(one(AR_F8_E5M2, INFINITY), 0x7c);
    assert_int_equal(one(AR_F8_E8M0, 0), 0);
    assert_int_equal(one(AR_F8_E8M0, 1.49f), 127);
    assert_int_equal(one(AR_F8_E8M0, 1.5f), 128);
    assert_int_equal(one(AR_F8_E8M0, -2), 128);
    assert_int_equal(one(AR_F8_E8M0, 0x1.8p-127f), 1);
    assert_int_equal(one(AR_F8_E8M0, 0x1.4p-127f), 0);
    assert_int_equal(one(AR_F8_E8M0, INFINITY), 255);
}
