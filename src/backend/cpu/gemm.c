/* gemm.c - blocks, panels and threads of the packed product.
 *
 * BLIS's loops (Van Zee and van de Geijn 2015, "BLIS: a framework for rapidly
 * instantiating BLAS functionality"), cut for many threads: C is done in
 * blocks of at most mb x nb, a block in steps of kc along k.  A step packs its
 * parts of A and B once, for all threads, and then multiplies tiles of
 * mc x nc.  While the tiles of one step are multiplied the operands of the
 * next are packed, so there is one barrier a step. */
#include "backend/cpu/gemm.h"

#include <string.h>

#include "backend/cpu/gemm_pack.h"
#include "quant/quant.h"

enum {
    KEEP = 1 << 20,       /* floats of A packed once for all blocks of C */
    PACK_SHARE = 1 << 15, /* floats packed in one share */
    BESIDE = 256,         /* lines a share packs that lie side by side, */
    BLOCKS = 1024,        /* in blocks, those at its ends twice */
    MIN_SHARES = 24,      /* so many, if they are not smaller than ... */
    SHARE_WORK = 1 << 19, /* multiply-adds */
    MIRROR = 64,          /* lines of a block that is mirrored */
};

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

/* How a product is cut; all of it follows from m, n, k and the table. */
typedef struct cut {
    int64_t mb, nb, kc;    /* most rows and columns of a block; step along k */
    int64_t n_m, n_n, n_k; /* blocks, steps */
    int64_t a_parts, a_size, b_parts, b_size; /* packed; floats a part */
} cut;

static cut cut_product(const gemm_args *g, const cpu_kernels *k, int64_t mb,
                       int64_t nb, int parts) {
    const gemm_geometry *t = &k->gemm;
    cut c;
    c.n_k = max(1, ceil_div(g->k, t->kc));
    c.kc = max(1, ceil_div(g->k, c.n_k));
    c.n_k = max(1, ceil_div(g->k, c.kc));
    c.n_m = ceil_div(g->m, mb);
    c.mb = min(mb, round_up(ceil_div(g->m, max(1, c.n_m)), t->mr));
    c.n_n = ceil_div(g->n, nb);
    c.nb = min(nb, round_up(ceil_div(g->n, max(1, c.n_n)), t->nr));
    c.n_m = ceil_div(g->m, max(1, c.mb));
    c.n_n = ceil_div(g->n, max(1, c.nb));
    c.a_size = round_up(c.mb * c.kc, 16);
    c.b_size = round_up(c.nb * c.kc, 16);
    c.a_parts = c.b_parts = parts;
    if (parts > 1 && c.n_m == 1 && c.n_n > 1 && c.a_size * c.n_k <= KEEP)
        c.a_parts = c.n_k;
    return c;
}

/* Wide enough that C and the packed A are seldom read again, small enough for
 * the last-level cache. */
static cut cut_parallel(const gemm_args *g, const cpu_kernels *k) {
    const gemm_geometry *t = &k->gemm;
    return cut_product(g, k, 4096 / t->mr * t->mr, 4096 / t->nr * t->nr, 2);
}

static cut cut_serial(const gemm_args *g, const cpu_kernels *k) {
    const gemm_geometry *t = &k->gemm;
    const int64_t lines = GEMM_SERIAL_SIZE / (int64_t)sizeof(float) / t->kc;
    const int64_t half = lines / 2 - 1;
    return cut_product(g, k, half / t->mr * t->mr, half / t->nr * t->nr, 1);
}

/* One step: a block of C and a part of k. */
typedef struct step {
    int64_t row, rows, col, cols, at, kc;
    float *a, *b;       /* its panels */
    bool pack_a, first; /* A is not packed yet; first along k */
} step;

/* Shares side by side and one below the other; of so many panels and steps. */
typedef struct grid {
    int64_t rows, cols, panels, depth;
} grid;

