/* fast_matmul_act8.c - MATMUL straight from quantised blocks.
 *
 * The chain of quant/levels.h: activations are rounded to levels once, then
 * shares of rows of w are unpacked 16 rows and CHUNK elements at a time to a
 * panel in the first-level cache, which all rows of activations use while it
 * is there.  A prompt and one token go the same way; at one token the weights
 * are read once and nothing else matters. */
#include "backend/cpu/fast_matmul.h"
#include "backend/cpu/gemm_pack.h"
#include "quant/levels.h"

enum {
    CHUNK = 1024,           /* of k: whole blocks of every type */
    X_SHARE = 4,            /* rows of x rounded in a share */
    SHARE_MOST = 1 << 20,   /* bytes of w in a share, or a tile */
    SHARE_LEAST = 48 << 10, /* where memory is what limits */
    FEW_ROWS = 4,
    AHEAD =
        12 << 10,   /* bytes at least from what is read to what is asked for */
    EDGE_ROWS = 64, /* of x at a time where a tile is not full */
    MIN_GROUP = 16,
};

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

/* A worker's scratch. */
typedef struct space {
    uint8_t levels[PANEL8 * CHUNK];
    float scale[PANEL8 * CHUNK / MIN_GROUP];
    float minimum[PANEL8 * CHUNK / MIN_GROUP];
    float y[EDGE_ROWS * PANEL8];
    uint8_t rows[PANEL8 * CHUNK * 2]; /* blocks of a tile that is not full */
    uint8_t lines[PANEL8 * CHUNK];    /* the levels of each row */
    float line_scale[CHUNK / MIN_GROUP], line_minimum[CHUNK / MIN_GROUP];
} space;

_Static_assert(sizeof(space) <= CPU_SCRATCH_SIZE, "scratch");

typedef struct job {
    const op_call *c;
    gemm_args g;
    gemm_source x;
    ar_type type;
    const uint8_t *w;
    int64_t w_stride; /* bytes from row to row */
    int64_t n_groups, n_blocks, share;
    int64_t ahead; /* tiles from one to that which is asked for */
    quant_form form;
    float *x_scale, *sums; /* [m][n_blocks], [m][n_groups] */
    int32_t *start;        /* [m][n_groups] */
    int8_t *levels;        /* [m][k] */
} job;

static bool act8_fits(const op_call *c) {
    const tensor *w = &c->in[1];
    op_call plain = *c;
    quant_form f;
    if (!c->attr->matmul.act8 || !quant_form_of(w->type, &f)) return false;
    if (w->rank != 2 || w->stride[0] != 1) return false;
    plain.in[1].type = AR_F32;
    return matmul_is_gemm(&plain) && tensor_count(&c->out[0]) > 0 &&
           (ar_type)c->attr->matmul.compute == AR_F32 && w->dim[0] > 0 &&
           w->dim[0] <= CPU_SCRATCH_SIZE / (int64_t)sizeof(float);
}

/* Sizes and, from `work`, places of what is made of x. */
static size_t lay_out(job *j, char *work) {
    const int64_t m = j->g.m, k = j->g.k;
    j->n_groups = k / j->form.group;
    j->n_blocks = k / ACT8_BLOCK;
    j->x_scale = (float *)(void *)work;
    j->sums = j->x_scale + m * j->n_blocks;
    j->start = (int32_t *)(void *)(j->sums + m * j->n_groups);
    j->levels = (int8_t *)(j->start + m * j->n_groups);
    return (size_t)(m * (j->n_blocks + 2 * j->n_groups)) * 4 + (size_t)(m * k);
}

static size_t work_size(const op_call *c) {
    job j = {.g = matmul_args(c, 0)};
    quant_form_of(c->in[1].type, &j.form);
    return lay_out(&j, c->work);
}

static void x_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const gemm_args *g = &j->g;
    const int64_t first = share * X_SHARE, end = min(first + X_SHARE, g->m);
    const bool in_place = gemm_source_plain(&j->x) && j->x.step == 1;
    float *row = cpu_scratch(j->c, worker);
    for (int64_t m = first; m < end; m++) {
        const float *x = (const float *)j->x.data + m * j->x.line;
        if (!in_place) gemm_source_read(&j->x, m, 0, g->k, row);
        j->c->k->round8(g->k, j->form.group, j->form.offset, in_place ? x : row,
                        j->levels + m * g->k, j->x_scale + m * j->n_blocks,
                        j->start + m * j->n_groups, j->sums + m * j->n_groups);
    }
}

/* ---- weights ---- */

/* The panel of 16 rows by way of whole rows of levels. */
static void unpack_any(const job *j, int64_t k, const uint8_t *w,
                       int64_t stride, space *s) {
    for (int r = 0; r < PANEL8; r++) {
        quant_levels(j->type, w + r * stride, k, s->lines + r * k,
                     s->line_scale, s->line_minimum);
        for (int64_t g = 0; g < k / j->form.group; g++) {
            s->scale[g * PANEL8 + r] = s->line_scale[g];
            s->minimum[g * PANEL8 + r] = s->line_minimum[g];
        }
    }
    j->c->k->unpack8(AR_U8, k, s->lines, k, s->lines, s->levels, NULL, NULL);
}

