/* template_run.c - one rendering of a template: errors, memory, scopes. */
#include "tok/template_run.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

ar_status run_fail(render *r, ar_status code, const char *fmt, ...) {
    char what[sizeof r->err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const node *at = r->at;
    return error_set(r->err, code, "%s:%d:%d: %s", r->name, at ? at->line : 1,
                     at ? at->column : 1, what);
}

ar_status run_step(render *r, size_t bytes) {
    r->steps += 1 + (int64_t)(bytes / 64);
    if (r->steps <= RUN_STEPS) return AR_OK;
    return run_fail(r, AR_RANGE, "more than %d steps", RUN_STEPS);
}

ar_status run_alloc(render *r, size_t size, void **out) {
    if (size > RUN_MEMORY || r->memory + size > RUN_MEMORY)
        return run_fail(r, AR_RANGE, "values take more than %d MiB",
                        RUN_MEMORY >> 20);
    r->memory += size + 16;
    *out = arena_alloc(&r->mem, size);
    return *out ? AR_OK : run_fail(r, AR_NOMEM, "out of memory");
}

ar_status run_text(render *r, const char *p, size_t n, value *out) {
    void *q;
    TRY(run_alloc(r, n, &q));
    if (n) memcpy(q, p, n);
    *out = v_text(q, n);
    return run_step(r, n);
}

ar_status run_take(render *r, text *t, value *out) {
    ar_status s = text_status(t, r->err);
    if (s == AR_OK) s = run_text(r, t->data, t->size, out);
    text_close(t);
    return s;
}

ar_status run_seq(render *r, value_type type, size_t n, value *out) {
    void *s, *at;
    if (n > RUN_MEMORY / sizeof(value))
        return run_fail(r, AR_RANGE, "a list of more than %zu values",
                        RUN_MEMORY / sizeof(value));
    TRY(run_alloc(r, sizeof(seq), &s));
    TRY(run_alloc(r, n * sizeof(value), &at));
    *(seq *)s = (seq){.at = at, .n = n};
    *out = v_seq(type, s);
    return run_step(r, n);
}

ar_status run_dict(render *r, size_t capacity, value *out) {
    void *d, *keys, *values;
    TRY(run_alloc(r, sizeof(dict), &d));
    TRY(run_alloc(r, capacity * sizeof(value), &keys));
    TRY(run_alloc(r, capacity * sizeof(value), &values));
    *(dict *)d = (dict){.keys = keys, .values = values, .capacity = capacity};
    *out = (value){.type = V_DICT, .dict = d};
    return AR_OK;
}

ar_status run_dict_set(render *r, dict *d, value key, value v) {
    if (!value_hashable(key))
        return run_fail(r, AR_FORMAT, "unhashable type: '%s'",
                        value_type_name(key));
    TRY(run_step(r, d->n * 8));
    const int64_t k = dict_find(d, key);
    if (k >= 0) {
        d->values[k] = v;
        return AR_OK;
    }
    if (d->n == d->capacity) {
        value more;
        TRY(run_dict(r, d->n * 2 + 4, &more));
        if (d->n) memcpy(more.dict->keys, d->keys, d->n * sizeof key);
        if (d->n) memcpy(more.dict->values, d->values, d->n * sizeof key);
        more.dict->n = d->n;
        *d = *more.dict;
    }
    d->keys[d->n] = key;
    d->values[d->n++] = v;
    return AR_OK;
}

ar_status run_undefined(render *r, value *out, const char *fmt, ...) {
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    TRY(run_text(r, what, strlen(what), out));
    out->type = V_UNDEFINED;
    return AR_OK;
}

ar_status run_emit(render *r, const char *p, size_t n) {
    if (n > RUN_OUTPUT || r->out.size + n > RUN_OUTPUT)
        return run_fail(r, AR_RANGE, "the text is longer than %d MiB",
                        RUN_OUTPUT >> 20);
    text_add(&r->out, p, n);
    TRY(run_step(r, n));
    return text_status(&r->out, r->err);
}

ar_status scope_open(render *r, scope *parent, scope **out) {
    void *s;
    TRY(run_alloc(r, sizeof(scope), &s));
    *out = s;
    (*out)->parent = parent;
    return AR_OK;
}

ar_status scope_set(render *r, scope *s, str name, value v) {
    size_t n = 0;
    for (binding *b = s->first; b; b = b->next, n++)
        if (str_equal(b->name, name)) {
            b->v = v;
            return AR_OK;
        }
    TRY(run_step(r, n * 8));
    void *p;
    TRY(run_alloc(r, sizeof(binding), &p));
    *(binding *)p = (binding){name, v, s->first};
    s->first = p;
    return AR_OK;
}

const value *scope_get(const scope *s, str name) {
    for (; s; s = s->parent)
        for (const binding *b = s->first; b; b = b->next)
            if (str_equal(b->name, name)) return &b->v;
    return NULL;
}
