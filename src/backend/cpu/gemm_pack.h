/* gemm_pack.h - operands of gemm.h as panels. */
#ifndef CPU_GEMM_PACK_H
#define CPU_GEMM_PACK_H

#include "backend/cpu/gemm.h"

/* What is packed: `width` rows or columns ("lines") a panel. */
typedef struct gemm_source {
    const cpu_kernels *k;
    const void *data;
    ar_type type, compute;
    int64_t line, step; /* strides, elements: from line to line, along k */
    int64_t n_lines;    /* in all */
    int64_t skip;       /* of blocks: lines of the first before line 0 */
    int width;
    float alpha;
} gemm_source;

gemm_source gemm_source_a(const cpu_kernels *k, const gemm_view *a, int64_t m,
                          float alpha, ar_type compute);
gemm_source gemm_source_b(const cpu_kernels *k, const gemm_view *b, int64_t n,
                          ar_type compute);

/* Nothing to do to an element but to move it? */
bool gemm_source_plain(const gemm_source *s);

/* Lines of a step of a source in blocks, which lie along its lines: f32 into
 * row, which has room for two blocks more than `lines`; where line `first` is
 * there. */
float *gemm_source_blocks(const gemm_source *s, int64_t first, int64_t lines,
                          int64_t step, float *row);

/* n elements of one line from `at`, as they go into a panel; not of blocks. */
void gemm_source_read(const gemm_source *s, int64_t line, int64_t at, int64_t n,
                      float *dst);

/* A part of a pack: steps [from, to) of panels [first, end), whose whole depth
 * is kc steps from element `at` along k; panel i lies at dst + i * width * kc.
 */
typedef struct gemm_part {
    int64_t at, kc;
    int64_t first, end, from, to;
} gemm_part;

/* Are the lines of a step side by side in memory, so that they are copied? */
bool gemm_source_beside(const gemm_source *s);

void gemm_pack(const gemm_source *s, const gemm_part *p, float *dst);

#endif
