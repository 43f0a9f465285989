/* rows8.cu - x as whole numbers times weights in blocks: the chain of
 * quant/levels.h, the same bits as on the CPU.
 *
 * A warp has 16 rows of weights and 8 of x and walks along k.  The bytes of its
 * rows come through shared memory, STAGES parts of 256 elements ahead. */
#include "backend/gpu/kernels/common.h"
#include "backend/gpu/kernels/cuda/cuda_levels.h"

enum { PART = 256, ROWS = 16 };

typedef struct sums { F32 c0, c1, c2, c3; } sums; /* of a tile 16 x 8 */

/* ---- x: levels, a scale for 32, sums of 16 times the scale ---- */

/* A warp for 32 elements; see act8_round of quant/levels.h. */
KERNEL(act8_warps, act8_args, IN(F32) x, OUT(I8) levels, OUT(F32) scales,
       OUT(I32) x_sums) {
    const I64 e = ((I64)GROUP0 * LANES + LANE) / 32;
    const I32 lane = LANE % 32;
    if (e >= a.n) return;
    const I64 r = e / (a.K / 32), k = e % (a.K / 32) * 32 + lane;
    const F32 v = x[row_at(a.x, r) + k * a.x.stride[4]];
    F32 max = R_FABS(v);
    for (I32 i = 16; i; i /= 2) {
        const F32 other = __shfl_xor_sync(0xffffffffu, max, i);
        max = other > max ? other : max;
    }
    const U32 nans = __ballot_sync(0xffffffffu, v != v);
    const U32 infinite =
        __ballot_sync(0xffffffffu, R_FABS(v) == as_f32(0x7f800000u));
    F32 inverse = 0, scale = 0;
    if (nans)
        scale = as_f32(0x7fc00000u);
    else if (infinite)
        scale = as_f32(0x7f800000u);
    else if (max >= 7.888609052210118e-31f) /* 2^-100 */
        inverse = 127 / max, scale = max / 127;
    const I32 q = inverse > 0 ? (I32)R_RINT(v * inverse) : 0;
    levels[r * a.K + k] = (I8)q;
    I32 sum = q;
    for (I32 i = 8; i; i /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, i);
    if (lane % 16 == 0) x_sums[r * (a.K / 16) + k / 16] = sum;
    if (lane == 0) scales[e] = scale;
}

/* ---- products ---- */

FN void mma_s8_32(I32 *c, U32 a0, U32 a1, U32 a2, U32 a3, U32 b0, U32 b1) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
FN void mma_s8_16(I32 *c, U32 a0, U32 a1, U32 b0) {
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, "
        "{%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a0), "r"(a1), "r"(b0));
}

/* One step of the chain of the four results of a lane. */
template <bool minima>
FN void join(sums *y, const I32 *c, F32 lo, F32 hi, F32 lo_min, F32 hi_min,
             F32 d0, F32 d1, I32 s0, I32 s1) {
    y->c0 = R_FMA(lo * d0, (F32)c[0], y->c0);
    y->c1 = R_FMA(lo * d1, (F32)c[1], y->c1);
    y->c2 = R_FMA(hi * d0, (F32)c[2], y->c2);
    y->c3 = R_FMA(hi * d1, (F32)c[3], y->c3);
    if (!minima) return;
    const F32 m0 = d0 * (F32)s0, m1 = d1 * (F32)s1;
    y->c0 = R_FMA(lo_min, m0, y->c0);
    y->c1 = R_FMA(lo_min, m1, y->c1);
    y->c2 = R_FMA(hi_min, m0, y->c2);
    y->c3 = R_FMA(hi_min, m1, y->c3);
}

/* What a lane needs of x: its row for products, its two columns for scales. */
typedef struct x_lane {
    const I8 *levels;
    const F32 *d0, *d1;
    const I32 *s0, *s1;
} x_lane;

template <I32 type, I32 group, bool minima>
FN void group_step(sums *y, const U8 *lo, const U8 *hi, I32 j, I64 b, x_lane x,
                   I32 t) {
    const level_group u = group_of<type>(lo, j, t), v = group_of<type>(hi, j, t);
    const U32 x0 = *(const U32 *)(x.levels + 32 * b + 4 * t);
    const U32 x1 = *(const U32 *)(x.levels + 32 * b + 16 + 4 * t);
    const F32 d0 = x.d0[b], d1 = x.d1[b];
    I32 c[4] = {0, 0, 0, 0}, s0 = 0, s1 = 0, r0 = 0, r1 = 0;
    if (minima) {
        s0 = x.s0[2 * b], s1 = x.s1[2 * b];
        r0 = x.s0[2 * b + 1], r1 = x.s1[2 * b + 1];
    }
    if (group == 32) {
        mma_s8_32(c, u.first, v.first, u.second, v.second, x0, x1);
        join<minima>(y, c, u.scale, v.scale, u.minimum, v.minimum, d0, d1,
                     s0 + r0, s1 + r1);
        return;
    }
    I32 e[4] = {0, 0, 0, 0};
    mma_s8_16(c, u.first, v.first, x0);
    mma_s8_16(e, u.second, v.second, x1);
    join<minima>(y, c, u.scale, v.scale, u.minimum, v.minimum, d0, d1, s0, s1);
    join<minima>(y, e, u.next_scale, v.next_scale, u.next_minimum,
                 v.next_minimum, d0, d1, r0, r1);
}

