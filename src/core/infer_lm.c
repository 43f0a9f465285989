/* infer_lm.c - shape rules of the ops that language models are made of. */
#include "core/infer_rules.h"

#include <math.h>

ar_status infer_embed(const graph *g, node *n, ar_error *err) {
    const value *table = infer_in(g, n, 0), *ids = infer_in(g, n, 1);
    TRY(infer_need_weight("table", table, err));
    TRY(infer_need_rank("table", table, 2, err));
    TRY(infer_need_type("ids", ids, AR_I32, err));
    shape s = ids->shape;
    if (s.rank == MAX_DIMS)
        return error_set(err, AR_SHAPE,
                         "ids have %d dimensions, at most %d "
                         "are allowed",
                         s.rank, MAX_DIMS - 1);
    s.dim[s.rank++] = table->shape.dim[1];
    return infer_out(n, quant_is_block(table->type) ? AR_F32 : table->type, &s,
                     err);
}

ar_status infer_embed_dw(const graph *g, node *n, ar_error *err) {
    const value *ids = infer_in(g, n, 0), *dy = infer_in(g, n, 1);
    const value *base = infer_in(g, n, 2);
    TRY(infer_need_type("ids", ids, AR_I32, err));
    TRY(infer_need_float("dy", dy, err));
    shape rows = dy->shape;
    if (rows.rank) rows.rank--;
    TRY(infer_need_shape("ids", ids, &rows, err));
    const value out = {.type = dy->type,
                       .shape =
                           shape2(n->attr.embed.rows, shape_last(&dy->shape))};
    if (base) TRY(infer_need_like("base", base, &out, err));
    return infer_out(n, out.type, &out.shape, err);
}

ar_status infer_rope_table(const graph *g, node *n, ar_error *err) {
    const value *p = infer_in(g, n, 0), *f = infer_in(g, n, 1);
    TRY(infer_need_type("positions", p, AR_I32, err));
    TRY(infer_need_rank("positions", p, 1, err));
    TRY(infer_need_type("frequencies", f, AR_F64, err));
    TRY(infer_need_rank("frequencies", f, 1, err));
    const value out = {.type = (ar_type)n->attr.rope_table.type};
    TRY(infer_need_float("the result", &out, err));
    const shape s = shape2(p->shape.dim[0], f->shape.dim[0]);
    TRY(infer_out(n, out.type, &s, err));
    return infer_out(n, out.type, &s, err);
}

ar_status infer_rope(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0), *c = infer_in(g, n, 1);
    TRY(infer_need_float("x", x, err));
    TRY(infer_need_type("cos", c, x->type, err));
    TRY(infer_need_rank("cos", c, 2, err));
    TRY(infer_need_like("sin", infer_in(g, n, 2), c, err));
    const shape *s = &x->shape;
    if (s->rank < 3 || s->dim[s->rank - 3] != c->shape.dim[0] ||
        shape_last(s) < 2 * c->shape.dim[1]) {
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        return error_set(err, AR_SHAPE, "x %s does not go with cos %s",
                         shape_text(s, a), shape_text(&c->shape, b));
    }
    return infer_out(n, x->type, s, err);
}

/* q [B, T, H, D], k [B, S, G, D], v [B, S, G, E] */
static ar_status attention_shapes(const value *q, const value *k,
                                  const value *v, ar_error *err) {
    TRY(infer_need_real("q", q, err));
    TRY(infer_need_type("k", k, q->type, err));
    TRY(infer_need_type("v", v, q->type, err));
    TRY(infer_need_rank("q", q, 4, err));
    TRY(infer_need_rank("k", k, 4, err));
    TRY(infer_need_rank("v", v, 4, err));
    const int64_t *a = q->shape.dim, *b = k->shape.dim, *c = v->shape.dim;
    if (a[0] == b[0] && a[2] % b[2] == 0 && a[3] == b[3] && b[0] == c[0] &&
        b[1] == c[1] && b[2] == c[2])
        return AR_OK;
    char s[SHAPE_TEXT], t[SHAPE_TEXT], u[SHAPE_TEXT];
    return error_set(err, AR_SHAPE, "q %s, k %s and v %s do not agree",
                     shape_text(&q->shape, s), shape_text(&k->shape, t),
                     shape_text(&v->shape, u));
}

