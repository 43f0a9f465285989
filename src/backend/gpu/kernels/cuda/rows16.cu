/* rows16.cu - x times weights of 16 bits, a few rows of x: read at the speed of
 * memory.
 *
 * A warp has 16 rows of weights and 8 of x and walks along k, so a result is
 * one chain of matrix steps, that of tile16.cu too.  DEPTH loads of a lane are
 * on their way at a time: few warps must keep the memory busy. */
#include "backend/gpu/kernels/args.h"
#include "backend/gpu/kernels/cuda/mma.h"

enum { DEPTH = 8, X_DEPTH = 4 };

/* 8 steps of k of a row of x. */
typedef struct piece { float4 a, b; } piece;

FN piece x_piece(const F32 *x) {
    piece p = {*(const float4 *)x, *(const float4 *)(x + 4)};
    return p;
}

template <bool brain> FN quad halves(piece p) {
    quad q;
    if (brain) {
        q.x = pack_bf16(p.a.x, p.a.y), q.y = pack_bf16(p.a.z, p.a.w);
        q.z = pack_bf16(p.b.x, p.b.y), q.w = pack_bf16(p.b.z, p.b.w);
    } else {
        q.x = pack_f16(p.a.x, p.a.y), q.y = pack_f16(p.a.z, p.a.w);
        q.z = pack_f16(p.b.x, p.b.y), q.w = pack_f16(p.b.z, p.b.w);
    }
    return q;
}

template <bool brain> FN void step(sums *c, quad lo, quad hi, quad x) {
    if (brain)
        mma_bf16_32(c, lo, hi, x);
    else
        mma_f16_32(c, lo, hi, x);
}

/* Rows of y are those of x; columns those of weights. */
FN void put(mma16_args a, F32 sum, I64 column, I64 row, const F32 *bias,
            F32 *y) {
    if (column >= a.N || row >= a.M) return;
    y[row * a.ldy + column] = a.has_bias ? sum + bias[column] : sum;
}

template <bool brain>
FN void rows16(mma16_args a, const F32 *x, const U16 *w, const F32 *bias,
               F32 *y) {
    const I32 lane = LANE % 32, g = lane / 4, t = lane % 4;
    const I64 tile = (I64)GROUP0 * (LANES / 32) + LANE / 32;
    const I64 column = tile * 16 + g, row = (I64)GROUP1 * 8 + g;
    if (tile * 16 >= a.N) return;
    /* Rows past the end read the last one: their results are not stored. */
    const U16 *lo = w + (column < a.N ? column : a.N - 1) * a.ldw + 8 * t;
    const U16 *hi =
        w + (column + 8 < a.N ? column + 8 : a.N - 1) * a.ldw + 8 * t;
    const F32 *in = x + (row < a.M ? row : a.M - 1) * a.ldx + 8 * t;
    const I64 steps = a.K / 32, whole = steps / DEPTH * DEPTH;
    sums c = {0, 0, 0, 0};
    quad p[DEPTH], q[DEPTH];
    piece r[X_DEPTH];
    if (whole) {
#pragma unroll
        for (I32 i = 0; i < DEPTH; i++)
            p[i] = load_once(lo + 32 * i), q[i] = load_once(hi + 32 * i);
#pragma unroll
        for (I32 i = 0; i < X_DEPTH; i++) r[i] = x_piece(in + 32 * i);
    }
    for (I64 s = 0; s < whole; s += DEPTH) {
#pragma unroll
        for (I32 i = 0; i < DEPTH; i++) {
            /* past the end what is there already is asked for again */
            const I64 w_next = s + i + DEPTH < whole ? s + i + DEPTH : 0;
            const I64 x_next = s + i + X_DEPTH < whole ? s + i + X_DEPTH : 0;
            step<brain>(&c, p[i], q[i], halves<brain>(r[i % X_DEPTH]));
            p[i] = load_once(lo + 32 * w_next);
            q[i] = load_once(hi + 32 * w_next);
            r[i % X_DEPTH] = x_piece(in + 32 * x_next);
        }
    }
    for (I64 s = whole; s < steps; s++)
        step<brain>(&c, load_once(lo + 32 * s), load_once(hi + 32 * s),
                    halves<brain>(x_piece(in + 32 * s)));
    const I64 first = (I64)GROUP1 * 8 + 2 * t;
    put(a, c.c0, column, first, bias, y);
    put(a, c.c1, column, first + 1, bias, y);
    put(a, c.c2, column + 8, first, bias, y);
    put(a, c.c3, column + 8, first + 1, bias, y);
}

KERNEL(rows_bf16, mma16_args, IN(F32) x, IN(U16) w, IN(F32) bias, OUT(F32) y) {
    rows16<true>(a, x, w, bias, y);
}
KERNEL(rows_f16, mma16_args, IN(F32) x, IN(U16) w, IN(F32) bias, OUT(F32) y) {
    rows16<false>(a, x, w, bias, y);
}
