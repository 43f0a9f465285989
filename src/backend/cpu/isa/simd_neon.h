/* simd_neon.h - the vectors of aarch64. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

enum { VEC = 4 }; /* floats in a vector */
/* Tile of dot_tile that fits the registers; steps after which it turns to the
 * next tile, so that what both read is still in the first-level cache. */
enum { DOT_M = 4, DOT_N = 4, DOT_STEPS = 768 };
typedef float32x4_t vec;

static inline vec vec_zero(void) { return vdupq_n_f32(0); }
static inline vec vec_set1(float x) { return vdupq_n_f32(x); }
static inline vec vec_load(const float *p) { return vld1q_f32(p); }
static inline void vec_store(float *p, vec x) { vst1q_f32(p, x); }
static inline vec vec_add(vec a, vec b) { return vaddq_f32(a, b); }

/* x, in a register (see simd_avx2.h; here it is anyway). */
static inline vec vec_keep(vec x) { return x; }

/* The first n elements, then zeros; n <= 0 reads nothing. */
static inline vec vec_load_n(const float *p, int64_t n) {
    float x[VEC] = {0};
    if (n > 0) memcpy(x, p, (size_t)(n < VEC ? n : VEC) * sizeof *x);
    return vec_load(x);
}

/* a b + c rounded once, and however it is fastest. */
static inline vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
static inline vec vec_mul_add(vec a, vec b, vec c) {
    return vfmaq_f32(c, a, b);
}

/* The 8 factors of one step of gemm_tile, and c + factor i times b; i must be a
 * constant. */
typedef struct factors {
    vec low, high;
} factors;
static inline factors factors_load(const float *a) {
    return (factors){vec_load(a), vec_load(a + VEC)};
}
#define FACTOR_STEP(f, i, b, c)                                                \
    vfmaq_laneq_f32(c, b, (i) < VEC ? (f).low : (f).high, (i) % VEC)

/* dst [4][stride] = 4 rows of src, 4 elements each, transposed. */
enum { TRANSPOSE = 4 };
static inline void transpose_block(const float *src, int64_t src_stride,
                                   float *dst, int64_t stride) {
    const float32x4x2_t a =
        vtrnq_f32(vec_load(src), vec_load(src + src_stride));
    const float32x4x2_t b = vtrnq_f32(vec_load(src + 2 * src_stride),
                                      vec_load(src + 3 * src_stride));
    vec_store(dst,
              vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0])));
    vec_store(dst + stride,
              vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1])));
    vec_store(dst + 2 * stride,
              vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0])));
    vec_store(dst + 3 * stride,
              vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1])));
}

#endif
