/* ane_lower_attention.c - attention, and the states that it reads. */
#include "backend/ane/ane_lower_int.h"
#include "quant/quant.h"

/* What the two kinds of attention have in common.  Queries of the R heads that
 * share keys are rows of one product, so nothing is repeated. */
typedef struct attend {
    int64_t b, groups, r, t, s, d, e; /* d, e: of keys, of values */
    double scale, softcap;
    mil_ref q;     /* [B, G R, D, T] */
    mil_ref k, v;  /* [B, G, D, S], [B, G, E, S] */
    mil_ref mask;  /* [1, 1, T, S], added; 0 = none */
    mil_ref alive; /* [1, 1, T, 1]: 0 where no key is seen; 0 = all 1 */
    ref sinks;     /* [G R] or 0 */
} attend;

/* q k [1, B G, R T, S] as [B G, R, T, S], scaled, capped and masked. */
static mil_ref scores(lower *l, const attend *a) {
    const int64_t n = a->b * a->groups;
    mil_ref q = ane_reshape4(l, a->q, n, a->r, a->d, a->t);
    q = ane_transpose4(l, q, 0, 1, 3, 2);
    q = ane_reshape4(l, ane_scale(l, q, a->scale), 1, n, a->r * a->t, a->d);
    const mil_ref k = ane_reshape4(l, a->k, 1, n, a->d, a->s);
    mil_ref x = ane_matmul(l, q, k, false, false);
    x = ane_reshape4(l, x, n, a->r, a->t, a->s);
    if (a->softcap > 0) {
        x = ane_unary(l, "tanh", ane_scale(l, x, 1 / a->softcap));
        x = ane_scale(l, x, a->softcap);
    }
    return a->mask ? ane_binary(l, "add", x, a->mask) : x;
}

/* One more column: the sink of each head. */
static mil_ref with_sinks(lower *l, const attend *a, mil_ref x) {
    const int64_t dim[] = {a->b * a->groups, a->r, a->t, 1};
    mil_ref s = ane_full(l, a->sinks, CHANNEL);
    s = ane_reshape4(l, s, 1, a->groups, a->r, 1);
    s = ane_repeat(l, s, (int64_t[]){a->b, a->groups, a->r, 1});
    s = ane_reshape4(l, s, dim[0], a->r, 1, 1);
    const mil_ref both[] = {x, ane_repeat(l, s, dim)};
    return ane_concat(l, both, 2, 3);
}

/* m + log(sum(exp(x - m))), [B, H, T] */
static mil_ref log_sum(lower *l, const attend *a, mil_ref x) {
    const mil_ref m = ane_reduce(l, "reduce_max", x, 3);
    const mil_ref e = ane_unary(l, "exp", ane_binary(l, "sub", x, m));
    const mil_ref sum = ane_reduce(l, "reduce_sum", e, 3);
    const mil_ref y = ane_binary(l, "add", m, ane_eps(l, "log", sum, 0));
    return ane_reshape(l, y, 3, (int64_t[]){a->b, a->groups * a->r, a->t});
}

/* The result in HEADS form; *lse: of the scores. */
static mil_ref attention(lower *l, const attend *a, mil_ref *lse) {
    const int64_t n = a->b * a->groups;
    mil_ref x = scores(l, a);
    if (a->sinks) x = with_sinks(l, a, x);
    if (lse) *lse = log_sum(l, a, x);
    mil_ref p = ane_softmax(l, x, 3);
    p = ane_slice(l, p, 3, 0, a->s, 1);
    if (a->alive) p = ane_binary(l, "mul", p, a->alive);
    p = ane_reshape4(l, p, 1, n, a->r * a->t, a->s);
    const mil_ref v = ane_reshape4(l, a->v, 1, n, a->e, a->s);
    mil_ref o = ane_matmul(l, p, v, false, true);
    o = ane_reshape4(l, o, n, a->r, a->t, a->e);
    o = ane_transpose4(l, o, 0, 1, 3, 2);
    return ane_reshape4(l, o, a->b, a->groups * a->r, a->e, a->t);
}

/* Which keys a query sees is known now: a constant. */
static mil_ref fixed_mask(lower *l, const struct attention_attr *at, int64_t t,
                          int64_t s) {
    if (!at->causal && at->window <= 0) return 0;
    uint16_t *m = arena_new(&l->mem, uint16_t, t * s);
    if (!m) return ane_fail(l, AR_NOMEM, "out of memory for a mask");
    bool any = false;
    for (int64_t i = 0; i < t; i++)
        for (int64_t j = 0; j < s; j++) {
            const int64_t back = i + (s - t) - j;
            const bool hidden = (at->causal && back < 0) ||
                                (at->window > 0 && back >= at->window);
            m[i * s + j] = f32_to_f16(hidden ? ANE_MASKED : 0);
            any |= hidden;
        }
    const int64_t dim[] = {1, 1, t, s};
    return any ? ane_const(l, mil_tensor(MIL_FP16, 4, dim), m) : 0;
}