/* One score for each of H heads, where given. */
static ar_status check_sinks(const graph *g, const node *n, int i, int64_t H,
                             ar_error *err) {
    const value *sinks = infer_in(g, n, i);
    const value want = {.type = infer_in(g, n, 0)->type, .shape = shape1(H)};
    return sinks ? infer_need_like("sinks", sinks, &want, err) : AR_OK;
}

static ar_status attention_inputs(const graph *g, node *n, ar_error *err) {
    const value *q = infer_in(g, n, 0), *k = infer_in(g, n, 1);
    TRY(attention_shapes(q, k, infer_in(g, n, 2), err));
    struct attention_attr *a = &n->attr.attention;
    a->causal = a->causal != 0;
    if (a->causal && k->shape.dim[1] < q->shape.dim[1])
        return error_set(err, AR_SHAPE,
                         "%" PRId64 " queries see only %" PRId64
                         " keys, too few for a causal mask",
                         q->shape.dim[1], k->shape.dim[1]);
    if (a->window < 0 || !(a->softcap >= 0))
        return error_set(err, AR_RANGE,
                         "window %" PRId64 " and softcap %g must "
                         "not be negative",
                         a->window, a->softcap);
    if (a->scale == 0) a->scale = 1 / sqrt((double)q->shape.dim[3]);
    return AR_OK;
}

/* o [B, T, H, E] */
static shape attention_out(const value *q, const value *v) {
    const int64_t *d = q->shape.dim;
    return shape4(d[0], d[1], d[2], shape_last(&v->shape));
}

/* lse [B, H, T] */
static shape attention_lse(const value *q) {
    const int64_t *d = q->shape.dim;
    return shape3(d[0], d[2], d[1]);
}

ar_status infer_attention(const graph *g, node *n, ar_error *err) {
    TRY(attention_inputs(g, n, err));
    const value *q = infer_in(g, n, 0), *v = infer_in(g, n, 2);
    const shape o = attention_out(q, v), lse = attention_lse(q);
    TRY(check_sinks(g, n, 3, q->shape.dim[2], err));
    TRY(infer_out(n, q->type, &o, err));
    return infer_out(n, q->type, &lse, err);
}

ar_status infer_attention_dqkv(const graph *g, node *n, ar_error *err) {
    TRY(attention_inputs(g, n, err));
    const value *q = infer_in(g, n, 0), *v = infer_in(g, n, 2);
    const value o = {.type = q->type, .shape = attention_out(q, v)};
    const value lse = {.type = q->type, .shape = attention_lse(q)};
    TRY(infer_need_like("o", infer_in(g, n, 3), &o, err));
    TRY(infer_need_like("lse", infer_in(g, n, 4), &lse, err));
    TRY(infer_need_like("do", infer_in(g, n, 5), &o, err));
    for (int i = 0; i < 3; i++)
        TRY(infer_out(n, q->type, &infer_in(g, n, i)->shape, err));
    return AR_OK;
}

/* k [P, page, G, D], v [P, page, G, E], q [N, H, D] */
static ar_status check_pools(const graph *g, const node *n, ar_error *err) {
    const value *q = infer_in(g, n, 0), *k = infer_in(g, n, 1);
    const value *v = infer_in(g, n, 2);
    TRY(infer_need_real("q", q, err));
    TRY(infer_need_weight("k pool", k, err));
    TRY(infer_need_weight("v pool", v, err));
    TRY(infer_need_rank("q", q, 3, err));
    TRY(infer_need_rank("k pool", k, 4, err));
    TRY(infer_need_rank("v pool", v, 4, err));
    const int64_t *a = q->shape.dim, *b = k->shape.dim, *c = v->shape.dim;
    if (a[1] % b[2] == 0 && a[2] == b[3] && b[0] == c[0] && b[1] == c[1] &&
        b[2] == c[2])
        return AR_OK;
    char s[SHAPE_TEXT], t[SHAPE_TEXT], u[SHAPE_TEXT];
    return error_set(err, AR_SHAPE,
                     "q %s, k pool %s and v pool %s do not agree",
                     shape_text(&q->shape, s), shape_text(&k->shape, t),
                     shape_text(&v->shape, u));
}

