/* fast_matmul_exact.c - MATMUL by rows, the chain of inference.
 *
 * y[m, o] = sum over k of x[m, k] w[o, k] as dot_tile defines it, plus the
 * bias: the same bits for any number of rows, of threads and on every
 * instruction set.  f32 operands contiguous along k are used where they lie;
 * others are laid out so first: x once, w a block of rows at a time, decoded
 * where it holds blocks of numbers, along k or along o.  From MANY_ROWS on it
 * pays to have both as panels, whose product (dot_panel) has the same bits and
 * is faster.
 * Training products of few rows come here too: they are bound by memory, and
 * panels would only add to it. */
#include "backend/cpu/fast_matmul.h"

#include <string.h>

#include "backend/cpu/gemm_pack.h"
#include "quant/levels.h"

enum {
    FEW_ROWS = 4,
    MANY_ROWS = 24,
    BLOCK = 64,           /* most rows of w in a share */
    BLOCK_FLOATS = 65536, /* most floats, so that it stays in cache */
    STEPS = 16,           /* of blocks along o, decoded at a time */
    X_SHARE = 16,         /* rows of x laid out in a share */
};

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

/* x [m, k] and w [n, k] as lines of operands along k. */
static gemm_source lines_of_x(const op_call *c, const gemm_args *g) {
    return gemm_source_a(c->k, &g->a, g->m, 1, g->compute);
}
static gemm_source lines_of_w(const op_call *c, const gemm_args *g) {
    return gemm_source_b(c->k, &g->b, g->n, g->compute);
}

static bool in_place(const gemm_source *s) {
    return gemm_source_plain(s) && s->step == 1;
}

/* w in blocks, the rest as matmul_is_gemm.  Blocks along its lines o instead of
 * k are for the chain of inference alone; fast_matmul.c has the other. */
static bool blocks_fit(const op_call *c) {
    op_call plain = *c;
    quant_form form;
    const tensor *w = &c->in[1];
    if (!quant_is_block(w->type)) return false;
    if (!tensor_blocks_along_k(w)) {
        if (!c->attr->matmul.exact) return false;
    } else if (c->attr->matmul.act8 && quant_form_of(w->type, &form)) {
        return false; /* the chain of fast_matmul_act8 and the reference */
    }
    plain.in[1].type = AR_F32;
    return matmul_is_gemm(&plain) &&
           (ar_type)c->attr->matmul.compute == AR_F32 &&
           c->in[1].dim[w->rank - 2] <= MATMUL_EXACT_MAX_K;
}

static bool exact_fits(const op_call *c) {
    if (tensor_count(&c->out[0]) == 0) return false;
    if (blocks_fit(c)) return true;
    if (!matmul_is_gemm(c)) return false;
    const gemm_args g = matmul_args(c, 0);
    if (g.k > MATMUL_EXACT_MAX_K) return false;
    if (c->attr->matmul.exact) return true;
    const gemm_source w = lines_of_w(c, &g);
    return g.m <= FEW_ROWS && in_place(&w);
}

/* By panels?  A worker holds nr lines of w twice: laid out and as a panel.
 * Blocks along o would be decoded again for each panel. */
static bool by_panels(const op_call *c, const gemm_args *g) {
    const int nr = c->k->gemm.nr;
    const tensor *w = &c->in[1];
    if (quant_is_block(w->type) && !tensor_blocks_along_k(w)) return false;
    return g->m >= MANY_ROWS && nr * g->k + panel_size(g->k, nr) <=
                                    CPU_SCRATCH_SIZE / (int)sizeof(float);
}

static int64_t x_size(const op_call *c, const gemm_args *g) {
    const gemm_source x = lines_of_x(c, g);
    const int mr = c->k->gemm.mr;
    if (by_panels(c, g)) return (g->m + mr - 1) / mr * panel_size(g->k, mr);
    return in_place(&x) ? 0 : g->m * g->k;
}

static size_t work_size(const op_call *c) {
    const gemm_args g = matmul_args(c, 0);
    return (size_t)x_size(c, &g) * sizeof(float);
}

typedef struct job {
    const op_call *c;
    gemm_args g;
    gemm_source x, w;
    const float *rows; /* x, f32 and contiguous along k */
    int64_t ld_rows;
    int64_t block;
} job;

