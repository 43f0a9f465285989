/* simd_portable.h - vectors for any CPU: SSE2 on x86-64, whatever the compiler
 * makes of four floats elsewhere.  There may be no fused multiply-add, so
 * vec_fma computes its result in double. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <stdint.h>
#include <string.h>

enum { VEC = 4 }; /* floats in a vector */
/* Tile of dot_tile that fits the registers; steps after which it turns to the
 * next tile, so that what both read is still in the first-level cache. */
enum { DOT_M = 2, DOT_N = 2, DOT_STEPS = 768 };
typedef float vec __attribute__((vector_size(16)));

static inline vec vec_zero(void) { return (vec){0}; }
static inline vec vec_set1(float x) { return (vec){x, x, x, x}; }
static inline vec vec_load(const float *p) {
    vec x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline void vec_store(float *p, vec x) { memcpy(p, &x, sizeof x); }
static inline vec vec_add(vec a, vec b) { return a + b; }

/* x, in a register (see simd_avx2.h; here it is anyway). */
static inline vec vec_keep(vec x) { return x; }

/* The first n elements, then zeros; n <= 0 reads nothing. */
static inline vec vec_load_n(const float *p, int64_t n) {
    float x[VEC] = {0};
    if (n > 0) memcpy(x, p, (size_t)(n < VEC ? n : VEC) * sizeof *x);
    return vec_load(x);
}

static inline vec vec_mul_add(vec a, vec b, vec c) { return a * b + c; }

/* The factors of one step of gemm_tile, and c + factor i times b.  A macro,
 * because NEON wants i as a constant. */
typedef const float *factors;
static inline factors factors_load(const float *a) { return a; }
#define FACTOR_STEP(f, i, b, c) vec_mul_add(vec_set1((f)[i]), b, c)

typedef double pair __attribute__((vector_size(16)));
typedef int64_t pair_bits __attribute__((vector_size(16)));

/* a b + c of two floats, correctly rounded to float, though by way of double:
 * the product is exact, the sum is rounded to odd (Boldo and Melquiond 2008,
 * "Emulation of FMA and correctly rounded sums"), and 53 >= 2 * 24 + 2 bits
 * make the second rounding harmless.  The error of the sum is Knuth's TwoSum;
 * infinities and NaN make it NaN, which changes nothing. */
static inline pair fma_pair(pair a, pair b, pair c) {
    const pair p = a * b, s = p + c;
    const pair t = s - p;
    const pair e = (p - (s - t)) + (c - t);
    const pair zero = {0, 0};
    const pair_bits bits = (pair_bits)s;
    const pair_bits odd = bits & 1;
    /* Towards the error: one unit up in magnitude if its sign is that of s. */
    const pair_bits up = (e > zero) & (s > zero),
                    down = (e < zero) & (s > zero);
    const pair_bits up2 = (e < zero) & (s < zero),
                    down2 = (e > zero) & (s < zero);
    const pair_bits step = (down | down2) - (up | up2);
    return (pair)(bits + (step & (odd - 1)));
}

/* a b + c rounded once.  By way of memory: gcc 12 takes the rounding to float
 * out where a result becomes the next one's c. */
static inline vec vec_fma(vec a, vec b, vec c) {
    const pair low =
        fma_pair((pair){a[0], a[1]}, (pair){b[0], b[1]}, (pair){c[0], c[1]});
    const pair high =
        fma_pair((pair){a[2], a[3]}, (pair){b[2], b[3]}, (pair){c[2], c[3]});
    vec x = {(float)low[0], (float)low[1], (float)high[0], (float)high[1]};
    __asm__("" : "+m"(x));
    return x;
}

/* dst [4][stride] = 4 rows of src, 4 elements each, transposed. */
enum { TRANSPOSE = 4 };
static inline void transpose_block(const float *src, int64_t src_stride,
                                   float *dst, int64_t stride) {
    for (int i = 0; i < TRANSPOSE; i++) {
        const vec x = {src[i], src[src_stride + i], src[2 * src_stride + i],
                       src[3 * src_stride + i]};
        vec_store(dst + i * stride, x);
    }
}

#endif
