/* attention.h - what the fast attention kernels for training share.
 *
 * Queries are taken in blocks, keys in blocks from key 0 on.  Scores of a
 * block are panels [keys][nr queries], which gemm_tile can write as C and read
 * as packed B; so products with them need no packing. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm.h"

enum {
    ATTENTION_MAX_DIM = 512,   /* most D and E that the scratch has room for */
    ATTENTION_MAX_PANELS = 64, /* most panels of nr queries in a block */
};

/* Shapes and attributes of ATTENTION or ATTENTION_DQKV. */
typedef struct attention {
    const op_call *c;
    const cpu_kernels *k;
    int64_t B, T, H, D, S, G, E;
    int64_t past; /* S - T: query i is at position i + past */
    int64_t window;
    bool causal;
    float scale, cap;
    int mr, nr; /* of the kernel table */
    int64_t q_block, k_block, n_q_blocks;
} attention;

attention attention_of(const op_call *c);

/* Types and strides that these kernels read: F32, heads contiguous. */
bool attention_fits(const op_call *c);

/* n floats of a worker's scratch, 64-byte aligned; *at moves on. */
static inline float *scratch_take(float **at, int64_t n) {
    float *p = *at;
    *at += (n + 15) / 16 * 16;
    return p;
}

/* Row [b, i, h, :]. */
static inline float *attention_row(const tensor *t, int64_t b, int64_t i,
                                   int64_t h) {
    return (float *)t->data + b * t->stride[0] + i * t->stride[1] +
           h * t->stride[2];
}

/* Keys seen by queries first .. last: [range[0], range[1]). */
void attention_keys(const attention *a, int64_t first, int64_t last,
                    int64_t range[2]);

/* Rows [rows[0], rows[1]) of the key block at j0 (n keys) that queries
 * first .. last see, in whole panels of mr; empty if rows[0] >= rows[1]. */
void attention_rows(const attention *a, int64_t first, int64_t last, int64_t j0,
                    int64_t n, int64_t rows[2]);

/* s [n][nr]: the scores of keys j .. j + n - 1 and queries i .. i + nr - 1:
 * -infinity where the mask hides the key, and through the soft cap.  Returns
 * the factor that is still to be applied. */
float attention_mask(const attention *a, int64_t i, int64_t j, int64_t n,
                     float *s);

/* C [rows][nr] (+)= panels of A [rows, k] times a panel of B [k][nr]. */
void attention_panel(const attention *a, int64_t k, const float *pa,
                     const float *pb, float *c, int64_t rows, bool add);

/* Panels [n_d][nr] of n queries to rows [b, i, h, :] of t on, at = b, i, h;
 * tmp [nr][n_d]. */
void attention_unpack(const attention *a, const float *panels, int64_t n_d,
                      const tensor *t, const int64_t at[3], int64_t n,
                      float *tmp);

#endif