/* The 16-byte pieces that hold bytes [from, from + n) of a row, to shared
 * memory at the same place among 16; `end` is that of all weights. */
FN void fetch_row(U8 *to, const U8 *from, I32 pieces, const U8 *end, I32 lane) {
    const U8 *start = (const U8 *)((U64)from & ~(U64)15);
    const U32 base = (U32)__cvta_generic_to_shared(to);
    for (I32 i = lane; i < pieces; i += 2) {
        const U8 *p = start + 16 * i;
        if (p < end)
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                             base + 16 * i),
                         "l"(p));
    }
}

template <I32 type, I32 group, bool minima, I32 bytes, I32 stages>
FN void rows8(rows8_args a, const I8 *levels, const F32 *scales,
              const I32 *x_sums, const U8 *w, const F32 *bias, F32 *y) {
    enum { PIECES = (bytes + 15) / 16 + 1, PITCH = 16 * PIECES + 16 };
    __shared__ __align__(16) U8 stage[stages * ROWS * PITCH];
    const I32 lane = LANE, g = lane / 4, t = lane % 4;
    const I64 column = (I64)GROUP0 * ROWS, row = (I64)GROUP1 * 8;
    const I64 n_parts = (a.K + PART - 1) / PART;
    const U8 *end = w + a.N * a.row_bytes;
    /* lane copies pieces of one row; rows past the end are the last */
    const I64 mine = column + lane / 2 < a.N ? column + lane / 2 : a.N - 1;
    const U8 *from = w + mine * a.row_bytes;
    x_lane x;
    const I64 m = row + g < a.M ? row + g : a.M - 1;
    const I64 m0 = row + 2 * t < a.M ? row + 2 * t : a.M - 1;
    const I64 m1 = row + 2 * t + 1 < a.M ? row + 2 * t + 1 : a.M - 1;
    x.levels = levels + m * a.K;
    x.d0 = scales + m0 * (a.K / 32), x.d1 = scales + m1 * (a.K / 32);
    x.s0 = x_sums + m0 * (a.K / 16), x.s1 = x_sums + m1 * (a.K / 16);
    const U8 *lo_row =
        w + (column + g < a.N ? column + g : a.N - 1) * a.row_bytes;
    const U8 *hi_row =
        w + (column + g + 8 < a.N ? column + g + 8 : a.N - 1) * a.row_bytes;
    for (I32 p = 0; p < stages - 1; p++) {
        if (p < n_parts)
            fetch_row(stage + (p * ROWS + lane / 2) * PITCH, from + p * bytes,
                      PIECES, end, lane % 2);
        asm volatile("cp.async.commit_group;");
    }
    sums c = {0, 0, 0, 0};
    for (I64 p = 0; p < n_parts; p++) {
        asm volatile("cp.async.wait_group %0;" ::"n"(stages - 2));
        __syncwarp();
        const I64 next = p + stages - 1;
        if (next < n_parts)
            fetch_row(stage + (next % stages * ROWS + lane / 2) * PITCH,
                      from + next * bytes, PIECES, end, lane % 2);
        asm volatile("cp.async.commit_group;");
        const U8 *lo = stage + (p % stages * ROWS + g) * PITCH +
                       ((U64)(lo_row + p * bytes) & 15);
        const U8 *hi = stage + (p % stages * ROWS + g + 8) * PITCH +
                       ((U64)(hi_row + p * bytes) & 15);
        const I32 n = a.K - p * PART < PART ? (I32)(a.K - p * PART) / 32 : 8;
#pragma unroll 4
        for (I32 j = 0; j < n; j++)
            group_step<type, group, minima>(&c, lo, hi, j, p * 8 + j, x, t);
    }
    const F32 out[4] = {c.c0, c.c1, c.c2, c.c3};
    for (I32 i = 0; i < 4; i++) {
        const I64 n = column + g + i / 2 * 8, r = row + 2 * t + i % 2;
        if (n < a.N && r < a.M)
            y[r * a.ldy + n] = a.has_bias ? out[i] + bias[n] : out[i];
    }
}

#define ROWS8(name, type, group, minima, bytes, stages)                        \
    KERNEL(rows_##name, rows8_args, IN(I8) levels, IN(F32) scales,             \
           IN(I32) x_sums, IN(U8) w, IN(F32) bias, OUT(F32) y) {               \
        rows8<T_##type, group, minima, bytes, stages>(a, levels, scales,       \
                                                      x_sums, w, bias, y);     \
    }
#include "backend/gpu/cuda_blocks.def"
