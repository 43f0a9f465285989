/* test_layout_blocks.c - matrices of several tensors as blocks: the numbers
 * that layout_decode gives, from any codes. */
#include "tests/quant/golden.h"

#include "base/mem.h"
#include "quant/layout.h"

enum { ROWS = 40, COLUMNS = 384, N = ROWS * COLUMNS };

static uint8_t weight[4 * N], zero[4 * N], halves[4 * N], bytes[4 * N];
static float floats[N];
static int32_t order[COLUMNS];

/* Codes of any value; scales as f16 of either sign, subnormal ones too; as
 * f32 with all their digits; as bytes any but NaN. */
static void fill(void) {
    uint64_t seed = 17;
    for (int i = 0; i < 4 * N; i++) {
        weight[i] = (uint8_t)noise_word(&seed);
        zero[i] = (uint8_t)noise_word(&seed);
        bytes[i] = (uint8_t)(noise_word(&seed) % 127);
    }
    for (int i = 0; i < 2 * N; i++) {
        const uint32_t h = noise_word(&seed);
        halves[2 * i] = (uint8_t)h;
        halves[2 * i + 1] = (uint8_t)(h >> 8 & 0xbb); /* below infinity */
    }
    for (int i = 0; i < N; i++) floats[i] = noise_normal(&seed);
    for (int i = 0; i < COLUMNS; i++) order[i] = i / 64 * 5 % 6;
}

/* With parts of the sizes that they should have. */
static layout sized(layout l) {
    const int64_t n = l.rows * l.columns;
    const int bits = l.kind == LAYOUT_AWQ ? 4 : l.bits;
    int64_t groups = l.rows * ((l.columns + l.group - 1) / l.group);
    l.weight.data = weight;
    l.weight.size = (size_t)(n * bits / 8);
    l.zero = (layout_part){zero, (size_t)(groups * bits / 8), AR_I32};
    if (l.kind == LAYOUT_FP8)
        groups = (l.rows + l.tile_rows - 1) / l.tile_rows *
                 ((l.columns + l.tile_columns - 1) / l.tile_columns);
    if (l.kind == LAYOUT_MLX)
        l.zero = (layout_part){halves, (size_t)groups * 2, AR_F16};
    if (!l.scale.data) l.scale.data = halves;
    l.scale.size = ar_type_size(l.scale.type, groups);
    return l;
}

/* t, or AR_NONE: no type has these numbers. */
static void check(const layout *l, ar_type t) {
    static float got[N], want[N];
    static uint8_t blocks[8 * N];
    const int64_t n = l->rows * l->columns;
    assert_ok(layout_check(l, err));
    if (layout_block_type(l) != t)
        fail_msg("%s of %d bits is %s, not %s", layout_name(l->kind), l->bits,
                 ar_type_name(layout_block_type(l)), ar_type_name(t));
    if (t == AR_NONE) {
        assert_fails(AR_UNSUPPORTED, "matrix",
                     layout_to_blocks(l, AR_A4_64, blocks, err));
        return;
    }
    const size_t size = ar_type_size(t, n);
    memset(blocks, 0x55, sizeof blocks);
    assert_ok(layout_to_blocks(l, t, blocks, err));
    for (size_t i = size; i < size + 64; i++) assert_int_equal(blocks[i], 0x55);
    assert_ok(layout_decode(l, 0, l->rows, want, err));
    assert_true(quant_decode(t, blocks, got, n));
    for (int64_t i = 0; i < n; i++)
        if (got[i] != want[i] && !(isnan(got[i]) && isnan(want[i])))
            fail_msg("%s: number %d is %g, not %g", ar_type_name(t), (int)i,
                     (double)got[i], (double)want[i]);
    assert_fails(AR_UNSUPPORTED, "matrix",
                 layout_to_blocks(l, AR_Q4_0, blocks, err));
}

void test_layout_blocks_affine(void **state) {
    (void)state;
    static const struct {
        int bits;
        ar_type small, large;
    } types[] = {{2, AR_A2_32, AR_A2_64}, {3, AR_A3_32, AR_A3_64},
                 {4, AR_A4_32, AR_A4_64}, {5, AR_A5_32, AR_A5_64},
                 {6, AR_A6_32, AR_A6_64}, {8, AR_A8_32, AR_A8_64}};
    fill();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int64_t group = 16; group <= 384; group *= group == 128 ? 3 : 2) {
            const int bits = types[i].bits;
            const ar_type t = group < 32    ? AR_NONE
                              : group == 32 ? types[i].small
                                            : types[i].large;
            layout l = {.rows = ROWS, .columns = COLUMNS, .group = group};
            l.bits = bits;
            l.scale.type = AR_F16;
            l.kind = LAYOUT_MLX;
            l.weight.type = AR_U32;
            layout whole = sized(l);
            check(&whole, t);
            whole.scale = (layout_part){floats, whole.scale.size * 2, AR_F32};
            check(&whole, t); /* scale q + bias, whatever the scale */
            l.weight.type = AR_I32;
            l.kind = LAYOUT_INT;
            whole = sized(l);
            if (bits == 4 || bits == 8) check(&whole, t);
            whole.scale = (layout_part){floats, whole.scale.size * 2, AR_F32};
            if (bits == 4 || bits == 8) check(&whole, AR_NONE);
            l.kind = LAYOUT_AWQ;
            whole = sized(l);
            if (bits == 4) check(&whole, t);
        }
}

