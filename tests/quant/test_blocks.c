/* test_blocks.c - block types against recorded values and bytes. */
#include "tests/quant/golden.h"

#include "base/mem.h"
#include "quant/quant.h"

enum { ROWS = 16, COLUMNS = 512, N = ROWS * COLUMNS };

/* The file name of each block type. */
static const struct {
    const char *name;
    ar_type type;
    bool encodes;
} types[] = {
#define QUANT(NAME, name, text) {#NAME, AR_##NAME, true},
#define QUANT_READ(NAME, name, text) {#NAME, AR_##NAME, false},
#include "quant/quants.def"
#undef QUANT
#undef QUANT_READ
};
enum { N_TYPES = sizeof types / sizeof types[0] };

void test_quant_golden_decode(void **state) {
    (void)state;
    static float got[N];
    static double wide[N];
    int seen = 0;
    for (int t = 0; t < N_TYPES; t++) {
        size_t size = 0;
        void *bytes = golden_read(types[t].name, ".bin", &size);
        if (!bytes) continue;
        assert_int_equal(size, ar_type_size(types[t].type, N));
        float *want = golden_need(types[t].name, ".f32", sizeof got);
        memset(got, 0x55, sizeof got);
        assert_true(type_decode_f32(types[t].type, bytes, got, N));
        golden_equal(types[t].name, got, want, N);
        assert_true(type_decode_f64(types[t].type, bytes, wide, N));
        for (int i = 0; i < N; i++) assert_true(wide[i] == (double)want[i]);
        mem_free(want);
        mem_free(bytes);
        seen++;
    }
    /* all but Q8_1, Q8_K and those that are in no file, see test_layout.c */
    assert_int_equal(seen, AR_A2_32 - AR_Q4_0 - 2);
}

/* Plain rounding, bit for bit, from f32 and from f64. */
void test_quant_golden_encode(void **state) {
    (void)state;
    static double wide[N];
    float *x = golden_need("rows", ".f32", N * sizeof *x);
    int seen = 0;
    for (int i = 0; i < N; i++) wide[i] = (double)x[i];
    for (int t = 0; t < N_TYPES; t++) {
        size_t size = 0;
        uint8_t *want = golden_read(types[t].name, ".q.bin", &size);
        if (!want) continue;
        uint8_t *got = mem_alloc(size);
        assert_int_equal(size, ar_type_size(types[t].type, N));
        assert_true(quant_encode(types[t].type, x, NULL, got, ROWS, COLUMNS));
        for (size_t i = 0; i < size; i++)
            if (got[i] != want[i])
                fail_msg("%s: byte %zu is %d, wanted %d", types[t].name, i,
                         got[i], want[i]);
        memset(got, 0, size);
        assert_true(type_encode_f64(types[t].type, wide, got, N));
        assert_memory_equal(got, want, size);
        memset(got, 0, size);
        assert_true(type_encode_f32(types[t].type, x, got, N));
        assert_memory_equal(got, want, size);
        mem_free(got);
        mem_free(want);
        seen++;
    }
    assert_int_equal(seen, 8);
    mem_free(x);
}

/* The types without recorded bytes, by their definition. */
void test_quant_q8_sums(void **state) {
    (void)state;
    uint64_t seed = 3;
    float x[256], back[256], d;
    uint8_t bytes[292];
    int16_t sum;
    for (int i = 0; i < 256; i++) x[i] = noise_normal(&seed);
    assert_true(type_encode_f32(AR_Q8_K, x, bytes, 256));
    assert_true(type_decode_f32(AR_Q8_K, bytes, back, 256));
    memcpy(&d, bytes, sizeof d);
    for (int j = 0; j < 16; j++) {
        int want = 0;
        for (int i = 16 * j; i < 16 * j + 16; i++) {
            const int level = (int8_t)bytes[4 + i];
            want += level;
            assert_true(back[i] == d * (float)level);
            assert_near(back[i], x[i], fabs((double)d) * 0.5001);
        }
        memcpy(&sum, bytes + 260 + 2 * j, sizeof sum);
        assert_int_equal(sum, want);
    }
    assert_true(type_encode_f32(AR_Q8_1, x, bytes, 32));
    assert_true(type_decode_f32(AR_Q8_1, bytes, back, 32));
    uint16_t halves[2];
    memcpy(halves, bytes, sizeof halves);
    d = f16_to_f32(halves[0]);
    float total = 0;
    for (int i = 0; i < 32; i++) {
        assert_true(back[i] == d * (float)(int8_t)bytes[4 + i]);
        assert_near(back[i], x[i], (double)d * 0.6);
        total += back[i];
    }
    assert_near(f16_to_f32(halves[1]), total,
                2e-3 * fabs((double)total) + 1e-3);
}

