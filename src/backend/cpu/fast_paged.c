/* fast_paged.c - ATTENTION_PAGED for inference (ref_paged.c says what is
 * computed).
 *
 * What one (row, head) gives depends on its query, its position and the keys
 * it sees, and on nothing else in the call:
 *
 *   - keys are walked from key 0 in ranges of RANGE tokens, a range in blocks
 *     of at most BLOCK tokens, gathered from their pages;
 *   - scores are chains of dot_tile, of many queries by panels of dot_panel,
 *     which has the same bits; a block's maximum and sum are those of
 *     softmax_rows; o sums p v in the order of keys (mix_rows);
 *   - ranges start anew and are joined in order.
 *
 * So rows of one sequence share the reading of its keys, and when there are
 * few rows the ranges of a row are dealt to several shares, with the same
 * bits. */
#include <math.h>
#include <string.h>

#include "backend/cpu/attention.h"

enum {
    RANGE = 512,   /* tokens, in whole pages */
    BLOCK = 64,    /* tokens */
    QUERIES = 128, /* (row, head) pairs done together: a share of a prompt */
    SOFTMAX_ROWS = 16,
    MANY = 12,       /* queries for which panels of keys pay */
    MAX_DIM = 1024,  /* most D and E that the scratch has room for */
    FEW_SHARES = 16, /* fewer: ranges become shares */
};

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

typedef struct job {
    const op_call *c;
    int64_t N, H, D, G, E, page, window;
    float scale, cap;
    int64_t range, n_ranges; /* tokens of a range; ranges of a whole table */
    int64_t rows;            /* of a share */
    int64_t n_row_blocks;
    bool split; /* one share does one range */
} job;

/* Sums of one range for each of some queries: o [E] relative to exp(max). */
typedef struct sums {
    float *max, *sum, *o;
} sums;

/* Queries done together: consecutive rows of one sequence, heads of one kv
 * head; query i has keys [first[i], end[i]). */
typedef struct queries {
    int64_t n, row, head; /* (row, head) of query 0, head in the group */
    int64_t sequence, g;
    int64_t first[QUERIES], end[QUERIES];
    float *q;                   /* [QUERIES][D] */
    float *s;                   /* [QUERIES][BLOCK] */
    float *k, *v;               /* [BLOCK][D], [BLOCK][E]: a block */
    float *q_panels, *k_panels; /* with MANY queries: of pack_lanes */
    sums all, part;
} queries;

static job job_of(const op_call *c) {
    const tensor *q = &c->in[0], *k = &c->in[1], *table = &c->in[3];
    const struct paged_attr *a = &c->attr->paged;
    job j = {.c = c,
             .N = q->dim[0],
             .H = q->dim[1],
             .D = q->dim[2],
             .G = k->dim[2],
             .E = c->in[2].dim[3],
             .page = a->page,
             .window = a->window,
             .scale = (float)a->scale,
             .cap = (float)a->softcap};
    j.range = max(1, RANGE / max(1, j.page)) * j.page;
    j.n_ranges = (table->dim[1] * j.page + j.range - 1) / max(1, j.range);
    j.rows = max(1, QUERIES * j.G / max(1, j.H));
    j.n_row_blocks = (j.N + j.rows - 1) / j.rows;
    j.split = j.n_ranges > 1 && j.n_row_blocks * j.G < FEW_SHARES;
    return j;
}

static int64_t int_at(const tensor *t, int64_t i, int64_t j) {
    return ((const int32_t *)t->data)[i * t->stride[0] + j * t->stride[1]];
}

/* ---- keys and values ---- */

/* n rows [page, at + i, g, :] of a pool as f32. */
static void page_rows(const job *j, const tensor *t, const int64_t at[3],
                      int64_t n, float *to) {
    const cpu_kernels *k = j->c->k;
    const int64_t width = t->dim[3];
    for (int64_t i = 0; i < n; i++, to += width) {
        const int64_t row = at[0] * t->stride[0] + (at[1] + i) * t->stride[1] +
                            at[2] * t->stride[2];
        const void *x = (const char *)t->data + ar_type_size(t->type, row);
        if (t->type == AR_F32)
            memcpy(to, x, (size_t)width * sizeof *to);
        else if (t->type == AR_Q8_0)
            k->from_q8_0(width, x, to);
        else if (t->type == AR_BF16)
            k->from_bf16(width, x, to);
        else
            k->from_f16(width, x, to);
    }
}

