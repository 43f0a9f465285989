/* decode_folder.c - block types that matrices of folders have in memory.
 *
 * They hold the numbers that a layout has, so each computes them by the same
 * operations.  Codes of b bits are split at the binary digits of b (5 bits are
 * 4 and 1), and each part is a plane: of n elements with w bits the byte j has
 * those of elements j, j + n w / 8, .., from its low end. */
#include "quant/quant_block.h"

enum { MOST = 64 };

static float load_float(const uint8_t *p) {
    const uint32_t bits = load_u32(p);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void store_float(uint8_t *p, float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    store_u16(p, (uint16_t)bits);
    store_u16(p + 2, (uint16_t)(bits >> 16));
}

/* Inlined for each type, so that loops have fixed lengths. */
#define INLINE static inline __attribute__((always_inline))

/* Bits at .. at + width - 1 of n codes. */
INLINE void plane(const uint8_t *src, const int n, const int width,
                  const int at, uint8_t *q) {
    const int bytes = n * width / 8, mask = (1 << width) - 1;
    for (int part = 0; part < 8; part += width)
        for (int j = 0; j < bytes; j++)
            q[part / width * bytes + j] |=
                (uint8_t)((src[j] >> part & mask) << at);
}

/* Scale, bias, planes. */
INLINE void affine(const uint8_t *src, float *dst, const int bits,
                   const int n) {
    const float scale = load_float(src), bias = load_float(src + 4);
    uint8_t q[MOST] = {0};
    src += 8;
    if (bits & 8) plane(src, n, 8, 0, q);
    if (bits & 4) plane(src, n, 4, 0, q);
    if (bits & 2) plane(src + n * (bits & 4) / 8, n, 2, bits & 4, q);
    if (bits & 1) plane(src + n * (bits & 6) / 8, n, 1, bits & 6, q);
    for (int i = 0; i < n; i++) dst[i] = scale * (float)q[i] + bias;
}

void folder_affine(const uint8_t *q, float scale, float bias, int bits, int n,
                   uint8_t *dst) {
    store_float(dst, scale);
    store_float(dst + 4, bias);
    dst += 8;
    memset(dst, 0, (size_t)(n * bits / 8));
    for (int width = 8, at = 0; width; width /= 2) {
        const int bytes = n * width / 8;
        if (!(bits & width)) continue;
        for (int i = 0; i < n; i++)
            dst[i % bytes] |= (uint8_t)((q[i] >> at & ((1 << width) - 1))
                                        << i / bytes * width);
        dst += bytes;
        at += width;
    }
}

/* Scale, codes. */
static void scaled(const uint8_t *src, float *dst, ar_type code, int n) {
    const float scale = load_float(src);
    type_decode_f32(code, src + 4, dst, n);
    for (int i = 0; i < n; i++) dst[i] *= scale;
}

void folder_scaled(const uint8_t *codes, float scale, int n, uint8_t *dst) {
    store_float(dst, scale);
    memcpy(dst + 4, codes, (size_t)n);
}

#define AFFINE(NAME, name, bits, n)                                            \
    void decode_##name(const uint8_t *src, float *dst) {                       \
        affine(src, dst, bits, n);                                             \
    }
#define SCALED(NAME, name, code, n)                                            \
    void decode_##name(const uint8_t *src, float *dst) {                       \
        scaled(src, dst, code, n);                                             \
    }
#include "quant/folder_blocks.def"
#undef AFFINE
#undef SCALED

/* Scale of all, scales of 16, pairs with the low half first. */
void decode_f4_64(const uint8_t *src, float *dst) {
    const float all = load_float(src);
    for (int g = 0; g < 4; g++) {
        fp4_pairs(src + 8 + 8 * g, f8_e4m3_to_f32(src[4 + g]), dst + 16 * g, 8);
        for (int i = 0; i < 16; i++) dst[16 * g + i] *= all;
    }
}

void folder_f4(const uint8_t *pairs, const uint8_t *scales, float all,
               uint8_t *dst) {
    store_float(dst, all);
    memcpy(dst + 4, scales, 4);
    memcpy(dst + 8, pairs, 32);
}
