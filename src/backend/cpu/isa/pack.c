/* pack.c - rows side by side: the panels that gemm_tile reads. */
#include <string.h>

#include "backend/cpu/isa/isa.h"

#include ISA_SIMD

static void pack_plain(int64_t k, int64_t width, int64_t rows, const float *src,
                       int64_t row_stride, float *dst) {
    for (int64_t i = 0; i < k; i++)
        for (int64_t r = 0; r < rows; r++)
            dst[i * width + r] = src[r * row_stride + i];
}

void ISA_NAME(pack_rows)(int64_t k, int64_t width, int64_t rows,
                         const float *src, int64_t row_stride, float *dst) {
    const int64_t whole = k - k % TRANSPOSE;
    int64_t r = 0;
    for (; r + TRANSPOSE <= rows; r += TRANSPOSE)
        for (int64_t i = 0; i < whole; i += TRANSPOSE)
            transpose_block(src + r * row_stride + i, row_stride,
                            dst + i * width + r, width);
    pack_plain(whole, width, rows - r, src + r * row_stride, row_stride,
               dst + r);
    pack_plain(k - whole, width, rows, src + whole, row_stride,
               dst + whole * width);
    if (rows == width) return;
    for (int64_t i = 0; i < k; i++)
        memset(dst + i * width + rows, 0, (size_t)(width - rows) * sizeof *dst);
}
