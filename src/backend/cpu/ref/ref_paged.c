/* ref_paged.c - ATTENTION_PAGED: each row over the cached keys of its sequence.
 *
 *   o_n = sum_j p_j v_j,  p = softmax_j(scale q_n . k_j),  j = 0 .. position_n
 *
 * with the soft cap and window of ref_attention.c.  Key j of sequence s is
 * row j % page of page table[s, j / page] of the pools.  The running sums start
 * anew for every page, which gives (max, sum, o); pages are then joined in
 * order,
 *
 *   m = max(m1, m2),  (sum, o) = (sum, o)_1 exp(m1 - m) + (sum, o)_2 exp(m2 -
 * m)
 *
 * and last with the sink of the head, (sink, 1, 0), where there is one; so the
 * value does not depend on how the keys came into the cache.  A row
 * whose sequence is -1, and pages outside the pool, give zeros. */
#include "backend/cpu/ref/ref.h"

typedef struct part {
    real max, sum, *o; /* o relative to exp(max) and not yet divided */
} part;

static void part_clear(part *p, int64_t n) {
    p->max = -INFINITY;
    p->sum = 0;
    for (int64_t e = 0; e < n; e++) p->o[e] = 0;
}

/* into = into joined with p. */
static void part_join(part *into, const part *p, int64_t n) {
    if (!(p->sum > 0)) return;
    const real max = p->max > into->max ? p->max : into->max;
    const real a = R_EXP(into->max - max), b = R_EXP(p->max - max);
    into->max = max;
    into->sum = into->sum * a + p->sum * b;
    for (int64_t e = 0; e < n; e++) into->o[e] = into->o[e] * a + p->o[e] * b;
}

/* into = into joined with one score without a value. */
static void part_sink(part *into, real sink, int64_t n) {
    const real max = sink > into->max ? sink : into->max;
    const real a = R_EXP(into->max - max);
    into->max = max;
    into->sum = into->sum * a + R_EXP(sink - max);
    for (int64_t e = 0; e < n; e++) into->o[e] *= a;
}

/* Row [page, i, g, :] of a pool. */
static const real *pool_row(const tensor *t, int64_t page, int64_t i, int64_t g,
                            real *scratch) {
    const int64_t offset =
        page * t->stride[0] + i * t->stride[1] + g * t->stride[2];
    if (quant_is_block(t->type)) {
        REF(read_row)(t, offset, t->dim[3], scratch, 1);
        return scratch;
    }
    return REF(read)(t, offset, t->stride[3], t->dim[3], scratch);
}

/* Keys [first, end) of one page. */
static void add_page(const op_call *c, const real *q, int64_t page, int64_t g,
                     int64_t first, int64_t end, part *p) {
    const struct paged_attr *a = &c->attr->paged;
    const tensor *k = &c->in[1], *v = &c->in[2];
    const int64_t D = k->dim[3], E = v->dim[3];
    real *sk = (real *)c->work + D, *sv = sk + D;
    for (int64_t i = first; i < end; i++) {
        real s = dot(D, q, pool_row(k, page, i, g, sk)) * (real)a->scale;
        if (a->softcap > 0) s = (real)a->softcap * R_TANH(s / (real)a->softcap);
        const real *row = pool_row(v, page, i, g, sv);
        const real max = s > p->max ? s : p->max;
        const real shrink = R_EXP(p->max - max), weight = R_EXP(s - max);
        p->max = max;
        p->sum = p->sum * shrink + weight;
        for (int64_t e = 0; e < E; e++)
            p->o[e] = p->o[e] * shrink + weight * row[e];
    }
}

static void attend(const op_call *c, const real *q, int64_t sequence,
                   int64_t position, int64_t g, part *sum) {
    const struct paged_attr *a = &c->attr->paged;
    const tensor *table = &c->in[3];
    const int64_t E = c->in[2].dim[3];
    const int64_t first =
        a->window > 0 && position >= a->window ? position - a->window + 1 : 0;
    part one = {.o = sum->o + E};
    for (int64_t j = first; j <= position; j += a->page - j % a->page) {
        const int64_t index = j / a->page;
        if (index >= table->dim[1]) return;
        const int64_t page = REF(load_int)(table, sequence * table->stride[0] +
                                                      index * table->stride[1]);
        if (page < 0 || page >= c->in[1].dim[0]) continue;
        const int64_t left = position - index * a->page + 1;
        part_clear(&one, E);
        add_page(c, q, page, g, j % a->page, left < a->page ? left : a->page,
                 &one);
        part_join(sum, &one, E);
    }
}

void REF(ATTENTION_PAGED)(const op_call *c) {
    const tensor *tq = &c->in[0], *o = &c->out[0];
    const int64_t H = tq->dim[1], D = tq->dim[2], G = c->in[1].dim[2];
    const int64_t E = c->in[2].dim[3];
    const tensor *sinks = optional(c, 6);
    part sum = {.o = (real *)c->work + 2 * D + E};
    for (int64_t r = 0, n = tq->dim[0] * H; r < n; r++) {
        const int64_t row = r / H, h = r % H;
        const int64_t sequence =
            REF(load_int)(&c->in[4], row * c->in[4].stride[0]);
        const int64_t position =
            REF(load_int)(&c->in[5], row * c->in[5].stride[0]);
        part_clear(&sum, E);
        if (sequence >= 0 && sequence < c->in[3].dim[0])
            attend(c,
                   REF(read)(tq, row * tq->stride[0] + h * tq->stride[1],
                             tq->stride[2], D, c->work),
                   sequence, position, h * G / H, &sum);
        if (sinks) part_sink(&sum, load(sinks, h * sinks->stride[0]), E);
        for (int64_t e = 0; e < E; e++)
            store(o, row * o->stride[0] + h * o->stride[1] + e * o->stride[2],
                  sum.sum > 0 ? sum.o[e] / sum.sum : 0);
    }
}
