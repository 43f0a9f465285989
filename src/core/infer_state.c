/* infer_state.c - shape rules of ops that write state.
 *
 * Their outputs are new versions: other names for the state's own memory. */
#include "core/infer_rules.h"

ar_status infer_new_version(const graph *g, node *n, int i, ar_error *err) {
    const value *s = infer_in(g, n, i);
    const node *leaf = graph_node(g, s->storage);
    if (leaf->op != OP_STATE)
        return error_set(err, AR_RANGE, "input %d is not a state", i);
    if (!value_is_dense(s)) {
        char text[SHAPE_TEXT];
        return error_set(err, AR_SHAPE, "the view %s of state \"%s\" has gaps",
                         shape_text(&s->shape, text), leaf->name);
    }
    for (int k = 0; k < n->n_out; k++)
        if (n->out[k].storage == s->storage)
            return error_set(err, AR_RANGE, "writes state \"%s\" twice",
                             leaf->name);
    infer_view_out(n, s);
    return AR_OK;
}

/* An input that is only read may share memory with a written one only
 * element for element. */
static ar_status check_overlap(const graph *g, const node *n, ar_error *err) {
    for (int i = 0; i < n->n_in; i++) {
        const value *x = infer_in(g, n, i);
        for (int k = 0; x && k < n->n_out; k++)
            if (x->storage == n->out[k].storage &&
                !value_same_layout(x, &n->out[k]))
                return error_set(err, AR_RANGE,
                                 "input %d is another view of "
                                 "state \"%s\", which is written",
                                 i, graph_node(g, x->storage)->name);
    }
    return AR_OK;
}

ar_status infer_store(const graph *g, node *n, ar_error *err) {
    TRY(infer_new_version(g, n, 0, err));
    TRY(infer_need_like("x", infer_in(g, n, 1), infer_in(g, n, 0), err));
    return check_overlap(g, n, err);
}

/* x becomes rows of a state of the same type, or is quantised to its blocks. */
ar_status infer_store_rows(const graph *g, node *n, ar_error *err) {
    const value *s = infer_in(g, n, 0), *rows = infer_in(g, n, 1);
    TRY(infer_new_version(g, n, 0, err));
    TRY(infer_need_type("rows", rows, AR_I32, err));
    TRY(infer_need_rank("rows", rows, 1, err));
    if (!s->shape.rank)
        return error_set(err, AR_SHAPE, "a state of one number has no rows");
    value want = *s;
    want.shape.dim[0] = rows->shape.dim[0];
    if (quant_is_block(s->type)) {
        if (!quant_can_encode(s->type))
            return error_set(err, AR_UNSUPPORTED, "nothing encodes %s",
                             ar_type_name(s->type));
        TRY(infer_need_real("x", infer_in(g, n, 2), err));
        want.type = infer_in(g, n, 2)->type;
    }
    TRY(infer_need_like("x", infer_in(g, n, 2), &want, err));
    if (infer_in(g, n, 2)->storage == s->storage)
        return error_set(err, AR_RANGE, "x is in the state itself");
    return check_overlap(g, n, err);
}

/* p, g, m [, v], h */
ar_status infer_opt(const graph *g, node *n, ar_error *err) {
    static const char *const names[] = {"p", "g", "m", "v"};
    const value *p = infer_in(g, n, 0);
    const int last = n->n_in - 1;
    TRY(infer_need_float("p", p, err));
    for (int i = 1; i < last; i++)
        TRY(infer_need_like(names[i], infer_in(g, n, i), p, err));
    const value h = {.type = AR_F64, .shape = shape1(8)};
    TRY(infer_need_like("h", infer_in(g, n, last), &h, err));
    for (int i = 0; op_state_input(n->op, i) < last; i++)
        TRY(infer_new_version(g, n, op_state_input(n->op, i), err));
    return check_overlap(g, n, err);
}
