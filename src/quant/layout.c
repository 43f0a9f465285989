/* layout.c - rows of quantised matrices that are several tensors. */
#include "quant/layout_kinds.h"
#include "quant/quant_block.h"

float layout_float(const layout_part *p, int64_t i) {
    const uint8_t *at = (const uint8_t *)p->data + ar_type_size(p->type, i);
    float f;
    double d;
    switch (p->type) {
    case AR_F32: memcpy(&f, at, sizeof f); return f;
    case AR_F64: memcpy(&d, at, sizeof d); return (float)d;
    case AR_BF16: return bf16_to_f32(load_u16(at));
    default: return load_f16(at);
    }
}

void layout_fp8(const layout *l, int64_t first, int64_t n, float *dst) {
    const int64_t columns = l->columns;
    const int64_t tiles = layout_groups(columns, l->tile_columns);
    const uint8_t *src = (const uint8_t *)l->weight.data + first * columns;
    for (int64_t r = 0; r < n; r++, src += columns, dst += columns) {
        const int64_t tile = (first + r) / l->tile_rows * tiles;
        type_decode_f32(l->weight.type, src, dst, columns);
        for (int64_t t = 0; t < tiles; t++) {
            const int64_t from = t * l->tile_columns, rest = columns - from;
            const int64_t width =
                rest < l->tile_columns ? rest : l->tile_columns;
            const float scale = layout_float(&l->scale, tile + t);
            for (int64_t i = from; i < from + width; i++) dst[i] *= scale;
        }
    }
}

void fp4_pairs(const uint8_t *src, float scale, float *dst, int n) {
    static const float values[16] = {0,    .5f,  1,  1.5f,  2,  3,  4,  6,
                                     -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6};
    for (int i = 0; i < n; i++) {
        dst[2 * i] = values[src[i] & 15] * scale;
        dst[2 * i + 1] = values[src[i] >> 4] * scale;
    }
}

void layout_mxfp4(const layout *l, int64_t first, int64_t n, float *dst) {
    const int64_t groups = l->columns / 32, from = first * groups;
    const uint8_t *src = (const uint8_t *)l->weight.data + 16 * from;
    const uint8_t *scale = (const uint8_t *)l->scale.data + from;
    for (int64_t g = 0; g < n * groups; g++)
        fp4_pairs(src + 16 * g, f8_e8m0_to_f32(scale[g]), dst + 32 * g, 16);
}

void layout_nvfp4(const layout *l, int64_t first, int64_t n, float *dst) {
    const int64_t groups = l->columns / 16, from = first * groups;
    const uint8_t *src = (const uint8_t *)l->weight.data + 8 * from;
    const uint8_t *scale = (const uint8_t *)l->scale.data + from;
    for (int64_t g = 0; g < n * groups; g++) {
        fp4_pairs(src + 8 * g, f8_e4m3_to_f32(scale[g]), dst + 16 * g, 8);
        for (int i = 0; i < 16; i++) dst[16 * g + i] *= l->scale_all;
    }
}

void layout_mlx(const layout *l, int64_t first, int64_t n, float *dst) {
    const int64_t groups = l->columns / l->group;
    const int64_t size = l->columns * l->bits / 8;
    for (int64_t r = first; r < first + n; r++) {
        const uint8_t *row = (const uint8_t *)l->weight.data + r * size;
        int64_t at = 0; /* in bits */
        for (int64_t g = 0; g < groups; g++) {
            const float scale = layout_float(&l->scale, r * groups + g);
            const float bias = layout_float(&l->zero, r * groups + g);
            for (int64_t i = 0; i < l->group; i++, at += l->bits)
                *dst++ =
                    scale * (float)layout_bits(row, size, at, l->bits) + bias;
        }
    }
}

void layout_int(const layout *l, int64_t first, int64_t n, float *dst) {
    const int64_t groups = l->columns / l->group;
    const int64_t size = l->columns * l->bits / 8;
    const int zero = 1 << (l->bits - 1);
    for (int64_t r = first; r < first + n; r++) {
        const uint8_t *row = (const uint8_t *)l->weight.data + r * size;
        for (int64_t i = 0; i < l->columns; i++) {
            const uint32_t q = layout_bits(row, size, i * l->bits, l->bits);
            const int64_t at = r * groups + i / l->group;
            *dst++ = layout_float(&l->scale, at) * (float)((int)q - zero);
        }
    }
}

/* GPTQ and AWQ have outputs side by side: a batch of them is decoded input by
 * input, with the scales and zeros of the current group at hand. */
enum { BATCH = 16 };

typedef struct batch {
    int64_t first; /* row */
    int n;
    int64_t group; /* whose scales and zeros these are; -1: none */
    float scale[BATCH], zero[BATCH];
} batch;

typedef void batch_fn(const layout *l, batch *b, float *dst);

static void each_batch(const layout *l, int64_t first, int64_t n, float *dst,
                       batch_fn *decode) {
    for (int64_t at = 0; at < n; at += BATCH) {
        batch b = {first + at, (int)(n - at < BATCH ? n - at : BATCH), -1};
        decode(l, &b, dst + at * l->columns);
    }
}

static void gptq_group(const layout *l, int64_t g, batch *b) {
    const int in_word = 32 / l->bits;
    const uint32_t mask = (1u << l->bits) - 1;
    b->group = g;
    for (int k = 0; k < b->n; k++) {
        const int64_t r = b->first + k;
        const uint32_t word =
            layout_word(&l->zero, g * (l->rows / in_word) + r / in_word);
        const int shift = (int)(r % in_word) * l->bits;
        b->scale[k] = layout_float(&l->scale, g * l->rows + r);
        b->zero[k] = (float)((int)(word >> shift & mask) + l->zero_shift);
    }
}

static void gptq_batch(const layout *l, batch *b, float *dst) {
    const int in_word = 32 / l->bits;
    const uint32_t mask = (1u << l->bits) - 1;
    for (int64_t i = 0; i < l->columns; i++) {
        const int64_t g =
            l->order.data ? (int64_t)layout_word(&l->order, i) : i / l->group;
        const int64_t word = i / in_word * l->rows + b->first;
        const int shift = (int)(i % in_word) * l->bits;
        if (g != b->group) gptq_group(l, g, b);
        for (int k = 0; k < b->n; k++) {
            const uint32_t q = layout_word(&l->weight, word + k) >> shift;
            dst[k * l->columns + i] =
                b->scale[k] * ((float)(int)(q & mask) - b->zero[k]);
        }
    }
}

void layout_gptq(const layout *l, int64_t first, int64_t n, float *dst) {
    each_batch(l, first, n, dst, gptq_batch);
}

static void awq_batch(const layout *l, batch *b, float *dst) {
    const int64_t words = l->rows / 8;
    for (int64_t i = 0; i < l->columns; i++) {
        const int64_t g = i / l->group;
        for (int k = 0; g != b->group && k < b->n; k++) {
            const int64_t r = b->first + k;
            b->scale[k] = layout_float(&l->scale, g * l->rows + r);
            b->zero[k] = (float)(int)layout_awq_nibble(&l->zero, g, words, r);
        }
        b->group = g;
        for (int k = 0; k < b->n; k++) {
            const uint32_t q =
                layout_awq_nibble(&l->weight, i, words, b->first + k);
            dst[k * l->columns + i] =
                b->scale[k] * ((float)(int)q - b->zero[k]);
        }
    }
}

void layout_awq(const layout *l, int64_t first, int64_t n, float *dst) {
    each_batch(l, first, n, dst, awq_batch);
}
