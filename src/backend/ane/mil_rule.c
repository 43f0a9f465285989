/* mil_rule.c - findings, and what predicates ask of a statement. */
#include "backend/ane/mil_rule.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum { MAX_SLOTS = 6, MAX_SLOT = 100 };

/* ---- findings ---- */

/* What a program says, on one line and not longer than most. */
static void add_plain(text *t, const char *s, size_t most) {
    size_t n = strlen(s);
    const bool cut = n > most;
    if (cut) n = most;
    while (cut && n && ((unsigned char)s[n] & 0xc0) == 0x80) n--;
    for (size_t i = 0; i < n; i++) {
        const unsigned char b = (unsigned char)s[i];
        text_add(t, b < ' ' || b == 0x7f ? "?" : s + i, 1);
    }
    if (cut) text_adds(t, "...");
}

static void fill(text *t, const char *message, const char *const *slots,
                 int n_slots) {
    for (const char *s = message; *s; s++) {
        const int slot = s[0] == '$' ? s[1] - '1' : -1;
        if (slot < 0 || slot >= n_slots) {
            text_add(t, s, 1);
            continue;
        }
        /* All of a sentence that is nothing but its slot. */
        add_plain(t, slots[slot], message[2] ? MAX_SLOT : SIZE_MAX);
        s++;
    }
}

static mil_finding *new_finding(rule_call *c) {
    mil_findings *f = c->out;
    if ((size_t)f->n == c->capacity) {
        const size_t more = c->capacity ? c->capacity * 2 : 32;
        void *q = mem_realloc(f->at, more * sizeof *f->at);
        if (!q) return NULL;
        f->at = q;
        c->capacity = more;
    }
    return &f->at[f->n];
}

void rule_hit(rule_call *c, mil_place at, ...) {
    const char *slots[MAX_SLOTS], *s;
    int n = 0;
    va_list ap;
    va_start(ap, at);
    while ((s = va_arg(ap, const char *)) && n < MAX_SLOTS) slots[n++] = s;
    va_end(ap);
    if (c->status != AR_OK) return;
    text t = {0};
    fill(&t, c->rule->message, slots, n);
    mil_finding *f = t.failed ? NULL : new_finding(c);
    const char *message =
        f ? arena_text(&c->out->mem, t.data ? t.data : "", t.size) : NULL;
    const char *name = c->f ? c->f->name : "";
    const char *func =
        message ? arena_text(&c->out->mem, name, strlen(name)) : NULL;
    text_close(&t);
    if (!func) {
        c->status = AR_NOMEM;
        return;
    }
    const bool counts = c->rule->severity <= MIL_WRONG &&
                        (c->rule->confidence <= 'B' || c->target->strict);
    *f = (mil_finding){c->rule, func, at, message, counts};
    c->out->n++;
    c->out->n_counting += counts;
}

rule_number rule_int(int64_t n) {
    rule_number r;
    snprintf(r.s, sizeof r.s, "%" PRId64, n);
    return r;
}

rule_number rule_real(double x) {
    rule_number r;
    const bool whole = x == floor(x) && fabs(x) < 1e20;
    snprintf(r.s, sizeof r.s, whole ? "%.0f" : "%.6g", x);
    return r;
}

/* ---- looking at a statement ---- */

const char *rule_name(const rule_call *c) {
    return c->op->n_outs ? mil_get(c->f, c->op->outs[0])->name : "";
}

const mil_value *rule_arg(const rule_call *c, const char *key) {
    const mil_ref r = mil_find_ref(c->op, key);
    return r ? mil_get(c->f, r) : NULL;
}

const mil_literal *rule_const(const rule_call *c, const char *key) {
    const mil_literal *l = mil_constant(c->f, mil_find_ref(c->op, key));
    return l && l->data && l->type.dtype != MIL_STRING ? l : NULL;
}

int64_t rule_whole(const rule_call *c, const char *key, int64_t other) {
    const mil_literal *l = rule_const(c, key);
    return l && mil_count(&l->type) > 0 ? (int64_t)mil_number(l, 0) : other;
}

bool rule_says(const rule_call *c, const char *key, const char *word) {
    const mil_literal *l = mil_constant(c->f, mil_find_ref(c->op, key));
    return l && l->data && l->type.dtype == MIL_STRING &&
           mil_count(&l->type) > 0 && strcmp(l->data, word) == 0;
}

int rule_axis(const rule_call *c, const char *key, const mil_value *x) {
    int64_t axis = rule_whole(c, key, -1);
    if (axis < 0) axis += x->type.rank;
    return axis >= 0 && axis < x->type.rank ? (int)axis : -1;
}

const char *rule_maker(const rule_call *c, const mil_value *v) {
    return v && v->op >= 0 ? c->f->ops[v->op].kind : "";
}

bool rule_starts(const char *s, const char *start) {
    return strncmp(s, start, strlen(start)) == 0;
}

bool rule_computed(const rule_call *c, const mil_value *v) {
    return v && !v->literal && !rule_starts(rule_maker(c, v), "constexpr_");
}

int64_t rule_dim(const mil_type *t, int from_end) {
    return from_end < t->rank ? t->dim[t->rank - 1 - from_end] : 1;
}

double rule_surface(const mil_type *t) {
    const double row = (double)rule_dim(t, 0) * mil_dtype_bits(t->dtype) / 8;
    double rows = 1;
    for (int i = 1; i < t->rank; i++) rows *= (double)rule_dim(t, i);
    return rows * ceil(row / 64) * 64;
}