/* Four rows or more, as much as fits the cache, but enough shares for the
 * threads of any machine.  Blocks along o are decoded for one share alone,
 * unless they do not fit the scratch, or the cache where many rows read them.
 */
int64_t matmul_exact_block(const gemm_source *w, int64_t m, int64_t k) {
    int64_t n = k > 0 ? BLOCK_FLOATS / k : BLOCK;
    n = min(n, min(BLOCK, w->n_lines / 32));
    if (quant_is_block(w->type) && w->step != 1) {
        const int64_t room =
            m > FEW_ROWS ? 4 * BLOCK_FLOATS : MATMUL_EXACT_MAX_K * 4;
        n = min(quant_block(w->type), room / k);
    }
    return n < 4 ? 4 : n & ~(int64_t)3;
}

static void lay_out(const gemm_source *s, int64_t first, int64_t n, int64_t k,
                    float *dst) {
    for (int64_t i = 0; i < n; i++)
        gemm_source_read(s, first + i, 0, k, dst + i * k);
}

static void x_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const int64_t first = share * X_SHARE, n = min(X_SHARE, j->g.m - first);
    (void)worker;
    lay_out(&j->x, first, n, j->g.k, (float *)j->c->work + first * j->g.k);
}

/* The same of blocks along o, n <= QUANT_MOST_BLOCK: some steps are decoded,
 * then turned. */
static void lay_out_blocks(const gemm_source *w, int64_t first, int64_t n,
                           int64_t k, float *dst) {
    float row[3 * QUANT_MOST_BLOCK], some[STEPS * QUANT_MOST_BLOCK];
    float turned[STEPS * QUANT_MOST_BLOCK];
    for (int64_t at = 0; at < k; at += STEPS) {
        const int64_t steps = min(STEPS, k - at);
        for (int64_t i = 0; i < steps; i++)
            memcpy(some + i * n, gemm_source_blocks(w, first, n, at + i, row),
                   (size_t)n * sizeof *some);
        w->k->pack_rows(n, STEPS, steps, some, n, turned);
        for (int64_t o = 0; o < n; o++)
            memcpy(dst + o * k + at, turned + o * STEPS,
                   (size_t)steps * sizeof *dst);
    }
}

/* Rows [first, first + n) of w contiguous along k; *ld from one to the next. */
static const float *rows_of_w(const gemm_source *w, int64_t k, int64_t first,
                              int64_t n, float *scratch, int64_t *ld) {
    const float *data = w->data;
    if (quant_is_block(w->type) && w->step != 1) {
        *ld = k;
        lay_out_blocks(w, first, n, k, scratch);
        return scratch;
    }
    if (quant_is_block(w->type)) {
        *ld = k;
        quant_decode(w->type,
                     (const char *)w->data +
                         ar_type_size(w->type, first * w->line),
                     scratch, n * k);
        return scratch;
    }
    *ld = w->line;
    if (in_place(w)) return data + first * w->line;
    *ld = k;
    if (gemm_source_plain(w) && w->line == 1)
        w->k->pack_rows(n, k, k, data + first, w->step, scratch);
    else
        lay_out(w, first, n, k, scratch);
    return scratch;
}

/* Few rows read w once, so 16-bit numbers are used where they lie too. */
static bool halves_in_place(const exact_rows *x, const gemm_source *w) {
    return x->m <= FEW_ROWS && (w->type == AR_F16 || w->type == AR_BF16) &&
           w->step == 1 && w->compute == AR_F32;
}

static void few_rows(const exact_rows *x, const gemm_source *s, int64_t first,
                     int64_t n) {
    const uint16_t *w = (const uint16_t *)s->data + first * s->line;
    for (int64_t o = 0; o < n; o += 4)
        s->k->dot_tile16(x->k, x->x, x->ld_x, w + o * s->line, s->line,
                         s->type == AR_BF16, x->y + first + o, x->ld_y,
                         (int)x->m, (int)min(4, n - o));
}

