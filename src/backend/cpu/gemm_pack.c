/* gemm_pack.c - operands of gemm.h as panels: [k][width], edges zero.
 *
 * Whichever dimension is contiguous is read along; conversion, rounding and
 * the factor happen in a small buffer on the way. */
#include "backend/cpu/gemm_pack.h"

#include <string.h>

#include "quant/quant.h"

enum { CHUNK = 64, MAX_WIDTH = 64, BLOCK_LINES = 1024 };

gemm_source gemm_source_a(const cpu_kernels *k, const gemm_view *a, int64_t m,
                          float alpha, ar_type compute) {
    return (gemm_source){.k = k,
                         .data = a->data,
                         .type = a->type,
                         .compute = compute,
                         .line = a->rs,
                         .step = a->cs,
                         .n_lines = m,
                         .width = k->gemm.mr,
                         .alpha = alpha != 0 ? alpha : 1};
}

gemm_source gemm_source_b(const cpu_kernels *k, const gemm_view *b, int64_t n,
                          ar_type compute) {
    return (gemm_source){.k = k,
                         .data = b->data,
                         .type = b->type,
                         .compute = compute,
                         .line = b->cs,
                         .step = b->rs,
                         .n_lines = n,
                         .width = k->gemm.nr,
                         .alpha = 1};
}

static bool halves(ar_type t) { return t == AR_BF16 || t == AR_F16; }

bool gemm_source_plain(const gemm_source *s) {
    return s->type == AR_F32 && s->alpha == 1 && !halves(s->compute);
}

static const void *element(const gemm_source *s, int64_t line, int64_t at) {
    return (const char *)s->data +
           (line * s->line + at * s->step) * (s->type == AR_F32 ? 4 : 2);
}

static void decode(const cpu_kernels *k, ar_type t, int64_t n, const void *x,
                   float *y) {
    if (t == AR_BF16)
        k->from_bf16(n, x, y);
    else if (t == AR_F16)
        k->from_f16(n, x, y);
    else
        memcpy(y, x, (size_t)n * sizeof *y);
}

/* x through the type t, BF16 or F16, and back; n <= CHUNK. */
static void round_to(const cpu_kernels *k, ar_type t, int64_t n, float *x) {
    uint16_t half[CHUNK];
    if (t == AR_BF16)
        k->to_bf16(n, x, half);
    else
        k->to_f16(n, x, half);
    decode(k, t, n, half, x);
}

/* n <= CHUNK elements, `stride` apart, as they go into a panel. */
static void load(const gemm_source *s, const void *src, int64_t stride,
                 int64_t n, float *dst) {
    uint16_t half[CHUNK];
    if (stride == 1) {
        decode(s->k, s->type, n, src, dst);
    } else if (s->type == AR_F32) {
        const float *x = src;
        for (int64_t i = 0; i < n; i++) dst[i] = x[i * stride];
    } else {
        const uint16_t *x = src;
        for (int64_t i = 0; i < n; i++) half[i] = x[i * stride];
        decode(s->k, s->type, n, half, dst);
    }
    if (halves(s->compute) && s->compute != s->type)
        round_to(s->k, s->compute, n, dst);
    if (s->alpha != 1)
        for (int64_t i = 0; i < n; i++) dst[i] *= s->alpha;
}

void gemm_source_read(const gemm_source *s, int64_t line, int64_t at, int64_t n,
                      float *dst) {
    for (int64_t i = 0; i < n; i += CHUNK)
        load(s, element(s, line, at + i), s->step,
             n - i < CHUNK ? n - i : CHUNK, dst + i);
}

/* Lines [first, first + lines) of one panel, read along k. */
static void pack_along_k(const gemm_source *s, int64_t first, int64_t lines,
                         int64_t at, int64_t kc, float *dst) {
    float rows[MAX_WIDTH * CHUNK];
    if (gemm_source_plain(s) && s->step == 1) {
        s->k->pack_rows(kc, s->width, lines, element(s, first, at), s->line,
                        dst);
        return;
    }
    for (int64_t i = 0; i < kc; i += CHUNK) {
        const int64_t n = kc - i < CHUNK ? kc - i : CHUNK;
        for (int64_t r = 0; r < lines; r++)
            load(s, element(s, first + r, at + i), s->step, n,
                 rows + r * CHUNK);
        s->k->pack_rows(n, s->width, lines, rows, CHUNK, dst + i * s->width);
    }
}

