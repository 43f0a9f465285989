/* template_methods.c - the methods of dicts, lists and loops, and those of
 * strings that ask or that change single characters. */
#include <string.h>

#include "tok/template_filters.h"
#include "tok/template_text.h"

static const struct {
    value_type type;
    builtin_row row;
} methods[] = {
#define METHOD(type, name, function, parameters)                               \
    {type, {name, function, parameters}},
#include "tok/template_methods.def"
#undef METHOD
};

bool attr_method(value v, str name, const builtin_row **row) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].type == (value_type)v.type &&
            str_is(name, methods[i].row.name)) {
            *row = &methods[i].row;
            return true;
        }
    return false;
}

/* ---- dicts, lists, loops ---- */

ar_status method_copy(call *c, value *out) {
    *out = c->self;
    return AR_OK;
}

ar_status method_get(call *c, value *out) {
    if (!value_hashable(c->p[0]))
        return run_fail(c->r, AR_FORMAT, "unhashable type: '%s'",
                        value_type_name(c->p[0]));
    const int64_t k = dict_find(c->self.dict, c->p[0]);
    *out = k >= 0            ? c->self.dict->values[k]
           : arg_given(c, 1) ? c->p[1]
                             : v_none();
    return run_step(c->r, c->self.dict->n * 4);
}

ar_status method_items(call *c, value *out) {
    TRY(filter_items(c, out));
    out->type = V_ITEMS;
    return AR_OK;
}

static ar_status view(call *c, value_type type, const value *from, value *out) {
    TRY(run_seq(c->r, type, c->self.dict->n, out));
    if (out->seq->n) memcpy(out->seq->at, from, out->seq->n * sizeof *from);
    return AR_OK;
}

ar_status method_keys(call *c, value *out) {
    return view(c, V_KEYS, c->self.dict->keys, out);
}
ar_status method_values(call *c, value *out) {
    return view(c, V_VALUES, c->self.dict->values, out);
}

ar_status method_list_count(call *c, value *out) {
    integer n = 0;
    for (size_t i = 0; i < c->self.seq->n; i++)
        n += value_equal(c->self.seq->at[i], c->p[0]);
    *out = v_int(n);
    return run_step(c->r, c->self.seq->n * 8);
}

ar_status method_list_index(call *c, value *out) {
    for (size_t i = 0; i < c->self.seq->n; i++)
        if (value_equal(c->self.seq->at[i], c->p[0])) {
            *out = v_int((integer)i);
            return run_step(c->r, i * 8);
        }
    return run_fail(c->r, AR_FORMAT, "the value is not in the list");
}

ar_status method_cycle(call *c, value *out) {
    if (!c->n) return run_fail(c->r, AR_FORMAT, "no items for cycling given");
    *out = c->args[c->self.loop->i % c->n];
    return AR_OK;
}

ar_status method_changed(call *c, value *out) {
    template_loop *const l = c->self.loop;
    value now;
    TRY(run_seq(c->r, V_TUPLE, c->n, &now));
    if (c->n) memcpy(now.seq->at, c->args, c->n * sizeof(value));
    *out = v_bool(!l->last || !value_equal(v_seq(V_TUPLE, l->last), now));
    l->last = now.seq;
    return AR_OK;
}

/* ---- strings ---- */

static ar_status cased(call *c, void (*add)(text *, str), value *out) {
    text t = {0};
    add(&t, c->self.s);
    return run_take(c->r, &t, out);
}

ar_status method_upper(call *c, value *out) {
    return cased(c, text_add_upper, out);
}
ar_status method_lower(call *c, value *out) {
    return cased(c, text_add_lower, out);
}
ar_status method_capitalize(call *c, value *out) {
    return cased(c, text_add_capital, out);
}
ar_status method_title(call *c, value *out) {
    return cased(c, text_add_title, out);
}
ar_status method_swapcase(call *c, value *out) {
    return cased(c, text_add_swapped, out);
}