void matmul_exact_rows(const exact_rows *x, const gemm_source *w, int64_t first,
                       int64_t n, float *scratch) {
    int64_t ldw;
    if (halves_in_place(x, w)) {
        few_rows(x, w, first, n);
        return;
    }
    const float *rows = rows_of_w(w, x->k, first, n, scratch, &ldw);
    for (int64_t m = 0; m < x->m; m += 4)
        for (int64_t o = 0; o < n; o += 4)
            w->k->dot_tile(x->k, x->x + m * x->ld_x, x->ld_x, rows + o * ldw,
                           ldw, x->y + m * x->ld_y + first + o, x->ld_y,
                           (int)min(4, x->m - m), (int)min(4, n - o));
}

/* Panel `share` of x. */
static void x_panel(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const cpu_kernels *k = j->c->k;
    const int mr = k->gemm.mr;
    const int64_t first = share * mr, n = min(mr, j->g.m - first), K = j->g.k;
    float *to = (float *)j->c->work + share * panel_size(K, mr);
    if (in_place(&j->x)) {
        k->pack_lanes(K, mr, n, j->rows + first * j->ld_rows, j->ld_rows, to);
        return;
    }
    float *rows = cpu_scratch(j->c, worker);
    lay_out(&j->x, first, n, K, rows);
    k->pack_lanes(K, mr, n, rows, K, to);
}

/* All of x times nr lines of w. */
static void w_panel(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const gemm_args *g = &j->g;
    const cpu_kernels *k = j->c->k;
    const int mr = k->gemm.mr, nr = k->gemm.nr;
    const int64_t first = share * nr, n = min(nr, g->n - first);
    const float *x = j->c->work;
    float *panel = cpu_scratch(j->c, worker);
    int64_t ld;
    const float *rows =
        rows_of_w(&j->w, g->k, first, n, panel + panel_size(g->k, nr), &ld);
    k->pack_lanes(g->k, nr, n, rows, ld, panel);
    for (int64_t m = 0; m < g->m; m += mr, x += panel_size(g->k, mr)) {
        float *y = g->c + m * g->ldc + first;
        const int some = (int)min(mr, g->m - m);
        k->dot_panel(g->k, x, panel, y, g->ldc, some, (int)n);
        for (int i = 0; g->bias && i < some; i++)
            for (int64_t o = 0; o < n; o++)
                y[i * g->ldc + o] += g->bias[first + o];
    }
}

static void run_panels(job *j) {
    const gemm_geometry *t = &j->c->k->gemm;
    pool_run(j->c->threads, x_panel, j, (j->g.m + t->mr - 1) / t->mr);
    pool_run(j->c->threads, w_panel, j, (j->g.n + t->nr - 1) / t->nr);
}

static void w_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const gemm_args *g = &j->g;
    const int64_t first = share * j->block, n = min(j->block, g->n - first);
    const exact_rows x = {g->m, g->k, j->rows, j->ld_rows, g->c, g->ldc};
    matmul_exact_rows(&x, &j->w, first, n, cpu_scratch(j->c, worker));
    for (int64_t m = 0; g->bias && m < g->m; m++)
        for (int64_t o = 0; o < n; o++)
            g->c[m * g->ldc + first + o] += g->bias[first + o];
}

static void run_product(const op_call *c, int64_t i) {
    job j = {.c = c, .g = matmul_args(c, i)};
    j.x = lines_of_x(c, &j.g);
    j.w = lines_of_w(c, &j.g);
    j.rows = j.x.data;
    j.ld_rows = j.x.line;
    j.block = matmul_exact_block(&j.w, j.g.m, j.g.k);
    if (by_panels(c, &j.g)) {
        run_panels(&j);
        return;
    }
    if (x_size(c, &j.g) > 0) {
        pool_run(c->threads, x_share, &j, (j.g.m + X_SHARE - 1) / X_SHARE);
        j.rows = c->work;
        j.ld_rows = j.g.k;
    }
    pool_run(c->threads, w_share, &j, (j.g.n + j.block - 1) / j.block);
}

static void run(const op_call *c) {
    for (int64_t i = 0, n = matmul_batch(c); i < n; i++) run_product(c, i);
}

const cpu_fast fast_matmul_exact = {OP_MATMUL, exact_fits, run, work_size,
                                    "dot tiles"};
