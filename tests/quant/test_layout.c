/* test_layout.c - matrices of several tensors, packed here by the definition
 * of each layout: bit by bit, one element at a time. */
#include "tests/quant/golden.h"

#include "base/mem.h"
#include "quant/layout.h"

/* What a packed matrix is made of, and what it should decode to. */
typedef struct packed {
    int rows, columns, group, bits;
    uint32_t *q, *z;     /* [rows, columns], [rows, groups] */
    float *scale, *bias; /* [rows, groups], numbers that bf16 has */
    int *order;          /* [columns] */
    uint8_t *weight, *zero;
    uint16_t *halves, *more; /* scale and bias as stored */
    float *got;
} packed;

static int groups_of(const packed *p) {
    return (p->columns + p->group - 1) / p->group;
}

static packed make(int rows, int columns, int group, int bits, uint64_t seed) {
    packed p = {rows, columns, group, bits};
    const int n = rows * columns, g = rows * groups_of(&p);
    p.q = mem_new(uint32_t, n);
    p.z = mem_new(uint32_t, g);
    p.scale = mem_new(float, g);
    p.bias = mem_new(float, g);
    p.order = mem_new(int, columns);
    p.weight = mem_alloc((size_t)n * 4);
    p.zero = mem_alloc((size_t)g * 4);
    p.halves = mem_new(uint16_t, g);
    p.more = mem_new(uint16_t, g);
    p.got = mem_new(float, n);
    for (int i = 0; i < n; i++) p.q[i] = noise_word(&seed) >> (32 - bits);
    for (int i = 0; i < g; i++) {
        p.z[i] = noise_word(&seed) >> (32 - bits);
        p.scale[i] = bf16_to_f32(f32_to_bf16(noise_normal(&seed)));
        p.bias[i] = bf16_to_f32(f32_to_bf16(noise_normal(&seed)));
    }
    for (int i = 0; i < columns; i++) p.order[i] = i / group;
    return p;
}

static void release(packed *p) {
    void *all[] = {p->q,      p->z,    p->scale,  p->bias, p->order,
                   p->weight, p->zero, p->halves, p->more, p->got};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
}

/* `bits` bits of v at bit `at` of a field of bytes. */
static void put(uint8_t *to, int64_t at, uint32_t v, int bits) {
    for (int b = 0; b < bits; b++, at++)
        to[at / 8] |= (uint8_t)((v >> b & 1) << at % 8);
}

/* Decodes rows 1..rows-1 and row 0 alone; both must be as expected. */
static void check(const layout *l, const float *want, float *got,
                  const char *name) {
    const int64_t columns = l->columns;
    memset(got, 0x55, (size_t)(l->rows * columns) * sizeof *got);
    assert_ok(layout_check(l, err));
    assert_ok(layout_decode(l, 1, l->rows - 1, got + columns, err));
    assert_ok(layout_decode(l, 0, 1, got, err));
    golden_equal(name, got, want, l->rows * columns);
    assert_fails(AR_RANGE, "rows", layout_decode(l, 1, l->rows, got, err));
    assert_fails(AR_RANGE, "rows", layout_decode(l, -1, 1, got, err));
}

/* One byte less of any part is refused, by name. */
static void check_short(const layout *l, size_t part, const char *name) {
    layout cut = *l;
    layout_part *p = (layout_part *)(void *)((char *)&cut + part);
    p->size--;
    assert_fails(AR_SHAPE, name, layout_check(&cut, err));
    p->size++;
    p->type = AR_Q4_0;
    assert_fails(AR_FORMAT, name, layout_check(&cut, err));
    p->type = (ar_type)1000;
    assert_fails(AR_FORMAT, name, layout_check(&cut, err));
    p->data = NULL;
    assert_true(layout_check(&cut, NULL) != AR_OK);
}
#define CHECK_SHORT(l, part, name) check_short(l, offsetof(layout, part), name)

