/* simd_sve.h - the vectors of the Scalable Vector Extension, at one length.
 *
 * Compiled once per length (-msve-vector-bits) as VEC is a constant
 * everywhere; select.c takes the table whose length the CPU has.  At 128 bits
 * NEON is as good and has no predicates to carry. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <arm_sve.h>
#include <stdint.h>
#include <string.h>

enum { VEC = __ARM_FEATURE_SVE_BITS / 32 }; /* floats in a vector */
/* Tile of dot_tile that fits the registers; steps after which it turns to the
 * next tile, so that what both read is still in the first-level cache. */
enum { DOT_M = 4, DOT_N = 4, DOT_STEPS = 768 };
typedef float vec __attribute__((vector_size(__ARM_FEATURE_SVE_BITS / 8)));

static inline vec vec_zero(void) { return svdup_f32(0); }
static inline vec vec_set1(float x) { return svdup_f32(x); }
static inline vec vec_load(const float *p) {
    return svld1_f32(svptrue_b32(), p);
}
static inline void vec_store(float *p, vec x) {
    svst1_f32(svptrue_b32(), p, x);
}
static inline vec vec_add(vec a, vec b) { return a + b; }

/* x, in a register (see simd_avx2.h; here it is anyway). */
static inline vec vec_keep(vec x) { return x; }

/* The first n elements, then zeros; n <= 0 reads nothing. */
static inline vec vec_load_n(const float *p, int64_t n) {
    return svld1_f32(svwhilelt_b32_s64(0, n), p);
}

/* a b + c rounded once, and however it is fastest. */
static inline vec vec_fma(vec a, vec b, vec c) {
    return svmla_f32_x(svptrue_b32(), c, a, b);
}
static inline vec vec_mul_add(vec a, vec b, vec c) { return vec_fma(a, b, c); }

/* The factors of one step of gemm_tile, and c + factor i times b.  A macro,
 * because NEON wants i as a constant. */
typedef const float *factors;
static inline factors factors_load(const float *a) { return a; }
#define FACTOR_STEP(f, i, b, c) vec_mul_add(vec_set1((f)[i]), b, c)

/* dst [VEC][stride] = VEC rows of src, VEC elements each, transposed: column i
 * is gathered by its distances in the rows. */
enum { TRANSPOSE = VEC };
static inline void transpose_block(const float *src, int64_t src_stride,
                                   float *dst, int64_t stride) {
    for (int j = 0; j < TRANSPOSE; j++)
        for (int i = 0; i < TRANSPOSE; i++)
            dst[i * stride + j] = src[j * src_stride + i];
}

#endif