/* Elements [at, at + k) of rows [first, first + n) to the panel of s; rows
 * that are not there are 0. */
static void unpack(const job *j, int64_t first, int64_t n, int64_t at,
                   int64_t k, space *s) {
    const uint8_t *w = j->w + first * j->w_stride + ar_type_size(j->type, at);
    int64_t stride = j->w_stride;
    if (n < PANEL8) {
        stride = (int64_t)ar_type_size(j->type, k);
        memset(s->rows, 0, (size_t)(PANEL8 * stride));
        for (int64_t r = 0; r < n; r++)
            memcpy(s->rows + r * stride, w + r * j->w_stride, (size_t)stride);
        w = s->rows;
    }
    const int64_t ahead = j->ahead * PANEL8;
    const bool more = n == PANEL8 && first + ahead + PANEL8 <= j->g.n;
    const uint8_t *next = j->w + (first + ahead) * j->w_stride +
                          PANEL8 * ar_type_size(j->type, at);
    /* a page each of the tiles after the next, so that its place is known */
    for (int64_t i = 0; at == 0 && i < PANEL8 * j->w_stride; i += 4096)
        __builtin_prefetch(w + (ahead + PANEL8) * j->w_stride + i, 0, 2);
    if (!j->c->k->unpack8(j->type, k, w, stride, more ? next : w, s->levels,
                          s->scale, s->minimum))
        unpack_any(j, k, w, stride, s);
}

/* y [m][16] for m rows of x from `row` and the tile of n rows of w. */
static void tile(const job *j, int64_t first, int64_t n, int64_t row, int m,
                 float *y, int64_t ldy, space *s) {
    const int64_t K = j->g.k;
    for (int64_t at = 0; at < K; at += CHUNK) {
        const int64_t k = min(CHUNK, K - at);
        const int64_t block = row * j->n_blocks + at / ACT8_BLOCK;
        const int64_t group = row * j->n_groups + at / j->form.group;
        unpack(j, first, n, at, k, s);
        const dot8_args a = {.k = k,
                             .group = j->form.group,
                             .top = j->form.top,
                             .minima = j->form.minima,
                             .levels = s->levels,
                             .scale = s->scale,
                             .minimum = s->minimum,
                             .ld_x = K,
                             .ld_blocks = j->n_blocks,
                             .ld_groups = j->n_groups,
                             .x = j->levels + row * K + at,
                             .x_scale = j->x_scale + block,
                             .start = j->start + group,
                             .sums = j->sums + group};
        j->c->k->dot8(&a, m, y, ldy, at > 0);
    }
}

/* A tile of less than 16 rows, by way of s->y. */
static void edge(const job *j, int64_t first, int64_t n, space *s) {
    const gemm_args *g = &j->g;
    for (int64_t row = 0; row < g->m; row += EDGE_ROWS) {
        const int m = (int)min(EDGE_ROWS, g->m - row);
        tile(j, first, n, row, m, s->y, PANEL8, s);
        for (int i = 0; i < m; i++)
            memcpy(g->c + (row + i) * g->ldc + first, s->y + i * PANEL8,
                   (size_t)n * sizeof(float));
    }
}

static void w_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    const gemm_args *g = &j->g;
    const int64_t from = share * j->share, to = min(from + j->share, g->n);
    space *s = cpu_scratch(j->c, worker);
    for (int64_t n = from; n < to; n += PANEL8)
        if (to - n < PANEL8)
            edge(j, n, to - n, s);
        else
            tile(j, n, PANEL8, 0, (int)g->m, g->c + n, g->ldc, s);
    if (!g->bias) return;
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t n = from; n < to; n++) g->c[m * g->ldc + n] += g->bias[n];
}

/* Rows of w in a share: few enough for the threads of any machine, and at few
 * rows of x so many that most tiles follow one that asked for them. */
static int64_t share_of(const job *j) {
    const int64_t least = j->g.m <= FEW_ROWS ? SHARE_LEAST / j->w_stride : 0;
    int64_t n = min(SHARE_MOST / j->w_stride, j->g.n / 32);
    if (n < least) n = least;
    return n < PANEL8 ? PANEL8 : n / PANEL8 * PANEL8;
}

static void run(const op_call *c) {
    const tensor *w = &c->in[1];
    job j = {.c = c, .g = matmul_args(c, 0), .type = w->type, .w = w->data};
    j.x = gemm_source_a(c->k, &j.g.a, j.g.m, 1, j.g.compute);
    j.w_stride = (int64_t)ar_type_size(w->type, w->stride[1]);
    quant_form_of(w->type, &j.form);
    lay_out(&j, c->work);
    j.share = share_of(&j);
    j.ahead = 1 + AHEAD / (PANEL8 * j.w_stride);
    pool_run(c->threads, x_share, &j, (j.g.m + X_SHARE - 1) / X_SHARE);
    pool_run(c->threads, w_share, &j, (j.g.n + j.share - 1) / j.share);
}

const cpu_fast fast_matmul_act8 = {OP_MATMUL, act8_fits, run, work_size,
                                   "8-bit panels"};