static ar_status all_are(call *c, bool (*is)(uint32_t), value *out) {
    const str s = c->self.s;
    bool all = s.n > 0;
    size_t size;
    for (size_t at = 0; at < s.n && all; at += size)
        all = is(text_first((str){s.p + at, s.n - at}, &size));
    *out = v_bool(all);
    return run_step(c->r, s.n * 8);
}

static bool is_alnum(uint32_t cp) {
    return text_is_alpha(cp) || text_is_numeric(cp);
}
static bool is_ascii(uint32_t cp) { return cp < 0x80; }

ar_status method_isalpha(call *c, value *out) {
    return all_are(c, text_is_alpha, out);
}
ar_status method_isalnum(call *c, value *out) {
    return all_are(c, is_alnum, out);
}
ar_status method_isdecimal(call *c, value *out) {
    return all_are(c, text_is_decimal, out);
}
ar_status method_isnumeric(call *c, value *out) {
    return all_are(c, text_is_numeric, out);
}
ar_status method_isspace(call *c, value *out) {
    return all_are(c, text_is_space, out);
}
ar_status method_isascii(call *c, value *out) {
    TRY(all_are(c, is_ascii, out));
    out->truth = out->truth || !c->self.s.n;
    return AR_OK;
}

ar_status method_encode(call *c, value *out) {
    (void)out;
    return run_fail(c->r, AR_UNSUPPORTED, "templates have no bytes");
}

static ar_status padded(call *c, integer left_of_two, value *out) {
    const str s = c->self.s;
    integer width;
    str fill;
    TRY(arg_int(c, 0, 0, &width));
    TRY(arg_text(c, 1, " ", &fill));
    if (width > 1 << 20)
        return run_fail(c->r, AR_RANGE, "a width of more than 2^20");
    if (text_length(fill) != 1)
        return run_fail(c->r, AR_FORMAT,
                        "The fill character must be exactly one character");
    const integer pad = width - text_length(s);
    integer left = pad * left_of_two / 2;
    if (left_of_two == 1) left += pad & width & 1;
    text t = {0};
    for (integer i = 0; i < left; i++) text_add(&t, fill.p, fill.n);
    text_add(&t, s.p, s.n);
    for (integer i = left; i < pad; i++) text_add(&t, fill.p, fill.n);
    return run_take(c->r, &t, out);
}

ar_status method_center(call *c, value *out) { return padded(c, 1, out); }
ar_status method_ljust(call *c, value *out) { return padded(c, 0, out); }
ar_status method_rjust(call *c, value *out) { return padded(c, 2, out); }

ar_status method_zfill(call *c, value *out) {
    str s = c->self.s;
    integer width;
    TRY(arg_int(c, 0, 0, &width));
    if (width > 1 << 20)
        return run_fail(c->r, AR_RANGE, "a width of more than 2^20");
    const integer pad = width - text_length(s);
    text t = {0};
    if (s.n && (*s.p == '+' || *s.p == '-')) {
        text_add(&t, s.p++, 1);
        s.n--;
    }
    for (integer i = 0; i < pad; i++) text_adds(&t, "0");
    text_add(&t, s.p, s.n);
    return run_take(c->r, &t, out);
}

static ar_status stripped(call *c, int sides, value *out) {
    str chars;
    TRY(arg_text(c, 0, NULL, &chars));
    const str s = text_strip_set(c->self.s, chars.p ? &chars : NULL, sides);
    *out = v_text(s.p, s.n);
    return run_step(c->r, (c->self.s.n - s.n) * (chars.n + 1));
}

ar_status method_strip(call *c, value *out) {
    return stripped(c, STRIP_LEFT | STRIP_RIGHT, out);
}
ar_status method_lstrip(call *c, value *out) {
    return stripped(c, STRIP_LEFT, out);
}
ar_status method_rstrip(call *c, value *out) {
    return stripped(c, STRIP_RIGHT, out);
}
