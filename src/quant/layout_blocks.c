/* layout_blocks.c - matrices that are several tensors as rows of blocks, with
 * the very same numbers, so that products run from about the bytes that the
 * file has. */
#include "base/error.h"
#include "quant/layout_kinds.h"
#include "quant/quant_block.h"

enum { MOST = 64, BATCH = 16 };

static const struct {
    ar_type type, code; /* AR_NONE: affine, of so many bits */
    int bits, n;
} types[] = {
#define AFFINE(NAME, name, bits, n) {AR_##NAME, AR_NONE, bits, n},
#include "quant/folder_blocks.def"
#undef AFFINE
#define SCALED(NAME, name, code, n) {AR_##NAME, code, 8, n},
#include "quant/folder_blocks.def"
#undef SCALED
};
enum { N_TYPES = sizeof types / sizeof *types };

/* ---- which type ---- */

/* Are all inputs of a block in one group? */
static bool groups_hold(const layout *l, int n) {
    if (l->kind == LAYOUT_FP8)
        return l->tile_columns >= l->columns || l->tile_columns % n == 0;
    if (l->kind != LAYOUT_GPTQ || !l->order.data)
        return l->group >= l->columns || l->group % n == 0;
    for (int64_t i = 0; i < l->columns; i++)
        if (layout_word(&l->order, i) != layout_word(&l->order, i - i % n))
            return false;
    return true;
}

/* The type with these codes and the most elements a block. */
static ar_type type_of(const layout *l, ar_type code, int bits) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].code == code && types[i].bits == bits &&
            l->columns % types[i].n == 0 && groups_hold(l, types[i].n))
            return types[i].type;
    return AR_NONE;
}

/* scale (q - zero) is scale q - scale zero, which no step rounds: scales have
 * at most 15 digits, q and zero 9, and nothing overflows. */
static bool scales_are_short(const layout_part *p) {
    const int64_t n = (int64_t)(p->size / ar_type_size(p->type, 1));
    for (int64_t i = 0; i < n; i++) {
        const float f = layout_float(p, i);
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        if (bits & 0x1ff || (bits >> 23 & 255) > 227) return false;
    }
    return true;
}

/* GGUF's blocks have no NaN. */
static bool scales_are_powers(const layout_part *p) {
    return p->size == 0 || !memchr(p->data, 255, p->size);
}

ar_type layout_block_type(const layout *l) {
    if (l->columns < 1 || layout_check(l, NULL) != AR_OK) return AR_NONE;
    switch (l->kind) {
    case LAYOUT_FP8: return type_of(l, l->weight.type, 8);
    case LAYOUT_MXFP4: return scales_are_powers(&l->scale) ? AR_MXFP4 : AR_NONE;
    case LAYOUT_NVFP4: return l->columns % MOST ? AR_NONE : AR_F4_64;
    case LAYOUT_MLX: return type_of(l, AR_NONE, l->bits);
    default: break;
    }
    if (!scales_are_short(&l->scale)) return AR_NONE;
    return type_of(l, AR_NONE, l->kind == LAYOUT_AWQ ? 4 : l->bits);
}

/* ---- blocks ---- */

typedef struct affine {
    uint8_t q[MOST];
    float scale, bias;
} affine;

static void centre(affine *a, float scale, int zero) {
    a->scale = scale;
    a->bias = -(scale * (float)zero);
}

/* Elements at .. at + n - 1 of a row, which are of one group. */
static void read_row_words(const layout *l, int64_t row, int64_t at, int n,
                           affine *a) {
    const int64_t size = l->columns * l->bits / 8;
    const int64_t g = row * (l->columns / l->group) + at / l->group;
    const uint8_t *from = (const uint8_t *)l->weight.data + row * size;
    for (int i = 0; i < n; i++)
        a->q[i] = (uint8_t)layout_bits(from, size, (at + i) * l->bits, l->bits);
    centre(a, layout_float(&l->scale, g), 1 << (l->bits - 1));
    if (l->kind == LAYOUT_MLX) a->bias = layout_float(&l->zero, g);
}