void lower_attention(lower *l, const node *n, ref out) {
    const shape q = graph_shape(l->g, n->in[0]),
                k = graph_shape(l->g, n->in[1]);
    const struct attention_attr *at = &n->attr.attention;
    attend a = {.b = q.dim[0],
                .groups = k.dim[2],
                .r = q.dim[2] / k.dim[2],
                .t = q.dim[1],
                .s = k.dim[1],
                .d = q.dim[3],
                .e = graph_shape(l->g, n->in[2]).dim[3],
                .scale = at->scale,
                .softcap = at->softcap};
    a.q = ane_full(l, n->in[0], HEADS);
    a.k = ane_full(l, n->in[1], HEADS);
    a.v = ane_full(l, n->in[2], HEADS);
    a.mask = fixed_mask(l, at, a.t, a.s);
    a.sinks = n->n_in > 3 ? n->in[3] : 0;
    mil_ref lse;
    ane_set(l, out, HEADS, attention(l, &a, &lse));
    ane_set(l, out + 1, PLAIN, lse);
}

/* Layers with the same pages and window see the same: one input for all. */
static ref mask_owner(const lower *l, const node *n, ref out) {
    for (int i = 0; i < l->n_ports[0]; i++) {
        const ane_port *p = &l->ports[0][i];
        const node *m = graph_node(l->g, p->value);
        if (p->kind != ANE_PAGE_MASK) continue;
        const shape a = graph_shape(l->g, m->in[1]),
                    b = graph_shape(l->g, n->in[1]);
        if (m->in[3] == n->in[3] && m->in[4] == n->in[4] &&
            m->in[5] == n->in[5] && a.dim[0] == b.dim[0] &&
            a.dim[1] == b.dim[1] &&
            m->attr.paged.window == n->attr.paged.window)
            return p->value;
    }
    return out;
}

/* The pool is one row of keys, whatever its pages are called: who sees what
 * comes as an input. */
void lower_attention_paged(lower *l, const node *n, ref out) {
    const shape q = graph_shape(l->g, n->in[0]),
                k = graph_shape(l->g, n->in[1]);
    const struct paged_attr *at = &n->attr.paged;
    attend a = {.b = 1,
                .groups = k.dim[2],
                .r = q.dim[1] / k.dim[2],
                .t = q.dim[0],
                .s = k.dim[0] * k.dim[1],
                .d = q.dim[2],
                .e = graph_shape(l->g, n->in[2]).dim[3],
                .scale = at->scale,
                .softcap = at->softcap};
    a.q = ane_full(l, n->in[0], HEADS);
    a.k = ane_full(l, n->in[1], MERGED);
    a.v = ane_full(l, n->in[2], MERGED);
    const mil_ref mask =
        ane_input(l, mask_owner(l, n, out), ANE_PAGE_MASK, a.t, a.s, 1);
    a.mask = ane_reshape4(l, mask, 1, 1, a.t, a.s);
    const mil_ref seen =
        ane_compare(l, "greater", ane_reduce(l, "reduce_max", a.mask, 3),
                    ane_number(l, ANE_MASKED / 2));
    a.alive = ane_cast(l, seen, MIL_FP16);
    a.sinks = n->n_in > 6 ? n->in[6] : 0;
    ane_set(l, out, HEADS, attention(l, &a, NULL));
}

/* ---- states ---- */

void lower_store(lower *l, const node *n, ref out) {
    l->entry[out] = l->entry[n->in[1]];
    ane_output(l, n->in[1], n->out[0].storage);
}

/* state (1 - sum of o) + x o, where o [R, N] has a 1 where row n goes */
void lower_store_rows(lower *l, const node *n, ref out) {
    const shape *s = &n->out[0].shape;
    const int64_t rows = s->dim[0], c = shape_count(s) / rows;
    const enum ane_form f = s->rank > 2 ? MERGED : CHANNEL;
    const int64_t count = graph_shape(l->g, n->in[1]).dim[0];
    mil_ref state = ane_full(l, n->in[0], f), x = ane_full(l, n->in[2], f);
    mil_ref o = ane_input(l, n->in[1], ANE_ONE_HOT, rows, count, 1);
    o = ane_reshape4(l, o, 1, 1, rows, count);
    const mil_ref put =
        ane_matmul(l, ane_reshape4(l, x, 1, 1, c, count), o, false, true);
    mil_ref keep = ane_reduce(l, "reduce_sum", o, 3);
    keep = ane_affine(l, ane_reshape4(l, keep, 1, 1, 1, rows), -1, 1);
    state = ane_binary(l, "mul", ane_reshape4(l, state, 1, 1, c, rows), keep);
    const mil_ref y = ane_binary(l, "add", state, put);
    ane_set(l, out, f, ane_reshape4(l, y, 1, c, 1, rows));
    ane_output(l, out, n->out[0].storage);
}
