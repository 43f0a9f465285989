/* fast_attention_back.c - ATTENTION_DQKV by blocks (ref_attention.c says what
 * is computed).
 *
 * Dao 2023, "FlashAttention-2", with a block of queries in the outer loop.
 * Lanes are queries, as forward:
 *
 *   S' = K Q',  P' = exp(S' - lse),  dP' = V dO',  dS' = P' (dP' - D)
 *   dQ' += K' dS',  dV += P' dO,  dK += dS' Q   (all scaled where it is due)
 *
 * dQ' [D][nr] belongs to the block of queries.  dK and dV are summed over the
 * blocks of the group's heads in order.  A share is one (batch, kv head); when
 * there are few, its blocks are dealt to several shares, each with sums of its
 * own, which are added in order afterwards. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "backend/cpu/attention.h"

enum { SHARES = 32, JOIN_ROWS = 64 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

typedef struct job {
    attention a;
    int64_t n_parts; /* shares of one (batch, kv head) */
    float
        *parts; /* dk, dv of all parts but the first: [part, b, g][S, D + E] */
} job;

static int64_t parts_of(const attention *a) {
    const int64_t pairs = a->B * a->G, items = a->H / a->G * a->n_q_blocks;
    if (pairs == 0 || items == 0) return 1;
    return min((SHARES + pairs - 1) / pairs, items);
}

/* Where a share adds its dk and dv. */
typedef struct sums {
    float *dk, *dv;
    int64_t ld_dk, ld_dv;
} sums;

static sums sums_of(const job *j, int64_t part, int64_t b, int64_t g) {
    const attention *a = &j->a;
    const tensor *dk = &a->c->out[1], *dv = &a->c->out[2];
    if (part == 0)
        return (sums){attention_row(dk, b, 0, g), attention_row(dv, b, 0, g),
                      dk->stride[1], dv->stride[1]};
    float *at =
        j->parts + (((part - 1) * a->B + b) * a->G + g) * a->S * (a->D + a->E);
    return (sums){at, at + a->S * a->D, a->D, a->E};
}

/* A block of queries and its buffers; panels of P' and dS' are [k_block][nr]
 * for each nr queries. */
typedef struct block {
    int64_t b, h, g, i0, n;
    float *q, *dout;   /* panels [D][nr], [E][nr] of queries */
    float *q2, *dout2; /* panels [n][nr] of D, of E */
    float *dq;         /* panels [D][nr] */
    float *k, *v, *k2; /* panels [D][mr], [E][mr] of keys; [keys][mr] of D */
    float *p, *ds;
    float *turned;      /* [n][mr]: a panel of P or dS, keys in lanes */
    float *lse, *delta; /* [q_block] */
    float *tmp;         /* [nr][D] */
    sums to;
} block;

static void block_init(const attention *a, block *x, float *at) {
    const float *const start = at;
    const int64_t nq = a->q_block, nk = a->k_block;
    x->q = scratch_take(&at, a->D * nq);
    x->dout = scratch_take(&at, a->E * nq);
    x->q2 = scratch_take(&at, round_up(a->D, a->nr) * nq);
    x->dout2 = scratch_take(&at, round_up(a->E, a->nr) * nq);
    x->dq = scratch_take(&at, a->D * nq);
    x->k = scratch_take(&at, a->D * nk);
    x->v = scratch_take(&at, a->E * nk);
    x->k2 = scratch_take(&at, round_up(a->D, a->mr) * nk);
    x->p = scratch_take(&at, nk * nq);
    x->ds = scratch_take(&at, nk * nq);
    x->turned = scratch_take(&at, nq * a->mr);
    x->lse = scratch_take(&at, nq);
    x->delta = scratch_take(&at, nq);
    x->tmp = scratch_take(&at, a->nr * a->D);
    assert(at - start <= CPU_SCRATCH_SIZE / (ptrdiff_t)sizeof *at);
}

/* lse and D of the queries; those that see nothing, and lanes behind the last,
 * get lse = infinity, so that p = 0. */
static void read_rows(const attention *a, const block *x) {
    const tensor *o = &a->c->in[3], *lse = &a->c->in[4], *dout = &a->c->in[5];
    for (int64_t i = 0; i < a->q_block; i++) {
        x->lse[i] = INFINITY;
        x->delta[i] = 0;
        if (i >= x->n) continue;
        const float l =
            ((const float *)
                 lse->data)[x->b * lse->stride[0] + x->h * lse->stride[1] +
                            (x->i0 + i) * lse->stride[2]];
        if (l != -INFINITY) x->lse[i] = l;
        a->k->dot_tile(a->E, attention_row(o, x->b, x->i0 + i, x->h), 0,
                       attention_row(dout, x->b, x->i0 + i, x->h), 0,
                       x->delta + i, 1, 1, 1);
    }
}

