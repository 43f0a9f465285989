/* fast_attention.c - ATTENTION for training, by blocks (ref_attention.c says
 * what is computed).
 *
 * Dao et al. 2022, "FlashAttention", with an online softmax: a block of
 * queries walks the keys it sees in blocks; all products are transposed, so
 * that a lane is a query:
 *
 *   S' [keys][nr] = K Q',  m, l, P' by columns,  O' [E][nr] = f O' + V' P'
 *
 * One share is one block of queries of one head. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "backend/cpu/attention.h"

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

/* A share's place and its buffers. */
typedef struct block {
    int64_t b, h, g, i0, n; /* queries i0 .. i0 + n - 1 */
    float *q;               /* panels [D][nr] */
    float *o;               /* panels [E][nr] */
    float *k, *v;           /* panels [D][mr] of keys, [keys][mr] of E */
    float *s;               /* [keys][nr] */
    float *max, *sum;       /* [q_block] */
    float *shrink;          /* [nr] */
    float *tmp;             /* [nr][E] */
} block;

static void block_init(const attention *a, block *x, float *at) {
    const float *const start = at;
    const int64_t wide_e = (a->E + a->mr - 1) / a->mr * a->mr;
    x->q = scratch_take(&at, a->D * a->q_block);
    x->o = scratch_take(&at, a->E * a->q_block);
    x->k = scratch_take(&at, a->D * a->k_block);
    x->v = scratch_take(&at, wide_e * a->k_block);
    x->s = scratch_take(&at, a->k_block * a->nr);
    x->max = scratch_take(&at, a->q_block);
    x->sum = scratch_take(&at, a->q_block);
    x->shrink = scratch_take(&at, a->nr);
    x->tmp = scratch_take(&at, a->nr * a->E);
    assert(at - start <= CPU_SCRATCH_SIZE / (ptrdiff_t)sizeof *at);
}

/* Queries p .. p + nr - 1 of the block with keys [rows[0], rows[1]) of n. */
static void add_keys(const attention *a, const block *x, int64_t p, int64_t j0,
                     int64_t n, const int64_t rows[2]) {
    const int64_t r = rows[0], n_rows = rows[1] - r;
    float *o = x->o + p * a->E;
    attention_panel(a, a->D, x->k + r * a->D, x->q + p * a->D, x->s, n_rows,
                    false);
    const float scale = attention_mask(a, x->i0 + p, j0 + r, n_rows, x->s);
    a->k->softmax_cols(n_rows, x->s, scale, x->max + p, x->sum + p, x->shrink);
    a->k->mul_cols(a->E, o, x->shrink);
    for (int64_t e = 0; e < a->E; e += a->mr)
        a->k->gemm_tile(n_rows, x->v + e * n + r * a->mr, x->s, o + e * a->nr,
                        a->nr, (int)min(a->mr, a->E - e), a->nr, true);
}

static void add_block(const attention *a, const block *x, int64_t j0) {
    const tensor *k = &a->c->in[1], *v = &a->c->in[2];
    const int64_t n = min(a->k_block, a->S - j0);
    const gemm_view vk = {attention_row(k, x->b, j0, x->g), AR_F32,
                          k->stride[1], 1};
    const gemm_view vv = {attention_row(v, x->b, j0, x->g), AR_F32, 1,
                          v->stride[1]};
    gemm_pack_a(a->k, vk, n, a->D, 1, AR_F32, x->k);
    gemm_pack_a(a->k, vv, a->E, n, 1, AR_F32, x->v);
    for (int64_t p = 0; p < x->n; p += a->nr) {
        int64_t rows[2];
        attention_rows(a, x->i0 + p, x->i0 + min(p + a->nr, x->n) - 1, j0, n,
                       rows);
        if (rows[0] < rows[1]) add_keys(a, x, p, j0, n, rows);
    }
}

/* The sink joins the sums of the queries; O' is still relative to the old
 * maximum.  The factor that makes up for it. */
static float add_sink(const attention *a, const block *x, int64_t i) {
    const tensor *t = &a->c->in[3];
    const float old = x->max[i];
    if (a->c->n_in < 4 || !t->data) return 1;
    const float sink = ((const float *)t->data)[x->h * t->stride[0]];
    const float now = sink > old ? sink : old, shrink = expf(old - now);
    x->max[i] = now;
    x->sum[i] = x->sum[i] * shrink + expf(sink - now);
    return shrink;
}

/* o = O' / sum, lse = max + log(sum). */
static void finish(const attention *a, const block *x) {
    const tensor *lse = &a->c->out[1];
    for (int64_t p = 0; p < x->n; p += a->nr) {
        for (int64_t l = 0; l < a->nr; l++) {
            const float shrink = add_sink(a, x, p + l), sum = x->sum[p + l];
            /* NaN stays; a query that sees no key has o = 0. */
            x->shrink[l] = sum == 0 ? 0 : shrink / sum;
        }
        a->k->mul_cols(a->E, x->o + p * a->E, x->shrink);
    }
    attention_unpack(a, x->o, a->E, &a->c->out[0],
                     (const int64_t[]){x->b, x->i0, x->h}, x->n, x->tmp);
    for (int64_t i = 0; i < x->n; i++)
        ((float *)lse->data)[x->b * lse->stride[0] + x->h * lse->stride[1] +
                             (x->i0 + i) * lse->stride[2]] =
            x->max[i] + logf(x->sum[i]);
}

static void run_share(void *ctx, int64_t share, int worker) {
    const attention *a = ctx;
    const tensor *q = &a->c->in[0];
    const int64_t heads = a->B * a->H, head = share % heads;
    /* The last queries, which see the most keys, first. */
    const int64_t q_block = a->n_q_blocks - 1 - share / heads;
    block x = {.b = head / a->H, .h = head % a->H, .i0 = q_block * a->q_block};
    x.g = x.h * a->G / a->H;
    x.n = min(a->q_block, a->T - x.i0);
    block_init(a, &x, cpu_scratch(a->c, worker));
    const gemm_view vq = {attention_row(q, x.b, x.i0, x.h), AR_F32, 1,
                          q->stride[1]};
    gemm_pack_b(a->k, vq, a->D, x.n, AR_F32, x.q);
    memset(x.o, 0, (size_t)(a->E * a->q_block) * sizeof *x.o);
    for (int64_t i = 0; i < a->q_block; i++) {
        x.max[i] = -INFINITY;
        x.sum[i] = 0;
    }
    int64_t keys[2];
    attention_keys(a, x.i0, x.i0 + x.n - 1, keys);
    for (int64_t j = keys[0] / a->k_block * a->k_block; j < keys[1];
         j += a->k_block)
        add_block(a, &x, j);
    finish(a, &x);
}

static void run(const op_call *c) {
    attention a = attention_of(c);
    pool_run(c->threads, run_share, &a, a.B * a.H * a.n_q_blocks);
}

const cpu_fast fast_attention = {OP_ATTENTION, attention_fits, run, NULL,
                                 "flash"};
