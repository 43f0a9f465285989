/* simd_avx512.h - the vectors of AVX-512. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <immintrin.h>
#include <stdint.h>

enum { VEC = 16 }; /* floats in a vector */
/* Tile of dot_tile that fits the registers; steps after which it turns to the
 * next tile, so that what both read is still in the first-level cache. */
enum { DOT_M = 4, DOT_N = 4, DOT_STEPS = 1 << 30 };
typedef __m512 vec;

static inline vec vec_zero(void) { return _mm512_setzero_ps(); }
static inline vec vec_set1(float x) { return _mm512_set1_ps(x); }
static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vec_store(float *p, vec x) { _mm512_storeu_ps(p, x); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }

/* x, in a register (see simd_avx2.h; here it is anyway). */
static inline vec vec_keep(vec x) { return x; }

/* The first n elements, then zeros; n <= 0 reads nothing. */
static inline vec vec_load_n(const float *p, int64_t n) {
    const unsigned mask = n >= VEC ? 0xffffu : n <= 0 ? 0 : (1u << n) - 1;
    return _mm512_maskz_loadu_ps((__mmask16)mask, p);
}

/* a b + c rounded once, and however it is fastest. */
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec vec_mul_add(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}

/* The factors of one step of gemm_tile, and c + factor i times b.  A macro,
 * because NEON wants i as a constant. */
typedef const float *factors;
static inline factors factors_load(const float *a) { return a; }
#define FACTOR_STEP(f, i, b, c) vec_mul_add(vec_set1((f)[i]), b, c)

#include "backend/cpu/isa/transpose_avx.h"

#endif
