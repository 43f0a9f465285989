/* ref_scan.c - SCAN, SCAN_DX, SCAN_ROWS: a state [K, V] for each head.
 *
 *   S' = a S,  a = exp(decay)
 *   u  = v,  or with beta the delta rule  beta (v - S'^T k)
 *   S  = S' + k u^T
 *   y  = S^T q
 *
 * (Dao and Gu 2024, "Transformers are SSMs"; Yang et al. 2024, "Gated delta
 * networks".)  Backwards, with dS what the later tokens want of S:
 *
 *   dS += q dy^T;  dq = S dy;  du = dS^T k;  dk = dS u
 *   dv = du, or   dbeta = du . (v - S'^T k);  dv = beta du;
 *                 dS -= k dv^T;  dk -= S' dv
 *   d decay = sum(dS S');  dS = a dS
 *
 * The states are computed anew: forward once to keep the state before every
 * chunk of about sqrt(T) tokens, then chunk by chunk from the last. */
#include "backend/cpu/ref/ref.h"

/* One token of one head. */
typedef struct token {
    const real *q, *k, *v; /* [K], [K], [V] */
    real a, beta;
} token;

/* The operands q, k, v, decay, beta of any form of the op. */
typedef struct scan {
    const tensor *in[5]; /* beta may be NULL */
    int64_t G, H, K, V;
    real *row; /* [2 K + 2 V]: q, k, v of a token; u */
} scan;

static scan scan_of(const op_call *c, int first, int beta) {
    const tensor *q = &c->in[first], *v = &c->in[first + 2];
    return (scan){{q, q + 1, v, v + 1, optional(c, beta)},
                  q->dim[q->rank - 2],
                  v->dim[v->rank - 2],
                  last_dim(q),
                  last_dim(v),
                  c->work};
}

static real *u_of(const scan *s) { return s->row + 2 * s->K + s->V; }

static const real *read_head(const tensor *t, int64_t row, real *scratch) {
    return REF(read)(t, row_at(t, row), last_stride(t), last_dim(t), scratch);
}

static int64_t number_at(const tensor *t, int64_t i) {
    return offset_of(t, i, t->rank);
}

/* Head h of row r. */
static token token_at(const scan *s, int64_t r, int64_t h) {
    const int64_t g = r * s->G + h * s->G / s->H, i = r * s->H + h;
    real *row = s->row;
    return (token){
        .q = read_head(s->in[0], g, row),
        .k = read_head(s->in[1], g, row + s->K),
        .v = read_head(s->in[2], i, row + 2 * s->K),
        .a = R_EXP(load(s->in[3], number_at(s->in[3], i))),
        .beta = s->in[4] ? load(s->in[4], number_at(s->in[4], i)) : 1,
    };
}

/* S'^T k of element e, S = from. */
static real recall(const scan *s, const token *x, const real *from, int64_t e) {
    real sum = 0;
    for (int64_t d = 0; d < s->K; d++)
        sum += x->a * from[d * s->V + e] * x->k[d];
    return sum;
}

/* The state after a token, out of the one before; u [V] is left in u_of. */
static void advance(const scan *s, const token *x, const real *from, real *to) {
    real *u = u_of(s);
    for (int64_t e = 0; e < s->V; e++)
        u[e] = s->in[4] ? x->beta * (x->v[e] - recall(s, x, from, e)) : x->v[e];
    for (int64_t d = 0; d < s->K; d++)
        for (int64_t e = 0; e < s->V; e++) {
            const int64_t i = d * s->V + e;
            to[i] = x->a * from[i] + x->k[d] * u[e];
        }
}

/* y = S^T q into head i of y. */
static void read_out(const scan *s, const token *x, const real *S,
                     const tensor *y, int64_t i) {
    for (int64_t e = 0; e < s->V; e++) {
        real sum = 0;
        for (int64_t d = 0; d < s->K; d++) sum += S[d * s->V + e] * x->q[d];
        store(y, row_at(y, i) + e * last_stride(y), sum);
    }
}

static void clear(real *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = 0;
}

void REF(SCAN)(const op_call *c) {
    const scan s = scan_of(c, 0, 4);
    const int64_t T = c->in[0].dim[1];
    real *S = u_of(&s) + s.V;
    for (int64_t i = 0, n = c->in[0].dim[0] * s.H; i < n; i++) {
        clear(S, s.K * s.V);
        for (int64_t t = 0; t < T; t++) {
            const int64_t r = i / s.H * T + t, h = i % s.H;
            const token x = token_at(&s, r, h);
            advance(&s, &x, S, S);
            read_out(&s, &x, S, &c->out[0], r * s.H + h);
        }
    }
}

void REF(SCAN_ROWS)(const op_call *c) {
    const scan s = scan_of(c, 1, 7);
    const tensor *state = &c->out[0], *y = &c->out[1];
    for (int64_t i = 0, n = c->in[3].dim[0] * s.H; i < n; i++) {
        const int64_t r = i / s.H, h = i % s.H;
        const int64_t sequence =
            REF(load_int)(&c->in[5], r * c->in[5].stride[0]);
        if (sequence < 0 || sequence >= state->dim[0]) {
            for (int64_t e = 0; e < s.V; e++)
                store(y, row_at(y, i) + e * last_stride(y), 0);
            continue;
        }
        real *S = (real *)state->data + sequence * state->stride[0] +
                  h * state->stride[1];
        if (REF(load_int)(&c->in[6], r * c->in[6].stride[0]) == 0)
            clear(S, s.K * s.V);
        const token x = token_at(&s, r, h);
        advance(&s, &x, S, S);
        read_out(&s, &x, S, y, i);
    }
}

