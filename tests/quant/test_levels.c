/* test_levels.c - blocks as whole numbers times scales. */
#include <stdlib.h>

#include "quant/levels.h"
#include "tests/quant/golden.h"

enum { BLOCKS = 40, MOST = 256 };

static bool same(float a, float b) { return a == b || (isnan(a) && isnan(b)); }

static void check_block(ar_type t, const quant_form *f, const uint8_t *src,
                        int64_t n) {
    uint8_t levels[MOST];
    float scale[MOST / 16], minimum[MOST / 16], want[MOST];
    assert_true(quant_levels(t, src, n, levels, scale, minimum));
    assert_true(quant_decode(t, src, want, n));
    for (int64_t i = 0; i < n; i++) {
        const int64_t g = i / f->group;
        assert_true(levels[i] <= f->top);
        if (!f->minima) assert_true(minimum[g] == 0);
        const float got =
            scale[g] * (float)(levels[i] - f->offset) + minimum[g];
        if (!same(got, want[i]))
            fail_msg("%s: element %d is %.9g, not %.9g", ar_type_name(t),
                     (int)i, (double)got, (double)want[i]);
    }
}

/* Any bytes are the numbers that decoding makes of them. */
void test_levels_decode(void **state) {
    (void)state;
    uint8_t src[512];
    uint64_t seed = 5;
    int seen = 0;
    for (int t = 0; t < AR_TYPE_COUNT; t++) {
        quant_form f;
        if (!quant_form_of((ar_type)t, &f)) continue;
        int64_t n = 32;
        while (!quant_holds((ar_type)t, n)) n += 32;
        assert_true(f.group == 16 || f.group == 32);
        assert_true(f.top < 128 || f.offset == 128);
        for (int i = 0; i < BLOCKS; i++) {
            for (size_t b = 0; b < ar_type_size((ar_type)t, n); b++)
                src[b] = (uint8_t)(noise_word(&seed) >> 11);
            check_block((ar_type)t, &f, src, n);
        }
        seen++;
    }
    assert_true(seen == 25);
}

void test_levels_none(void **state) {
    (void)state;
    quant_form f;
    uint8_t src[64] = {0}, levels[64];
    float scale[4], minimum[4];
    assert_false(quant_form_of(AR_F32, &f));
    assert_false(quant_form_of(AR_F16, &f));
    assert_false(quant_form_of(AR_TYPE_COUNT, &f));
    assert_false(quant_levels(AR_F16, src, 32, levels, scale, minimum));
    assert_false(quant_levels(AR_Q4_0, src, 33, levels, scale, minimum));
}

void test_levels_act8(void **state) {
    (void)state;
    uint64_t seed = 9;
    float x[ACT8_BLOCK];
    int8_t q[ACT8_BLOCK];
    for (int e = -90; e < 120; e += 7) {
        float max = 0;
        for (int i = 0; i < ACT8_BLOCK; i++) {
            x[i] = ldexpf(noise_normal(&seed), e);
            max = fmaxf(max, fabsf(x[i]));
        }
        const float d = act8_round(x, q);
        assert_true(d == max / 127);
        int top = 0;
        for (int i = 0; i < ACT8_BLOCK; i++) {
            top = abs(q[i]) > top ? abs(q[i]) : top;
            assert_near((double)x[i], (double)d * q[i], 0.5001 * (double)d);
        }
        assert_int_equal(top, 127);
    }
}

void test_levels_act8_limits(void **state) {
    (void)state;
    float x[ACT8_BLOCK] = {0};
    int8_t q[ACT8_BLOCK];
    memset(q, 1, sizeof q);
    assert_true(act8_round(x, q) == 0);
    for (int i = 0; i < ACT8_BLOCK; i++) assert_int_equal(q[i], 0);
    x[3] = 0x1p-140f; /* the reciprocal would be infinite */
    assert_true(act8_round(x, q) == 0);
    assert_int_equal(q[3], 0);
    for (int i = 0; i < 5; i++) x[i] = (float)i + 0.5f; /* ties to even */
    x[9] = -127;
    assert_true(act8_round(x, q) == 1);
    assert_int_equal(q[9], -127);
    assert_int_equal(q[0], 0);
    assert_int_equal(q[1], 2);
    assert_int_equal(q[2], 2);
    assert_int_equal(q[3], 4);
    x[20] = -INFINITY;
    assert_true(act8_round(x, q) == INFINITY);
    assert_int_equal(q[9], 0);
    x[21] = NAN;
    assert_true(isnan(act8_round(x, q)));
}
