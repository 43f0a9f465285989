/* template_value.c - what a template computes with. */
#include "tok/template_value.h"

#include <string.h>

bool str_equal(str a, str b) {
    return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool str_is(str a, const char *text) {
    return a.n == strlen(text) && !memcmp(a.p, text, a.n);
}

bool value_truth(value v) {
    switch ((value_type)v.type) {
    case V_MISSING:
    case V_UNDEFINED:
    case V_NONE: return false;
    case V_BOOL: return v.truth;
    case V_INT: return v.i != 0;
    case V_FLOAT: return v.f != 0;
    case V_TEXT: return v.s.n > 0;
    case V_LIST:
    case V_TUPLE:
    case V_KEYS:
    case V_VALUES:
    case V_ITEMS:
    case V_RANGE: return v.seq->n > 0;
    case V_DICT: return v.dict->n > 0;
    default: return true;
    }
}

integer value_integer(value v) { return v.type == V_BOOL ? v.truth : v.i; }

double value_real(value v) {
    return v.type == V_FLOAT ? v.f : (double)value_integer(v);
}

bool value_hashable(value v) {
    if (v.type == V_LIST || v.type == V_DICT) return false;
    if (v.type != V_TUPLE) return true;
    for (size_t i = 0; i < v.seq->n; i++) {
        const uint8_t type = v.seq->at[i].type;
        if (type == V_LIST || type == V_DICT) return false;
    }
    return true;
}

static bool equal(value a, value b, int depth, int64_t *work);

static bool dict_equal(const dict *a, const dict *b, int depth, int64_t *work) {
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const int64_t k = dict_find(b, a->keys[i]);
        if (k < 0 || !equal(a->values[i], b->values[k], depth, work))
            return false;
    }
    return true;
}

static bool seq_equal(const seq *a, const seq *b, int depth, int64_t *work) {
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!equal(a->at[i], b->at[i], depth, work)) return false;
    return true;
}

static bool number_equal(value a, value b) {
    if (is_integral(a) && is_integral(b))
        return value_integer(a) == value_integer(b);
    return value_real(a) == value_real(b);
}

static bool equal(value a, value b, int depth, int64_t *work) {
    if (depth < 0 || --*work < 0) return false;
    if (is_number(a) && is_number(b)) return number_equal(a, b);
    if (a.type != b.type) return false;
    if (a.type == V_TEXT) return str_equal(a.s, b.s);
    if (a.type == V_DICT) return dict_equal(a.dict, b.dict, depth - 1, work);
    if (a.type == V_GENERATOR || a.type == V_VALUES) return a.seq == b.seq;
    if (is_seq(a)) return seq_equal(a.seq, b.seq, depth - 1, work);
    switch ((value_type)a.type) {
    case V_NAMESPACE: return a.dict == b.dict;
    case V_LOOP: return a.loop == b.loop;
    case V_MACRO: return a.macro == b.macro;
    case V_BUILTIN: return a.builtin == b.builtin;
    default: return true;
    }
}

bool value_equal_within(value a, value b, int64_t *work) {
    return equal(a, b, VALUE_DEPTH, work);
}

bool value_equal(value a, value b) {
    int64_t work = VALUE_WORK;
    return equal(a, b, VALUE_DEPTH, &work);
}

const char *value_type_name(value v) {
    static const char *const names[] = {
        [V_MISSING] = "missing",  [V_UNDEFINED] = "Undefined",
        [V_NONE] = "NoneType",    [V_BOOL] = "bool",
        [V_INT] = "int",          [V_FLOAT] = "float",
        [V_TEXT] = "str",         [V_LIST] = "list",
        [V_TUPLE] = "tuple",      [V_GENERATOR] = "generator",
        [V_KEYS] = "dict_keys",   [V_VALUES] = "dict_values",
        [V_ITEMS] = "dict_items", [V_RANGE] = "range",
        [V_DICT] = "dict",        [V_NAMESPACE] = "Namespace",
        [V_LOOP] = "LoopContext", [V_MACRO] = "Macro",
        [V_BUILTIN] = "function",
    };
    return names[v.type];
}

int64_t dict_find_text(const dict *d, str key) {
    for (size_t i = 0; i < d->n; i++)
        if (d->keys[i].type == V_TEXT && str_equal(d->keys[i].s, key))
            return (int64_t)i;
    return -1;
}

int64_t dict_find(const dict *d, value key) {
    if (key.type == V_TEXT) return dict_find_text(d, key.s);
    for (size_t i = 0; i < d->n; i++)
        if (value_equal(d->keys[i], key)) return (int64_t)i;
    return -1;
}