/* Keys key .. key + n - 1 of a sequence as rows; zeros where there is no page.
 * Returns a bit for each of those. */
static uint64_t gather(const job *j, const queries *x, const tensor *t,
                       int64_t key, int64_t n, float *to) {
    const int64_t width = t->dim[3];
    uint64_t missing = 0;
    for (int64_t i = 0, some; i < n; i += some) {
        const int64_t p = (key + i) / j->page, within = (key + i) % j->page;
        const int64_t page = int_at(&j->c->in[3], x->sequence, p);
        some = min(n - i, j->page - within);
        if (page >= 0 && page < j->c->in[1].dim[0]) {
            page_rows(j, t, (const int64_t[]){page, within, x->g}, some,
                      to + i * width);
            continue;
        }
        memset(to + i * width, 0, (size_t)(some * width) * sizeof *to);
        for (int64_t a = i; a < i + some; a++) missing |= (uint64_t)1 << a;
    }
    return missing;
}

/* ---- one block of keys ---- */

/* A block's rows [low, high) that query i sees; low >= high: none. */
static void rows_of(const queries *x, int64_t i, int64_t key, int64_t n,
                    int64_t rows[2]) {
    rows[0] = max(0, x->first[i] - key);
    rows[1] = min(n, x->end[i] - key);
}

/* n rows of D elements as panels of that width. */
static void pack(const job *j, int width, int64_t n, const float *rows,
                 float *to) {
    for (int64_t i = 0; i < n; i += width, to += panel_size(j->D, width))
        j->c->k->pack_lanes(j->D, width, min(width, n - i), rows + i * j->D,
                            j->D, to);
}

static void scores_of_many(const job *j, const queries *x, int64_t n) {
    const int mr = j->c->k->gemm.mr, nr = j->c->k->gemm.nr;
    pack(j, nr, n, x->k, x->k_panels);
    for (int64_t r = 0; r < n; r += nr)
        for (int64_t i = 0; i < x->n; i += mr)
            j->c->k->dot_panel(j->D,
                               x->q_panels + i / mr * panel_size(j->D, mr),
                               x->k_panels + r / nr * panel_size(j->D, nr),
                               x->s + i * BLOCK + r, BLOCK,
                               (int)min(mr, x->n - i), (int)min(nr, n - r));
}

static void scores(const job *j, const queries *x, int64_t n) {
    if (x->n >= MANY) {
        scores_of_many(j, x, n);
        return;
    }
    for (int64_t i = 0; i < x->n; i += 4)
        for (int64_t r = 0; r < n; r += 4)
            j->c->k->dot_tile(j->D, x->q + i * j->D, j->D, x->k + r * j->D,
                              j->D, x->s + i * BLOCK + r, BLOCK,
                              (int)min(4, x->n - i), (int)min(4, n - r));
}

/* Scores of queries i .. i + m - 1, which see the same rows, to weights. */
static void weights(const job *j, const queries *x, int64_t i, int m,
                    const int64_t rows[2], uint64_t missing) {
    const cpu_kernels *k = j->c->k;
    const int64_t n = rows[1] - rows[0];
    float *s = x->s + i * BLOCK + rows[0], shrink[SOFTMAX_ROWS];
    const bool scaled = j->cap > 0 || missing;
    for (int a = 0; scaled && a < m; a++) {
        float *row = s + a * BLOCK;
        k->scale(n, row, j->scale, 0, row);
        if (j->cap > 0) k->softcap(n, row, j->cap, row);
        for (int64_t r = 0; r < n; r++)
            if (missing >> (rows[0] + r) & 1) row[r] = -INFINITY;
    }
    k->softmax_rows(m, n, s, BLOCK, scaled ? 1 : j->scale, x->part.max + i,
                    x->part.sum + i, shrink);
    for (int a = 0; a < m; a++) {
        float *o = x->part.o + (i + a) * j->E;
        if (shrink[a] != 1) k->scale(j->E, o, shrink[a], 0, o);
    }
}

