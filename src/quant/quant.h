/* quant.h - element types: their sizes, and converting to and from f32.
 *
 * Rows are contiguous.  Conversions between plain types round to nearest,
 * ties to even; f32 NaN stays NaN.  A row of a block type is whole blocks;
 * its bytes may lie at any address and hold anything. */
#ifndef QUANT_QUANT_H
#define QUANT_QUANT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "arcane/types.h"

bool type_is_float(ar_type t); /* F32 F64 F16 BF16 */

/* n elements of type t at src, as f32 or f64 at dst.  Integers convert too.
 * Returns false if the type has no decoder or n is not whole blocks. */
bool type_decode_f32(ar_type t, const void *src, float *dst, int64_t n);
bool type_decode_f64(ar_type t, const void *src, double *dst, int64_t n);

/* The other way; integers are rounded and clamped to their range.  Returns
 * false if the type has no encoder or n is not whole blocks. */
bool type_encode_f32(ar_type t, const float *src, void *dst, int64_t n);
bool type_encode_f64(ar_type t, const double *src, void *dst, int64_t n);

enum { QUANT_MOST_BLOCK = 256 }; /* elements of the largest block */

/* Block types; each is a row of quants.def. */
bool quant_is_block(ar_type t);
int quant_block(ar_type t);             /* elements of a block; plain types 1 */
bool quant_can_encode(ar_type t);       /* plain types too */
bool quant_holds(ar_type t, int64_t n); /* a block type, n is whole blocks */
double quant_bits(ar_type t);           /* bits an element, scales included */
const char *quant_text(ar_type t);      /* one line; "" for a plain type */

/* n elements of a block type; false as for type_decode_f32. */
bool quant_decode(ar_type t, const void *src, float *dst, int64_t n);

/* Quantises src [rows, columns] to t.  importance [columns], not negative, or
 * NULL: how much the squared error of each column counts.  Without it the
 * simple types (Q4_0 to Q8_1, TQ, MXFP4) are rounded to nearest, as the
 * published encoders do; the others always search for the scales of least
 * squared error.  Q8 and TQ types ignore the importance.  Values that are not
 * finite give some block or other.  Returns false if the type has no encoder
 * or columns is not whole blocks. */
bool quant_encode(ar_type t, const float *src, const float *importance,
                  void *dst, int64_t rows, int64_t columns);

/* One element; inline because kernels use them in their inner loops. */
static inline float bf16_to_f32(uint16_t h) {
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline uint16_t f32_to_bf16(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f);

/* e4m3 has no infinity: what rounds past 448 becomes NaN.  e8m0 is a power of
 * two; the sign is dropped, halves go up, 0 becomes 2^-127. */
float f8_e4m3_to_f32(uint8_t x);
float f8_e5m2_to_f32(uint8_t x);
float f8_e8m0_to_f32(uint8_t x);
uint8_t f32_to_f8_e4m3(float f);
uint8_t f32_to_f8_e5m2(float f);
uint8_t f32_to_f8_e8m0(float f);

#endif
