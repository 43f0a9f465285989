/* template_call.c - calls of macros and of what is built in. */
#include <string.h>

#include "tok/template_run.h"

static ar_status add_arguments(render *r, const node *n, value v,
                               arguments *out) {
    if (n->op == 2) {
        if (v.type != V_DICT)
            return run_fail(r, AR_FORMAT, "** needs a dict, not %s",
                            value_type_name(v));
        for (size_t i = 0; i < v.dict->n; i++)
            TRY(run_dict_set(r, out->named, v.dict->keys[i],
                             v.dict->values[i]));
        return AR_OK;
    }
    value items, all;
    TRY(value_items(r, v, &items));
    const size_t n_rest = items.seq->n;
    size_t n_after = 0;
    for (const node *k = n->next; k; k = k->next) n_after++;
    TRY(run_seq(r, V_LIST, out->n + n_rest + n_after, &all));
    if (out->n) memcpy(all.seq->at, out->args, out->n * sizeof(value));
    if (n_rest)
        memcpy(all.seq->at + out->n, items.seq->at, n_rest * sizeof(value));
    out->args = all.seq->at;
    out->n += n_rest;
    return AR_OK;
}

ar_status call_arguments(render *r, const node *list, arguments *out) {
    static dict no_names; /* never written: it has no room */
    value args, named;
    size_t n = 0;
    bool plain = true;
    for (const node *k = list; k; k = k->next, n++)
        plain = plain && k->v.type != V_TEXT && !k->op;
    *out = (arguments){.named = &no_names};
    if (!n) return AR_OK;
    if (!plain) {
        TRY(run_dict(r, n, &named));
        out->named = named.dict;
    }
    TRY(run_seq(r, V_LIST, n, &args));
    out->args = args.seq->at;
    for (const node *k = list; k; k = k->next) {
        value v;
        TRY(run_eval(r, k->a, &v));
        if (k->op)
            TRY(add_arguments(r, k, v, out));
        else if (k->v.type == V_TEXT)
            TRY(run_dict_set(r, out->named, k->v, v));
        else
            out->args[out->n++] = v;
    }
    return AR_OK;
}

/* ---- macros ---- */

static ar_status bind_parameters(render *r, const node *m, const arguments *a,
                                 scope *s, size_t *n_named) {
    size_t i = 0;
    for (const node *p = m->list2; p; p = p->next, i++) {
        value v;
        const int64_t k = dict_find_text(a->named, p->v.s);
        if (i < a->n) {
            if (k >= 0)
                return run_fail(
                    r, AR_FORMAT, "macro '%.*s' got two values for '%.*s'",
                    (int)m->v.s.n, m->v.s.p, (int)p->v.s.n, p->v.s.p);
            v = a->args[i];
        } else if (k >= 0) {
            v = a->named->values[k];
            ++*n_named;
        } else if (p->a) {
            TRY(run_eval(r, p->a, &v));
        } else {
            TRY(run_undefined(r, &v, "parameter '%.*s' was not provided",
                              (int)p->v.s.n, p->v.s.p));
        }
        TRY(scope_set(r, s, p->v.s, v));
    }
    return AR_OK;
}

static bool is_parameter(const node *m, str name) {
    for (const node *p = m->list2; p; p = p->next)
        if (str_equal(p->v.s, name)) return true;
    return false;
}

/* caller, varargs and kwargs, which a macro has only if it names them. */
static ar_status bind_rest(render *r, const node *m, const arguments *a,
                           scope *s, size_t n_named) {
    size_t n_parameters = 0;
    for (const node *p = m->list2; p; p = p->next) n_parameters++;
    const str caller = {"caller", 6};
    const int64_t k = dict_find_text(a->named, caller);
    value v;
    if (m->caller && !is_parameter(m, caller)) {
        if (k >= 0)
            v = a->named->values[k];
        else
            TRY(run_undefined(r, &v, "No caller defined"));
        n_named += k >= 0;
        TRY(scope_set(r, s, caller, v));
    }
    if (m->kwargs) {
        TRY(run_dict(r, a->named->n, &v));
        for (size_t i = 0; i < a->named->n; i++) {
            const str name = a->named->keys[i].s;
            if (is_parameter(m, name) || (m->caller && (int64_t)i == k))
                continue;
            TRY(run_dict_set(r, v.dict, a->named->keys[i],
                             a->named->values[i]));
        }
        TRY(scope_set(r, s, (str){"kwargs", 6}, v));
    } else if (n_named < a->named->n) {
        return run_fail(r, AR_FORMAT,
                        "macro '%.*s' takes no such keyword argument",
                        (int)m->v.s.n, m->v.s.p);
    }
    if (m->varargs) {
        const size_t n = a->n > n_parameters ? a->n - n_parameters : 0;
        TRY(run_seq(r, V_TUPLE, n, &v));
        if (n) memcpy(v.seq->at, a->args + n_parameters, n * sizeof(value));
        return scope_set(r, s, (str){"varargs", 7}, v);
    }
    if (a->n <= n_parameters) return AR_OK;
    return run_fail(r, AR_FORMAT,
                    "macro '%.*s' takes not more than %zu argument(s)",
                    (int)m->v.s.n, m->v.s.p, n_parameters);
}

static ar_status call_macro(render *r, const template_macro *m,
                            const arguments *a, value *out) {
    scope *s, *const outer = r->scope;
    size_t n_named = 0;
    TRY(scope_open(r, m->scope, &s));
    r->scope = s; /* defaults see the parameters before them */
    TRY(bind_parameters(r, m->node, a, s, &n_named));
    TRY(bind_rest(r, m->node, a, s, n_named));
    r->scope = outer;
    return run_capture(r, m->node->list, s, out);
}

