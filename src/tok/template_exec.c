/* template_exec.c - what the statements of a template do. */
#include <string.h>

#include "base/mem.h"
#include "tok/template_run.h"
#include "tok/template_text.h"

/* Run statements in a scope of their own. */
static ar_status run_scoped(render *r, const node *list, scope *s) {
    scope *const outer = r->scope;
    r->scope = s;
    const ar_status status = run_list(r, list);
    r->scope = outer;
    return status;
}

ar_status run_capture(render *r, const node *list, scope *s, value *out) {
    text outer = r->out, inner;
    const text *const outermost = r->outermost;
    r->out = (text){0};
    if (!outermost) r->outermost = &outer;
    const ar_status status = run_scoped(r, list, s);
    inner = r->out;
    r->out = outer;
    r->outermost = outermost;
    if (status == AR_OK) return run_take(r, &inner, out);
    text_close(&inner);
    return status;
}

static ar_status capture_here(render *r, const node *list, value *out) {
    scope *s;
    TRY(scope_open(r, r->scope, &s));
    return run_capture(r, list, s, out);
}

static ar_status assign_many(render *r, scope *s, const node *list, value v) {
    value items;
    TRY(value_items(r, v, &items));
    size_t n = 0;
    for (const node *k = list; k; k = k->next) n++;
    if (n != items.seq->n)
        return run_fail(r, AR_FORMAT, "%zu values for %zu names", items.seq->n,
                        n);
    n = 0;
    for (const node *k = list; k; k = k->next, n++) {
        if (k->kind == N_NAME) {
            TRY(scope_set(r, s, k->v.s, items.seq->at[n]));
            continue;
        }
        if (k->kind != N_TUPLE)
            return run_fail(r, AR_FORMAT, "an attribute among names to set");
        TRY(assign_many(r, s, k->list, items.seq->at[n]));
    }
    return AR_OK;
}

static ar_status assign(render *r, scope *s, const node *target, value v) {
    if (target->kind == N_TUPLE) return assign_many(r, s, target->list, v);
    if (target->kind == N_NAME) return scope_set(r, s, target->v.s, v);
    value space;
    TRY(run_eval(r, target->a, &space));
    if (space.type != V_NAMESPACE)
        return run_fail(r, AR_FORMAT,
                        "cannot assign attribute on non-namespace object");
    return run_dict_set(r, space.dict, target->v, v);
}

/* ---- loops ---- */

static ar_status filter_items(render *r, const node *n, value *items) {
    value kept;
    TRY(run_seq(r, V_LIST, items->seq->n, &kept));
    scope *const outer = r->scope;
    size_t k = 0;
    for (size_t i = 0; i < items->seq->n; i++) {
        value truth;
        TRY(scope_open(r, outer, &r->scope));
        TRY(assign(r, r->scope, n->a, items->seq->at[i]));
        TRY(run_eval(r, n->c, &truth));
        if (value_truth(truth)) kept.seq->at[k++] = items->seq->at[i];
    }
    r->scope = outer;
    kept.seq->n = k;
    *items = kept;
    return AR_OK;
}

ar_status run_loop(render *r, const node *n, value v, int depth0) {
    value items;
    TRY(value_items(r, v, &items));
    if (n->c) TRY(filter_items(r, n, &items));
    scope *const outer = r->scope;
    void *p;
    TRY(run_alloc(r, sizeof(template_loop), &p));
    template_loop *const l = p;
    *l = (template_loop){.items = items.seq->at,
                         .n = items.seq->n,
                         .depth0 = depth0,
                         .node = n->recursive ? n : NULL,
                         .scope = outer};
    const value loop = {.type = V_LOOP, .loop = l};
    for (; l->i < l->n; l->i++) {
        TRY(run_step(r, 0));
        TRY(scope_open(r, outer, &r->scope));
        TRY(scope_set(r, r->scope, (str){"loop", 4}, loop));
        TRY(assign(r, r->scope, n->a, l->items[l->i]));
        TRY(run_list(r, n->list));
        const flow f = r->flow;
        r->flow = FLOW_ON;
        if (f == FLOW_BREAK) break;
    }
    r->scope = outer;
    if (l->n || !n->list2) return AR_OK;
    scope *s;
    TRY(scope_open(r, outer, &s));
    return run_scoped(r, n->list2, s);
}

ar_status run_for(render *r, const node *n) {
    value v;
    TRY(run_eval(r, n->b, &v));
    return run_loop(r, n, v, 0);
}

/* ---- the others ---- */

static ar_status run_print(render *r, const node *n) {
    value v, s;
    TRY(run_eval(r, n->a, &v));
    TRY(show_str(r, v, &s));
    return run_emit(r, s.s.p, s.s.n);
}

static ar_status run_data(render *r, const node *n) {
    return run_emit(r, n->v.s.p, n->v.s.n);
}

