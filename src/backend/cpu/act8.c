/* act8.c - products of rows of x with lines of w straight from its blocks.
 *
 * A prompt and one token go the same way; at one token the weights are read
 * once and nothing else matters. */
#include "backend/cpu/act8.h"

#include <string.h>

enum {
    CHUNK = 1024,           /* of k: whole blocks of every type */
    SHARE_MOST = 1 << 20,   /* bytes of w in a share, or a tile */
    SHARE_LEAST = 48 << 10, /* where memory is what limits */
    FEW_ROWS = 4,
    AHEAD =
        12 << 10,   /* bytes at least from what is read to what is asked for */
    EDGE_ROWS = 64, /* of x at a time where a tile is not full */
    MIN_GROUP = 16,
};

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- rows of x ---- */

act8_rows act8_rows_at(ar_type t, int64_t m, int64_t k, void *memory) {
    act8_rows x = {.k = k};
    quant_form_of(t, &x.form);
    x.n_groups = k / x.form.group;
    x.n_blocks = k / ACT8_BLOCK;
    if (!memory) return x;
    x.scale = memory;
    x.sums = x.scale + m * x.n_blocks;
    x.start = (int32_t *)(void *)(x.sums + m * x.n_groups);
    x.levels = (int8_t *)(x.start + m * x.n_groups);
    return x;
}

size_t act8_rows_size(ar_type t, int64_t m, int64_t k) {
    const act8_rows x = act8_rows_at(t, m, k, NULL);
    return (size_t)(m * (x.n_blocks + 2 * x.n_groups)) * 4 + (size_t)(m * k);
}

void act8_rows_round(const act8_rows *x, int64_t row, const gemm_source *from,
                     int64_t line, float *scratch) {
    const float *numbers = scratch;
    if (gemm_source_plain(from) && from->step == 1)
        numbers = (const float *)from->data + line * from->line;
    else
        gemm_source_read(from, line, 0, x->k, scratch);
    from->k->round8(x->k, x->form.group, x->form.offset, numbers,
                    x->levels + row * x->k, x->scale + row * x->n_blocks,
                    x->start + row * x->n_groups, x->sums + row * x->n_groups);
}

void act8_rows_copy(const act8_rows *x, int64_t from, int64_t to) {
    const int64_t k = x->k, groups = x->n_groups, blocks = x->n_blocks;
    memcpy(x->levels + to * k, x->levels + from * k, (size_t)k);
    memcpy(x->scale + to * blocks, x->scale + from * blocks,
           (size_t)blocks * sizeof(float));
    memcpy(x->start + to * groups, x->start + from * groups,
           (size_t)groups * sizeof(int32_t));
    memcpy(x->sums + to * groups, x->sums + from * groups,
           (size_t)groups * sizeof(float));
}

/* ---- lines of w ---- */

/* A worker's scratch. */
typedef struct space {
    uint8_t levels[PANEL8 * CHUNK];
    float scale[PANEL8 * CHUNK / MIN_GROUP];
    float minimum[PANEL8 * CHUNK / MIN_GROUP];
    float y[EDGE_ROWS * PANEL8];
    uint8_t rows[PANEL8 * CHUNK * 2]; /* blocks of a tile that is not full */
} space;

_Static_assert(sizeof(space) <= ACT8_SCRATCH, "scratch");

typedef struct job {
    const act8_product *p;
    const act8_lines *w;
    int64_t ahead; /* lines from a tile to that which is asked for */
    space *s;
} job;

/* Elements [at, at + k) of lines [first, first + n) to the panel; lines that
 * are not there are 0. */
static void unpack(const job *j, int64_t first, int64_t n, int64_t at,
                   int64_t k) {
    space *s = j->s;
    const ar_type type = j->w->type;
    const uint8_t *w =
        j->w->data + first * j->w->stride + ar_type_size(type, at);
    int64_t stride = j->w->stride;
    if (n < PANEL8) {
        stride = (int64_t)ar_type_size(type, k);
        memset(s->rows, 0, (size_t)(PANEL8 * stride));
        for (int64_t r = 0; r < n; r++)
            memcpy(s->rows + r * stride, w + r * j->w->stride, (size_t)stride);
        w = s->rows;
    }
    const bool more = n == PANEL8 && first + j->ahead + PANEL8 <= j->w->n;
    const uint8_t *next = j->w->data + (first + j->ahead) * j->w->stride +
                          PANEL8 * ar_type_size(type, at);
    /* a page each of the tiles after the next, so that its place is known */
    for (int64_t i = 0; at == 0 && i < PANEL8 * j->w->stride; i += 4096)
        __builtin_prefetch(w + (j->ahead + PANEL8) * j->w->stride + i, 0, 2);
    j->p->k->unpack8(type, k, w, stride, more ? next : w, s->levels, s->scale,
                     s->minimum);
}

/* y [m][16] for m rows of x from `row` and the tile of n lines of w. */
static void tile(const job *j, int64_t first, int64_t n, int64_t row, int m,
                 float *y, int64_t ldy) {
    const act8_rows *x = j->p->x;
    const space *s = j->s;
    for (int64_t at = 0; at < x->k; at += CHUNK) {
        const int64_t k = min(CHUNK, x->k - at);
        const int64_t block = row * x->n_blocks + at / ACT8_BLOCK;
        const int64_t group = row * x->n_groups + at / x->form.group;
        unpack(j, first, n, at, k);
        const dot8_args a = {.k = k,
                             .group = x->form.group,
                             .top = x->form.top,
                             .minima = x->form.minima,
                             .levels = s->levels,
                             .scale = s->scale,
                             .minimum = s->minimum,
                             .ld_x = x->k,
                             .ld_blocks = x->n_blocks,
                             .ld_groups = x->n_groups,
                             .x = x->levels + row * x->k + at,
                             .x_scale = x->scale + block,
                             .start = x->start + group,
                             .sums = x->sums + group};
        j->p->k->dot8(&a, m, y, ldy, at > 0);
    }
}

/* A tile of less than 16 lines, by way of s->y. */
static void edge(const job *j, int64_t first, int64_t n) {
    const act8_product *p = j->p;
    for (int64_t at = 0; at < p->m; at += EDGE_ROWS) {
        const int m = (int)min(EDGE_ROWS, p->m - at);
        tile(j, first, n, p->row + at, m, j->s->y, PANEL8);
        for (int i = 0; i < m; i++)
            memcpy(p->y + (at + i) * p->ldy + first, j->s->y + i * PANEL8,
                   (size_t)n * sizeof(float));
    }
}

void act8_multiply(const act8_product *p, const act8_lines *w, int64_t first,
                   int64_t end, void *scratch) {
    const int64_t tiles_ahead = 1 + AHEAD / (PANEL8 * w->stride);
    const job j = {p, w, tiles_ahead * PANEL8, scratch};
    for (int64_t n = first; n < end; n += PANEL8)
        if (end - n < PANEL8)
            edge(&j, n, end - n);
        else
            tile(&j, n, PANEL8, p->row, (int)p->m, p->y + n, p->ldy);
}

int64_t act8_share(const act8_lines *w, int64_t m) {
    const int64_t least = m <= FEW_ROWS ? SHARE_LEAST / w->stride : 0;
    int64_t n = min(SHARE_MOST / w->stride, w->n / 32);
    if (n < least) n = least;
    return n < PANEL8 ? PANEL8 : n / PANEL8 * PANEL8;
}
