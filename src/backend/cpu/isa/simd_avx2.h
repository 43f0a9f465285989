/* simd_avx2.h - the vectors of AVX2 and FMA. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <immintrin.h>
#include <stdint.h>

enum { VEC = 8 }; /* floats in a vector */
/* Tile of dot_tile that fits the registers; steps after which it turns to the
 * next tile, so that what both read is still in the first-level cache. */
enum { DOT_M = 2, DOT_N = 4, DOT_STEPS = 768 };
typedef __m256 vec;

static inline vec vec_zero(void) { return _mm256_setzero_ps(); }
static inline vec vec_set1(float x) { return _mm256_set1_ps(x); }
static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vec_store(float *p, vec x) { _mm256_storeu_ps(p, x); }
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }

/* x, in a register: else gcc reads it from memory for each of its uses, and
 * loads are what limits dot_tile. */
static inline vec vec_keep(vec x) {
    __asm__("" : "+x"(x));
    return x;
}

/* The first n elements, then zeros; n <= 0 reads nothing. */
static inline vec vec_load_n(const float *p, int64_t n) {
    static const int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const int64_t m = n < 0 ? 0 : n > VEC ? VEC : n;
    return _mm256_maskload_ps(
        p, _mm256_loadu_si256((const __m256i_u *)(mask + VEC - m)));
}

/* a b + c rounded once, and however it is fastest. */
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec vec_mul_add(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}

/* The factors of one step of gemm_tile, and c + factor i times b.  A macro,
 * because NEON wants i as a constant. */
typedef const float *factors;
static inline factors factors_load(const float *a) { return a; }
#define FACTOR_STEP(f, i, b, c) vec_mul_add(vec_set1((f)[i]), b, c)

#include "backend/cpu/isa/transpose_avx.h"

#endif