/* Whatever the bytes are, at any address; the block is the last thing in its
 * memory, so that a sanitizer sees a read past it. */
void test_quant_any_bytes(void **state) {
    (void)state;
    uint64_t seed = 11;
    float out[256];
    double wide[256];
    for (int t = 0; t < N_TYPES; t++) {
        const double per = quant_bits(types[t].type) / 8;
        for (int round = 0; round < 400; round++) {
            const int n = ar_type_size(types[t].type, 32)   ? 32
                          : ar_type_size(types[t].type, 64) ? 64
                                                            : 256;
            const size_t size = ar_type_size(types[t].type, n);
            assert_true((double)size == per * n);
            uint8_t *memory = mem_alloc(size + 1), *bytes = memory + 1;
            for (size_t i = 0; i < size; i++)
                bytes[i] = round == 0   ? 0
                           : round == 1 ? 255
                                        : (uint8_t)noise_word(&seed);
            out[n - 1] = -12345;
            assert_true(type_decode_f32(types[t].type, bytes, out, n));
            assert_true(out[n - 1] != -12345);
            assert_true(type_decode_f64(types[t].type, bytes, wide, n));
            for (int i = 0; i < n; i++)
                assert_true(wide[i] == (double)out[i] ||
                            (isnan(wide[i]) && isnan(out[i])));
            mem_free(memory);
        }
    }
}

void test_quant_partial_blocks(void **state) {
    (void)state;
    static float x[512];
    static double d[512];
    static uint8_t bytes[4096];
    for (int t = 0; t < N_TYPES; t++) {
        const ar_type type = types[t].type;
        for (int n = -1; n <= 257; n++) {
            const bool whole =
                n >= 0 &&
                (ar_type_size(type, n) != ar_type_size(type, n - 1) || n == 0);
            assert_int_equal(type_decode_f32(type, bytes, x, n), whole);
            assert_int_equal(type_decode_f64(type, bytes, d, n), whole);
            const bool writes = whole && types[t].encodes;
            assert_int_equal(type_encode_f32(type, x, bytes, n), writes);
            assert_int_equal(type_encode_f64(type, d, bytes, n), writes);
            assert_int_equal(quant_encode(type, x, NULL, bytes, 1, n), writes);
            memset(x, 0, sizeof x);
            memset(d, 0, sizeof d);
        }
        assert_false(quant_encode(type, x, NULL, bytes, -1, 256));
    }
    assert_false(quant_encode(AR_NONE, x, NULL, bytes, 1, 256));
    assert_false(quant_encode((ar_type)99, x, NULL, bytes, 1, 256));
}

void test_quant_list(void **state) {
    (void)state;
    int blocks = 0;
    for (int t = 0; t < AR_TYPE_COUNT; t++) {
        const bool block = quant_is_block((ar_type)t);
        assert_int_equal(block, ar_type_size((ar_type)t, 1) == 0 && t);
        assert_int_equal(block, quant_text((ar_type)t)[0] != 0);
        blocks += block;
        if (!block && t) assert_true(quant_can_encode((ar_type)t));
    }
    assert_int_equal(blocks, N_TYPES);
    for (int t = 0; t < N_TYPES; t++)
        assert_int_equal(quant_can_encode(types[t].type), types[t].encodes);
    assert_near(quant_bits(AR_Q4_K), 4.5, 0);
    assert_near(quant_bits(AR_IQ1_S), 1.5625, 0);
    assert_near(quant_bits(AR_F16), 16, 0);
    assert_near(quant_bits((ar_type)99), 0, 0);
    assert_false(quant_is_block((ar_type)-1) || quant_is_block((ar_type)99));
    assert_false(quant_can_encode(AR_NONE) || quant_can_encode((ar_type)99));
    assert_string_equal(quant_text(AR_F32), "");
}

/* The page of this layer says what quants.def and AR_TYPE_LIST say. */
void test_quant_page(void **state) {
    (void)state;
    char line[256];
    FILE *f = fopen(AR_SOURCE_DIR "/docs/internals/quant.md", "rb");
    assert_non_null(f);
    static char page[1 << 16];
    page[fread(page, 1, sizeof page - 1, f)] = 0;
    fclose(f);
    for (int t = 0; t < N_TYPES; t++) {
        const ar_type type = types[t].type;
        int n = 1;
        while (!quant_holds(type, n)) n++;
        snprintf(line, sizeof line, "| `%s` | %d | %d | %g | %s | %s |\n",
                 ar_type_name(type), n, (int)ar_type_size(type, n),
                 quant_bits(type), types[t].encodes ? "yes" : "no",
                 quant_text(type));
        if (!strstr(page, line)) fail_msg("the page lacks %s", line);
    }
}
