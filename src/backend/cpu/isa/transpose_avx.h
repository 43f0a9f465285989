/* transpose_avx.h - dst [8][stride] = 8 rows of src, 8 elements each,
 * transposed. */
#ifndef CPU_TRANSPOSE_AVX_H
#define CPU_TRANSPOSE_AVX_H

#include <immintrin.h>
#include <stdint.h>

enum { TRANSPOSE = 8 };

/* Rows i and i + 4 of columns [at, at + 4) side by side. */
static inline __m256 load_pair(const float *src, int64_t stride, int i) {
    return _mm256_insertf128_ps(
        _mm256_castps128_ps256(_mm_loadu_ps(src + i * stride)),
        _mm_loadu_ps(src + (i + 4) * stride), 1);
}

static inline void transpose_half(const float *src, int64_t src_stride,
                                  float *dst, int64_t stride) {
    const __m256 r0 = load_pair(src, src_stride, 0);
    const __m256 r1 = load_pair(src, src_stride, 1);
    const __m256 r2 = load_pair(src, src_stride, 2);
    const __m256 r3 = load_pair(src, src_stride, 3);
    const __m256 t0 = _mm256_unpacklo_ps(r0, r1);
    const __m256 t1 = _mm256_unpackhi_ps(r0, r1);
    const __m256 t2 = _mm256_unpacklo_ps(r2, r3);
    const __m256 t3 = _mm256_unpackhi_ps(r2, r3);
    _mm256_storeu_ps(dst, _mm256_shuffle_ps(t0, t2, 0x44));
    _mm256_storeu_ps(dst + stride, _mm256_shuffle_ps(t0, t2, 0xee));
    _mm256_storeu_ps(dst + 2 * stride, _mm256_shuffle_ps(t1, t3, 0x44));
    _mm256_storeu_ps(dst + 3 * stride, _mm256_shuffle_ps(t1, t3, 0xee));
}

static inline void transpose_block(const float *src, int64_t src_stride,
                                   float *dst, int64_t stride) {
    transpose_half(src, src_stride, dst, stride);
    transpose_half(src + 4, src_stride, dst + 4 * stride, stride);
}

#endif
