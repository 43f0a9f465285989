/* mil_check.c - is every statement an operation, and do types follow? */
#include "backend/ane/mil_check.h"

#include <stdio.h>
#include <string.h>

#include "backend/ane/mil_ops.h"
#include "base/error.h"
#include "base/mem.h"

/* One statement under check. */
typedef struct checker {
    const char *name;
    const mil_func *f;
    const mil_op *op;
    int opset;
    const char *signature;
    mil_type *types; /* room for the results of any statement */
    ar_error *err;
} checker;

/* "name:line:column: " or, where there are no lines, "name: result: ". */
static void where(const checker *c, mil_place place, char *out, size_t size) {
    const char *result =
        c->op && c->op->n_outs ? mil_get(c->f, c->op->outs[0])->name : "";
    if (place.line)
        snprintf(out, size, "%s:%u:%u", c->name, place.line, place.column);
    else
        snprintf(out, size, "%s: %s", c->name, *result ? result : c->f->name);
}

static ar_status bad(const checker *c, mil_place place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static ar_status bad(const checker *c, mil_place place, const char *fmt, ...) {
    char at[160], what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    where(c, place, at, sizeof at);
    return error_set(c->err, AR_FORMAT, "%s: %s: %s", at,
                     c->op ? c->op->kind : c->f->name, what);
}

static mil_place place_of(const checker *c, const mil_arg *a) {
    return a->place.line ? a->place : c->op->place;
}

/* ---- arguments ---- */

/* Known before the program runs: written there, or made from such by a
 * constexpr operation. */
static bool is_constant(const checker *c, mil_ref r) {
    const mil_value *v = mil_get(c->f, r);
    if (v->literal) return true;
    if (v->op < 0) return false;
    return strncmp(c->f->ops[v->op].kind, "constexpr_", 10) == 0;
}

/* A program may give a number as fp32 beside fp16 tensors: the ane crate does,
 * and its programs run. */
static bool is_loose(const checker *c, const mil_arg_rule *r, mil_ref v) {
    const mil_type *t = &mil_get(c->f, v)->type;
    return r->constant && is_constant(c, v) && !t->rank &&
           (t->dtype == MIL_FP32 || t->dtype == MIL_FP16);
}

static ar_status check_value(const checker *c, const mil_arg *a,
                             const mil_arg_rule *r, mil_ref v) {
    const mil_type *t = &mil_get(c->f, v)->type;
    char type[MIL_TYPE_TEXT];
    if (t->state != r->state)
        return bad(c, place_of(c, a), "\"%s\" is %s state", a->key,
                   r->state ? "not a" : "a");
    if (t->dtype == MIL_NONE || (r->types && !(r->types >> t->dtype & 1)))
        return bad(c, place_of(c, a), "\"%s\" cannot be %s", a->key,
                   mil_type_text(t, type));
    if (mil_count(t) < 0)
        return bad(c, place_of(c, a), "\"%s\" has no known size: %s", a->key,
                   mil_type_text(t, type));
    if (r->constant && !is_constant(c, v))
        return bad(c, place_of(c, a), "\"%s\" must be a constant", a->key);
    return AR_OK;
}

/* Arguments of one group have one type; the first of them says which. */
static ar_status check_group(const checker *c, const mil_arg *a,
                             const mil_arg_rule *r, mil_ref v) {
    const char *s = c->signature;
    mil_arg_rule other;
    if (!r->group[0] || is_loose(c, r, v)) return AR_OK;
    while (mil_next_rule(&s, &other)) {
        const mil_ref w = mil_find_ref(c->op, other.name);
        if (!w || strcmp(other.group, r->group) != 0 || is_loose(c, &other, w))
            continue;
        const mil_type *t = &mil_get(c->f, v)->type;
        const mil_type *u = &mil_get(c->f, w)->type;
        if (t->dtype == u->dtype) return AR_OK;
        return bad(c, place_of(c, a), "\"%s\" is %s, but \"%s\" is %s", a->key,
                   mil_dtype_name(t->dtype), other.name,
                   mil_dtype_name(u->dtype));
    }
    return AR_OK;
}

static ar_status check_arg(const checker *c, const mil_arg *a, bool attr) {
    mil_arg_rule r;
    if (!mil_find_rule(c->signature, a->key, &r)) {
        if (attr && strcmp(a->key, "name") == 0) return AR_OK;
        return bad(c, place_of(c, a), "there is no argument \"%s\"", a->key);
    }
    if (a->n_values != 1 && !r.many)
        return bad(c, place_of(c, a), "\"%s\" is one value, not %d", a->key,
                   a->n_values);
    for (int i = 0; i < a->n_values; i++) {
        TRY(check_value(c, a, &r, a->values[i]));
        TRY(check_group(c, a, &r, a->values[i]));
    }
    return AR_OK;
}

static ar_status check_args(const checker *c) {
    const mil_op *op = c->op;
    char missing[MIL_ARG_TEXT];
    for (int i = 0; i < op->n_args; i++) TRY(check_arg(c, &op->args[i], false));
    for (int i = 0; i < op->n_attrs; i++) {
        for (int k = 0; k < op->n_args; k++)
            if (strcmp(op->attrs[i].key, op->args[k].key) == 0)
                return bad(c, place_of(c, &op->attrs[i]),
                           "\"%s\" is given twice", op->attrs[i].key);
        TRY(check_arg(c, &op->attrs[i], true));
    }
    if (mil_missing_arg(c->f, op, missing))
        return bad(c, op->place, "\"%s\" is missing", missing);
    return AR_OK;
}

/* ---- results ---- */

static ar_status check_results(const checker *c) {
    const mil_op *op = c->op;
    int n;
    ar_error why = {0};
    const ar_status s = mil_infer(c->f, op, c->types, &n, &why);
    if (s != AR_OK) {
        char at[160];
        where(c, op->place, at, sizeof at);
        return error_set(c->err, s, "%s: %s", at, why.message);
    }
    if (n != op->n_outs)
        return bad(c, op->place, "it has %d results, not %d", n, op->n_outs);
    for (int i = 0; i < n; i++) {
        const mil_value *v = mil_get(c->f, op->outs[i]);
        char said[MIL_TYPE_TEXT], is[MIL_TYPE_TEXT];
        if (!mil_same_type(&v->type, &c->types[i]))
            return bad(c, v->place.line ? v->place : op->place,
                       "\"%s\" is declared %s, but it is %s", v->name,
                       mil_type_text(&v->type, said),
                       mil_type_text(&c->types[i], is));
    }
    return AR_OK;
}

static ar_status check_op(checker *c) {
    int since;
    const mil_op *op = c->op;
    if (op->id < 0) return bad(c, op->place, "there is no such operation");
    c->signature = mil_signature(op->id, c->opset, &since);
    if (!c->signature)
        return bad(c, op->place, "it is of ios%d, the function of %s", since,
                   c->f->opset);
    TRY(check_args(c));
    return check_results(c);
}

static ar_status check_params(const checker *c) {
    for (int i = 0; i < c->f->n_params; i++) {
        const mil_value *v = mil_get(c->f, c->f->params[i]);
        char type[MIL_TYPE_TEXT];
        if (mil_count(&v->type) < 0)
            return bad(c, v->place, "parameter \"%s\" has no known size: %s",
                       v->name, mil_type_text(&v->type, type));
    }
    return AR_OK;
}

static ar_status check_func(checker *c) {
    int most = 1;
    c->op = NULL;
    TRY(check_params(c));
    for (int i = 0; i < c->f->n_ops; i++)
        if (c->f->ops[i].n_outs > most) most = c->f->ops[i].n_outs;
    c->types = mem_new(mil_type, most);
    if (!c->types) return error_set(c->err, AR_NOMEM, "out of memory");
    ar_status s = AR_OK;
    for (int i = 0; i < c->f->n_ops && s == AR_OK; i++) {
        c->op = &c->f->ops[i];
        s = check_op(c);
    }
    mem_free(c->types);
    return s;
}

ar_status mil_check(const char *name, const mil_program *p, ar_error *err) {
    for (int i = 0; i < mil_n_funcs(p); i++) {
        checker c = {.name = name, .f = mil_get_func(p, i), .err = err};
        c.opset = mil_opset_number(c.f->opset);
        TRY(check_func(&c));
    }
    return AR_OK;
}

/* ---- files ---- */

ar_status mil_check_files(const char *name, const mil_program *p,
                          const mil_file *files, int n, ar_error *err) {
    for (int i = 0; i < mil_n_funcs(p); i++) {
        const checker c = {.name = name, .f = mil_get_func(p, i), .err = err};
        for (int k = 1; k < c.f->n_values; k++) {
            const mil_value *v = &c.f->values[k];
            const void *data;
            ar_error why = {0};
            if (!v->literal ||
                mil_literal_data(v->literal, files, n, &data, &why) == AR_OK)
                continue;
            char at[160];
            where(&c, v->place, at, sizeof at);
            return error_set(err, AR_FORMAT, "%s: %s", at, why.message);
        }
    }
    return AR_OK;
}