static ar_status run_if(render *r, const node *n) {
    for (;;) {
        value v;
        TRY(run_eval(r, n->a, &v));
        if (value_truth(v)) return run_list(r, n->list);
        if (!n->elif) return run_list(r, n->b);
        n = n->b;
    }
}

static ar_status run_set(render *r, const node *n) {
    value v;
    TRY(run_eval(r, n->b, &v));
    return assign(r, r->scope, n->a, v);
}

static ar_status run_set_block(render *r, const node *n) {
    value v;
    TRY(capture_here(r, n->list, &v));
    TRY(run_filters(r, n->b, v, &v));
    return assign(r, r->scope, n->a, v);
}

static ar_status make_macro(render *r, const node *n, value *out) {
    void *p;
    TRY(run_alloc(r, sizeof(template_macro), &p));
    *(template_macro *)p = (template_macro){n, r->scope};
    *out = (value){.type = V_MACRO, .macro = p};
    return AR_OK;
}

static ar_status run_macro(render *r, const node *n) {
    value v;
    TRY(make_macro(r, n, &v));
    return scope_set(r, r->scope, n->v.s, v);
}

static ar_status run_call_block(render *r, const node *n) {
    value caller, f, named, v;
    arguments a;
    TRY(make_macro(r, n->b, &caller));
    TRY(run_eval(r, n->a->a, &f));
    TRY(call_arguments(r, n->a->list, &a));
    TRY(run_dict(r, a.named->n + 1, &named)); /* a.named may be shared */
    for (size_t i = 0; i < a.named->n; i++)
        TRY(run_dict_set(r, named.dict, a.named->keys[i], a.named->values[i]));
    TRY(run_dict_set(r, named.dict, v_text("caller", 6), caller));
    a.named = named.dict;
    TRY(call_value(r, f, &a, &v));
    TRY(show_str(r, v, &v));
    return run_emit(r, v.s.p, v.s.n);
}

static ar_status run_filter_block(render *r, const node *n) {
    value v;
    TRY(capture_here(r, n->list, &v));
    TRY(run_filters(r, n->a, v, &v));
    TRY(show_str(r, v, &v));
    return run_emit(r, v.s.p, v.s.n);
}

static ar_status run_with(render *r, const node *n) {
    scope *s;
    TRY(scope_open(r, r->scope, &s));
    for (const node *k = n->list2; k; k = k->next->next) {
        value v;
        TRY(run_eval(r, k->next, &v));
        TRY(assign(r, s, k, v));
    }
    return run_scoped(r, n->list, s);
}

/* Code points of the outermost text so far. */
static int64_t count_chars(render *r, const text *t) {
    r->chars += text_length((str){t->data + r->counted, t->size - r->counted});
    r->counted = t->size;
    return r->chars;
}

static ar_status add_span(render *r, int64_t start, int64_t end) {
    span_list *const l = &r->spans;
    if (l->n == l->capacity) {
        void *at;
        TRY(run_alloc(r, (l->n * 2 + 8) * sizeof *l->at, &at));
        if (l->n) memcpy(at, l->at, l->n * sizeof *l->at);
        l->at = at;
        l->capacity = l->n * 2 + 8;
    }
    l->at[l->n][0] = start;
    l->at[l->n++][1] = end;
    return AR_OK;
}

/* Its text is printed, and where it begins and ends is noted.  Inside of a
 * macro the place is that of the macro's call, as transformers has it. */
static ar_status run_generation(render *r, const node *n) {
    value v;
    TRY(capture_here(r, n->list, &v));
    const int64_t start = count_chars(r, r->outermost ? r->outermost : &r->out);
    TRY(add_span(r, start, start + text_length(v.s)));
    return run_emit(r, v.s.p, v.s.n);
}

static ar_status run_break(render *r, const node *n) {
    r->flow = n->kind == N_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
    return AR_OK;
}

typedef ar_status run_function(render *r, const node *n);

static ar_status run_statement(render *r, const node *n) {
    static run_function *const kinds[] = {
        [N_DATA] = run_data,
        [N_PRINT] = run_print,
        [N_IF] = run_if,
        [N_FOR] = run_for,
        [N_SET] = run_set,
        [N_SET_BLOCK] = run_set_block,
        [N_MACRO] = run_macro,
        [N_CALL_BLOCK] = run_call_block,
        [N_FILTER_BLOCK] = run_filter_block,
        [N_WITH] = run_with,
        [N_GENERATION] = run_generation,
        [N_BREAK] = run_break,
        [N_CONTINUE] = run_break,
    };
    return kinds[n->kind](r, n);
}

ar_status run_list(render *r, const node *first) {
    const node *const outer = r->at;
    if (++r->depth > RUN_DEPTH)
        return run_fail(r, AR_RANGE, "nested more than %d deep", RUN_DEPTH);
    for (const node *n = first; n && r->flow == FLOW_ON; n = n->next) {
        r->at = n;
        TRY(run_step(r, 0));
        TRY(run_statement(r, n));
    }
    r->depth--;
    r->at = outer;
    return AR_OK;
}