/* ---- backwards ---- */

typedef struct back {
    scan s;
    const op_call *c;
    int64_t T, chunk;
    real *dS, *starts, *states; /* [K V], [chunks][K V], [chunk + 1][K V] */
} back;

/* ORDER: scan_states in ref_work.c */
static int64_t chunk_of(int64_t T) {
    int64_t n = 1;
    while (n * n < T) n++;
    return n;
}

static void add_to(const tensor *t, int64_t at, real x) {
    store(t, at, load(t, at) + x);
}

/* What u wants: dv, dbeta, and what the delta rule reads of S' = a from. */
static void back_update(const back *b, const token *x, const real *from,
                        int64_t r, int64_t h) {
    const scan *s = &b->s;
    const tensor *dk = &b->c->out[1], *dv = &b->c->out[2];
    const tensor *dd = &b->c->out[3];
    const int64_t i = r * s->H + h, rows = tensor_count(dd) / dd->dim[0];
    const int64_t at = row_at(dk, r * s->G + h * s->G / s->H);
    real dbeta = 0;
    for (int64_t e = 0; e < s->V; e++) {
        real du = 0;
        for (int64_t d = 0; d < s->K; d++) du += b->dS[d * s->V + e] * x->k[d];
        const real dw = x->beta * du;
        store(dv, row_at(dv, i) + e * last_stride(dv), dw);
        if (!s->in[4]) continue;
        dbeta += du * (x->v[e] - recall(s, x, from, e));
        for (int64_t d = 0; d < s->K; d++) {
            b->dS[d * s->V + e] -= x->k[d] * dw;
            add_to(dk, at + d * last_stride(dk),
                   -x->a * from[d * s->V + e] * dw);
        }
    }
    if (s->in[4]) store(dd, number_at(dd, rows + i), dbeta);
}

/* Token t of head h, whose state goes from `from` to `to`. */
static void back_token(const back *b, int64_t r, int64_t h, const real *from,
                       const real *to) {
    const scan *s = &b->s;
    const tensor *dq = &b->c->out[0], *dk = &b->c->out[1];
    const tensor *dy = &b->c->in[4], *dd = &b->c->out[3];
    const int64_t i = r * s->H + h, g = r * s->G + h * s->G / s->H;
    const token x = token_at(s, r, h);
    real *u = u_of(s), ddecay = 0;
    for (int64_t e = 0; e < s->V; e++)
        u[e] = s->in[4] ? x.beta * (x.v[e] - recall(s, &x, from, e)) : x.v[e];
    for (int64_t d = 0; d < s->K; d++) {
        real q = 0, k = 0;
        for (int64_t e = 0; e < s->V; e++) {
            const real y = load(dy, row_at(dy, i) + e * last_stride(dy));
            real *dS = &b->dS[d * s->V + e];
            *dS += x.q[d] * y;
            q += to[d * s->V + e] * y;
            k += *dS * u[e];
        }
        add_to(dq, row_at(dq, g) + d * last_stride(dq), q);
        add_to(dk, row_at(dk, g) + d * last_stride(dk), k);
    }
    back_update(b, &x, from, r, h);
    for (int64_t j = 0; j < s->K * s->V; j++) {
        ddecay += b->dS[j] * x.a * from[j];
        b->dS[j] *= x.a;
    }
    store(dd, number_at(dd, i), ddecay);
}

/* One head of one text, first row r. */
static void back_head(const back *b, int64_t r, int64_t h) {
    const scan *s = &b->s;
    const int64_t size = s->K * s->V, L = b->chunk;
    real *S = b->states;
    clear(S, size);
    clear(b->dS, size);
    for (int64_t t = 0; t < b->T; t++) {
        if (t % L == 0) memcpy(b->starts + t / L * size, S, size * sizeof *S);
        const token x = token_at(s, r + t, h);
        advance(s, &x, S, S);
    }
    for (int64_t first = (b->T - 1) / L * L; first >= 0; first -= L) {
        const int64_t end = first + L < b->T ? first + L : b->T;
        memcpy(S, b->starts + first / L * size, size * sizeof *S);
        for (int64_t t = first; t < end; t++) {
            const token x = token_at(s, r + t, h);
            real *from = S + (t - first) * size;
            advance(s, &x, from, from + size);
        }
        for (int64_t t = end - 1; t >= first; t--)
            back_token(b, r + t, h, S + (t - first) * size,
                       S + (t - first + 1) * size);
    }
}

void REF(SCAN_DX)(const op_call *c) {
    back b = {.s = scan_of(c, 0, 5), .c = c, .T = c->in[0].dim[1]};
    const int64_t size = b.s.K * b.s.V;
    b.chunk = chunk_of(b.T);
    b.dS = u_of(&b.s) + b.s.V;
    b.starts = b.dS + size;
    b.states = b.starts + (b.T + b.chunk - 1) / b.chunk * size;
    for (int k = 0; k < 2; k++) /* summed over the heads of a group */
        for (int64_t i = 0, n = tensor_count(&c->out[k]); i < n; i++)
            store(&c->out[k], number_at(&c->out[k], i), 0);
    for (int64_t i = 0, n = c->in[0].dim[0] * b.s.H; i < n; i++)
        back_head(&b, i / b.s.H * b.T, i % b.s.H);
}
