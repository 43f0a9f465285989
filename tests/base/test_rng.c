/* test_rng.c - Philox 4x32-10 against the known answers of Random123
 * (kat_vectors, "philox4x32 10"), and the shape of its distributions. */
#include "tests/test.h"

#include "base/rng.h"

static const struct {
    uint64_t key, position, stream; /* low word first */
    uint32_t w[4];
} known[] = {
    {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {UINT64_MAX,
     UINT64_MAX,
     UINT64_MAX,
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {0x299f31d0a4093822, /* digits of pi */
     0x85a308d3243f6a88,
     0x0370734413198a2e,
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

void test_rng_known_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint64_t k = known[i].key, s = known[i].stream;
        const uint64_t p = known[i].position;
        const uint32_t *w = known[i].w;
        const uint64_t low = (uint64_t)w[1] << 32 | w[0];
        const uint64_t high = (uint64_t)w[3] << 32 | w[2];
        assert_int_equal(rng_bits(k, s, p), low);
        const double u = (double)(low >> 11) * 0x1p-53;
        const double v = (double)(high >> 11) * 0x1p-53;
        assert_near(rng_uniform(k, s, p), u, 0);
        assert_near(rng_normal(k, s, p),
                    sqrt(-2 * log(1 - u)) * cos(2 * M_PI * v), 1e-14);
    }
}

void test_rng_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    double u1 = 0, u2 = 0, z1 = 0, z2 = 0, z4 = 0, pair = 0, before = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double u = rng_uniform(1, 2, i), z = rng_normal(1, 2, i);
        assert_true(u >= 0 && u < 1);
        u1 += u;
        u2 += u * u;
        z1 += z;
        z2 += z * z;
        z4 += z * z * z * z;
        pair += z * before;
        before = z;
    }
    assert_near(u1 / N, 0.5, 0.004); /* five standard errors or so */
    assert_near(u2 / N, 1.0 / 3, 0.004);
    assert_near(z1 / N, 0, 0.012);
    assert_near(z2 / N, 1, 0.016);
    assert_near(z4 / N, 3, 0.12);
    assert_near(pair / N, 0, 0.012);
}

void test_rng_streams_differ(void **state) {
    (void)state;
    assert_int_equal(rng_stream(""), 0xcbf29ce484222325);
    assert_int_equal(rng_stream("a"), 0xaf63dc4c8601ec8c);
    assert_int_not_equal(rng_bits(1, rng_stream("wq"), 0),
                         rng_bits(1, rng_stream("wk"), 0));
    assert_int_not_equal(rng_bits(1, 0, 1), rng_bits(1, 1, 0));
    assert_int_not_equal(rng_bits(1, 0, 0), rng_bits(0, 1, 0));
    assert_int_not_equal(rng_bits(1, 0, 0), rng_bits(1, 0, (uint64_t)1 << 32));
}