typedef struct job {
    const gemm_args *g;
    const cpu_kernels *k;
    cut c;
    float *work;
    gemm_source a, b;
    bool half; /* only the tiles that touch the diagonal or lie above it */
    /* Of the current call of the pool: */
    step now, next;
    grid a_grid, b_grid, tiles; /* shares: packing for `next`, tiles of `now` */
} job;

static step step_at(const job *j, int64_t i) {
    const cut *c = &j->c;
    const int64_t part = i % c->n_k, block = i / c->n_k;
    const int64_t bm = block % c->n_m, bn = block / c->n_m;
    const bool keep = c->a_parts == c->n_k && c->n_m == 1;
    const int64_t a_part = keep ? part : i % c->a_parts;
    step s;
    s.row = bm * c->mb;
    s.rows = min(c->mb, j->g->m - s.row);
    s.col = bn * c->nb;
    s.cols = min(c->nb, j->g->n - s.col);
    s.at = part * c->kc;
    s.kc = min(c->kc, j->g->k - s.at);
    s.a = j->work + a_part * c->a_size;
    s.b = j->work + c->a_parts * c->a_size + i % c->b_parts * c->b_size;
    s.pack_a = !keep || bn == 0;
    s.first = part == 0;
    return s;
}

/* A block's part of an operand, as a source of its own. */
static gemm_source source_at(const gemm_source *s, int64_t line,
                             int64_t lines) {
    gemm_source part = *s;
    const char *data = s->data;
    part.n_lines = lines;
    if (quant_is_block(s->type)) {
        part.skip = line % quant_block(s->type);
        part.data = data + ar_type_size(s->type, line - part.skip);
    } else {
        part.data = data + line * s->line * (s->type == AR_F32 ? 4 : 2);
    }
    return part;
}

static void pack_share(const gemm_source *whole, const step *s, int64_t line,
                       int64_t lines, const grid *g, int64_t share,
                       float *dst) {
    const gemm_source source = source_at(whole, line, lines);
    const int64_t first = share / g->cols * g->panels;
    const int64_t from = share % g->cols * g->depth;
    const gemm_part part = {
        .at = s->at,
        .kc = s->kc,
        .first = first,
        .end = min(ceil_div(lines, source.width), first + g->panels),
        .from = from,
        .to = min(s->kc, from + g->depth)};
    gemm_pack(&source, &part, dst);
}

/* Rows [r0, r1) and columns [c0, c1) of a step's block, in whole panels: a
 * panel of A stays in the first-level cache, those of B in the second. */
static void multiply(const job *j, const step *s, const int64_t row[2],
                     const int64_t col[2]) {
    const gemm_args *g = j->g;
    const int mr = j->k->gemm.mr, nr = j->k->gemm.nr;
    const bool add = g->add || g->bias || !s->first;
    for (int64_t r = row[0]; r < row[1]; r += mr) {
        const int m = (int)min(mr, s->rows - r);
        float *c = g->c + (s->row + r) * g->ldc + s->col;
        if (g->bias && s->first)
            for (int i = 0; i < m; i++)
                memcpy(c + i * g->ldc + col[0], g->bias + s->col + col[0],
                       (size_t)(min(col[1], s->cols) - col[0]) * sizeof *c);
        int64_t n = col[0];
        if (j->half) n = max(n, (s->row + r - s->col) / nr * nr);
        for (; n < col[1]; n += nr)
            j->k->gemm_tile(s->kc, s->a + r * s->kc, s->b + n * s->kc, c + n,
                            g->ldc, m, (int)min(nr, s->cols - n), add);
    }
}

/* Part i of n of `size`, in whole panels. */
static void part_of(int64_t size, int width, int64_t i, int64_t n,
                    int64_t range[2]) {
    const int64_t panels = ceil_div(size, width);
    range[0] = panels * i / n * width;
    range[1] = panels * (i + 1) / n * width;
}

