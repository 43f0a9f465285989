/* common.h - what kernels share: where elements are, sums over a group. */
#ifndef GPU_KERNELS_COMMON_H
#define GPU_KERNELS_COMMON_H

#include "backend/gpu/kernels/args.h"
#include "backend/gpu/kernels/numbers.h"

/* The lane's number among all of a launch of flat groups. */
#define FLAT_INDEX ((I64)GROUP0 * LANES + LANE)

/* Where the i-th element is, row-major. */
FN I64 offset_of(tensor_args t, I64 i) {
    if (t.dense) return i;
    I64 at = 0;
    for (I32 k = 4; k >= 0; k--) {
        if (t.dim[k] == 1) continue;
        at += i % t.dim[k] * t.stride[k];
        i /= t.dim[k];
    }
    return at;
}

/* Where row r along the last dimension starts. */
FN I64 row_at(tensor_args t, I64 r) {
    I64 at = 0;
    for (I32 k = 3; k >= 0; k--) {
        if (t.dim[k] == 1) continue;
        at += r % t.dim[k] * t.stride[k];
        r /= t.dim[k];
    }
    return at;
}

/* Sums and maxima over the GROUP_LANES lanes of a group, the same in each;
 * scratch has GROUP_LANES places.  In the order of lanes, by every lane for
 * itself. */
FN F32 group_sum(F32 x, LOCAL F32 *scratch, I32 lane) {
    F32 sum = 0;
    BARRIER;
    scratch[lane] = x;
    BARRIER;
    for (I32 i = 0; i < GROUP_LANES; i++) sum += scratch[i];
    return sum;
}

FN wide group_sum_wide(wide x, LOCAL wide *scratch, I32 lane) {
    wide sum = wide_of(0);
    BARRIER;
    scratch[lane] = x;
    BARRIER;
    for (I32 i = 0; i < GROUP_LANES; i++) sum = wide_add(sum, scratch[i]);
    return sum;
}

FN F32 group_max(F32 x, LOCAL F32 *scratch, I32 lane) {
    BARRIER;
    scratch[lane] = x;
    BARRIER;
    F32 max = scratch[0];
    for (I32 i = 1; i < GROUP_LANES; i++)
        max = scratch[i] > max ? scratch[i] : max;
    return max;
}

#endif
