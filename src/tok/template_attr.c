/* template_attr.c - attributes, elements and slices. */
#include <stdlib.h>
#include <string.h>

#include "tok/template_run.h"
#include "tok/template_text.h"

ar_status value_items(render *r, value v, value *out) {
    switch ((value_type)v.type) {
    case V_GENERATOR: {
        void *copy;
        TRY(run_alloc(r, sizeof(seq), &copy));
        *(seq *)copy = *v.seq;
        *out = v_seq(V_LIST, copy);
        v.seq->n = 0; /* it can be walked once */
        return AR_OK;
    }
    case V_LIST:
    case V_TUPLE:
    case V_KEYS:
    case V_VALUES:
    case V_ITEMS:
    case V_RANGE: *out = v_seq(V_LIST, v.seq); return AR_OK;
    case V_UNDEFINED: return run_seq(r, V_LIST, 0, out);
    case V_DICT:
        TRY(run_seq(r, V_LIST, v.dict->n, out));
        if (v.dict->n)
            memcpy(out->seq->at, v.dict->keys, v.dict->n * sizeof(value));
        return AR_OK;
    case V_TEXT: {
        TRY(run_seq(r, V_LIST, (size_t)text_length(v.s), out));
        size_t size, at = 0;
        for (size_t i = 0; i < out->seq->n; i++, at += size) {
            text_first((str){v.s.p + at, v.s.n - at}, &size);
            out->seq->at[i] = v_text(v.s.p + at, size);
        }
        return AR_OK;
    }
    case V_LOOP: {
        const template_loop *l = v.loop;
        TRY(run_seq(r, V_LIST, l->n - l->i, out));
        memcpy(out->seq->at, l->items + l->i, out->seq->n * sizeof(value));
        return AR_OK;
    }
    default:
        return run_fail(r, AR_FORMAT, "'%s' object is not iterable",
                        value_type_name(v));
    }
}

ar_status value_length(render *r, value v, integer *out) {
    *out = 0;
    if (v.type == V_UNDEFINED) return AR_OK;
    if (v.type == V_TEXT) {
        *out = text_length(v.s);
        return run_step(r, v.s.n * 8);
    }
    if (v.type == V_DICT)
        *out = (integer)v.dict->n;
    else if (v.type == V_LOOP)
        *out = (integer)v.loop->n;
    else if (is_seq(v) && v.type != V_GENERATOR)
        *out = (integer)v.seq->n;
    else
        return run_fail(r, AR_FORMAT, "object of type '%s' has no len()",
                        value_type_name(v));
    return AR_OK;
}

static ar_status missing(render *r, value v, str name, value *out) {
    TRY(check_defined(r, v));
    const char *type = value_type_name(v);
    const int n = name.n > 80 ? 80 : (int)name.n;
    if (v.type == V_NONE)
        return run_undefined(r, out, "'None' has no attribute '%.*s'", n,
                             name.p);
    return run_undefined(r, out, "'%s object' has no attribute '%.*s'", type, n,
                         name.p);
}

static ar_status loop_get(render *r, const template_loop *l, str name,
                          value *out) {
    const integer i = (integer)l->i, n = (integer)l->n;
    const struct {
        const char *name;
        value v;
    } fields[] = {
        {"index", v_int(i + 1)},      {"index0", v_int(i)},
        {"revindex", v_int(n - i)},   {"revindex0", v_int(n - i - 1)},
        {"first", v_bool(i == 0)},    {"last", v_bool(i == n - 1)},
        {"length", v_int(n)},         {"depth", v_int(l->depth0 + 1)},
        {"depth0", v_int(l->depth0)},
    };
    for (size_t k = 0; k < sizeof fields / sizeof *fields; k++)
        if (str_is(name, fields[k].name)) {
            *out = fields[k].v;
            return AR_OK;
        }
    if (str_is(name, "previtem")) {
        if (!i) return run_undefined(r, out, "there is no previous item");
        *out = l->items[i - 1];
        return AR_OK;
    }
    if (str_is(name, "nextitem")) {
        if (i + 1 >= n) return run_undefined(r, out, "there is no next item");
        *out = l->items[i + 1];
        return AR_OK;
    }
    return run_undefined(r, out, "'LoopContext object' has no attribute '%.*s'",
                         name.n > 80 ? 80 : (int)name.n, name.p);
}