void test_layout_mlx(void **state) {
    (void)state;
    static const int bits[] = {2, 3, 4, 5, 6, 8}, groups[] = {32, 64, 128};
    for (int k = 0; k < 18; k++) {
        packed p = make(5, 384, groups[k % 3], bits[k / 3], (uint64_t)k);
        const int g = groups_of(&p);
        float *want = mem_new(float, p.rows *p.columns);
        for (int i = 0; i < p.rows * p.columns; i++) {
            const int at = i / p.columns * g + i % p.columns / p.group;
            put(p.weight, (int64_t)i * p.bits, p.q[i], p.bits);
            want[i] = p.scale[at] * (float)p.q[i] + p.bias[at];
        }
        for (int i = 0; i < p.rows * g; i++) {
            p.halves[i] = f32_to_bf16(p.scale[i]);
            p.more[i] = f32_to_bf16(p.bias[i]);
        }
        const size_t n = (size_t)(p.rows * g) * 2;
        const layout l = {.kind = LAYOUT_MLX,
                          .rows = p.rows,
                          .columns = p.columns,
                          .group = p.group,
                          .bits = p.bits,
                          .weight = {p.weight,
                                     (size_t)(p.rows * p.columns * p.bits / 8),
                                     AR_U32},
                          .scale = {p.halves, n, AR_BF16},
                          .zero = {p.more, n, AR_BF16}};
        check(&l, want, p.got, "mlx");
        CHECK_SHORT(&l, weight, "weight");
        CHECK_SHORT(&l, scale, "scale");
        CHECK_SHORT(&l, zero, "bias");
        layout odd = l;
        odd.bits = 7;
        assert_fails(AR_UNSUPPORTED, "7", layout_check(&odd, err));
        odd.bits = 33;
        assert_fails(AR_UNSUPPORTED, "33", layout_check(&odd, err));
        odd = l;
        odd.group = 0;
        assert_fails(AR_SHAPE, "groups of 0", layout_check(&odd, err));
        mem_free(want);
        release(&p);
    }
}

static layout gptq_of(packed *p, int shift) {
    const int g = groups_of(p), R = p->rows, b = p->bits;
    for (int r = 0; r < R; r++)
        for (int i = 0; i < p->columns; i++) {
            /* word i / (32 / b) of a column of words, R words a row */
            const int word = i / (32 / b) * R + r;
            put(p->weight, (int64_t)word * 32 + i % (32 / b) * b,
                p->q[r * p->columns + i], b);
        }
    for (int j = 0; j < g; j++)
        for (int r = 0; r < R; r++) {
            put(p->zero, (int64_t)(j * R + r) * b, p->z[r * g + j], b);
            p->halves[j * R + r] = f32_to_f16(p->scale[r * g + j]);
        }
    return (layout){
        .kind = LAYOUT_GPTQ,
        .rows = R,
        .columns = p->columns,
        .group = p->group,
        .bits = b,
        .zero_shift = shift,
        .weight = {p->weight, (size_t)(R * p->columns * b / 8), AR_I32},
        .zero = {p->zero, (size_t)(R * g * b / 8), AR_I32},
        .scale = {p->halves, (size_t)(R * g) * 2, AR_F16}};
}

static void gptq_values(const packed *p, int shift, float *want) {
    const int g = groups_of(p);
    for (int r = 0; r < p->rows; r++)
        for (int i = 0; i < p->columns; i++) {
            const int at = r * g + p->order[i];
            const float scale = f16_to_f32(f32_to_f16(p->scale[at]));
            const int zero = (int)p->z[at] + shift;
            const int at_i = r * p->columns + i;
            want[at_i] = scale * (float)((int)p->q[at_i] - zero);
        }
}