/* n steps of a full panel.  The widths are constants, so that a step is a few
 * vector moves; rows far apart defeat the hardware's prefetcher. */
#define COPY_STEPS(size)                                                       \
    case size:                                                                 \
        for (int64_t i = 0; i < n; i++) {                                      \
            __builtin_prefetch(src + 8 * step);                                \
            memcpy(dst, src, size * sizeof *dst);                              \
            src += step;                                                       \
            dst += size;                                                       \
        }                                                                      \
        return;

static void copy_steps(int64_t n, int width, const float *src, int64_t step,
                       float *dst) {
    switch (width) {
        COPY_STEPS(4)
        COPY_STEPS(6)
        COPY_STEPS(8)
        COPY_STEPS(12)
        COPY_STEPS(16)
        COPY_STEPS(32)
    default:
        for (int64_t i = 0; i < n; i++, src += step, dst += width)
            memcpy(dst, src, (size_t)width * sizeof *dst);
    }
}

/* n steps of a panel whose `lines` lines lie side by side. */
static void pack_beside(const gemm_source *s, int64_t line, int64_t lines,
                        int64_t at, int64_t n, float *dst) {
    if (lines == s->width && gemm_source_plain(s)) {
        copy_steps(n, s->width, element(s, line, at), s->step, dst);
        return;
    }
    for (int64_t i = 0; i < n; i++, dst += s->width) {
        load(s, element(s, line, at + i), 1, lines, dst);
        for (int64_t r = lines; r < s->width; r++) dst[r] = 0;
    }
}

float *gemm_source_blocks(const gemm_source *s, int64_t first, int64_t lines,
                          int64_t step, float *row) {
    const int64_t block = quant_block(s->type);
    const int64_t from = s->skip + first, inside = from % block;
    const int64_t blocks = (inside + lines + block - 1) / block;
    quant_decode(s->type,
                 (const char *)s->data +
                     ar_type_size(s->type, step * s->step + from - inside),
                 row, blocks * block);
    float *x = row + inside;
    for (int64_t i = 0; halves(s->compute) && i < lines; i += CHUNK)
        round_to(s->k, s->compute, lines - i < CHUNK ? lines - i : CHUNK,
                 x + i);
    return x;
}

/* A part of a pack of blocks: each is decoded once for all its panels. */
static void pack_blocks(const gemm_source *s, const gemm_part *p, float *dst) {
    float row[BLOCK_LINES + 2 * QUANT_MOST_BLOCK];
    const int64_t width = s->width, panels = BLOCK_LINES / width;
    for (int64_t q = p->first; q < p->end; q += panels) {
        const int64_t end = q + panels < p->end ? q + panels : p->end;
        const int64_t first = q * width, left = s->n_lines - first;
        const int64_t all = (end - q) * width;
        const int64_t lines = left < all ? left : all;
        for (int64_t i = p->from; i < p->to; i++) {
            float *x = gemm_source_blocks(s, first, lines, p->at + i, row);
            memset(x + lines, 0, (size_t)(all - lines) * sizeof *x);
            for (int64_t k = 0; k < end - q; k++)
                memcpy(dst + (q + k) * width * p->kc + i * width, x + k * width,
                       (size_t)width * sizeof *x);
        }
    }
}

bool gemm_source_beside(const gemm_source *s) {
    return s->line == 1 && s->step != 1;
}

void gemm_pack(const gemm_source *s, const gemm_part *p, float *dst) {
    enum {
        ROWS = 8
    }; /* steps done for all panels, so that pages are met once */
    const int64_t width = s->width, size = width * p->kc;
    if (quant_is_block(s->type)) {
        pack_blocks(s, p, dst);
        return;
    }
    const int64_t rows = gemm_source_beside(s) ? ROWS : p->to - p->from;
    for (int64_t i = p->from; i < p->to; i += rows) {
        const int64_t n = p->to - i < rows ? p->to - i : rows;
        for (int64_t q = p->first; q < p->end; q++) {
            const int64_t left = s->n_lines - q * width;
            const int64_t lines = left < width ? left : width;
            float *to = dst + q * size + i * width;
            if (gemm_source_beside(s))
                pack_beside(s, q * width, lines, p->at + i, n, to);
            else
                pack_along_k(s, q * width, lines, p->at + i, n, to);
        }
    }
}
