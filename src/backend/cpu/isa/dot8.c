/* dot8.c - products of activations with panels of weights.
 *
 * A lane is a row of weights, so nothing is added across lanes: 4 levels of
 * each of the 16 rows times the same 4 activations, group by group; sums of a
 * group are whole numbers below 2^24 and exact.  See quant/levels.h. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

#include ISA_INT8

/* m rows times the panel; steps of a group and top are constants. */
ALWAYS void rows(const int m, const int steps, const int top,
                 const dot8_args *a, int first, float *y, int64_t ldy,
                 bool add) {
    const int64_t n_groups = a->k / a->group;
    const int shift = steps == 4;
    vec sum[DOT8_M][PARTS];
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++)
            sum[i][p] = add ? vec_load(y + i * ldy + p * VEC) : vec_zero();
    for (int64_t g = 0; g < n_groups; g++) {
        bits whole[DOT8_M][PARTS];
        const int64_t at = first * a->ld_groups + g;
        group_sums(m, steps, top, a->levels + g * steps * 4 * PANEL8,
                   a->x + first * a->ld_x + g * steps * 4, a->ld_x,
                   a->start + at, a->ld_groups, whole);
        const float *d = a->x_scale + first * a->ld_blocks + (g >> shift);
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) {
            const vec scale = vec_load(a->scale + g * PANEL8 + p * VEC);
#pragma GCC unroll 8
            for (int i = 0; i < m; i++)
                sum[i][p] = vec_fma(scale * vec_set1(d[i * a->ld_blocks]),
                                    __builtin_convertvector(whole[i][p], vec),
                                    sum[i][p]);
            if (!a->minima) continue;
            const vec minimum = vec_load(a->minimum + g * PANEL8 + p * VEC);
#pragma GCC unroll 8
            for (int i = 0; i < m; i++)
                sum[i][p] =
                    vec_fma(minimum, vec_set1(a->sums[at + i * a->ld_groups]),
                            sum[i][p]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++)
            vec_store(y + i * ldy + p * VEC, sum[i][p]);
}

ALWAYS void all_rows(const int steps, const int top, const dot8_args *a, int m,
                     float *y, int64_t ldy, bool add) {
    int i = 0;
    for (; i + DOT8_M <= m; i += DOT8_M)
        rows(DOT8_M, steps, top, a, i, y + i * ldy, ldy, add);
    if (DOT8_M > 4 && i + 4 <= m) {
        rows(4, steps, top, a, i, y + i * ldy, ldy, add);
        i += 4;
    }
    if (i + 2 <= m) {
        rows(2, steps, top, a, i, y + i * ldy, ldy, add);
        i += 2;
    }
    if (i < m) rows(1, steps, top, a, i, y + i * ldy, ldy, add);
}

ALWAYS void any_top(const int steps, const dot8_args *a, int m, float *y,
                    int64_t ldy, bool add) {
    if (!BOUNDED)
        all_rows(steps, 255, a, m, y, ldy, add);
    else if (a->top <= 15)
        all_rows(steps, 15, a, m, y, ldy, add);
    else if (a->top <= 31)
        all_rows(steps, 31, a, m, y, ldy, add);
    else if (a->top <= 63)
        all_rows(steps, 63, a, m, y, ldy, add);
    else if (a->top <= 127)
        all_rows(steps, 127, a, m, y, ldy, add);
    else
        all_rows(steps, 255, a, m, y, ldy, add);
}

void ISA_NAME(dot8)(const dot8_args *a, int m, float *y, int64_t ldy,
                    bool add) {
    if (a->group == 32)
        any_top(8, a, m, y, ldy, add);
    else
        any_top(4, a, m, y, ldy, add);
}
