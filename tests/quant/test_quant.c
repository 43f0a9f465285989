/* test_quant.c - element types and conversions, exhaustively where possible. */
#include "tests/test.h"

#include "quant/quant.h"

typedef struct narrow {
    const char *name;
    ar_type type;
    int exponent_bits, fraction_bits;
} narrow;

static const narrow f16 = {"f16", AR_F16, 5, 10};
static const narrow bf16 = {"bf16", AR_BF16, 8, 7};

static float widen(const narrow *t, uint16_t h) {
    float f;
    assert_true(type_decode_f32(t->type, &h, &f, 1));
    return f;
}

static uint16_t shorten(const narrow *t, float f) {
    uint16_t h;
    assert_true(type_encode_f32(t->type, &f, &h, 1));
    return h;
}

/* The value by its definition. */
static double meaning(const narrow *t, uint16_t h) {
    const int e_most = (1 << t->exponent_bits) - 1, bias = e_most / 2;
    const int e = h >> t->fraction_bits & e_most;
    const double m = h & ((1 << t->fraction_bits) - 1);
    const double sign = h >> 15 ? -1 : 1;
    if (e == e_most) return m ? NAN : sign * INFINITY;
    if (!e) return sign * ldexp(m, 1 - bias - t->fraction_bits);
    return sign * ldexp(1 + ldexp(m, -t->fraction_bits), e - bias);
}

static void check_every_pattern(const narrow *t) {
    for (uint32_t i = 0; i < 65536; i++) {
        const uint16_t h = (uint16_t)i;
        const double want = meaning(t, h), is = widen(t, h);
        if (isnan(want)) {
            assert_true(isnan(is) && isnan(widen(t, shorten(t, (float)is))));
            assert_int_equal(signbit(is) != 0, h >> 15);
            continue;
        }
        assert_true(is == want && signbit(is) == signbit(want));
        assert_int_equal(shorten(t, (float)is), h);
        double wide;
        assert_true(type_decode_f64(t->type, &h, &wide, 1) && wide == want);
    }
}

/* Between neighbours: the nearer one, in the middle the even one.  One step
 * beyond the largest counts as infinity. */
static void check_rounding(const narrow *t) {
    const uint16_t infinite =
        (uint16_t)(((1 << t->exponent_bits) - 1) << t->fraction_bits);
    for (uint16_t h = 0; h < infinite; h++) {
        const uint16_t next = h + 1, even = h & 1 ? next : h;
        const double low = meaning(t, h);
        const double high = next < infinite
                                ? meaning(t, next)
                                : 2 * low - meaning(t, (uint16_t)(h - 1));
        const float mid = (float)(low / 2 + high / 2);
        if ((double)mid != low / 2 + high / 2) continue; /* not an f32 */
        for (int sign = 0; sign < 2; sign++) {
            const float s = sign ? -1 : 1;
            const uint16_t bit = (uint16_t)(sign << 15);
            assert_int_equal(shorten(t, s * mid), even | bit);
            assert_int_equal(shorten(t, s * nextafterf(mid, 0)), h | bit);
            assert_int_equal(shorten(t, s * nextafterf(mid, INFINITY)),
                             next | bit);
        }
    }
}

static void check_specials(const narrow *t) {
    const uint16_t infinite =
        (uint16_t)(((1 << t->exponent_bits) - 1) << t->fraction_bits);
    assert_int_equal(shorten(t, INFINITY), infinite);
    assert_int_equal(shorten(t, -INFINITY), infinite | 0x8000);
    assert_int_equal(shorten(t, 3.4e38f), infinite);
    assert_int_equal(shorten(t, -0.0f), 0x8000);
    assert_int_equal(shorten(t, 1e-45f), 0);
    /* NaNs whose payload lies only in the bits that are cut off */
    const uint32_t nans[] = {0x7f800001, 0xff800001, 0x7fffffff, 0xffc00000};
    for (int i = 0; i < 4; i++) {
        float f;
        memcpy(&f, &nans[i], sizeof f);
        const float back = widen(t, shorten(t, f));
        assert_true(isnan(back));
        assert_int_equal(signbit(back) != 0, nans[i] >> 31);
    }
}

void test_quant_f16(void **state) {
    (void)state;
    check_every_pattern(&f16);
    check_rounding(&f16);
    check_specials(&f16);
}

void test_quant_bf16(void **state) {
    (void)state;
    check_every_pattern(&bf16);
    check_rounding(&bf16);
    check_specials(&bf16);
}