static void read_gptq(const layout *l, int64_t row, int64_t at, int n,
                      affine *a) {
    const int in_word = 32 / l->bits;
    const uint32_t mask = (1u << l->bits) - 1;
    const int64_t g =
        l->order.data ? (int64_t)layout_word(&l->order, at) : at / l->group;
    const uint32_t zero =
        layout_word(&l->zero, g * (l->rows / in_word) + row / in_word) >>
        (int)(row % in_word) * l->bits;
    for (int i = 0; i < n; i++) {
        const int64_t k = at + i;
        a->q[i] =
            (uint8_t)(layout_word(&l->weight, k / in_word * l->rows + row) >>
                          (int)(k % in_word) * l->bits &
                      mask);
    }
    centre(a, layout_float(&l->scale, g * l->rows + row),
           (int)(zero & mask) + l->zero_shift);
}

static void read_awq(const layout *l, int64_t row, int64_t at, int n,
                     affine *a) {
    const int64_t words = l->rows / 8, g = at / l->group;
    for (int i = 0; i < n; i++)
        a->q[i] = (uint8_t)layout_awq_nibble(&l->weight, at + i, words, row);
    centre(a, layout_float(&l->scale, g * l->rows + row),
           (int)layout_awq_nibble(&l->zero, g, words, row));
}

static void read_affine(const layout *l, int64_t row, int64_t at, int n,
                        affine *a) {
    switch (l->kind) {
    case LAYOUT_GPTQ: read_gptq(l, row, at, n, a); break;
    case LAYOUT_AWQ: read_awq(l, row, at, n, a); break;
    default: read_row_words(l, row, at, n, a); break;
    }
}

/* GGUF's blocks have their first half in the low halves of 16 bytes. */
void layout_mxfp4_block(const uint8_t *pairs, uint8_t scale, uint8_t *block) {
    enum { HALF = 16 };
    *block++ = scale;
    for (int i = 0; i < HALF; i++)
        block[i] = (uint8_t)(nibble(pairs, i) | nibble(pairs, HALF + i) << 4);
}

/* The block of type t from element `at` of a row on; bits: of affine ones. */
static void put_block(const layout *l, int bits, int n, int64_t row, int64_t at,
                      uint8_t *dst) {
    const int64_t i = row * l->columns + at;
    const uint8_t *weight = l->weight.data, *scale = l->scale.data;
    affine a;
    switch (l->kind) {
    case LAYOUT_FP8:
        folder_scaled(
            weight + i,
            layout_float(&l->scale,
                         row / l->tile_rows *
                                 layout_groups(l->columns, l->tile_columns) +
                             at / l->tile_columns),
            n, dst);
        break;
    case LAYOUT_MXFP4:
        layout_mxfp4_block(weight + i / 2, scale[i / 32], dst);
        break;
    case LAYOUT_NVFP4:
        folder_f4(weight + i / 2, scale + i / 16, l->scale_all, dst);
        break;
    default:
        read_affine(l, row, at, n, &a);
        folder_affine(a.q, a.scale, a.bias, bits, n, dst);
    }
}

ar_status layout_to_blocks(const layout *l, ar_type t, void *dst,
                           ar_error *err) {
    TRY(layout_check(l, err));
    if (t == AR_NONE || t != layout_block_type(l))
        return error_set(err, AR_UNSUPPORTED, "a matrix of %s as %s",
                         layout_name(l->kind), ar_type_name(t));
    const int n = quant_block(t);
    const int bits = l->kind == LAYOUT_AWQ ? 4 : l->bits;
    const size_t size = ar_type_size(t, n);
    const int64_t blocks = l->columns / n;
    /* Some layouts have outputs side by side. */
    for (int64_t first = 0; first < l->rows; first += BATCH)
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t r = first; r < l->rows && r < first + BATCH; r++)
                put_block(l, bits, n, r, b * n,
                          (uint8_t *)dst + (size_t)(r * blocks + b) * size);
    return AR_OK;
}