static void multiply_share(const job *j, int64_t share) {
    const step *s = &j->now;
    int64_t row[2], col[2];
    const grid *g = &j->tiles;
    part_of(s->rows, j->k->gemm.mr, share % g->rows, g->rows, row);
    part_of(s->cols, j->k->gemm.nr, share / g->rows, g->cols, col);
    multiply(j, s, row, col);
}

static int64_t shares_of(const grid *g) { return g->rows * g->cols; }

static void run_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    (void)worker;
    const step *s = &j->next;
    const int64_t a = shares_of(&j->a_grid), b = shares_of(&j->b_grid);
    if (share < a)
        pack_share(&j->a, s, s->row, s->rows, &j->a_grid, share, s->a);
    else if (share < a + b)
        pack_share(&j->b, s, s->col, s->cols, &j->b_grid, share - a, s->b);
    else
        multiply_share(j, share - a - b);
}

/* Tiles of mc x nc, or smaller ones until there are enough for the threads. */
static void cut_tiles(job *j) {
    const gemm_geometry *t = &j->k->gemm;
    const step *s = &j->now;
    const int64_t row_panels = ceil_div(s->rows, t->mr);
    const int64_t col_panels = ceil_div(s->cols, t->nr);
    int64_t rows = ceil_div(s->rows, t->mc), cols = ceil_div(s->cols, t->nc);
    const double work = (double)s->rows * (double)s->cols * (double)s->kc;
    const int64_t most = min(MIN_SHARES, (int64_t)(work / SHARE_WORK));
    while (rows * cols < most) {
        const bool by_rows =
            row_panels * t->mr * cols > col_panels * t->nr * rows;
        if (by_rows && rows < row_panels)
            rows = min(row_panels, 2 * rows);
        else if (cols < col_panels)
            cols = min(col_panels, 2 * cols);
        else
            break;
    }
    j->tiles = (grid){.rows = rows, .cols = cols};
}

static grid cut_packing(const gemm_source *s, int64_t lines, int64_t kc) {
    grid g;
    if (gemm_source_beside(s)) {
        g.panels =
            max(1, (quant_is_block(s->type) ? BLOCKS : BESIDE) / s->width);
        g.depth = min(kc, PACK_SHARE / BESIDE);
    } else {
        g.panels = max(1, PACK_SHARE / (s->width * kc));
        g.depth = kc;
    }
    g.rows = ceil_div(ceil_div(lines, s->width), g.panels);
    g.cols = ceil_div(kc, g.depth);
    return g;
}

/* A times its own transpose?  Element [i, j] is then the same chain of the same
 * products as [j, i], so that half of them are enough for the same bits. */
static bool is_symmetric(const gemm_args *g) {
    const gemm_view *a = &g->a, *b = &g->b;
    return g->m == g->n && a->data == b->data && a->type == b->type &&
           a->rs == b->cs && a->cs == b->rs && !g->add && !g->bias &&
           (g->alpha == 0 || g->alpha == 1);
}

/* MIRROR rows below the diagonal from the columns above it. */
static void mirror_share(void *ctx, int64_t share, int worker) {
    const gemm_args *g = ctx;
    (void)worker;
    const int64_t row = share * MIRROR, end = min(g->m, row + MIRROR);
    for (int64_t col = 0; col < end; col += MIRROR)
        for (int64_t i = row; i < end; i++)
            for (int64_t j = col; j < min(i, col + MIRROR); j++)
                g->c[i * g->ldc + j] = g->c[j * g->ldc + i];
}

/* The product of nothing: C is the bias, zero or what it was. */
static void fill(const gemm_args *g) {
    if (g->add) return;
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++)
            g->c[i * g->ldc + j] = g->bias ? g->bias[j] : 0;
}