ar_status infer_attention_paged(const graph *g, node *n, ar_error *err) {
    TRY(check_pools(g, n, err));
    const value *q = infer_in(g, n, 0), *k = infer_in(g, n, 1);
    const value row = {.type = AR_I32, .shape = shape1(q->shape.dim[0])};
    TRY(infer_need_type("table", infer_in(g, n, 3), AR_I32, err));
    TRY(infer_need_rank("table", infer_in(g, n, 3), 2, err));
    TRY(infer_need_like("sequence", infer_in(g, n, 4), &row, err));
    TRY(infer_need_like("position", infer_in(g, n, 5), &row, err));
    TRY(check_sinks(g, n, 6, q->shape.dim[1], err));
    struct paged_attr *a = &n->attr.paged;
    if (!a->page) a->page = k->shape.dim[1];
    if (a->page != k->shape.dim[1])
        return error_set(err, AR_SHAPE,
                         "pages of %" PRId64 " tokens, but the "
                         "pool's have %" PRId64,
                         a->page, k->shape.dim[1]);
    if (a->window < 0 || !(a->softcap >= 0))
        return error_set(err, AR_RANGE,
                         "window %" PRId64 " and softcap %g must "
                         "not be negative",
                         a->window, a->softcap);
    if (a->scale == 0) a->scale = 1 / sqrt((double)q->shape.dim[2]);
    const shape o = shape3(q->shape.dim[0], q->shape.dim[1],
                           shape_last(&infer_in(g, n, 2)->shape));
    return infer_out(n, q->type, &o, err);
}

static ar_status xent_inputs(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0), *w = infer_in(g, n, 1);
    TRY(infer_need_real("x", x, err));
    TRY(infer_need_float("w", w, err));
    TRY(infer_need_rank("x", x, 2, err));
    TRY(infer_need_rank("w", w, 2, err));
    if ((x->type == AR_F64) != (w->type == AR_F64))
        return error_set(err, AR_SHAPE, "types %s and %s cannot be multiplied",
                         ar_type_name(x->type), ar_type_name(w->type));
    if (x->shape.dim[1] != w->shape.dim[1]) {
        char s[SHAPE_TEXT], t[SHAPE_TEXT];
        return error_set(err, AR_SHAPE,
                         "x %s and w %s: widths %" PRId64 " and %" PRId64
                         " differ",
                         shape_text(&x->shape, s), shape_text(&w->shape, t),
                         x->shape.dim[1], w->shape.dim[1]);
    }
    const value ids = {.type = AR_I32, .shape = shape1(x->shape.dim[0])};
    TRY(infer_need_like("targets", infer_in(g, n, 2), &ids, err));
    if (!(n->attr.xent.softcap >= 0))
        return error_set(err, AR_RANGE, "softcap %g must not be negative",
                         n->attr.xent.softcap);
    return infer_compute(&n->attr.xent.compute, x, err);
}

ar_status infer_xent(const graph *g, node *n, ar_error *err) {
    TRY(xent_inputs(g, n, err));
    const value *x = infer_in(g, n, 0);
    const shape rows = shape1(x->shape.dim[0]);
    return infer_out(n, x->type, &rows, err);
}

ar_status infer_xent_dxw(const graph *g, node *n, ar_error *err) {
    TRY(xent_inputs(g, n, err));
    const value *x = infer_in(g, n, 0), *w = infer_in(g, n, 1);
    const value rows = {.type = x->type, .shape = shape1(x->shape.dim[0])};
    TRY(infer_need_like("dlogp", infer_in(g, n, 3), &rows, err));
    TRY(infer_out(n, x->type, &x->shape, err));
    TRY(infer_out(n, x->type, &w->shape, err));
    return infer_out(n, x->type, &rows.shape, err);
}
