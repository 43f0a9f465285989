/* mil_sim_product.c - matrix products and attention. */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_sim_int.h"
#include "base/error.h"

ar_status sim_operand(sim_call *c, const sim_tensor *t, int which,
                      const float **out) {
    const float *p = (const float *)t->data;
    float *copy;
    *out = p;
    if (c->level == 0 || !c->chip->flush || t->flushed) return AR_OK;
    TRY(sim_scratch(c, which, t->count + 1, &copy));
    for (int64_t i = 0; i < t->count; i++) copy[i] = sim_flush(p[i]);
    *out = copy;
    return AR_OK;
}

void sim_finish_product(const sim_call *c, sim_tensor *y,
                        const sim_tensor *bias, int64_t taps, sim_line l) {
    for (int64_t i = 0; i < y->count; i++) {
        float v = y->data[i].f;
        if (bias) v += bias->data[bias->count == 1 ? 0 : i / l.behind % l.n].f;
        y->data[i].f = c->level ? sim_round_product(c->chip, v, taps > 1) : v;
    }
}

/* ---- of whole numbers ---- */

static void multiply_whole(const int32_t *a, const int32_t *b, int32_t *y,
                           const sim_product *p) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            uint32_t sum = 0;
            for (int64_t k = 0; k < p->k; k++)
                sum += (uint32_t)a[p->a_turned ? k * p->m + i : i * p->k + k] *
                       (uint32_t)b[p->b_turned ? j * p->k + k : k * p->n + j];
            y[i * p->n + j] = (int32_t)sum;
        }
}

/* Matrix `i` of a, b and y, of that many elements each. */
static ar_status multiply(sim_call *c, const sim_tensor *y, sim_product p,
                          const int64_t at[3]) {
    p.a += at[0];
    p.b += at[1];
    p.y += at[2];
    if (sim_is_real(y->type.dtype)) return sim_multiply(c, &p);
    multiply_whole((const int32_t *)(const void *)p.a,
                   (const int32_t *)(const void *)p.b, (int32_t *)(void *)p.y,
                   &p);
    return AR_OK;
}

static ar_status operand(sim_call *c, const sim_tensor *t, int which,
                         const float **out) {
    if (sim_is_real(t->type.dtype)) return sim_operand(c, t, which, out);
    *out = (const float *)t->data;
    return AR_OK;
}

static void finish(const sim_call *c, sim_tensor *y, const sim_tensor *bias,
                   int64_t k, int64_t n) {
    const sim_line l = {1, n, 1};
    if (sim_is_real(y->type.dtype)) {
        sim_finish_product(c, y, bias, k, l);
        return;
    }
    for (int64_t i = 0; bias && i < y->count; i++)
        y->data[i].i =
            (int32_t)((uint32_t)y->data[i].i + (uint32_t)bias->data[i % n].i);
}

ar_status run_linear(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *w = sim_in(c, "weight");
    sim_tensor *y = sim_out(c, 0);
    const int64_t k = w->type.dim[1], n = w->type.dim[0];
    sim_product p = {.y = (float *)y->data,
                     .m = k ? x->count / k : 0,
                     .n = n,
                     .k = k,
                     .b_turned = true};
    TRY(operand(c, x, 0, &p.a));
    TRY(operand(c, w, 1, &p.b));
    TRY(multiply(c, y, p, (const int64_t[]){0, 0, 0}));
    finish(c, y, sim_in(c, "bias"), k, n);
    return AR_OK;
}

/* Without the last two axes, or none. */
static mil_type batch_of(const mil_type *t) {
    mil_type b = *t;
    b.rank = t->rank > 2 ? t->rank - 2 : 0;
    return b;
}

ar_status run_matmul(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *w = sim_in(c, "y");
    sim_tensor *y = sim_out(c, 0);
    sim_product p = {.y = (float *)y->data};
    TRY(typing_flag(&c->call, "transpose_x", &p.a_turned));
    TRY(typing_flag(&c->call, "transpose_y", &p.b_turned));
    const mil_type *tx = &x->type, *tw = &w->type;
    const int rx = tx->rank, rw = tw->rank;
    p.k = tw->dim[rw - (p.b_turned ? 1 : 2)];
    p.n = tw->dim[rw - (p.b_turned ? 2 : 1)];
    p.m = rx < 2 ? 1 : tx->dim[rx - (p.a_turned ? 1 : 2)];
    TRY(operand(c, x, 0, &p.a));
    TRY(operand(c, w, 1, &p.b));
    const mil_type bx = batch_of(tx), bw = batch_of(tw);
    mil_type all;
    TRY(typing_broadcast(&c->call, &bx, &bw, &all));
    sim_walk walk = sim_walk_over(&all);
    sim_spread(&bx, &all, walk.step[0]);
    sim_spread(&bw, &all, walk.step[1]);
    const int64_t batches = mil_count(&all);
    for (int64_t i = 0; i < batches; i++, sim_walk_next(&walk))
        TRY(multiply(c, y, p,
                     (const int64_t[]){walk.at[0] * p.m * p.k,
                                       walk.at[1] * p.k * p.n, i * p.m * p.n}));
    finish(c, y, NULL, p.k, p.n);
    return AR_OK;
}

/* x [A, B, C, D], y [A, D, C, E] -> [A, B, C, E], over D; of rank 3 without A.
 * Axes of size 1 go with any. */