/* o of queries i .. i + 3 over the rows that all of them see in one tile, the
 * others one by one: a key that a row does not see never touches it. */
static void mix(const job *j, const queries *x, int64_t i,
                const int64_t rows[4][2]) {
    const cpu_kernels *k = j->c->k;
    const float *v = x->v;
    const int64_t ldv = j->E;
    const int m = (int)min(4, x->n - i);
    int64_t low = 0, high = BLOCK;
    for (int a = 0; a < m; a++) {
        low = max(low, rows[a][0]);
        high = min(high, rows[a][1]);
    }
    if (low >= high) low = high = 0;
    for (int part = 0; part < 3; part++) {
        if (part == 1 && low < high)
            k->mix_rows(high - low, j->E, x->s + i * BLOCK + low, BLOCK,
                        v + low * ldv, ldv, x->part.o + i * j->E, j->E, m);
        for (int a = 0; part != 1 && a < m; a++) {
            const int64_t from = part ? max(high, rows[a][0]) : rows[a][0];
            const int64_t to = part ? rows[a][1] : min(low, rows[a][1]);
            if (from < to)
                k->mix_rows(to - from, j->E, x->s + (i + a) * BLOCK + from,
                            BLOCK, v + from * ldv, ldv,
                            x->part.o + (i + a) * j->E, j->E, 1);
        }
    }
}

/* Keys key .. key + n - 1. */
static void add_block(const job *j, const queries *x, int64_t key, int64_t n) {
    int64_t rows[QUERIES][2];
    const uint64_t missing = gather(j, x, &j->c->in[1], key, n, x->k);
    gather(j, x, &j->c->in[2], key, n, x->v);
    scores(j, x, n);
    for (int64_t i = 0; i < x->n; i++) rows_of(x, i, key, n, rows[i]);
    for (int64_t i = 0, m = 1; i < x->n; i += m) {
        for (m = 1; m < SOFTMAX_ROWS && i + m < x->n; m++)
            if (rows[i + m][0] != rows[i][0] || rows[i + m][1] != rows[i][1])
                break;
        if (rows[i][0] < rows[i][1]) weights(j, x, i, (int)m, rows[i], missing);
    }
    for (int64_t i = 0; i < x->n; i += 4) mix(j, x, i, rows + i);
}

/* ---- ranges ---- */

static void sums_clear(const job *j, const sums *s, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        s->max[i] = -INFINITY;
        s->sum[i] = 0;
    }
    memset(s->o, 0, (size_t)(n * j->E) * sizeof *s->o);
}

/* into joined with the sums (max, sum, o) of the range that follows. */
static void sums_join(const job *j, const sums *into, int64_t i, float max,
                      float sum, const float *o) {
    if (sum == 0) return;
    const float old = into->max[i], now = max > old ? max : old;
    const float a = expf(old - now), b = expf(max - now);
    float *to = into->o + i * j->E;
    into->max[i] = now;
    into->sum[i] = into->sum[i] * a + sum * b;
    for (int64_t e = 0; e < j->E; e++) to[e] = to[e] * a + o[e] * b;
}

/* Keys that any of the queries sees in a range. */
static void keys_of(const job *j, const queries *x, int64_t range,
                    int64_t keys[2]) {
    keys[0] = INT64_MAX;
    keys[1] = 0;
    for (int64_t i = 0; i < x->n; i++) {
        keys[0] = min(keys[0], x->first[i]);
        keys[1] = max(keys[1], x->end[i]);
    }
    keys[0] = max(keys[0], range * j->range);
    keys[1] = min(keys[1], (range + 1) * j->range);
}

/* The sums of one range into x->part. */
static void add_range(const job *j, const queries *x, int64_t range) {
    int64_t keys[2];
    sums_clear(j, &x->part, x->n);
    keys_of(j, x, range, keys);
    for (int64_t key = range * j->range; key < keys[1]; key += BLOCK)
        if (key + BLOCK > keys[0])
            add_block(j, x, key, min(BLOCK, keys[1] - key));
}

/* ---- shares ---- */

/* Where a share that does one range leaves its sums: max, sum, o [E] of each
 * (row, head, range). */
static float *saved(const job *j, int64_t row, int64_t head, int64_t range) {
    return (float *)j->c->work +
           ((row * j->H + head) * j->n_ranges + range) * (j->E + 2);
}