static ar_status macro_get(render *r, const node *m, str name, value *out) {
    if (str_is(name, "name"))
        *out = m->v;
    else if (str_is(name, "caller"))
        *out = v_bool(m->caller);
    else if (str_is(name, "catch_kwargs"))
        *out = v_bool(m->kwargs);
    else if (str_is(name, "catch_varargs"))
        *out = v_bool(m->varargs);
    else if (!str_is(name, "arguments"))
        return missing(r, (value){.type = V_MACRO}, name, out);
    else {
        size_t n = 0;
        for (const node *p = m->list2; p; p = p->next) n++;
        TRY(run_seq(r, V_TUPLE, n, out));
        n = 0;
        for (const node *p = m->list2; p; p = p->next) out->seq->at[n++] = p->v;
    }
    return AR_OK;
}

/* What is an attribute in Python: methods, fields of a loop ... */
static ar_status own_attribute(render *r, value v, str name, bool *found,
                               value *out) {
    const builtin_row *row;
    *found = true;
    if (attr_method(v, name, &row)) {
        void *p;
        TRY(run_alloc(r, sizeof(template_builtin), &p));
        *(template_builtin *)p = (template_builtin){row, v};
        *out = (value){.type = V_BUILTIN, .builtin = p};
        if (row->run) return AR_OK;
        return run_undefined(
            r, out, "access to attribute '%s' of '%s' object is unsafe.",
            row->name, value_type_name(v));
    }
    if (v.type == V_LOOP) return loop_get(r, v.loop, name, out);
    if (v.type == V_MACRO) return macro_get(r, v.macro->node, name, out);
    if (v.type == V_TUPLE && v.seq->group) {
        const bool grouper = str_is(name, "grouper");
        if (grouper || str_is(name, "list")) {
            *out = v.seq->at[grouper ? 0 : 1];
            return AR_OK;
        }
    }
    *found = false;
    return AR_OK;
}

ar_status attr_get(render *r, value v, str name, value *out) {
    bool found;
    TRY(check_defined(r, v));
    TRY(own_attribute(r, v, name, &found, out));
    if (found) return AR_OK;
    if (v.type == V_DICT || v.type == V_NAMESPACE) {
        const int64_t k = dict_find_text(v.dict, name);
        TRY(run_step(r, v.dict->n * 4));
        if (k >= 0) {
            *out = v.dict->values[k];
            return AR_OK;
        }
    }
    return missing(r, v, name, out);
}

static ar_status element(render *r, value v, integer i, value *out) {
    const integer n = v.type == V_TEXT ? text_length(v.s) : (integer)v.seq->n;
    const integer at = i < 0 ? i + n : i;
    if (at < 0 || at >= n)
        return run_undefined(r, out, "%s object has no element %lld",
                             value_type_name(v), (long long)i);
    if (v.type != V_TEXT) {
        *out = v.seq->at[at];
        return AR_OK;
    }
    size_t size;
    const size_t from = text_offset(v.s, (int64_t)at);
    text_first((str){v.s.p + from, v.s.n - from}, &size);
    *out = v_text(v.s.p + from, size);
    return run_step(r, v.s.n * 8);
}

static bool is_indexed(value v) {
    return v.type == V_TEXT || v.type == V_LIST || v.type == V_TUPLE ||
           v.type == V_RANGE;
}

ar_status item_get(render *r, value v, value key, value *out) {
    TRY(check_defined(r, v));
    if (is_indexed(v) && is_integral(key))
        return element(r, v, value_integer(key), out);
    if (v.type == V_DICT && value_hashable(key)) {
        const int64_t k = dict_find(v.dict, key);
        TRY(run_step(r, v.dict->n * 4));
        if (k >= 0) {
            *out = v.dict->values[k];
            return AR_OK;
        }
    }
    if (key.type == V_TEXT) {
        bool found;
        TRY(own_attribute(r, v, key.s, &found, out));
        return found ? AR_OK : missing(r, v, key.s, out);
    }
    return run_undefined(r, out, "'%s object' has no such element",
                         value_type_name(v));
}