void test_layout_gptq(void **state) {
    (void)state;
    static const int bits[] = {2, 4, 8};
    for (int k = 0; k < 6; k++) {
        packed p = make(16, 160, 64, bits[k / 2], (uint64_t)k + 50);
        float *want = mem_new(float, p.rows *p.columns);
        layout l = gptq_of(&p, k % 2);
        gptq_values(&p, k % 2, want);
        check(&l, want, p.got, "gptq");
        /* inputs in any order */
        int32_t *order = mem_new(int32_t, p.columns);
        uint64_t seed = 5;
        for (int i = 0; i < p.columns; i++)
            order[i] = p.order[i] =
                (int)(noise_word(&seed) % (uint32_t)groups_of(&p));
        gptq_values(&p, k % 2, want);
        l.order = (layout_part){order, (size_t)p.columns * 4, AR_I32};
        check(&l, want, p.got, "gptq with an order");
        CHECK_SHORT(&l, weight, "weight");
        CHECK_SHORT(&l, scale, "scale");
        CHECK_SHORT(&l, zero, "zero");
        l.order.size--;
        assert_fails(AR_SHAPE, "order", layout_check(&l, err));
        l.order.size++;
        order[33] = 3;
        assert_fails(AR_FORMAT, "group 3 of 3", layout_check(&l, err));
        order[33] = -1;
        assert_fails(AR_FORMAT, "group -1",
                     layout_decode(&l, 0, 1, p.got, err));
        l.zero_shift = 2;
        assert_fails(AR_UNSUPPORTED, "zeros", layout_check(&l, err));
        mem_free(order);
        mem_free(want);
        release(&p);
    }
}

