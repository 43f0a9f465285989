/* products.h - sums of products along rows, for MATMUL and MATMUL_EXPERTS.
 *
 * One chain for each result, from the first product to the last, so that it
 * does not depend on the number of rows.  With levels the chain is that of
 * quant/levels.h. */
#ifndef GPU_KERNELS_PRODUCTS_H
#define GPU_KERNELS_PRODUCTS_H

#include "backend/gpu/kernels/blocks.h"
#include "backend/gpu/kernels/common.h"

/* K elements from `at` on, `step` apart. */
typedef struct line {
    GLOBAL const U8 *p;
    I64 at, step;
    I32 type;
} line;

FN line line_of(GLOBAL const U8 *p, I32 type, I64 at, I64 step) {
    line l;
    l.p = p;
    l.at = at;
    l.step = step;
    l.type = type;
    return l;
}

FN F32 line_dot(line x, line w, I64 K, I32 compute) {
    F32 sum = 0;
    if (x.type == T_F32 && w.type == T_F32 && compute != T_BF16 &&
        compute != T_F16) {
        GLOBAL const F32 *px = (GLOBAL const F32 *)x.p + x.at;
        GLOBAL const F32 *pw = (GLOBAL const F32 *)w.p + w.at;
        for (I64 k = 0; k < K; k++) sum += px[k * x.step] * pw[k * w.step];
        return sum;
    }
    for (I64 k = 0; k < K; k++)
        sum += rounded_to(compute, load_any(x.p, x.type, x.at + k * x.step)) *
               rounded_to(compute, load_any(w.p, w.type, w.at + k * w.step));
    return sum;
}

/* The same of whole numbers: levels [K] and scales [K / ACT_BLOCK] of the row,
 * blocks of w side by side. */
FN F32 level_dot(GLOBAL const I8 *levels, GLOBAL const F32 *scales, line w,
                 I64 K, I32 group, I32 minima) {
    F32 y = 0;
    for (I64 g = 0; g < K; g += group) {
        I32 sum = 0, x_sum = 0;
        block_value v = block_of(0, 0, 0);
        for (I32 k = 0; k < group; k++) {
            const I32 x = levels[g + k];
            v = load_block(w.p, w.type, w.at + g + k);
            sum += v.level * x;
            x_sum += x;
        }
        const F32 d = scales[g / ACT_BLOCK];
        y = R_FMA(v.scale * d, (F32)sum, y);
        if (minima) y = R_FMA(v.minimum, d * (F32)x_sum, y);
    }
    return y;
}

#endif