static void run(const gemm_args *g, const cpu_kernels *k, pool *threads,
                const cut *c, void *work) {
    if (g->m <= 0 || g->n <= 0) return;
    if (g->k <= 0) {
        fill(g);
        return;
    }
    job j = {.g = g, .k = k, .c = *c, .work = work, .half = is_symmetric(g)};
    j.a = gemm_source_a(k, &g->a, g->m, g->alpha, g->compute);
    j.b = gemm_source_b(k, &g->b, g->n, g->compute);
    const int64_t steps = c->n_m * c->n_n * c->n_k;
    const bool ahead = c->b_parts > 1; /* packs while it multiplies */
    for (int64_t i = -1; i < steps; i++) {
        j.a_grid = j.b_grid = j.tiles = (grid){0};
        if (i >= 0) {
            j.now = step_at(&j, i);
            cut_tiles(&j);
        }
        if (i + 1 < steps) {
            j.next = step_at(&j, i + 1);
            const step *s = &j.next;
            if (s->pack_a) j.a_grid = cut_packing(&j.a, s->rows, s->kc);
            j.b_grid = cut_packing(&j.b, s->cols, s->kc);
        }
        const int64_t packs = shares_of(&j.a_grid) + shares_of(&j.b_grid);
        const int64_t tiles = shares_of(&j.tiles);
        if (ahead) {
            pool_run(threads, run_share, &j, packs + tiles);
            continue;
        }
        for (int64_t t = 0; t < tiles; t++) multiply_share(&j, t);
        for (int64_t p = 0; p < packs; p++) run_share(&j, p, 0);
    }
    if (j.half)
        pool_run(threads, mirror_share, (void *)g, ceil_div(g->m, MIRROR));
}

size_t gemm_work_size(const gemm_args *g, const cpu_kernels *k) {
    const cut c = cut_parallel(g, k);
    return (size_t)(c.a_parts * c.a_size + c.b_parts * c.b_size) *
           sizeof(float);
}

void gemm_run(const gemm_args *g, const cpu_kernels *k, pool *threads,
              void *work) {
    const cut c = cut_parallel(g, k);
    run(g, k, threads, &c, work);
}

void gemm_serial(const gemm_args *g, const cpu_kernels *k, void *scratch) {
    const cut c = cut_serial(g, k);
    run(g, k, NULL, &c, scratch);
}

size_t gemm_a_size(const cpu_kernels *k, int64_t m, int64_t kc) {
    return (size_t)(round_up(m, k->gemm.mr) * kc) * sizeof(float);
}

size_t gemm_b_size(const cpu_kernels *k, int64_t kc, int64_t n) {
    return (size_t)(round_up(n, k->gemm.nr) * kc) * sizeof(float);
}

static void pack_whole(const gemm_source *s, int64_t kc, float *packed) {
    const gemm_part part = {
        .kc = kc, .end = ceil_div(s->n_lines, s->width), .to = kc};
    gemm_pack(s, &part, packed);
}

void gemm_pack_a(const cpu_kernels *k, gemm_view a, int64_t m, int64_t kc,
                 float alpha, ar_type compute, float *packed) {
    const gemm_source s = gemm_source_a(k, &a, m, alpha, compute);
    pack_whole(&s, kc, packed);
}

void gemm_pack_b(const cpu_kernels *k, gemm_view b, int64_t kc, int64_t n,
                 ar_type compute, float *packed) {
    const gemm_source s = gemm_source_b(k, &b, n, compute);
    pack_whole(&s, kc, packed);
}

void gemm_panels(const cpu_kernels *k, int64_t m, int64_t n, int64_t kc,
                 const float *a, const float *b, float *c, int64_t ldc,
                 bool add) {
    const int mr = k->gemm.mr, nr = k->gemm.nr;
    for (int64_t i = 0; i < m; i += mr)
        for (int64_t j = 0; j < n; j += nr)
            k->gemm_tile(kc, a + i * kc, b + j * kc, c + i * ldc + j, ldc,
                         (int)min(mr, m - i), (int)min(nr, n - j), add);
}