void test_layout_awq(void **state) {
    (void)state;
    static const int outputs[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    packed p = make(24, 128, 64, 4, 9);
    const int R = p.rows, C = p.columns, g = groups_of(&p);
    float *want = mem_new(float, R *C);
    /* nibble k of a word is output outputs[k] of its eight */
    for (int i = 0; i < C; i++)
        for (int word = 0; word < R / 8; word++)
            for (int k = 0; k < 8; k++)
                put(p.weight, (i * (R / 8) + word) * 32 + 4 * k,
                    p.q[(word * 8 + outputs[k]) * C + i], 4);
    for (int j = 0; j < g; j++)
        for (int word = 0; word < R / 8; word++)
            for (int k = 0; k < 8; k++)
                put(p.zero, (j * (R / 8) + word) * 32 + 4 * k,
                    p.z[(word * 8 + outputs[k]) * g + j], 4);
    for (int r = 0; r < R; r++)
        for (int i = 0; i < C; i++) {
            const int at = r * g + i / p.group;
            const float scale = f16_to_f32(f32_to_f16(p.scale[at]));
            p.halves[i / p.group * R + r] = f32_to_f16(p.scale[at]);
            want[r * C + i] =
                scale * (float)((int)p.q[r * C + i] - (int)p.z[at]);
        }
    const layout l = {.kind = LAYOUT_AWQ,
                      .rows = R,
                      .columns = C,
                      .group = p.group,
                      .weight = {p.weight, (size_t)(R * C / 2), AR_I32},
                      .zero = {p.zero, (size_t)(R * g / 2), AR_I32},
                      .scale = {p.halves, (size_t)(R * g) * 2, AR_F16}};
    check(&l, want, p.got, "awq");
    CHECK_SHORT(&l, weight, "weight");
    CHECK_SHORT(&l, scale, "scale");
    CHECK_SHORT(&l, zero, "zero");
    layout odd = l;
    odd.rows = 20;
    assert_fails(AR_SHAPE, "20 rows", layout_check(&odd, err));
    mem_free(want);
    release(&p);
}

void test_layout_fp8(void **state) {
    (void)state;
    enum { R = 160, C = 200 };
    static float got[R * C], scales[R];
    uint8_t *weight = golden_need("fp8_block", ".bin", R * C);
    float *scale = golden_need("fp8_block_scale", ".f32", 16);
    float *want = golden_need("fp8_block", ".f32", sizeof got);
    layout l = {.kind = LAYOUT_FP8,
                .rows = R,
                .columns = C,
                .tile_rows = 128,
                .tile_columns = 128,
                .weight = {weight, R * C, AR_F8_E4M3},
                .scale = {scale, 16, AR_F32}};
    check(&l, want, got, "fp8");
    CHECK_SHORT(&l, weight, "weight");
    CHECK_SHORT(&l, scale, "scale");
    /* one scale a row, and the other type */
    l.tile_rows = 1;
    l.tile_columns = C;
    l.weight.type = AR_F8_E5M2;
    l.scale = (layout_part){scales, sizeof scales, AR_F32};
    for (int r = 0; r < R; r++) scales[r] = (float)(r + 1) / 64;
    for (int i = 0; i < R * C; i++)
        want[i] = f16_to_f32((uint16_t)(weight[i] << 8)) * scales[i / C];
    check(&l, want, got, "fp8 rows");
    l.tile_rows = 0;
    assert_fails(AR_SHAPE, "tiles", layout_check(&l, err));
    mem_free(weight);
    mem_free(scale);
    mem_free(want);
}

void test_layout_fp4(void **state) {
    (void)state;
    static float got[1536];
    uint8_t *weight = golden_need("hf_mxfp4_blocks", ".bin", 768);
    uint8_t *scale = golden_need("hf_mxfp4_scales", ".bin", 48);
    float *want = golden_need("hf_mxfp4", ".f32", 1536 * 4);
    layout l = {.kind = LAYOUT_MXFP4,
                .rows = 12,
                .columns = 128,
                .weight = {weight, 768, AR_U8},
                .scale = {scale, 48, AR_U8}};
    check(&l, want, got, "mxfp4");
    CHECK_SHORT(&l, weight, "weight");
    CHECK_SHORT(&l, scale, "scale");
    l.columns = 120;
    assert_fails(AR_SHAPE, "120 columns", layout_check(&l, err));
    mem_free(weight);
    mem_free(scale);
    mem_free(want);
    weight = golden_need("nvfp4_packed", ".bin", 480);
    scale = golden_need("nvfp4_scale", ".bin", 60);
    want = golden_need("nvfp4", ".f32", 960 * 4);
    l = (layout){.kind = LAYOUT_NVFP4,
                 .rows = 10,
                 .columns = 96,
                 .scale_all = 0.0123f,
                 .weight = {weight, 480, AR_U8},
                 .scale = {scale, 60, AR_F8_E4M3}};
    check(&l, want, got, "nvfp4");
    CHECK_SHORT(&l, weight, "weight");
    CHECK_SHORT(&l, scale, "scale");
    mem_free(weight);
    mem_free(scale);
    mem_free(want);
}

/* Sizes from a file, however wrong. */
void test_layout_bad_sizes(void **state) {
    (void)state;
    static const int64_t sides[] = {-1, INT64_MIN, INT64_MAX, 1 << 30};
    static const uint8_t byte[4];
    for (int kind = 0; kind < LAYOUT_COUNT; kind++) {
        assert_true(layout_text((layout_kind)kind)[0] != 0);
        for (int i = 0; i < 16; i++) {
            const layout l = {.kind = (layout_kind)kind,
                              .rows = sides[i / 4],
                              .columns = sides[i % 4],
                              .tile_rows = 1,
                              .tile_columns = 1,
                              .group = i % 2 ? 32 : INT64_MAX,
                              .bits = 4,
                              .weight = {byte, 4, AR_U8},
                              .scale = {byte, 4, AR_U8}};
            assert_true(layout_check(&l, NULL) != AR_OK);
        }
    }
    const layout none = {.kind = LAYOUT_COUNT};
    assert_fails(AR_UNSUPPORTED, "layout", layout_check(&none, err));
    assert_string_equal(layout_text(LAYOUT_COUNT), "");
}
