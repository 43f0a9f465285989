/* attention.c - blocks, masks and panels of the attention kernels. */
#include "backend/cpu/attention.h"

#include <math.h>
#include <string.h>

enum { Q_BLOCK = 128, K_BLOCK = 96 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

attention attention_of(const op_call *c) {
    const tensor *q = &c->in[0], *k = &c->in[1], *v = &c->in[2];
    const struct attention_attr *attr = &c->attr->attention;
    attention a = {.c = c,
                   .k = c->k,
                   .B = q->dim[0],
                   .T = q->dim[1],
                   .H = q->dim[2],
                   .D = q->dim[3],
                   .S = k->dim[1],
                   .G = k->dim[2],
                   .E = v->dim[3],
                   .past = k->dim[1] - q->dim[1],
                   .window = attr->window,
                   .causal = attr->causal,
                   .scale = (float)attr->scale,
                   .cap = (float)attr->softcap,
                   .mr = c->k->gemm.mr,
                   .nr = c->k->gemm.nr};
    /* Wide heads take narrow blocks, so that the scratch holds them. */
    const int64_t wide = max(a.D, a.E), cut = wide > 128 ? 4 : 1;
    a.q_block = max(1, Q_BLOCK / cut / a.nr) * a.nr;
    a.k_block = max(1, K_BLOCK / cut / a.mr) * a.mr;
    a.n_q_blocks = (a.T + a.q_block - 1) / a.q_block;
    return a;
}

static bool rows_fit(const tensor *t) {
    return t->type == AR_F32 && (t->dim[3] == 1 || t->stride[3] == 1) &&
           t->dim[3] <= ATTENTION_MAX_DIM;
}

bool attention_fits(const op_call *c) {
    for (int i = 0; i < c->n_in; i++)
        if (!c->in[i].data)
            continue; /* no sinks */
        else if (c->in[i].rank == 4 ? !rows_fit(&c->in[i])
                                    : c->in[i].type != AR_F32)
            return false;
    for (int i = 0; i < c->n_out; i++)
        if (c->out[i].rank == 4 ? !rows_fit(&c->out[i])
                                : c->out[i].type != AR_F32)
            return false;
    return c->in[0].dim[3] > 0 && c->in[2].dim[3] > 0 && c->in[1].dim[2] > 0;
}

void attention_keys(const attention *a, int64_t first, int64_t last,
                    int64_t range[2]) {
    range[0] = a->window > 0 ? max(0, first + a->past - a->window + 1) : 0;
    range[1] = a->causal ? min(a->S, last + a->past + 1) : a->S;
}

void attention_rows(const attention *a, int64_t first, int64_t last, int64_t j0,
                    int64_t n, int64_t rows[2]) {
    int64_t keys[2];
    attention_keys(a, first, last, keys);
    rows[0] = max(0, keys[0] - j0) / a->mr * a->mr;
    rows[1] = min(n, (max(0, keys[1] - j0) + a->mr - 1) / a->mr * a->mr);
}

/* Lanes [seen[0], seen[1]) of the queries from i on see key j. */
static void lanes_of(const attention *a, int64_t i, int64_t j,
                     int64_t seen[2]) {
    const int64_t first = j - a->past - i;
    seen[0] = a->causal ? min(a->nr, max(0, first)) : 0;
    seen[1] =
        a->window > 0 ? max(seen[0], min(a->nr, first + a->window)) : a->nr;
}

float attention_mask(const attention *a, int64_t i, int64_t j, int64_t n,
                     float *s) {
    float scale = a->scale;
    if (a->cap > 0 || !(scale > 0)) {
        for (int64_t x = 0; x < n * a->nr; x++) s[x] *= scale;
        scale = 1;
    }
    if (a->cap > 0) a->k->softcap(n * a->nr, s, a->cap, s);
    const bool ahead = a->causal && j + n - 1 > i + a->past;
    const bool behind =
        a->window > 0 && i + a->nr - 1 + a->past - j >= a->window;
    if (!ahead && !behind) return scale;
    for (int64_t r = 0; r < n; r++) {
        int64_t seen[2];
        lanes_of(a, i, j + r, seen);
        float *row = s + r * a->nr;
        for (int64_t l = 0; l < seen[0]; l++) row[l] = -INFINITY;
        for (int64_t l = seen[1]; l < a->nr; l++) row[l] = -INFINITY;
    }
    return scale;
}

void attention_panel(const attention *a, int64_t k, const float *pa,
                     const float *pb, float *c, int64_t rows, bool add) {
    for (int64_t r = 0; r < rows; r += a->mr)
        a->k->gemm_tile(k, pa + r * k, pb, c + r * a->nr, a->nr,
                        (int)min(a->mr, rows - r), a->nr, add);
}

void attention_unpack(const attention *a, const float *panels, int64_t n_d,
                      const tensor *t, const int64_t at[3], int64_t n,
                      float *tmp) {
    for (int64_t p = 0; p < n; p += a->nr) {
        const int64_t lanes = min(a->nr, n - p);
        a->k->pack_rows(lanes, n_d, n_d, panels + p * n_d, a->nr, tmp);
        for (int64_t l = 0; l < lanes; l++)
            memcpy(attention_row(t, at[0], at[1] + p + l, at[2]), tmp + l * n_d,
                   (size_t)n_d * sizeof *tmp);
    }
}