static void read_queries(const attention *a, const block *x) {
    const tensor *q = &a->c->in[0], *dout = &a->c->in[5];
    const float *row = attention_row(q, x->b, x->i0, x->h);
    const float *drow = attention_row(dout, x->b, x->i0, x->h);
    const int64_t ldq = q->stride[1], ldo = dout->stride[1];
    gemm_pack_b(a->k, (gemm_view){row, AR_F32, 1, ldq}, a->D, x->n, AR_F32,
                x->q);
    gemm_pack_b(a->k, (gemm_view){drow, AR_F32, 1, ldo}, a->E, x->n, AR_F32,
                x->dout);
    gemm_pack_b(a->k, (gemm_view){row, AR_F32, ldq, 1}, x->n, a->D, AR_F32,
                x->q2);
    gemm_pack_b(a->k, (gemm_view){drow, AR_F32, ldo, 1}, x->n, a->E, AR_F32,
                x->dout2);
    read_rows(a, x);
    memset(x->dq, 0, (size_t)(a->D * a->q_block) * sizeof *x->dq);
}

static void read_keys(const attention *a, const block *x, int64_t j0,
                      int64_t n) {
    const tensor *k = &a->c->in[1], *v = &a->c->in[2];
    const float *row = attention_row(k, x->b, j0, x->g);
    const int64_t ldk = k->stride[1];
    gemm_pack_a(a->k, (gemm_view){row, AR_F32, ldk, 1}, n, a->D, 1, AR_F32,
                x->k);
    gemm_pack_a(a->k, (gemm_view){row, AR_F32, 1, ldk}, a->D, n, 1, AR_F32,
                x->k2);
    gemm_pack_a(
        a->k,
        (gemm_view){attention_row(v, x->b, j0, x->g), AR_F32, v->stride[1], 1},
        n, a->E, 1, AR_F32, x->v);
}

/* P', dS' and dQ' of queries q .. q + nr - 1 with the rows they see. */
static void query_panel(const attention *a, const block *x, int64_t q,
                        int64_t j0, int64_t n, const int64_t rows[2]) {
    const int64_t r = rows[0], n_rows = rows[1] - r;
    float *p = x->p + q * a->k_block + r * a->nr;
    float *ds = x->ds + q * a->k_block + r * a->nr;
    attention_panel(a, a->D, x->k + r * a->D, x->q + q * a->D, p, n_rows,
                    false);
    attention_panel(a, a->E, x->v + r * a->E, x->dout + q * a->E, ds, n_rows,
                    false);
    const float scale = attention_mask(a, x->i0 + q, j0 + r, n_rows, p);
    a->k->softmax_cols_dx(n_rows, p, ds, x->lse + q, x->delta + q, scale,
                          a->scale, a->cap);
    for (int64_t d = 0; d < a->D; d += a->mr)
        a->k->gemm_tile(n_rows, x->k2 + d * n + r * a->mr, ds,
                        x->dq + q * a->D + d * a->nr, a->nr,
                        (int)min(a->mr, a->D - d), a->nr, true);
}

/* c [m, n] += the panels of P' or dS' from row r on, turned, times b. */
static void key_panel(const attention *a, const block *x, const float *s,
                      int64_t r, int64_t m, const int64_t q[2], const float *b,
                      float *c, int64_t ldc, int64_t n) {
    for (int64_t i = q[0]; i < q[1]; i += a->nr)
        a->k->pack_rows(a->nr, a->mr, m, s + i * a->k_block + r * a->nr, a->nr,
                        x->turned + (i - q[0]) * a->mr);
    const int64_t n_q = min(q[1], x->n) - q[0];
    for (int64_t d = 0; d < n; d += a->nr)
        a->k->gemm_tile(n_q, x->turned, b + d * x->n + q[0] * a->nr, c + d, ldc,
                        (int)m, (int)min(a->nr, n - d), true);
}