/* Rounding to f32 first would make ties out of these. */
void test_quant_f64_rounds_once(void **state) {
    (void)state;
    const double x[] = {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11 - 0x1p-40,
                        1 + 0x3p-11 - 0x1p-40, -1 - 0x1p-11 - 0x1p-40};
    const uint16_t want[] = {0x3c01, 0x3c00, 0x3c01, 0xbc01};
    uint16_t h[4];
    assert_true(type_encode_f64(AR_F16, x, h, 4));
    for (int i = 0; i < 4; i++) assert_int_equal(h[i], want[i]);
    const double y[] = {1 + 0x1p-8 + 0x1p-40, 1 + 0x3p-8 - 0x1p-40};
    assert_true(type_encode_f64(AR_BF16, y, h, 2));
    assert_int_equal(h[0], 0x3f81);
    assert_int_equal(h[1], 0x3f81);
}

void test_quant_integers(void **state) {
    (void)state;
    const double x[] = {0.5, 1.5, -2.5, 1e30, -1e30, NAN, 200, -7};
    int8_t b[8];
    int16_t s[8];
    int32_t i[8];
    int64_t l[8];
    uint32_t v[8];
    uint8_t u[8], t[8];
    assert_true(type_encode_f64(AR_I8, x, b, 8));
    assert_true(type_encode_f64(AR_I16, x, s, 8));
    assert_true(type_encode_f64(AR_I32, x, i, 8));
    assert_true(type_encode_f64(AR_I64, x, l, 8));
    assert_true(type_encode_f64(AR_U8, x, u, 8));
    assert_true(type_encode_f64(AR_BOOL, x, t, 8));
    assert_true(type_encode_f64(AR_U32, x, v, 8));
    assert_memory_equal(b, ((int8_t[]){0, 2, -2, 127, -128, -128, 127, -7}),
                        sizeof b);
    assert_memory_equal(
        s, ((int16_t[]){0, 2, -2, 32767, -32768, -32768, 200, -7}), sizeof s);
    assert_memory_equal(
        i, ((int32_t[]){0, 2, -2, INT32_MAX, INT32_MIN, INT32_MIN, 200, -7}),
        sizeof i);
    assert_int_equal(l[4], INT64_MIN);
    assert_true(l[3] > INT64_MAX - 2048);
    assert_int_equal(l[6], 200);
    assert_memory_equal(u, ((uint8_t[]){0, 2, 0, 255, 0, 0, 200, 0}), sizeof u);
    assert_memory_equal(t, ((uint8_t[]){1, 1, 1, 1, 1, 1, 1, 1}), sizeof t);
    assert_memory_equal(v, ((uint32_t[]){0, 2, 0, UINT32_MAX, 0, 0, 200, 0}),
                        sizeof v);
    float back[8];
    assert_true(type_decode_f32(AR_I8, b, back, 8));
    assert_true(back[2] == -2 && back[4] == -128);
}

/* Through every type, in rows longer than the chunks used inside. */
void test_quant_rows(void **state) {
    (void)state;
    enum { N = 1000 };
    static float x[N], y[N];
    static double d[N];
    static unsigned char bytes[N * 8];
    for (int i = 0; i < N; i++) x[i] = (float)(i % 101);
    for (int t = 1; t < AR_TYPE_COUNT; t++) {
        assert_int_equal(ar_type_from_name(ar_type_name((ar_type)t)), t);
        if (t == AR_BOOL || (t >= AR_F8_E4M3 && t <= AR_F8_E8M0) ||
            quant_is_block((ar_type)t))
            continue; /* these cannot hold the numbers */
        assert_true(type_encode_f32((ar_type)t, x, bytes, N));
        assert_true(type_decode_f32((ar_type)t, bytes, y, N));
        assert_true(type_decode_f64((ar_type)t, bytes, d, N));
        for (int i = 0; i < N; i++)
            if (x[i] != y[i] || x[i] != d[i])
                fail_msg("%s: %g became %g", ar_type_name((ar_type)t),
                         (double)x[i], (double)y[i]);
        memset(bytes, 0, sizeof bytes);
        assert_true(type_encode_f64((ar_type)t, d, bytes, N));
        assert_true(type_decode_f32((ar_type)t, bytes, y, N));
        assert_memory_equal(x, y, sizeof x);
    }
    assert_false(type_decode_f32(AR_NONE, bytes, y, 1));
    assert_false(type_encode_f64(AR_NONE, d, bytes, 1));
    assert_false(type_encode_f32((ar_type)99, x, bytes, 1));
}

void test_quant_type_names(void **state) {
    (void)state;
    assert_string_equal(ar_type_name(AR_BF16), "bf16");
    assert_string_equal(ar_type_name((ar_type)99), "unknown");
    assert_string_equal(ar_type_name((ar_type)-1), "unknown");
    assert_int_equal(ar_type_from_name("float"), AR_NONE);
    assert_int_equal(ar_type_from_name(""), AR_NONE);
    assert_int_equal(ar_type_size(AR_F64, 3), 24);
    assert_int_equal(ar_type_size(AR_BOOL, 3), 3);
    assert_true(type_is_float(AR_F16) && !type_is_float(AR_I32));
}
