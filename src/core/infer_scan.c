/* infer_scan.c - shape rules of convolutions along a text and of recurrent
 * states. */
#include "core/infer_rules.h"

/* w [C, K] and bias [C] of channels C. */
static ar_status conv_weights(const value *w, const value *bias, int64_t C,
                              ar_error *err) {
    TRY(infer_need_float("w", w, err));
    TRY(infer_need_rank("w", w, 2, err));
    const shape channels = shape1(C);
    if (bias) {
        TRY(infer_need_float("bias", bias, err));
        TRY(infer_need_shape("bias", bias, &channels, err));
    }
    if (w->shape.dim[0] == C) return AR_OK;
    return error_set(err, AR_SHAPE,
                     "w has %" PRId64 " channels, x has %" PRId64,
                     w->shape.dim[0], C);
}

ar_status infer_conv1d(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(infer_need_real("x", x, err));
    TRY(infer_need_rank("x", x, 3, err));
    TRY(conv_weights(infer_in(g, n, 1), infer_in(g, n, 2), x->shape.dim[2],
                     err));
    n->attr.conv.backwards = n->attr.conv.backwards != 0;
    n->attr.conv.k = 0;
    return infer_out(n, x->type, &x->shape, err);
}

ar_status infer_conv1d_dw(const graph *g, node *n, ar_error *err) {
    const value *x = infer_in(g, n, 0);
    TRY(infer_need_real("x", x, err));
    TRY(infer_need_rank("x", x, 3, err));
    TRY(infer_need_like("dy", infer_in(g, n, 1), x, err));
    n->attr.conv.backwards = n->attr.conv.backwards != 0;
    const shape dw = shape2(x->shape.dim[2], n->attr.conv.k);
    return infer_out(n, x->type, &dw, err);
}

/* What the forms by row share: sequence and position I32 [N], and a state that
 * nothing else looks at. */
static ar_status check_rows(const graph *g, node *n, int sequence, int64_t N,
                            ar_error *err) {
    const value rows = {.type = AR_I32, .shape = shape1(N)};
    const value *state = infer_in(g, n, 0);
    TRY(infer_need_like("sequence", infer_in(g, n, sequence), &rows, err));
    TRY(infer_need_like("position", infer_in(g, n, sequence + 1), &rows, err));
    for (int i = 1; i < n->n_in; i++)
        if (infer_in(g, n, i) && infer_in(g, n, i)->storage == state->storage)
            return error_set(err, AR_RANGE, "input %d is in the state itself",
                             i);
    return infer_new_version(g, n, 0, err);
}

ar_status infer_conv1d_rows(const graph *g, node *n, ar_error *err) {
    const value *state = infer_in(g, n, 0), *x = infer_in(g, n, 1);
    const value *w = infer_in(g, n, 2);
    TRY(infer_need_real("x", x, err));
    TRY(infer_need_rank("x", x, 2, err));
    TRY(conv_weights(w, infer_in(g, n, 5), x->shape.dim[1], err));
    TRY(infer_need_type("state", state, x->type, err));
    TRY(infer_need_rank("state", state, 3, err));
    const shape want =
        shape3(state->shape.dim[0], w->shape.dim[1] - 1, x->shape.dim[1]);
    TRY(infer_need_shape("state", state, &want, err));
    TRY(check_rows(g, n, 3, x->shape.dim[0], err));
    return infer_out(n, x->type, &x->shape, err);
}

/* q and k [.., G, K], v [.., H, V], decay and beta [.., H]; a rank of .. and
 * what it holds are q's. */
static ar_status scan_inputs(const value *const *in, int rank, ar_error *err) {
    static const char *const names[] = {"q", "k", "v", "decay", "beta"};
    const value *q = in[0], *v = in[2];
    TRY(infer_need_real("q", q, err));
    for (int i = 0; i < 5; i++) {
        if (!in[i]) continue;
        TRY(infer_need_type(names[i], in[i], q->type, err));
        TRY(infer_need_rank(names[i], in[i], i < 3 ? rank : rank - 1, err));
    }
    TRY(infer_need_like("k", in[1], q, err));
    shape heads = v->shape;
    heads.rank--;
    for (int i = 3; i < 5; i++)
        if (in[i]) TRY(infer_need_shape(names[i], in[i], &heads, err));
    bool agree = v->shape.dim[rank - 2] % q->shape.dim[rank - 2] == 0;
    for (int i = 0; i < rank - 2; i++)
        agree = agree && v->shape.dim[i] == q->shape.dim[i];
    if (agree) return AR_OK;
    char s[SHAPE_TEXT], t[SHAPE_TEXT];
    return error_set(err, AR_SHAPE, "q %s and v %s do not agree",
                     shape_text(&q->shape, s), shape_text(&v->shape, t));
}

ar_status infer_scan(const graph *g, node *n, ar_error *err) {
    const value *const in[] = {infer_in(g, n, 0), infer_in(g, n, 1),
                               infer_in(g, n, 2), infer_in(g, n, 3),
                               infer_in(g, n, 4)};
    TRY(scan_inputs(in, 4, err));
    return infer_out(n, in[2]->type, &in[2]->shape, err);
}

ar_status infer_scan_dx(const graph *g, node *n, ar_error *err) {
    const value *const in[] = {infer_in(g, n, 0), infer_in(g, n, 1),
                               infer_in(g, n, 2), infer_in(g, n, 3),
                               infer_in(g, n, 5)};
    TRY(scan_inputs(in, 4, err));
    TRY(infer_need_like("dy", infer_in(g, n, 4), in[2], err));
    for (int i = 0; i < 3; i++)
        TRY(infer_out(n, in[i]->type, &in[i]->shape, err));
    const int64_t *d = in[3]->shape.dim;
    const shape s = shape4(in[4] ? 2 : 1, d[0], d[1], d[2]);
    return infer_out(n, in[3]->type, &s, err);
}

ar_status infer_scan_rows(const graph *g, node *n, ar_error *err) {
    const value *state = infer_in(g, n, 0);
    const value *const in[] = {infer_in(g, n, 1), infer_in(g, n, 2),
                               infer_in(g, n, 3), infer_in(g, n, 4),
                               infer_in(g, n, 7)};
    TRY(scan_inputs(in, 3, err));
    const int64_t *v = in[2]->shape.dim;
    TRY(infer_need_type("state", state, in[0]->type, err));
    TRY(infer_need_rank("state", state, 4, err));
    const shape want =
        shape4(state->shape.dim[0], v[1], shape_last(&in[0]->shape), v[2]);
    TRY(infer_need_shape("state", state, &want, err));
    TRY(check_rows(g, n, 5, v[0], err));
    return infer_out(n, in[2]->type, &in[2]->shape, err);
}