static void key_block(const attention *a, const block *x, int64_t j0) {
    const int64_t n = min(a->k_block, a->S - j0);
    const int64_t n_panels = (x->n + a->nr - 1) / a->nr;
    int64_t rows[ATTENTION_MAX_PANELS][2];
    read_keys(a, x, j0, n);
    for (int64_t i = 0; i < n_panels; i++) {
        const int64_t q = i * a->nr, last = min(q + a->nr, x->n) - 1;
        attention_rows(a, x->i0 + q, x->i0 + last, j0, n, rows[i]);
        if (rows[i][0] < rows[i][1]) query_panel(a, x, q, j0, n, rows[i]);
    }
    for (int64_t r = 0; r < n; r += a->mr) {
        /* Both ends of the rows that queries see only grow: so those that see
         * a row are side by side. */
        int64_t first = 0, end;
        while (first < n_panels && rows[first][1] <= r) first++;
        for (end = first; end < n_panels && rows[end][0] <= r; end++) {}
        if (first == end) continue;
        const int64_t q[2] = {first * a->nr, end * a->nr};
        const int64_t m = min(a->mr, n - r);
        key_panel(a, x, x->p, r, m, q, x->dout2,
                  x->to.dv + (j0 + r) * x->to.ld_dv, x->to.ld_dv, a->E);
        key_panel(a, x, x->ds, r, m, q, x->q2,
                  x->to.dk + (j0 + r) * x->to.ld_dk, x->to.ld_dk, a->D);
    }
}

static void query_block(const attention *a, const block *x) {
    int64_t keys[2];
    read_queries(a, x);
    attention_keys(a, x->i0, x->i0 + x->n - 1, keys);
    for (int64_t j = keys[0] / a->k_block * a->k_block; j < keys[1];
         j += a->k_block)
        key_block(a, x, j);
    attention_unpack(a, x->dq, a->D, &a->c->out[0],
                     (const int64_t[]){x->b, x->i0, x->h}, x->n, x->tmp);
}

static void run_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const attention *a = &j->a;
    const int64_t part = share % j->n_parts, pair = share / j->n_parts;
    const int64_t group = a->H / a->G;
    block x = {.b = pair / a->G, .g = pair % a->G};
    x.to = sums_of(j, part, x.b, x.g);
    block_init(a, &x, cpu_scratch(a->c, worker));
    for (int64_t s = 0; s < a->S; s++) {
        memset(x.to.dk + s * x.to.ld_dk, 0, (size_t)a->D * sizeof(float));
        memset(x.to.dv + s * x.to.ld_dv, 0, (size_t)a->E * sizeof(float));
    }
    for (int64_t i = part; i < group * a->n_q_blocks; i += j->n_parts) {
        x.h = x.g * group + i / a->n_q_blocks;
        x.i0 = i % a->n_q_blocks * a->q_block;
        x.n = min(a->q_block, a->T - x.i0);
        query_block(a, &x);
    }
}

static void add_row(float *to, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] += x[i];
}

static void join_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const attention *a = &j->a;
    const int64_t pieces = (a->S + JOIN_ROWS - 1) / JOIN_ROWS;
    const int64_t s0 = share % pieces * JOIN_ROWS, pair = share / pieces;
    const int64_t b = pair / a->G, g = pair % a->G;
    const sums to = sums_of(j, 0, b, g);
    (void)worker;
    for (int64_t part = 1; part < j->n_parts; part++) {
        const sums x = sums_of(j, part, b, g);
        for (int64_t s = s0; s < min(a->S, s0 + JOIN_ROWS); s++) {
            add_row(to.dk + s * to.ld_dk, x.dk + s * x.ld_dk, a->D);
            add_row(to.dv + s * to.ld_dv, x.dv + s * x.ld_dv, a->E);
        }
    }
}

static void run(const op_call *c) {
    job j = {.a = attention_of(c), .parts = c->work};
    const attention *a = &j.a;
    j.n_parts = parts_of(a);
    pool_run(c->threads, run_share, &j, a->B * a->G * j.n_parts);
    if (j.n_parts > 1)
        pool_run(c->threads, join_share, &j,
                 a->B * a->G * ((a->S + JOIN_ROWS - 1) / JOIN_ROWS));
}

static size_t work_size(const op_call *c) {
    const attention a = attention_of(c);
    return (size_t)((parts_of(&a) - 1) * a.B * a.G * a.S * (a.D + a.E)) *
           sizeof(float);
}

const cpu_fast fast_attention_back = {OP_ATTENTION_DQKV, attention_fits, run,
                                      work_size, "flash"};