static ar_status slice_part(render *r, value v, integer low, integer high,
                            integer n, integer *out) {
    if (v.type == V_NONE || v.type == V_MISSING) return AR_OK;
    TRY(check_defined(r, v));
    if (!is_integral(v))
        return run_fail(r, AR_FORMAT, "slice indices must be integers or None");
    integer i = value_integer(v);
    if (i < 0) i = i < -n ? low : i + n;
    if (i < low) i = low;
    *out = i > high ? high : i;
    return AR_OK;
}

/* Where every code point begins, and where the last one ends. */
static ar_status text_starts_of(render *r, str s, integer n, size_t **out) {
    void *p;
    TRY(run_alloc(r, (size_t)(n + 1) * sizeof(size_t), &p));
    size_t *const starts = p, at = 0, size;
    for (integer i = 0; i < n; i++, at += size) {
        starts[i] = at;
        text_first((str){s.p + at, s.n - at}, &size);
    }
    starts[n] = s.n;
    *out = starts;
    return AR_OK;
}

static ar_status slice_text(render *r, str s, const integer range[4],
                            value *out) {
    const integer start = range[0], step = range[2], count = range[3];
    size_t *at;
    TRY(text_starts_of(r, s, text_length(s), &at));
    if (step == 1 && count) {
        const size_t from = at[start];
        *out = v_text(s.p + from, at[start + count] - from);
        return run_step(r, s.n);
    }
    text t = {0};
    for (integer i = 0, k = start; i < count; i++, k += step)
        text_add(&t, s.p + at[k], at[k + 1] - at[k]);
    return run_take(r, &t, out);
}

/* Start, stop, step and the number of elements of a slice of n. */
static ar_status slice_range(render *r, const value part[3], integer n,
                             integer out[4]) {
    integer step = is_integral(part[2]) ? value_integer(part[2]) : 1;
    if (!step) return run_fail(r, AR_FORMAT, "slice step cannot be zero");
    if (step > n) step = n + 1;
    if (step < -n) step = -n - 1;
    const bool back = step < 0;
    const integer low = back ? -1 : 0, high = back ? n - 1 : n;
    integer start = back ? high : low, stop = back ? low : high;
    TRY(slice_part(r, part[0], low, high, n, &start));
    TRY(slice_part(r, part[1], low, high, n, &stop));
    const integer way = back ? start - stop : stop - start;
    const integer size = back ? -step : step;
    out[0] = start;
    out[1] = stop;
    out[2] = step;
    out[3] = way > 0 ? (way + size - 1) / size : 0;
    return AR_OK;
}

ar_status slice_get(render *r, value v, const value part[3], value *out) {
    TRY(check_defined(r, v));
    if (!is_indexed(v))
        return run_fail(r, AR_FORMAT, "'%s' object is not subscriptable",
                        value_type_name(v));
    const bool words = v.type == V_TEXT;
    integer range[4] = {0, 0, 1, 0};
    TRY(slice_range(r, part, words ? text_length(v.s) : (integer)v.seq->n,
                    range));
    if (words) return slice_text(r, v.s, range, out);
    TRY(run_seq(r, v.type == V_TUPLE ? V_TUPLE : V_LIST, (size_t)range[3],
                out));
    for (integer i = 0; i < range[3]; i++)
        out->seq->at[i] = v.seq->at[range[0] + i * range[2]];
    return AR_OK;
}

/* One part of a path: a number is an index. */
static ar_status path_step(render *r, value v, str part, value *out) {
    bool digits = part.n > 0 && part.n < 10;
    integer i = 0;
    for (size_t k = 0; k < part.n && digits; k++) {
        digits = part.p[k] >= '0' && part.p[k] <= '9';
        i = i * 10 + (part.p[k] - '0');
    }
    return item_get(r, v, digits ? v_int(i) : v_text(part.p, part.n), out);
}

ar_status attr_path(render *r, value v, value path, value *out) {
    if (path.type != V_TEXT) return item_get(r, v, path, out);
    str rest = path.s;
    for (;;) {
        const char *dot = rest.n ? memchr(rest.p, '.', rest.n) : NULL;
        const str part = {rest.p, dot ? (size_t)(dot - rest.p) : rest.n};
        TRY(path_step(r, v, part, out));
        if (!dot) return AR_OK;
        v = *out;
        rest.n -= part.n + 1;
        rest.p = dot + 1;
    }
}
