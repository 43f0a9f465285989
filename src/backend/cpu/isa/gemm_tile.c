/* gemm_tile.c - the register tile of the packed product.
 *
 * C[i, j] (+)= sum over k of a[k][i] b[k][j], one chain of multiply-adds from
 * 0 per element.  The accumulators have names, not an array, because
 * compilers keep named vectors in registers; rows that a call does not need
 * are left out by the constant `rows`. */
#include "backend/cpu/isa/isa.h"

#include ISA_SIMD

enum {
    MR = ISA_NAME(MR),
    NR = ISA_NAME(NR),
    WIDE = NR / VEC, /* vectors in a row of the tile: 2 or 3 */
};

#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

/* One row of the tile to C: n floats of r0, r1, r2. */
static inline __attribute__((always_inline)) void put_row(float *c, vec r0,
                                                          vec r1, vec r2, int n,
                                                          bool add) {
    float row[3 * VEC];
    if (n == NR) {
        vec_store(c, add ? vec_add(vec_load(c), r0) : r0);
        vec_store(c + VEC, add ? vec_add(vec_load(c + VEC), r1) : r1);
        if (WIDE > 2)
            vec_store(c + 2 * VEC,
                      add ? vec_add(vec_load(c + 2 * VEC), r2) : r2);
        return;
    }
    vec_store(row, r0);
    vec_store(row + VEC, r1);
    vec_store(row + 2 * VEC, r2);
    for (int j = 0; j < n; j++) c[j] = add ? c[j] + row[j] : row[j];
}

#define ZERO(i)                                                                \
    vec c##i##0 = vec_zero(), c##i##1 = c##i##0;                               \
    vec c##i##2 = c##i##0;                                                     \
    if (i < rows) {                                                            \
        __builtin_prefetch(c + i * ldc, 1);                                    \
        __builtin_prefetch(c + i * ldc + NR - 1, 1);                           \
    }
#define STEP(i)                                                                \
    if (i < rows) {                                                            \
        c##i##0 = FACTOR_STEP(x, i, b0, c##i##0);                              \
        c##i##1 = FACTOR_STEP(x, i, b1, c##i##1);                              \
        if (WIDE > 2) c##i##2 = FACTOR_STEP(x, i, b2, c##i##2);                \
    }
#define PUT(i)                                                                 \
    if (i < rows) put_row(c + i * ldc, c##i##0, c##i##1, c##i##2, n, add);

static inline __attribute__((always_inline)) void tile(
    const int rows, int64_t kc, const float *a, const float *b, float *c,
    int64_t ldc, int n, bool add) {
    ROWS(ZERO)
    for (int64_t k = 0; k < kc; k++) {
        const vec b0 = vec_load(b), b1 = vec_load(b + VEC);
        const vec b2 = WIDE > 2 ? vec_load(b + 2 * VEC) : b0;
        const factors x = factors_load(a);
        (void)b2;
        ROWS(STEP)
        a += MR;
        b += NR;
    }
    ROWS(PUT)
}

typedef void tile_fn(int64_t kc, const float *a, const float *b, float *c,
                     int64_t ldc, int n, bool add);

#define TILE(i)                                                                \
    static void tile_##i(int64_t kc, const float *a, const float *b, float *c, \
                         int64_t ldc, int n, bool add) {                       \
        tile(i + 1 < MR ? i + 1 : MR, kc, a, b, c, ldc, n, add);               \
    }
ROWS(TILE)

void ISA_NAME(gemm_tile)(int64_t kc, const float *a, const float *b, float *c,
                         int64_t ldc, int m, int n, bool add) {
#define ROW_TILE(i) tile_##i,
    static tile_fn *const tiles[] = {ROWS(ROW_TILE)};
    tiles[m - 1](kc, a, b, c, ldc, n, add);
}
