/* tile16.cu - x times weights of 16 bits, many rows of x: tiles of 128 by 128
 * in shared memory, the next parts of both on their way meanwhile.
 *
 * Results are the chains of rows16.cu, so a prompt and an answer give the same
 * bits. */
#include "backend/gpu/kernels/args.h"
#include "backend/gpu/kernels/cuda/mma.h"

enum {
    TILE = 128,  /* weights and rows of a group */
    PART = 64,   /* steps of k in a stage */
    STAGES = 3,
    STAGE = 2 * TILE * PART, /* halves: weights, then x */
};

/* f32 rows as halves, each row K long and without gaps: 8 elements a lane. */
template <bool brain> FN void halves(halves_args a, const F32 *x, uint4 *y) {
    const I64 i = (I64)GROUP0 * LANES + LANE;
    if (i >= a.n) return;
    const I64 row = i / (a.K / 8), at = i % (a.K / 8) * 8;
    const float4 u = *(const float4 *)(x + row * a.ldx + at);
    const float4 v = *(const float4 *)(x + row * a.ldx + at + 4);
    y[i] = brain ? make_uint4(pack_bf16(u.x, u.y), pack_bf16(u.z, u.w),
                              pack_bf16(v.x, v.y), pack_bf16(v.z, v.w))
                 : make_uint4(pack_f16(u.x, u.y), pack_f16(u.z, u.w),
                              pack_f16(v.x, v.y), pack_f16(v.z, v.w));
}

KERNEL(halves_bf16, halves_args, IN(F32) x, OUT(uint4) y) {
    halves<true>(a, x, y);
}
KERNEL(halves_f16, halves_args, IN(F32) x, OUT(uint4) y) {
    halves<false>(a, x, y);
}

/* Where a piece of 8 halves of a row is in shared memory: every second row is
 * turned by 64 bytes, so that the 8 lanes of a load meet all banks. */
FN I32 place(I32 row, I32 k) { return row * PART + (k ^ (row % 2 * 32)); }

FN void copy_later(U32 to, const void *from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to),
                 "l"(from), "r"(there ? 16 : 0));
}

/* 128 rows of PART halves: 8 pieces of 16 bytes a row, 256 lanes. */
FN void fetch(U16 *to, const U16 *from, I64 ld, I64 first, I64 n, I64 at,
              I64 K) {
    const U32 base = (U32)__cvta_generic_to_shared(to);
#pragma unroll
    for (I32 i = 0; i < TILE * PART / 8 / 256; i++) {
        const I32 piece = LANE + 256 * i, r = piece / 8, k = piece % 8 * 8;
        const bool there = first + r < n && at + k < K;
        copy_later(base + place(r, k) * 2,
                   from + (there ? (first + r) * ld + at + k : 0), there);
    }
}

FN quad shared_piece(const U16 *p) {
    const uint4 v = *(const uint4 *)p;
    quad q = {v.x, v.y, v.z, v.w};
    return q;
}

/* A warp: 32 weights (two tiles of 16) by 64 rows (eight of 8). */
template <bool brain>
FN void multiply(sums (*c)[8], const U16 *w, const U16 *x, I32 steps) {
    const I32 lane = LANE % 32, g = lane / 4, t = lane % 4, warp = LANE / 32;
    const I32 n = warp % 4 * 32 + g, m = warp / 4 * 64 + g;
#pragma unroll
    for (I32 s = 0; s < PART / 32; s++) {
        if (s >= steps) break;
        quad q[8];
#pragma unroll
        for (I32 j = 0; j < 8; j++)
            q[j] = shared_piece(x + place(m + j * 8, 32 * s + 8 * t));
#pragma unroll
        for (I32 i = 0; i < 2; i++) {
            const quad lo = shared_piece(w + place(n + i * 16, 32 * s + 8 * t));
            const quad hi = 
                shared_piece(w + place(n + i * 16 + 8, 32 * s + 8 * t));
#pragma unroll
            for (I32 j = 0; j < 8; j++)
                if (brain)
                    mma_bf16_32(&c[i][j], lo, hi, q[j]);
                else
                    mma_f16_32(&c[i][j], lo, hi, q[j]);
        }
    }
}

FN void put(mma16_args a, F32 sum, I64 column, I64 row, const F32 *bias,
            F32 *y) {
    if (column >= a.N || row >= a.M) return;
    y[row * a.ldy + column] = a.has_bias ? sum + bias[column] : sum;
}

FN void fetch_part(mma16_args a, U16 *stages, const U16 *x, const U16 *w,
                   I64 column, I64 row, I32 p, I32 parts) {
    if (p < parts) {
        U16 *to = stages + p % STAGES * STAGE;
        fetch(to, w, a.ldw, column, a.N, (I64)p * PART, a.K);
        fetch(to + TILE * PART, x, a.ldx, row, a.M, (I64)p * PART, a.K);
    }
    asm volatile("cp.async.commit_group;");
}

template <bool brain>
FN void tile16(mma16_args a, const U16 *x, const U16 *w, const F32 *bias,
               F32 *y) {
    extern __shared__ __align__(16) U16 stages[];
    const I64 column = (I64)GROUP0 * TILE, row = (I64)GROUP1 * TILE;
    const I32 parts = (I32)((a.K + PART - 1) / PART);
    sums c[2][8];
#pragma unroll
    for (I32 i = 0; i < 2; i++)
#pragma unroll
        for (I32 j = 0; j < 8; j++) c[i][j] = {0, 0, 0, 0};
    for (I32 p = 0; p < STAGES - 1; p++)
        fetch_part(a, stages, x, w, column, row, p, parts);
    for (I32 p = 0; p < parts; p++) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2));
        /* part p is here for everyone, and everyone is done with p - 1, whose
         * stage is filled again */
        BARRIER;
        fetch_part(a, stages, x, w, column, row, p + STAGES - 1, parts);
        const U16 *from = stages + p % STAGES * STAGE;
        const I64 left = (a.K - (I64)p * PART) / 32;
        multiply<brain>(c, from, from + TILE * PART,
                        left < PART / 32 ? (I32)left : PART / 32);
    }
    const I32 lane = LANE % 32, g = lane / 4, t = lane % 4, warp = LANE / 32;
#pragma unroll
    for (I32 i = 0; i < 2; i++)
#pragma unroll
        for (I32 j = 0; j < 8; j++) {
            const I64 n = column + warp % 4 * 32 + i * 16 + g;
            const I64 m = row + warp / 4 * 64 + j * 8 + 2 * t;
            put(a, c[i][j].c0, n, m, bias, y);
            put(a, c[i][j].c1, n, m + 1, bias, y);
            put(a, c[i][j].c2, n + 8, m, bias, y);
            put(a, c[i][j].c3, n + 8, m + 1, bias, y);
        }
}

KERNEL(tile_bf16, mma16_args, IN(U16) x, IN(U16) w, IN(F32) bias, OUT(F32) y) {
    tile16<true>(a, x, w, bias, y);
}
KERNEL(tile_f16, mma16_args, IN(U16) x, IN(U16) w, IN(F32) bias, OUT(F32) y) {
    tile16<false>(a, x, w, bias, y);
}
