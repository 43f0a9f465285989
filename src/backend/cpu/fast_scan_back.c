/* fast_scan_back.c - SCAN_DX, a head of a text a share (formulas and chunks:
 * ref_scan.c).
 *
 * States are in the scratch of the worker.  dq and dk of each head are kept
 * apart in c->work and then summed over the heads of a group, in order. */
#include <math.h>
#include <string.h>

#include "backend/cpu/fast_scan.h"

/* The states of one share, [K V] each, and rows [V]. */
typedef struct states {
    const op_call *c;
    int64_t K, V, T, chunk;
    float *d;      /* dS */
    float *starts; /* [chunks]: before each chunk */
    float *inside; /* [chunk + 1]: of one chunk */
    float *u, *error, *du;
} states;

static int64_t chunk_of(int64_t T) {
    int64_t n = 1;
    while (n * n < T) n++;
    return n;
}

static int64_t floats_needed(const op_call *c) {
    const int64_t K = c->in[0].dim[3], V = c->in[2].dim[3];
    const int64_t T = c->in[0].dim[1], chunk = chunk_of(T);
    return (2 + ceil_div(T, chunk) + chunk) * K * V + 3 * V;
}

static states states_of(const op_call *c, float *memory) {
    states s = {.c = c,
                .K = c->in[0].dim[3],
                .V = c->in[2].dim[3],
                .T = c->in[0].dim[1],
                .d = memory};
    const int64_t size = s.K * s.V;
    s.chunk = chunk_of(s.T);
    s.starts = s.d + size;
    s.inside = s.starts + ceil_div(s.T, s.chunk) * size;
    s.u = s.inside + (s.chunk + 1) * size;
    s.error = s.u + s.V;
    s.du = s.error + s.V;
    return s;
}

static bool fits(const op_call *c) {
    return scan_inputs_fit(c, 0, 5) && c->in[4].type == AR_F32 &&
           c->in[4].stride[3] == 1 &&
           floats_needed(c) * (int64_t)sizeof(float) <= CPU_SCRATCH_SIZE;
}

/* dq and dk of every head: 2 [B T H, K]. */
static size_t work_size(const op_call *c) {
    return (size_t)(2 * tensor_count(&c->in[3]) * c->in[0].dim[3]) *
           sizeof(float);
}

/* y [V] = the sum over d of p_d x_d, x [K, V]. */
static void mix(const states *s, const float *p, const float *x, float *y) {
    memset(y, 0, (size_t)s->V * sizeof *y);
    s->c->k->mix_rows(s->K, s->V, p, s->K, x, s->V, y, s->V, 1);
}

/* u = v, or beta times the error v - S'^T k. */
static void update_of(const states *s, const scan_token *t, const float *from) {
    const cpu_kernels *k = s->c->k;
    if (!t->beta) {
        memcpy(s->u, t->v, (size_t)s->V * sizeof *s->u);
        return;
    }
    mix(s, t->k, from, s->error);
    k->add(s->V, t->v, 1, s->error, -t->a, s->error);
    k->scale(s->V, s->error, *t->beta, 0, s->u);
}

/* x [K, V] += p r^T, r [V]. */
static void add_outer(const states *s, float *x, const float *p, float sign,
                      const float *r) {
    for (int64_t d = 0; d < s->K; d++)
        s->c->k->add(s->V, x + d * s->V, 1, r, sign * p[d], x + d * s->V);
}

static void advance(const states *s, const scan_token *t, const float *from,
                    float *to) {
    update_of(s, t, from);
    s->c->k->scale(s->K * s->V, from, t->a, 0, to);
    add_outer(s, to, t->k, 1, s->u);
}

/* Where the gradients of one token of one head go. */
typedef struct gradients {
    float *dq, *dk, *dv;
    float *ddecay, *dbeta; /* dbeta NULL: without beta */
} gradients;

