/* levels.h - blocks as whole numbers times scales, and activations like them.
 *
 * A block type that has levels is, for groups of 16 or 32 elements k,
 *
 *     w[k] = scale[g] * (level[k] - offset) + minimum[g]     g = k / group
 *
 * with levels 0 .. top and offset the same for every block, top = 255 only
 * with offset 128, and all minima 0 unless the type has them.  Products with
 * activations rounded to whole numbers are then sums of whole numbers, which
 * are exact in any order:
 *
 *     x[k] ~ d[b] * q[k],  -127 <= q <= 127                  b = k / 32
 *     i[g] = sum over the group of (level - offset) * q
 *     s[g] = d[b] * (sum over the group of q)                in f32
 *     y = fma(minimum[g], s[g], fma(scale[g] * d[b], i[g], y))  g = 0, 1, ...
 *
 * is one chain of f32 operations in the order of groups from y = 0 (without
 * the outer step where the type has no minima).  That is what MATMUL computes
 * with matmul_attr.act8, the same bits wherever it is done. */
#ifndef QUANT_LEVELS_H
#define QUANT_LEVELS_H

#include "quant/quant.h"

enum { ACT8_BLOCK = 32 }; /* activations with one scale */

typedef struct quant_form {
    int group;       /* 16 or 32 */
    int offset, top; /* of the levels */
    bool minima;
} quant_form;

/* False if t has no levels. */
bool quant_form_of(ar_type t, quant_form *out);

/* n elements, whole blocks, of type t: levels [n], scale, minimum [n / group];
 * false as for quant_decode, or if t has no levels. */
bool quant_levels(ar_type t, const void *src, int64_t n, uint8_t *levels,
                  float *scale, float *minimum);

/* 32 activations: their scale max |x| / 127, and q [32] nearest to x / scale,
 * ties to even.  All 0 if every |x| < 2^-100.  What is not finite gives levels
 * 0 and itself as a scale, so that products become NaN. */
float act8_round(const float *x, int8_t *q);

#endif
