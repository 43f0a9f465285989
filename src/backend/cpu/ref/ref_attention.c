/* ref_attention.c - scaled dot-product attention, forward and backward.
 *
 * Query i of T sees key j of S if j <= i + S - T (causal) and, with a window,
 * i + S - T - j < window.  Head h of q reads head h G / H of k and v.
 *
 *   s_ij = scale q_i . k_j,   softcap > 0: s = cap tanh(s / cap)
 *   lse_i = log sum_j exp(s_ij)
 *   p_ij = exp(s_ij - lse_i),  o_i = sum_j p_ij v_j
 *
 * A sink is one more score of every query of its head, without a value: it
 * takes part in lse alone, so backward is the same.  A query that sees nothing
 * gives o = 0, lse = -inf.  Forward, one query at a
 * time, keys from first to last, with a running maximum (Milakov and
 * Gimelshein 2018; Dao et al. 2022): no row of scores is kept.
 *
 *   D_i = do_i . o_i,  ds_ij = p_ij (do_i . v_j - D_i), times 1 - (s / cap)^2
 *   dq_i = scale sum_j ds_ij k_j,  dk_j = scale sum ds_ij q_i,
 *   dv_j = sum p_ij do_i,  over the heads of the group, then i
 *
 * Backward makes two passes, by query for dq, by key for dk and dv, so each
 * sum has one fixed order and one owner. */
#include "backend/cpu/ref/ref.h"

/* The parts of an attention call that both directions read. */
typedef struct shapes {
    int64_t B, T, H, D, S, G, E;
    const struct attention_attr *attr;
} shapes;

static shapes shapes_of(const op_call *c) {
    const tensor *q = &c->in[0], *k = &c->in[1], *v = &c->in[2];
    return (shapes){q->dim[0], q->dim[1], q->dim[2], q->dim[3],
                    k->dim[1], k->dim[2], v->dim[3], &c->attr->attention};
}

static int64_t first_key(const shapes *s, int64_t i) {
    const int64_t first = i + s->S - s->T - s->attr->window + 1;
    return s->attr->window > 0 && first > 0 ? first : 0;
}

static int64_t end_key(const shapes *s, int64_t i) {
    const int64_t end = i + s->S - s->T + 1;
    return s->attr->causal && end < s->S ? end : s->S;
}

/* Row [b, i, h, :] of a tensor [B, T, H, D]. */
static const real *head_row(const tensor *t, int64_t b, int64_t i, int64_t h,
                            real *scratch) {
    const int64_t offset =
        b * t->stride[0] + i * t->stride[1] + h * t->stride[2];
    return REF(read)(t, offset, t->stride[3], t->dim[3], scratch);
}

static void write_head(const tensor *t, int64_t b, int64_t i, int64_t h,
                       const real *row) {
    const int64_t offset =
        b * t->stride[0] + i * t->stride[1] + h * t->stride[2];
    for (int64_t d = 0; d < t->dim[3]; d++)
        store(t, offset + d * t->stride[3], row[d]);
}

static real score(int64_t n, const real *q, const real *k, double scale,
                  double softcap) {
    const real s = dot(n, q, k) * (real)scale;
    return softcap > 0 ? (real)softcap * R_TANH(s / (real)softcap) : s;
}

/* A softmax-weighted sum that grows key by key: o holds sum p v so far, all
 * relative to exp(max). */
typedef struct running {
    real max, sum, *o;
    int64_t n;
} running;

static void running_start(running *r, real *o, int64_t n) {
    *r = (running){-INFINITY, 0, o, n};
    for (int64_t e = 0; e < n; e++) o[e] = 0;
}

/* v may be NULL: zeros. */
static void running_add(running *r, real s, const real *v) {
    if (s > r->max) {
        const real shrink = R_EXP(r->max - s);
        r->max = s;
        r->sum *= shrink;
        for (int64_t e = 0; e < r->n; e++) r->o[e] *= shrink;
    }
    const real p = R_EXP(s - r->max);
    r->sum += p;
    for (int64_t e = 0; v && e < r->n; e++) r->o[e] += p * v[e];
}

static void running_end(running *r) {
    for (int64_t e = 0; r->sum > 0 && e < r->n; e++) r->o[e] /= r->sum;
}

void REF(ATTENTION)(const op_call *c) {
    const shapes s = shapes_of(c);
    const tensor *lse = &c->out[1], *sinks = optional(c, 3);
    real *sq = c->work, *sk = sq + s.D, *sv = sk + s.D, *o = sv + s.E;
    for (int64_t r = 0, n = s.B * s.H * s.T; r < n; r++) {
        const int64_t i = r % s.T, h = r / s.T % s.H, b = r / s.T / s.H;
        const int64_t g = h * s.G / s.H;
        const real *q = head_row(&c->in[0], b, i, h, sq);
        running sum;
        running_start(&sum, o, s.E);
        for (int64_t j = first_key(&s, i); j < end_key(&s, i); j++)
            running_add(&sum,
                        score(s.D, q, head_row(&c->in[1], b, j, g, sk),
                              s.attr->scale, s.attr->softcap),
                        head_row(&c->in[2], b, j, g, sv));
        if (sinks) running_add(&sum, load(sinks, h * sinks->stride[0]), NULL);
        running_end(&sum);
        write_head(&c->out[0], b, i, h, o);
        store(lse, offset_of(lse, r, 3), sum.max + R_LOG(sum.sum));
    }
}