ar_status run_einsum(sim_call *c) {
    const sim_tensor *x = sim_in_list(c, "values", 0);
    const sim_tensor *w = sim_in_list(c, "values", 1);
    sim_tensor *y = sim_out(c, 0);
    const float *px, *pw;
    float *room;
    const int r = x->type.rank;
    const int64_t *dy = y->type.dim + r - 3, *dx = x->type.dim + r - 3;
    const int64_t *dw = w->type.dim + r - 3;
    const int64_t rows = dy[0], middle = dy[1], n = dy[2], k = dx[2];
    const int64_t images = r == 4 ? y->type.dim[0] : 1;
    TRY(sim_operand(c, x, 0, &px));
    TRY(sim_operand(c, w, 1, &pw));
    TRY(sim_scratch(c, 2, rows * k + k * n + rows * n + 1, &room));
    const sim_product p = {.a = room,
                           .b = room + rows * k,
                           .y = room + rows * k + k * n,
                           .m = rows,
                           .n = n,
                           .k = k};
    for (int64_t i = 0; i < images * middle; i++) {
        const int64_t a = i / middle, m = i % middle;
        const int64_t xm = dx[1] == 1 ? 0 : m, wm = dw[1] == 1 ? 0 : m;
        const int64_t xa = r == 4 && x->type.dim[0] > 1 ? a : 0;
        const int64_t wa = r == 4 && w->type.dim[0] > 1 ? a : 0;
        for (int64_t b = 0; b < rows; b++)
            memcpy(room + b * k, px + ((xa * rows + b) * dx[1] + xm) * k,
                   sizeof(float) * (size_t)k);
        for (int64_t d = 0; d < k; d++)
            memcpy(room + rows * k + d * n,
                   pw + ((wa * k + d) * dw[1] + wm) * n,
                   sizeof(float) * (size_t)n);
        TRY(sim_multiply(c, &p));
        for (int64_t b = 0; b < rows; b++)
            memcpy(&y->data[((a * rows + b) * middle + m) * n], p.y + b * n,
                   sizeof(float) * (size_t)n);
    }
    finish(c, y, NULL, k, n);
    return AR_OK;
}

/* ---- attention ---- */

/* One head: rows L, keys S. */
typedef struct head {
    const sim_tensor *mask;               /* or NULL */
    int64_t mask_at, mask_row, mask_step; /* steps of the mask */
    int64_t rows, keys;
    double scale;
} head;

static float rounded(const sim_call *c, double x) {
    return c->level ? sim_round_product(c->chip, x, true) : (float)x;
}

/* Scores become weights, in place. */
static void soften(const sim_call *c, const head *h, float *s) {
    for (int64_t i = 0; i < h->rows; i++, s += h->keys) {
        float top = -INFINITY;
        double sum = 0;
        for (int64_t j = 0; j < h->keys; j++) {
            const int64_t at = h->mask_at + i * h->mask_row + j * h->mask_step;
            double v = s[j] * h->scale;
            if (h->mask && h->mask->type.dtype == MIL_BOOL)
                v = h->mask->data[at].i ? v : -INFINITY;
            else if (h->mask)
                v += (double)h->mask->data[at].f;
            s[j] = rounded(c, v);
            top = fmaxf(top, s[j]);
        }
        for (int64_t j = 0; j < h->keys; j++) {
            s[j] = expf(s[j] - top);
            sum += s[j];
        }
        for (int64_t j = 0; j < h->keys; j++) s[j] = rounded(c, s[j] / sum);
    }
}

/* On the engine the mask is not looked at: programs that give one get the
 * answer without (reported for M4; no one has seen it work in this form). */
ar_status run_attention(sim_call *c) {
    const sim_tensor *q = sim_in(c, "query"), *k = sim_in(c, "key");
    const sim_tensor *v = sim_in(c, "value"), *mask = sim_in(c, "attn_mask");
    sim_tensor *y = sim_out(c, 0);
    const int r = q->type.rank;
    const int64_t rows = q->type.dim[r - 2], e = q->type.dim[r - 1];
    const int64_t keys = k->type.dim[r - 2], width = v->type.dim[r - 1];
    const float *pq, *pk, *pv;
    float *s;
    head h = {c->level ? NULL : mask, 0, 0, 0, rows, keys, 1 / sqrt((double)e)};
    mil_type all = q->type;
    all.dim[r - 1] = keys;
    sim_walk walk = {.rank = r - 2};
    for (int i = 0; i < r - 2; i++) walk.dim[i] = all.dim[i];
    if (h.mask && mask->type.rank > r)
        return typing_bad(&c->call, "the mask has rank %d", mask->type.rank);
    if (h.mask) {
        int64_t step[MIL_MAX_DIMS];
        sim_spread(&mask->type, &all, step);
        memcpy(walk.step[0], step, sizeof step);
        h.mask_row = step[r - 2];
        h.mask_step = step[r - 1];
    }
    TRY(sim_operand(c, q, 0, &pq));
    TRY(sim_operand(c, k, 1, &pk));
    TRY(sim_operand(c, v, 2, &pv));
    TRY(sim_scratch(c, 3, rows * keys + 1, &s));
    for (int64_t i = 0; i * rows * width < y->count; i++) {
        h.mask_at = walk.at[0];
        const sim_product scores = {.a = pq + i * rows * e,
                                    .b = pk + i * keys * e,
                                    .y = s,
                                    .m = rows,
                                    .n = keys,
                                    .k = e,
                                    .b_turned = true};
        TRY(sim_multiply(c, &scores));
        soften(c, &h, s);
        const sim_product sum = {.a = s,
                                 .b = pv + i * keys * width,
                                 .y = (float *)y->data + i * rows * width,
                                 .m = rows,
                                 .n = width,
                                 .k = keys};
        TRY(sim_multiply(c, &sum));
        sim_walk_next(&walk);
    }
    finish(c, y, NULL, keys, width);
    return AR_OK;
}