static void save(const job *j, const queries *x, int64_t range) {
    const int64_t group = j->H / j->G;
    for (int64_t i = 0; i < x->n; i++) {
        const int64_t at = x->head + i;
        float *to =
            saved(j, x->row + at / group, x->g * group + at % group, range);
        to[0] = x->part.max[i];
        to[1] = x->part.sum[i];
        memcpy(to + 2, x->part.o + i * j->E, (size_t)j->E * sizeof *to);
    }
}

/* The head's sink, where there is one, joins the sums of query i last. */
static void add_sink(const job *j, const sums *s, int64_t i, int64_t head) {
    const tensor *t = &j->c->in[6];
    float *o = s->o + i * j->E;
    if (j->c->n_in < 7 || !t->data) return;
    const float sink = ((const float *)t->data)[head * t->stride[0]];
    const float old = s->max[i], now = sink > old ? sink : old;
    const float shrink = expf(old - now);
    s->max[i] = now;
    s->sum[i] = s->sum[i] * shrink + expf(sink - now);
    for (int64_t e = 0; e < j->E; e++) o[e] *= shrink;
}

static void write_row(const job *j, int64_t row, int64_t head, float sum,
                      const float *o) {
    const tensor *t = &j->c->out[0];
    float *to = (float *)t->data + row * t->stride[0] + head * t->stride[1];
    for (int64_t e = 0; e < j->E; e++) to[e] = sum == 0 ? 0 : o[e] / sum;
}

static void finish(const job *j, const queries *x) {
    const int64_t group = j->H / j->G;
    for (int64_t i = 0; i < x->n; i++) {
        const int64_t at = x->head + i, head = x->g * group + at % group;
        add_sink(j, &x->all, i, head);
        write_row(j, x->row + at / group, head, x->all.sum[i],
                  x->all.o + i * j->E);
    }
}

/* Query `at` of the rows from x->row on: its vector and the keys it sees. */
static void read_query(const job *j, queries *x, int64_t i) {
    const tensor *q = &j->c->in[0];
    const int64_t group = j->H / j->G, at = x->head + i;
    const int64_t row = x->row + at / group, head = x->g * group + at % group;
    const int64_t position = int_at(&j->c->in[5], row, 0);
    memcpy(x->q + i * j->D,
           (const float *)q->data + row * q->stride[0] + head * q->stride[1],
           (size_t)j->D * sizeof(float));
    x->first[i] = j->window > 0 ? max(0, position - j->window + 1) : 0;
    x->end[i] = min(position + 1, j->c->in[3].dim[1] * j->page);
}

/* `range` < 0: all of them, in order. */
static void run_queries(const job *j, queries *x, int64_t range) {
    for (int64_t i = 0; i < x->n; i++) read_query(j, x, i);
    if (x->n >= MANY) pack(j, j->c->k->gemm.mr, x->n, x->q, x->q_panels);
    if (range >= 0) {
        add_range(j, x, range);
        save(j, x, range);
        return;
    }
    int64_t last = 0;
    for (int64_t i = 0; i < x->n; i++) last = max(last, x->end[i]);
    sums_clear(j, &x->all, x->n);
    for (int64_t r = 0; r * j->range < last; r++) {
        add_range(j, x, r);
        for (int64_t i = 0; i < x->n; i++)
            sums_join(j, &x->all, i, x->part.max[i], x->part.sum[i],
                      x->part.o + i * j->E);
    }
    finish(j, x);
}

static sums take_sums(const job *j, float **at) {
    sums s;
    s.max = scratch_take(at, QUERIES);
    s.sum = scratch_take(at, QUERIES);
    s.o = scratch_take(at, QUERIES * j->E);
    return s;
}

/* The sequence of a row, -1 if it has none. */
static int64_t sequence_of(const job *j, int64_t row) {
    const int64_t s = int_at(&j->c->in[4], row, 0);
    return s >= 0 && s < j->c->in[3].dim[0] ? s : -1;
}

/* Dead rows give zeros. */
static void clear_rows(const job *j, int64_t row, int64_t g, int64_t range) {
    const int64_t group = j->H / j->G;
    for (int64_t h = g * group; h < (g + 1) * group; h++) {
        if (range < 0)
            write_row(j, row, h, 0, NULL);
        else
            saved(j, row, h, range)[1] = 0;
    }
}

