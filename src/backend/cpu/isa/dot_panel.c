/* dot_panel.c - the chain of dot_tile for many rows, a lane being a column.
 *
 * dot_tile keeps 16 sums of terms k = l, l + 16, ... in the lanes of a vector
 * and adds them at the end.  Here operands lie as panels [16][steps][width],
 * steps = ceil(k / 16), the terms of lane l together: the sum of a lane is
 * a register tile of outer products, and lanes are added as whole tiles, in
 * the tree of dot_tile.  So nothing is exchanged between lanes, and the bits
 * are those of dot_tile (decisions/005). */
#include <string.h>

#include "backend/cpu/isa/isa.h"

#include ISA_SIMD

enum {
    MR = ISA_NAME(MR),
    NR = ISA_NAME(NR),
    WIDE = NR / VEC, /* vectors in a row of the tile: 2 or 3 */
    LANES = PANEL_LANES,
    DEEP = 4, /* tiles that wait in the tree: log2 of LANES */
};

#define INLINE static inline __attribute__((always_inline))

void ISA_NAME(pack_lanes)(int64_t k, int64_t width, int64_t rows,
                          const float *src, int64_t row_stride, float *dst) {
    const int64_t steps = (k + LANES - 1) / LANES;
    const int64_t lane = panel_lane(k, width);
    const int64_t whole = rows - rows % TRANSPOSE, left = k % LANES;
    for (int64_t s = 0; s < steps; s++) {
        const int64_t n = s == steps - 1 && left ? left : LANES;
        const float *from = src + s * LANES;
        float *to = dst + s * width;
        const int64_t blocks = n == LANES ? whole : 0;
        for (int64_t r = 0; r < blocks; r += TRANSPOSE)
            for (int l = 0; l < LANES; l += TRANSPOSE)
                transpose_block(from + r * row_stride + l, row_stride,
                                to + l * lane + r, lane);
        for (int64_t l = 0; l < LANES; l++)
            for (int64_t r = blocks; r < width; r++)
                to[l * lane + r] =
                    l < n && r < rows ? from[r * row_stride + l] : 0;
    }
}

/* Sums of one lane: c [rows][WIDE] from 0. */
INLINE void lane_sums(const int rows, int64_t steps, const float *x,
                      const float *w, vec c[MR][WIDE]) {
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < WIDE; j++) c[i][j] = vec_zero();
    for (int64_t s = 0; s < steps; s++, x += MR, w += NR) {
        vec b[WIDE];
#pragma GCC unroll 4
        for (int j = 0; j < WIDE; j++) b[j] = vec_load(w + j * VEC);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            const vec a = vec_set1(x[i]);
#pragma GCC unroll 4
            for (int j = 0; j < WIDE; j++) c[i][j] = vec_fma(a, b[j], c[i][j]);
        }
    }
}

/* The lanes in the order in which the tree wants them (bits of the counter
 * reversed): a tile waits until its neighbour is done. */
INLINE void tile(const int rows, int64_t k, const float *x, const float *w,
                 float *y, int64_t ldy, int n) {
    static const unsigned char order[LANES] = {0, 8, 4, 12, 2, 10, 6, 14,
                                               1, 9, 5, 13, 3, 11, 7, 15};
    _Alignas(64) float wait[DEEP][MR * NR], row[NR];
    const int64_t steps = (k + LANES - 1) / LANES;
    const int64_t lane_x = panel_lane(k, MR), lane_w = panel_lane(k, NR);
    vec c[MR][WIDE];
    for (int i = 0, top = 0; i < LANES; i++) {
        lane_sums(rows, steps, x + order[i] * lane_x, w + order[i] * lane_w, c);
        for (int bit = i; bit & 1; bit >>= 1) {
            const float *other = wait[--top];
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
                for (int j = 0; j < WIDE; j++)
                    c[r][j] =
                        vec_add(vec_load(other + r * NR + j * VEC), c[r][j]);
        }
        if (i == LANES - 1) break;
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int j = 0; j < WIDE; j++)
                vec_store(wait[top] + r * NR + j * VEC, c[r][j]);
        top++;
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        float *to = n == NR ? y + r * ldy : row;
#pragma GCC unroll 4
        for (int j = 0; j < WIDE; j++) vec_store(to + j * VEC, c[r][j]);
        if (n < NR) memcpy(y + r * ldy, row, (size_t)n * sizeof *row);
    }
}

#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
typedef void tile_fn(int64_t k, const float *x, const float *w, float *y,
                     int64_t ldy, int n);

#define TILE(i)                                                                \
    static void tile_##i(int64_t k, const float *x, const float *w, float *y,  \
                         int64_t ldy, int n) {                                 \
        tile(i + 1 < MR ? i + 1 : MR, k, x, w, y, ldy, n);                     \
    }
ROWS(TILE)

void ISA_NAME(dot_panel)(int64_t k, const float *x, const float *w, float *y,
                         int64_t ldy, int m, int n) {
#define ROW_TILE(i) tile_##i,
    static tile_fn *const tiles[] = {ROWS(ROW_TILE)};
    tiles[m - 1](k, x, w, y, ldy, n);
}
