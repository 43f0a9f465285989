/* mil_infer.c - types of results: arguments, and which rule. */
#include "backend/ane/mil_infer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

ar_status typing_bad(const mil_infer_call *c, const char *fmt, ...) {
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return error_set(c->err, AR_FORMAT, "%s: %s", c->op->kind, what);
}

const mil_type *typing_in(const mil_infer_call *c, const char *key) {
    const mil_ref r = mil_find_ref(c->op, key);
    return r ? &mil_get(c->f, r)->type : NULL;
}

bool typing_has(const mil_infer_call *c, const char *key) {
    return mil_find_ref(c->op, key) != 0;
}

ar_status typing_constant(const mil_infer_call *c, const char *key,
                          const mil_literal **l) {
    const mil_ref r = mil_find_ref(c->op, key);
    *l = mil_constant(c->f, r);
    if (r && (!*l || !(*l)->data))
        return typing_bad(c, "\"%s\" must be a constant that the program says",
                          key);
    return AR_OK;
}

/* The default of an argument; false if there is none. */
static bool get_default(const mil_infer_call *c, const char *key,
                        char out[MIL_ARG_TEXT]) {
    mil_arg_rule r;
    if (!mil_find_rule(c->signature, key, &r) || !r.value[0]) return false;
    memcpy(out, r.value, sizeof r.value);
    return true;
}

ar_status typing_int(const mil_infer_call *c, const char *key, int64_t *out) {
    mil_list l;
    TRY(typing_list(c, key, 1, &l));
    *out = l.v[0];
    return AR_OK;
}

ar_status typing_flag(const mil_infer_call *c, const char *key, bool *out) {
    char word[MIL_ARG_TEXT] = "";
    const mil_literal *l;
    TRY(typing_constant(c, key, &l));
    if (!l) get_default(c, key, word);
    *out = l ? mil_number(l, 0) != 0 : strcmp(word, "true") == 0;
    return AR_OK;
}

ar_status typing_list(const mil_infer_call *c, const char *key, int n,
                      mil_list *out) {
    char word[MIL_ARG_TEXT];
    const mil_literal *l;
    TRY(typing_constant(c, key, &l));
    *out = (mil_list){.n = n};
    if (n > MIL_LIST) return typing_bad(c, "\"%s\" is too long", key);
    if (!l) {
        if (!get_default(c, key, word))
            return typing_bad(c, "\"%s\" is missing", key);
        for (int i = 0; i < n; i++) out->v[i] = strtoll(word, NULL, 10);
        return AR_OK;
    }
    const int64_t count = mil_count(&l->type);
    if (n < 0 && count <= MIL_LIST) out->n = (int)count;
    if (count != out->n)
        return typing_bad(c, "\"%s\" has %lld elements, %s %d", key,
                          (long long)count, n < 0 ? "at most" : "not",
                          n < 0 ? MIL_LIST : n);
    for (int i = 0; i < out->n; i++) out->v[i] = (int64_t)mil_number(l, i);
    return AR_OK;
}

ar_status typing_text(const mil_infer_call *c, const char *key,
                      char out[MIL_ARG_TEXT]) {
    const mil_literal *l;
    out[0] = 0;
    TRY(typing_constant(c, key, &l));
    if (!l)
        get_default(c, key, out);
    else if (l->type.dtype == MIL_STRING)
        snprintf(out, MIL_ARG_TEXT, "%s", (const char *)l->data);
    return AR_OK;
}

ar_status typing_wrap(const mil_infer_call *c, int64_t axis, int rank,
                      int *out) {
    const int64_t at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank)
        return typing_bad(c, "axis %lld of a tensor of rank %d",
                          (long long)axis, rank);
    *out = (int)at;
    return AR_OK;
}

ar_status typing_axis(const mil_infer_call *c, const char *key, int rank,
                      int *out) {
    int64_t axis;
    TRY(typing_int(c, key, &axis));
    return typing_wrap(c, axis, rank, out);
}

static int64_t dim_from_back(const mil_type *t, int i) {
    return i < t->rank ? t->dim[t->rank - 1 - i] : 1;
}

ar_status typing_broadcast(const mil_infer_call *c, const mil_type *a,
                           const mil_type *b, mil_type *out) {
    mil_type t = {.dtype = a->dtype, .tensor = true};
    t.rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 0; i < t.rank; i++) {
        const int64_t x = dim_from_back(a, i), y = dim_from_back(b, i);
        if (x != y && x != 1 && y != 1) {
            char at[MIL_TYPE_TEXT], bt[MIL_TYPE_TEXT];
            return typing_bad(c, "shapes of %s and %s do not go together",
                              mil_type_text(a, at), mil_type_text(b, bt));
        }
        t.dim[t.rank - 1 - i] = x == 1 ? y : x;
    }
    *out = t;
    return AR_OK;
}

ar_status typing_set(mil_infer_call *c, mil_type t) {
    t.tensor = t.rank > 0;
    t.state = false;
    if (c->n_out < c->op->n_outs) c->out[c->n_out] = t;
    c->n_out++;
    return AR_OK;
}

ar_status typing_insert(const mil_infer_call *c, mil_type *t, int at,
                        int64_t dim) {
    if (t->rank == MIL_MAX_DIMS)
        return typing_bad(c, "more than %d dimensions", MIL_MAX_DIMS);
    for (int i = t->rank++; i > at; i--) t->dim[i] = t->dim[i - 1];
    t->dim[at] = dim;
    return AR_OK;
}

void typing_remove(mil_type *t, int at) {
    for (int i = at; i + 1 < t->rank; i++) t->dim[i] = t->dim[i + 1];
    t->dim[--t->rank] = 0;
}

static const mil_infer_rule rules[MIL_OP_COUNT] = {
#define MIL_RULE(op, rule) [MIL_OP_##op] = type_of_##rule,
#include "backend/ane/mil_infer.def"
#undef MIL_RULE
};

ar_status mil_infer(const mil_func *f, const mil_op *op, mil_type *out,
                    int *n_out, ar_error *err) {
    mil_infer_call c = {.f = f, .op = op, .out = out, .err = err};
    int since;
    c.opset = mil_opset_number(f->opset);
    c.signature = mil_signature(op->id, c.opset, &since);
    *n_out = 0;
    if (!c.signature) return typing_bad(&c, "not an operation of %s", f->opset);
    if (!rules[op->id])
        return error_set(err, AR_UNSUPPORTED,
                         "%s: no rule for the types of its results", op->kind);
    TRY(rules[op->id](&c));
    *n_out = c.n_out;
    return AR_OK;
}
