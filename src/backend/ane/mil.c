/* mil.c - a MIL program: memory, names, and looking at it. */
#include <stdio.h>
#include <string.h>

#include "backend/ane/mil_int.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

enum { CHUNK = 1 << 16 };

mil_program *mil_open(void) {
    mil_program *p = mem_new(mil_program, 1);
    if (p) arena_open(&p->mem, CHUNK);
    return p;
}

static void close_func(mil_func *f) {
    mem_free(f->values);
    mem_free(f->ops);
}

void mil_close(mil_program *p) {
    if (!p) return;
    mil_func *f = p->funcs.data;
    for (size_t i = 0; i < p->funcs.n; i++) close_func(&f[i]);
    pile *piles[] = {&p->info,   &p->funcs,   &p->values, &p->ops,
                     &p->params, &p->args[0], &p->args[1]};
    for (size_t i = 0; i < sizeof piles / sizeof *piles; i++)
        mem_free(piles[i]->data);
    mem_free(p->names.slots);
    mem_free(p->texts.slots);
    arena_close(&p->mem);
    mem_free(p);
}

/* ---- failing ---- */

void mil_fail(mil_program *p, ar_status code, const char *fmt, ...) {
    if (p->status != AR_OK) return;
    char what[sizeof p->err.message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (p->source)
        p->status = error_set(&p->err, code, "%s:%u:%u: %s", p->source,
                              p->place.line, p->place.column, what);
    else
        p->status = error_set(&p->err, code, "%s", what);
}

bool mil_failed(const mil_program *p) { return p->status != AR_OK; }

ar_status mil_status(const mil_program *p, ar_error *err) {
    if (p->status != AR_OK && err) *err = p->err;
    return p->status;
}

/* ---- memory ---- */

static void no_memory(mil_program *p) {
    mil_fail(p, AR_NOMEM, "out of memory for a program");
}

void *mil_take(mil_program *p, size_t size) {
    void *q = arena_alloc(&p->mem, size ? size : 1);
    if (!q) no_memory(p);
    return q;
}

const char *mil_copy_text(mil_program *p, const char *s, size_t n) {
    const char *q = arena_text(&p->mem, s, n);
    if (!q) no_memory(p);
    return q;
}

void *mil_push(mil_program *p, pile *a, size_t item) {
    if (p->status != AR_OK) return NULL;
    if (a->n == a->capacity) {
        const size_t more = a->capacity ? a->capacity * 2 : 16;
        void *q = mem_realloc(a->data, more * item);
        if (!q) return no_memory(p), NULL;
        a->data = q;
        a->capacity = more;
    }
    return memset((char *)a->data + a->n++ * item, 0, item);
}

/* ---- names ---- */

static name_slot *find_slot(const name_table *t, const char *s, size_t n,
                            uint64_t hash) {
    if (!t->n_slots) return NULL;
    for (size_t i = hash;; i++) {
        name_slot *slot = &t->slots[i & (t->n_slots - 1)];
        if (!slot->name) return slot;
        if (slot->hash == hash && strlen(slot->name) == n &&
            memcmp(slot->name, s, n) == 0)
            return slot;
    }
}

static bool make_room(name_table *t) {
    if (t->used * 2 < t->n_slots) return true;
    const name_table old = *t;
    const size_t n = old.n_slots ? old.n_slots * 2 : 64;
    name_slot *slots = mem_new(name_slot, n);
    if (!slots) return false;
    *t = (name_table){slots, n, old.used};
    for (size_t i = 0; i < old.n_slots; i++) {
        const name_slot *s = &old.slots[i];
        if (s->name) *find_slot(t, s->name, strlen(s->name), s->hash) = *s;
    }
    mem_free(old.slots);
    return true;
}

const char *mil_intern(mil_program *p, const char *s, size_t n) {
    if (mil_failed(p)) return "";
    if (!make_room(&p->texts)) return no_memory(p), "";
    const uint64_t hash = hash_bytes(s, n, 0);
    name_slot *slot = find_slot(&p->texts, s, n, hash);
    if (slot->name) return slot->name;
    const char *copy = mil_copy_text(p, s, n);
    if (!copy) return "";
    *slot = (name_slot){copy, hash, 0};
    p->texts.used++;
    return copy;
}

mil_ref mil_lookup(const mil_program *p, const char *s, size_t n) {
    const name_slot *slot = find_slot(&p->names, s, n, hash_bytes(s, n, 0));
    return slot && slot->name ? slot->ref : 0;
}

/* A name of the function that is being built; NULL after failing p. */
const char *mil_claim(mil_program *p, const char *s, size_t n, mil_ref ref) {
    if (mil_failed(p)) return NULL;
    if (!make_room(&p->names)) return no_memory(p), NULL;
    const uint64_t hash = hash_bytes(s, n, 0);
    name_slot *slot = find_slot(&p->names, s, n, hash);
    if (slot->name) {
        mil_fail(p, AR_FORMAT, "the name \"%.*s\" is taken", (int)n, s);
        return NULL;
    }
    const char *copy = mil_copy_text(p, s, n);
    if (!copy) return NULL;
    *slot = (name_slot){copy, hash, ref};
    p->names.used++;
    return copy;
}

/* ---- looking ---- */

int mil_n_funcs(const mil_program *p) { return (int)p->funcs.n; }

const mil_func *mil_get_func(const mil_program *p, int i) {
    return (const mil_func *)p->funcs.data + i;
}

const mil_func *mil_find_func(const mil_program *p, const char *name) {
    for (int i = 0; i < mil_n_funcs(p); i++)
        if (strcmp(mil_get_func(p, i)->name, name) == 0)
            return mil_get_func(p, i);
    return NULL;
}

const char *mil_version(const mil_program *p) {
    if (p->version && !p->restyled) return p->version;
    return p->syntax == MIL_SHORT ? "1.3" : "1.0";
}

enum mil_syntax mil_get_syntax(const mil_program *p) { return p->syntax; }

void mil_set_syntax(mil_program *p, enum mil_syntax s) {
    p->syntax = s;
    p->restyled = true;
}

int mil_build_info(const mil_program *p, const mil_pair **pairs) {
    *pairs = p->info.data;
    return (int)p->info.n;
}

const mil_value *mil_get(const mil_func *f, mil_ref r) { return &f->values[r]; }

static const mil_arg *find_in(const mil_arg *a, int n, const char *key) {
    for (int i = 0; i < n; i++)
        if (strcmp(a[i].key, key) == 0) return &a[i];
    return NULL;
}

const mil_arg *mil_find_arg(const mil_op *op, const char *key) {
    const mil_arg *a = find_in(op->args, op->n_args, key);
    return a ? a : find_in(op->attrs, op->n_attrs, key);
}

mil_ref mil_find_ref(const mil_op *op, const char *key) {
    const mil_arg *a = mil_find_arg(op, key);
    return a && a->n_values ? a->values[0] : 0;
}

const mil_literal *mil_constant(const mil_func *f, mil_ref r) {
    return r ? f->values[r].literal : NULL;
}

double mil_number(const mil_literal *l, int64_t i) {
    if (!l->data) return 0;
    if (l->type.dtype == MIL_BOOL) return ((const uint8_t *)l->data)[i] != 0;
    return mil_get_number(l->type.dtype, l->data, i);
}
