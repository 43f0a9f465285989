/* quant.h - element types: their sizes, and converting to and from f32.
 *
 * Rows are contiguous.  Conversions round to nearest, ties to even; f32 NaN
 * stays NaN.  Block formats (later) are rows of the same list. */
#ifndef QUANT_QUANT_H
#define QUANT_QUANT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "arcane/types.h"

bool type_is_float(ar_type t); /* F32 F64 F16 BF16 */

/* n elements of type t at src, as f32 or f64 at dst.  Integers convert too.
 * Returns false if there is no decoder for the type. */
bool type_decode_f32(ar_type t, const void *src, float *dst, int64_t n);
bool type_decode_f64(ar_type t, const void *src, double *dst, int64_t n);

/* The other way; integers are rounded and clamped to their range. */
bool type_encode_f32(ar_type t, const float *src, void *dst, int64_t n);
bool type_encode_f64(ar_type t, const double *src, void *dst, int64_t n);

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

#endif