void test_layout_blocks_gptq(void **state) {
    (void)state;
    static const ar_type types[] = {AR_A2_64, AR_A4_64, AR_A8_64};
    fill();
    for (int i = 0; i < 6; i++) {
        layout l = {.kind = LAYOUT_GPTQ, .rows = 32};
        l.columns = COLUMNS;
        l.group = 64;
        l.bits = 2 << i % 3;
        l.zero_shift = i / 3;
        l.weight.type = AR_I32;
        l.scale.type = AR_BF16;
        layout whole = sized(l);
        check(&whole, types[i % 3]);
        /* groups in another order, then inputs */
        whole.order = (layout_part){order, sizeof order, AR_I32};
        check(&whole, types[i % 3]);
        order[70] = (order[71] + 1) % 6;
        check(&whole, AR_NONE);
        order[70] = order[71];
        l.columns = 160;
        whole = sized(l);
        check(&whole, (ar_type)(types[i % 3] - 6)); /* blocks of 32 */
        l.columns = 48;
        l.group = 48;
        whole = sized(l);
        check(&whole, AR_NONE);
    }
}

/* Scales that are not numbers, or so large that a step overflows. */
void test_layout_blocks_scales(void **state) {
    (void)state;
    static const float bad[] = {INFINITY, -INFINITY, NAN, 0x1p120f, 1.00001f};
    static const float good[] = {0, 0x1p-140f, 0x1p99f, -1.0001220703125f};
    float scale[32];
    fill();
    for (int i = 0; i < 32; i++) scale[i] = 1;
    layout l = {.kind = LAYOUT_GPTQ, .rows = 32, .columns = 64, .group = 64};
    l.bits = 8;
    l.weight.type = AR_I32;
    l.scale = (layout_part){scale, sizeof scale, AR_F32};
    l = sized(l);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scale[7] = bad[i];
        check(&l, AR_NONE);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        scale[7] = good[i];
        check(&l, AR_A8_64);
    }
}

void test_layout_blocks_fp8(void **state) {
    (void)state;
    static const struct {
        ar_type code, small, large;
    } types[] = {{AR_F8_E4M3, AR_E4M3_32, AR_E4M3_64},
                 {AR_F8_E5M2, AR_E5M2_32, AR_E5M2_64},
                 {AR_I8, AR_I8_32, AR_I8_64}};
    static const struct {
        int64_t columns, tile_rows, tile_columns;
        int blocks; /* 0: none */
    } some[] = {{384, 128, 128, 64}, {192, 16, 128, 64}, {160, 7, 32, 32},
                {384, 1, 384, 64},   {160, 1, 160, 32},  {320, 40, 4096, 64},
                {192, 3, 96, 32},    {192, 3, 48, 0},    {200, 1, 200, 0}};
    fill();
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
            layout l = {.kind = LAYOUT_FP8, .rows = ROWS, .bits = 8};
            l.columns = some[i].columns;
            l.tile_rows = some[i].tile_rows;
            l.tile_columns = some[i].tile_columns;
            l.group = 1;
            l.weight.type = types[t].code;
            l.scale = (layout_part){floats, 0, AR_F32};
            const layout whole = sized(l);
            check(&whole, some[i].blocks == 64   ? types[t].large
                          : some[i].blocks == 32 ? types[t].small
                                                 : AR_NONE);
        }
}

void test_layout_blocks_fp4(void **state) {
    (void)state;
    fill();
    layout l = {.kind = LAYOUT_NVFP4, .rows = ROWS, .columns = 192};
    l.bits = 4;
    l.group = 16;
    l.scale_all = 0.0123f;
    l.weight.type = AR_U8;
    l.scale = (layout_part){bytes, 0, AR_F8_E4M3};
    layout whole = sized(l);
    check(&whole, AR_F4_64);
    l.columns = 96;
    whole = sized(l);
    check(&whole, AR_NONE);
    l.kind = LAYOUT_MXFP4;
    l.group = 32;
    l.scale.type = AR_U8;
    whole = sized(l);
    check(&whole, AR_MXFP4);
    bytes[60] = 255;
    check(&whole, AR_NONE);
}