/* One query of the backward pass, its rows read. */
typedef struct query {
    const real *q, *dout;
    real lse, delta; /* D_i */
} query;

/* Scratch of the backward pass: rows as they are read, sums, D of all. */
typedef struct scratch {
    real *q, *k, *v, *o, *dout, *dk, *dv, *delta;
} scratch;

static scratch scratch_of(const shapes *s, real *work) {
    scratch w;
    w.q = work;
    w.k = w.q + s->D;
    w.dk = w.k + s->D;
    w.v = w.dk + s->D;
    w.o = w.v + s->E;
    w.dout = w.o + s->E;
    w.dv = w.dout + s->E;
    w.delta = w.dv + s->E; /* [B, H, T] */
    return w;
}

static query read_query(const op_call *c, const shapes *s, const scratch *w,
                        int64_t b, int64_t i, int64_t h) {
    const int64_t at_lse = b * c->in[4].stride[0] + h * c->in[4].stride[1] +
                           i * c->in[4].stride[2];
    return (query){head_row(&c->in[0], b, i, h, w->q),
                   head_row(&c->in[5], b, i, h, w->dout),
                   load(&c->in[4], at_lse),
                   w->delta[(b * s->H + h) * s->T + i]};
}

/* p_ij, and ds_ij with the slope of the soft cap, times scale. */
static real slope(const shapes *s, const query *x, const real *k, const real *v,
                  real *p) {
    const real cap = (real)s->attr->softcap;
    const real z = score(s->D, x->q, k, s->attr->scale, s->attr->softcap);
    *p = R_EXP(z - x->lse);
    const real ds = *p * (dot(s->E, x->dout, v) - x->delta);
    const real bend = cap > 0 ? 1 - (z / cap) * (z / cap) : 1;
    return ds * bend * (real)s->attr->scale;
}

static void query_gradient(const op_call *c, const shapes *s, const scratch *w,
                           int64_t r) {
    const int64_t i = r % s->T, h = r / s->T % s->H, b = r / s->T / s->H;
    const int64_t g = h * s->G / s->H;
    real *dq = w->dk, p;
    w->delta[r] = dot(s->E, head_row(&c->in[3], b, i, h, w->o),
                      head_row(&c->in[5], b, i, h, w->dout));
    const query x = read_query(c, s, w, b, i, h);
    for (int64_t d = 0; d < s->D; d++) dq[d] = 0;
    for (int64_t j = first_key(s, i); j < end_key(s, i); j++) {
        const real *k = head_row(&c->in[1], b, j, g, w->k);
        const real *v = head_row(&c->in[2], b, j, g, w->v);
        const real ds = slope(s, &x, k, v, &p);
        for (int64_t d = 0; d < s->D; d++) dq[d] += ds * k[d];
    }
    write_head(&c->out[0], b, i, h, dq);
}

static void key_gradient(const op_call *c, const shapes *s, const scratch *w,
                         int64_t r) {
    const int64_t j = r % s->S, g = r / s->S % s->G, b = r / s->S / s->G;
    const real *k = head_row(&c->in[1], b, j, g, w->k);
    const real *v = head_row(&c->in[2], b, j, g, w->v);
    const int64_t group = s->H / s->G;
    real p;
    for (int64_t d = 0; d < s->D; d++) w->dk[d] = 0;
    for (int64_t e = 0; e < s->E; e++) w->dv[e] = 0;
    for (int64_t m = 0; m < group * s->T; m++) {
        const int64_t i = m % s->T;
        if (j < first_key(s, i) || j >= end_key(s, i)) continue;
        const query x = read_query(c, s, w, b, i, g * group + m / s->T);
        const real ds = slope(s, &x, k, v, &p);
        for (int64_t d = 0; d < s->D; d++) w->dk[d] += ds * x.q[d];
        for (int64_t e = 0; e < s->E; e++) w->dv[e] += p * x.dout[e];
    }
    write_head(&c->out[1], b, j, g, w->dk);
    write_head(&c->out[2], b, j, g, w->dv);
}

void REF(ATTENTION_DQKV)(const op_call *c) {
    const shapes s = shapes_of(c);
    const scratch w = scratch_of(&s, c->work);
    for (int64_t r = 0, n = s.B * s.H * s.T; r < n; r++)
        query_gradient(c, &s, &w, r);
    for (int64_t r = 0, n = s.B * s.G * s.S; r < n; r++)
        key_gradient(c, &s, &w, r);
}