/* Rows [row, end), cut where the sequence changes. */
static void run_rows(const job *j, queries *x, int64_t row, int64_t end,
                     int64_t range) {
    const int64_t group = j->H / j->G;
    while (row < end) {
        int64_t next = row + 1;
        x->sequence = sequence_of(j, row);
        while (next < end && sequence_of(j, next) == x->sequence) next++;
        if (x->sequence < 0) {
            for (; row < next; row++) clear_rows(j, row, x->g, range);
            continue;
        }
        const int64_t n = (next - row) * group;
        x->row = row;
        for (x->head = 0; x->head < n; x->head += QUERIES) {
            x->n = min(QUERIES, n - x->head);
            run_queries(j, x, range);
        }
        row = next;
    }
}

/* Room for n rows as panels of that width. */
static float *take_panels(const job *j, int64_t n, int width, float **at) {
    return scratch_take(at, (n + width - 1) / width * panel_size(j->D, width));
}

static void run_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    float *at = cpu_scratch(j->c, worker);
    queries x = {.g = share % j->G};
    x.q = scratch_take(&at, QUERIES * j->D);
    x.s = scratch_take(&at, QUERIES * BLOCK);
    x.k = scratch_take(&at, BLOCK * j->D);
    x.v = scratch_take(&at, BLOCK * j->E);
    x.q_panels = take_panels(j, QUERIES, j->c->k->gemm.mr, &at);
    x.k_panels = take_panels(j, BLOCK, j->c->k->gemm.nr, &at);
    x.all = take_sums(j, &at);
    x.part = take_sums(j, &at);
    const int64_t rest = share / j->G;
    const int64_t block = j->split ? rest / j->n_ranges : rest;
    const int64_t row = block * j->rows;
    run_rows(j, &x, row, min(j->N, row + j->rows),
             j->split ? rest % j->n_ranges : -1);
}

static void join_share(void *ctx, int64_t share, int worker) {
    const job *j = ctx;
    float *at = cpu_scratch(j->c, worker);
    const sums all = take_sums(j, &at);
    sums_clear(j, &all, 1);
    const int64_t row = share / j->H, head = share % j->H;
    for (int64_t r = 0; r < j->n_ranges; r++) {
        const float *x = saved(j, row, head, r);
        sums_join(j, &all, 0, x[0], x[1], x + 2);
    }
    add_sink(j, &all, 0, head);
    write_row(j, row, head, all.sum[0], all.o);
}

static void run(const op_call *c) {
    job j = job_of(c);
    const int64_t n = j.n_row_blocks * j.G;
    pool_run(c->threads, run_share, &j, j.split ? n * j.n_ranges : n);
    if (j.split) pool_run(c->threads, join_share, &j, j.N * j.H);
}

static size_t work_size(const op_call *c) {
    const job j = job_of(c);
    return j.split
               ? (size_t)(j.N * j.H * j.n_ranges * (j.E + 2)) * sizeof(float)
               : 0;
}

static bool pool_fits(const tensor *t) {
    const bool known = t->type == AR_F32 || t->type == AR_BF16 ||
                       t->type == AR_F16 || t->type == AR_Q8_0;
    return known && t->dim[3] > 0 && t->dim[3] <= MAX_DIM &&
           (t->dim[3] == 1 || t->stride[3] == 1);
}

static bool paged_fits(const op_call *c) {
    const tensor *q = &c->in[0], *o = &c->out[0];
    for (int i = 3; i < 6; i++)
        if (c->in[i].type != AR_I32) return false;
    if (c->n_in > 6 && c->in[6].data && c->in[6].type != AR_F32) return false;
    return q->type == AR_F32 && o->type == AR_F32 && c->attr->paged.page > 0 &&
           c->in[1].dim[2] > 0 && pool_fits(&c->in[1]) &&
           pool_fits(&c->in[2]) && (q->dim[2] == 1 || q->stride[2] == 1) &&
           (o->dim[2] == 1 || o->stride[2] == 1);
}

const cpu_fast fast_paged = {OP_ATTENTION_PAGED, paged_fits, run, work_size,
                             "paged"};