/* loop(items) in a recursive loop: the text of the loop over them. */
static ar_status call_loop(render *r, const template_loop *l,
                           const arguments *a, value *out) {
    if (!l->node)
        return run_fail(r, AR_FORMAT, "the loop is not marked as recursive");
    if (a->n != 1) return run_fail(r, AR_FORMAT, "loop() takes one argument");
    scope *const outer = r->scope;
    text saved = r->out, inner;
    const text *const outermost = r->outermost;
    r->out = (text){0};
    if (!outermost) r->outermost = &saved;
    r->scope = l->scope;
    const ar_status s = run_loop(r, l->node, a->args[0], l->depth0 + 1);
    r->scope = outer;
    inner = r->out;
    r->out = saved;
    r->outermost = outermost;
    if (s == AR_OK) return run_take(r, &inner, out);
    text_close(&inner);
    return s;
}

/* ---- what is built in ---- */

/* The next name of a row's parameters; *needed if it must be given. */
static bool next_parameter(const char **at, str *name, bool *needed) {
    while (**at == ' ') ++*at;
    name->p = *at;
    while (**at && **at != ' ' && **at != '!') ++*at;
    name->n = (size_t)(*at - name->p);
    *needed = **at == '!';
    if (*needed) ++*at;
    return name->n > 0;
}

static ar_status bind_call(call *c, const builtin_row *row) {
    const char *at = row->parameters;
    str name;
    bool needed;
    size_t i = 0, n_named = 0;
    for (; next_parameter(&at, &name, &needed); i++) {
        const int64_t k = dict_find_text(c->named, name);
        if (i < c->n)
            c->p[i] = c->args[i];
        else if (k >= 0)
            c->p[i] = c->named->values[k];
        else if (needed)
            return run_fail(c->r, AR_FORMAT, "%s() needs the argument '%.*s'",
                            row->name, (int)name.n, name.p);
        n_named += k >= 0 && i >= c->n;
    }
    if (c->n > i)
        return run_fail(c->r, AR_FORMAT,
                        "%s() takes at most %zu arguments, not %zu", row->name,
                        i, c->n);
    if (c->named->n > n_named)
        return run_fail(c->r, AR_FORMAT,
                        "%s() got an unexpected keyword argument", row->name);
    return AR_OK;
}

ar_status call_builtin(render *r, const builtin_row *row, value self,
                       const arguments *a, value *out) {
    call c = {
        .r = r, .self = self, .args = a->args, .n = a->n, .named = a->named};
    if (strcmp(row->parameters, "...") != 0) TRY(bind_call(&c, row));
    TRY(run_step(r, 0));
    return row->run(&c, out);
}

ar_status call_value(render *r, value f, const arguments *a, value *out) {
    TRY(check_defined(r, f));
    if (++r->depth > RUN_DEPTH)
        return run_fail(r, AR_RANGE, "nested more than %d deep", RUN_DEPTH);
    if (f.type == V_MACRO)
        TRY(call_macro(r, f.macro, a, out));
    else if (f.type == V_LOOP)
        TRY(call_loop(r, f.loop, a, out));
    else if (f.type == V_BUILTIN)
        TRY(call_builtin(r, f.builtin->row, f.builtin->self, a, out));
    else
        return run_fail(r, AR_FORMAT, "'%s' object is not callable",
                        value_type_name(f));
    r->depth--;
    return AR_OK;
}

ar_status call_filter(render *r, str name, value v, const arguments *a,
                      value *out) {
    const builtin_row *row = filter_find(name);
    if (row) return call_builtin(r, row, v, a, out);
    return run_fail(r, AR_FORMAT, "No filter named '%.*s'.",
                    name.n > 80 ? 80 : (int)name.n, name.p);
}

ar_status call_test(render *r, str name, value v, const arguments *a,
                    bool *out) {
    const builtin_row *row = test_find(name);
    if (!row)
        return run_fail(r, AR_FORMAT, "No test named '%.*s'.",
                        name.n > 80 ? 80 : (int)name.n, name.p);
    value truth;
    TRY(call_builtin(r, row, v, a, &truth));
    *out = value_truth(truth);
    return AR_OK;
}

/* ---- arguments of functions ---- */

ar_status arg_int(call *c, int k, integer fallback, integer *out) {
    *out = fallback;
    if (!arg_some(c, k)) return AR_OK;
    TRY(check_defined(c->r, c->p[k]));
    if (!is_integral(c->p[k]))
        return run_fail(c->r, AR_FORMAT, "argument %d is %s, not an integer",
                        k + 1, value_type_name(c->p[k]));
    *out = value_integer(c->p[k]);
    return AR_OK;
}

bool arg_truth(const call *c, int k, bool fallback) {
    return arg_given(c, k) ? value_truth(c->p[k]) : fallback;
}

ar_status arg_text(call *c, int k, const char *fallback, str *out) {
    *out = (str){fallback, fallback ? strlen(fallback) : 0};
    if (!arg_some(c, k)) return AR_OK;
    TRY(check_defined(c->r, c->p[k]));
    if (c->p[k].type != V_TEXT)
        return run_fail(c->r, AR_FORMAT, "argument %d is %s, not a string",
                        k + 1, value_type_name(c->p[k]));
    *out = c->p[k].s;
    return AR_OK;
}
