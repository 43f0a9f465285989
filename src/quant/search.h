/* search.h - scales and levels of least weighted squared error.
 *
 * A part of a block is n elements x, a multiple of 16 up to QUANT_SUB, with
 * weights w > 0.  Levels are q, whole numbers kept as floats; the error is
 *     sum w (x - scale * q)^2          or    sum w (x - scale * q - minimum)^2
 * For given levels the best scale is a least squares solution; the levels
 * come from trying scales around the one that just spans the part. */
#ifndef QUANT_SEARCH_H
#define QUANT_SEARCH_H

#include "quant/quant_block.h"

/* What a level can be: low..high, or one of values[0..15], which rise. */
typedef struct level_set {
    int low, high; /* the extremes, also of values */
    const int8_t *values;
} level_set;

typedef struct part {
    int n;
    const float *x, *w; /* [n] */
} part;

typedef struct affine {
    float scale, minimum;
} affine;

/* Weights up to 1, and not quite 0: importance (all alike without any that
 * counts) times sqrt(mean of x^2 + x^2), so that the large
 * elements, which models lean on most, are kept better. */
void search_weights(const float *importance, const float *x, int n, float *w);

/* The levels q [n] nearest to x / scale, and the error they leave. */
float search_levels(const level_set *set, const part *p, float scale, float *q);

/* Scale and levels of least error; 0 and the levels nearest 0 for zeros. */
float search_scale(const level_set *set, const part *p, float *q);

/* The levels 0..high nearest to (x - minimum) / scale, and their error. */
float search_affine_levels(int high, const part *p, affine a, float *q);

/* Scale >= 0 and minimum of least error; minimum <= 0 if not `free`. */
affine search_affine(int high, const part *p, bool free, float *q);

#endif
