/* template_eval.c - the value of an expression. */
#include <string.h>

#include "tok/template_run.h"

static ar_status eval_name(render *r, const node *n, value *out) {
    const value *v = scope_get(r->scope, n->v.s);
    if (v) {
        *out = *v;
        return AR_OK;
    }
    const builtin_row *row = function_find(n->v.s);
    if (!row)
        return run_undefined(r, out, "'%.*s' is undefined",
                             n->v.s.n > 80 ? 80 : (int)n->v.s.n, n->v.s.p);
    void *p;
    TRY(run_alloc(r, sizeof(template_builtin), &p));
    *(template_builtin *)p = (template_builtin){.row = row};
    *out = (value){.type = V_BUILTIN, .builtin = p};
    return AR_OK;
}

static ar_status eval_seq(render *r, const node *n, value *out) {
    size_t count = 0;
    for (const node *k = n->list; k; k = k->next) count++;
    TRY(run_seq(r, n->kind == N_LIST ? V_LIST : V_TUPLE, count, out));
    count = 0;
    for (const node *k = n->list; k; k = k->next)
        TRY(run_eval(r, k, &out->seq->at[count++]));
    return AR_OK;
}

static ar_status eval_dict(render *r, const node *n, value *out) {
    size_t count = 0;
    for (const node *k = n->list; k; k = k->next->next) count++;
    TRY(run_dict(r, count, out));
    for (const node *k = n->list; k; k = k->next->next) {
        value key, v;
        TRY(run_eval(r, k, &key));
        TRY(run_eval(r, k->next, &v));
        TRY(run_dict_set(r, out->dict, key, v));
    }
    return AR_OK;
}

static ar_status eval_item(render *r, const node *n, value *out) {
    value v, part[3] = {v_none(), v_none(), v_none()};
    TRY(run_eval(r, n->a, &v));
    if (n->b->kind != N_SLICE) {
        TRY(run_eval(r, n->b, &part[0]));
        return item_get(r, v, part[0], out);
    }
    const node *const from[3] = {n->b->a, n->b->b, n->b->c};
    for (int i = 0; i < 3; i++)
        if (from[i]) TRY(run_eval(r, from[i], &part[i]));
    return slice_get(r, v, part, out);
}

static ar_status eval_call(render *r, const node *n, value *out) {
    value f;
    arguments a;
    TRY(run_eval(r, n->a, &f));
    TRY(call_arguments(r, n->list, &a));
    return call_value(r, f, &a, out);
}

ar_status run_filters(render *r, const node *n, value v, value *out) {
    if (!n) {
        *out = v;
        return AR_OK;
    }
    if (++r->depth > RUN_DEPTH)
        return run_fail(r, AR_RANGE, "nested more than %d deep", RUN_DEPTH);
    arguments a;
    TRY(run_filters(r, n->a, v, &v));
    r->depth--;
    TRY(call_arguments(r, n->list, &a));
    return call_filter(r, n->v.s, v, &a, out);
}

static ar_status eval_filter(render *r, const node *n, value *out) {
    value v;
    arguments a;
    TRY(run_eval(r, n->a, &v));
    TRY(call_arguments(r, n->list, &a));
    return call_filter(r, n->v.s, v, &a, out);
}

static ar_status eval_test(render *r, const node *n, value *out) {
    value v;
    arguments a;
    bool truth;
    TRY(run_eval(r, n->a, &v));
    TRY(call_arguments(r, n->list, &a));
    TRY(call_test(r, n->v.s, v, &a, &truth));
    *out = v_bool(truth);
    return AR_OK;
}

static ar_status eval_unary(render *r, const node *n, value *out) {
    value v;
    TRY(run_eval(r, n->a, &v));
    if (n->kind == N_NEG) return op_negate(r, v, out);
    if (n->kind == N_NOT) {
        *out = v_bool(!value_truth(v));
        return AR_OK;
    }
    TRY(op_negate(r, v, out));
    return op_negate(r, *out, out);
}

static ar_status eval_binary(render *r, const node *n, value *out) {
    value a, b;
    TRY(run_eval(r, n->a, &a));
    TRY(run_eval(r, n->b, &b));
    return op_binary(r, (binary_op)n->op, a, b, out);
}

static ar_status eval_compare(render *r, const node *n, value *out) {
    value a, b;
    TRY(run_eval(r, n->a, &a));
    for (const node *k = n->list; k; k = k->next) {
        bool truth;
        TRY(run_eval(r, k->a, &b));
        TRY(op_compare(r, (compare_op)k->op, a, b, &truth));
        *out = v_bool(truth);
        if (!truth) return AR_OK;
        a = b;
    }
    return AR_OK;
}

static ar_status eval_logic(render *r, const node *n, value *out) {
    TRY(run_eval(r, n->a, out));
    if (value_truth(*out) == (n->kind == N_OR)) return AR_OK;
    return run_eval(r, n->b, out);
}

static ar_status eval_if_else(render *r, const node *n, value *out) {
    value v;
    TRY(run_eval(r, n->a, &v));
    if (value_truth(v)) return run_eval(r, n->b, out);
    if (n->c) return run_eval(r, n->c, out);
    return run_undefined(r, out,
                         "the inline if-expression evaluated to false "
                         "and no else section was defined.");
}

static ar_status eval_attr(render *r, const node *n, value *out) {
    value v;
    TRY(run_eval(r, n->a, &v));
    return attr_get(r, v, n->v.s, out);
}

typedef ar_status eval_function(render *r, const node *n, value *out);

ar_status run_eval(render *r, const node *n, value *out) {
    static eval_function *const kinds[] = {
        [N_NAME] = eval_name,       [N_LIST] = eval_seq,
        [N_TUPLE] = eval_seq,       [N_DICT] = eval_dict,
        [N_ATTR] = eval_attr,       [N_ITEM] = eval_item,
        [N_CALL] = eval_call,       [N_FILTER] = eval_filter,
        [N_TEST] = eval_test,       [N_NOT] = eval_unary,
        [N_NEG] = eval_unary,       [N_POS] = eval_unary,
        [N_BINARY] = eval_binary,   [N_COMPARE] = eval_compare,
        [N_AND] = eval_logic,       [N_OR] = eval_logic,
        [N_IF_ELSE] = eval_if_else,
    };
    if (n->kind == N_CONST) {
        *out = n->v;
        return AR_OK;
    }
    const node *const outer = r->at;
    r->at = n;
    TRY(run_step(r, 0));
    if (n->kind >= sizeof kinds / sizeof *kinds || !kinds[n->kind])
        return run_fail(r, AR_FORMAT, "a slice is only an index");
    if (++r->depth > RUN_DEPTH)
        return run_fail(r, AR_RANGE, "nested more than %d deep", RUN_DEPTH);
    value v = {0};
    TRY(kinds[n->kind](r, n, &v));
    r->depth--;
    r->at = outer;
    *out = v;
    return AR_OK;
}