static void back_token(const states *s, const scan_token *t, const float *dy,
                       const float *from, const float *to, const gradients *p) {
    const cpu_kernels *k = s->c->k;
    const int64_t K = s->K, V = s->V;
    update_of(s, t, from);
    add_outer(s, s->d, t->q, 1, dy);
    for (int64_t d = 0; d < K; d++) {
        p->dq[d] = k->dot(V, to + d * V, dy);
        p->dk[d] = k->dot(V, s->d + d * V, s->u);
    }
    mix(s, t->k, s->d, s->du);
    k->scale(V, s->du, t->beta ? *t->beta : 1, 0, p->dv);
    if (t->beta) {
        *p->dbeta = k->dot(V, s->du, s->error);
        for (int64_t d = 0; d < K; d++)
            p->dk[d] -= t->a * k->dot(V, from + d * V, p->dv);
        add_outer(s, s->d, t->k, -1, p->dv);
    }
    *p->ddecay = t->a * k->dot(K * V, s->d, from);
    k->scale(K * V, s->d, t->a, 0, s->d);
}

/* Token `row` of head h. */
static gradients gradients_of(const states *s, int64_t row, int64_t h) {
    const op_call *c = s->c;
    const int64_t n = tensor_count(&c->in[3]), H = c->in[2].dim[2];
    const int64_t i = row * H + h;
    float *work = c->work, *dd = c->out[3].data;
    return (gradients){.dq = work + i * s->K,
                       .dk = work + (n + i) * s->K,
                       .dv = scan_head(&c->out[2], row, h),
                       .ddecay = dd + i,
                       .dbeta = c->out[3].dim[0] > 1 ? dd + n + i : NULL};
}

/* Keep the state before every chunk. */
static void forward(const states *s, int64_t row, int64_t h) {
    const size_t size = (size_t)(s->K * s->V);
    memset(s->inside, 0, size * sizeof(float));
    for (int64_t t = 0; t < s->T; t++) {
        if (t % s->chunk == 0)
            memcpy(s->starts + (size_t)(t / s->chunk) * size, s->inside,
                   size * sizeof(float));
        const scan_token x = scan_token_at(s->c, 0, 5, row + t, h);
        advance(s, &x, s->inside, s->inside);
    }
}

static void head_share(void *ctx, int64_t share, int worker) {
    const op_call *c = ctx;
    const states s = states_of(c, cpu_scratch(c, worker));
    const int64_t size = s.K * s.V, H = c->in[2].dim[2];
    const int64_t row = share / H * s.T, h = share % H;
    forward(&s, row, h);
    memset(s.d, 0, (size_t)size * sizeof *s.d);
    for (int64_t first = (s.T - 1) / s.chunk * s.chunk; first >= 0;
         first -= s.chunk) {
        const int64_t end = smaller(first + s.chunk, s.T);
        memcpy(s.inside, s.starts + first / s.chunk * size,
               (size_t)size * sizeof *s.d);
        for (int64_t t = first; t < end; t++) {
            const scan_token x = scan_token_at(c, 0, 5, row + t, h);
            float *from = s.inside + (t - first) * size;
            advance(&s, &x, from, from + size);
        }
        for (int64_t t = end - 1; t >= first; t--) {
            const scan_token x = scan_token_at(c, 0, 5, row + t, h);
            const float *from = s.inside + (t - first) * size;
            const gradients p = gradients_of(&s, row + t, h);
            back_token(&s, &x, scan_head(&c->in[4], row + t, h), from,
                       from + size, &p);
        }
    }
}

/* dq or dk of a row of the step: each group is the sum of its heads. */
static void sum_share(void *ctx, int64_t row, int worker) {
    (void)worker;
    const op_call *c = ctx;
    const int64_t K = c->in[0].dim[3], G = c->in[0].dim[2];
    const int64_t H = c->in[2].dim[2], n = tensor_count(&c->in[3]);
    for (int which = 0; which < 2; which++)
        for (int64_t g = 0; g < G; g++) {
            float *to = scan_head(&c->out[which], row, g);
            const float *from =
                (const float *)c->work + (which * n + row * H + g * H / G) * K;
            memcpy(to, from, (size_t)K * sizeof *to);
            for (int64_t h = 1; h < H / G; h++)
                c->k->add(K, to, 1, from + h * K, 1, to);
        }
}

static void run(const op_call *c) {
    const int64_t rows = c->in[0].dim[0] * c->in[0].dim[1];
    pool *threads = pool_for(c, tensor_count(&c->in[2]) * c->in[0].dim[3] * 3);
    pool_run(threads, head_share, (void *)c, c->in[2].dim[0] * c->in[2].dim[2]);
    pool_run(threads, sum_share, (void *)c, rows);
}

const cpu_fast fast_scan_dx = {OP_SCAN_DX, fits, run, work_size, "heads"};
