/* template_strings.c - methods that look for one string in another. */
#include <string.h>

#include "tok/template_filters.h"
#include "tok/template_text.h"

static str part(str s, size_t from, size_t to) {
    return (str){s.p + from, to - from};
}

static ar_status is_at_end(call *c, bool (*is)(str, str), value *out) {
    const value *v = &c->p[0];
    const bool many = v->type == V_TUPLE;
    *out = v_bool(false);
    for (size_t i = 0; i < (many ? v->seq->n : 1); i++) {
        const value one = many ? v->seq->at[i] : *v;
        TRY(check_defined(c->r, one));
        if (one.type != V_TEXT)
            return run_fail(c->r, AR_FORMAT,
                            "a string or a tuple of strings is needed, not %s",
                            value_type_name(one));
        out->truth = out->truth || is(c->self.s, one.s);
    }
    return AR_OK;
}

ar_status method_startswith(call *c, value *out) {
    return is_at_end(c, text_starts, out);
}
ar_status method_endswith(call *c, value *out) {
    return is_at_end(c, text_ends, out);
}

ar_status method_removeprefix(call *c, value *out) {
    str s = c->self.s, what;
    TRY(arg_text(c, 0, "", &what));
    if (text_starts(s, what)) s = part(s, what.n, s.n);
    *out = v_text(s.p, s.n);
    return AR_OK;
}

ar_status method_removesuffix(call *c, value *out) {
    str s = c->self.s, what;
    TRY(arg_text(c, 0, "", &what));
    if (text_ends(s, what)) s.n -= what.n;
    *out = v_text(s.p, s.n);
    return AR_OK;
}

static ar_status found(call *c, bool last, bool must, value *out) {
    const str s = c->self.s;
    str what;
    integer start = 0;
    TRY(arg_text(c, 0, "", &what));
    if (!last) TRY(arg_int(c, 1, 0, &start));
    if (start < 0) start += text_length(s);
    if (start < 0) start = 0;
    const integer limit = (integer)s.n + 1;
    const size_t from =
        text_offset(s, (int64_t)(start < limit ? start : limit));
    int64_t at = last ? text_find_last(s, what) : text_find(s, what, from);
    if (start > text_length(s)) at = -1;
    if (at < 0 && must) return run_fail(c->r, AR_FORMAT, "substring not found");
    *out = v_int(at < 0 ? -1 : text_length(part(s, 0, (size_t)at)));
    return run_step(c->r, s.n * 16);
}

ar_status method_find(call *c, value *out) {
    return found(c, false, false, out);
}
ar_status method_index(call *c, value *out) {
    return found(c, false, true, out);
}
ar_status method_rfind(call *c, value *out) {
    return found(c, true, false, out);
}
ar_status method_rindex(call *c, value *out) {
    return found(c, true, true, out);
}

ar_status method_count(call *c, value *out) {
    const str s = c->self.s;
    str what;
    integer n = 0;
    TRY(arg_text(c, 0, "", &what));
    if (!what.n) n = text_length(s) + 1;
    for (int64_t at = 0; what.n; n++) {
        at = text_find(s, what, (size_t)at);
        if (at < 0) break;
        at += (int64_t)what.n;
    }
    *out = v_int(n);
    return run_step(c->r, s.n * 8);
}

ar_status method_join(call *c, value *out) {
    value items;
    TRY(value_items(c->r, c->p[0], &items));
    text t = {0};
    for (size_t i = 0; i < items.seq->n; i++) {
        const value v = items.seq->at[i];
        if (v.type != V_TEXT || t.size > RUN_OUTPUT) {
            text_close(&t);
            return run_fail(c->r, AR_FORMAT,
                            "sequence item %zu: expected str instance, %s "
                            "found",
                            i, value_type_name(v));
        }
        if (i) text_add(&t, c->self.s.p, c->self.s.n);
        text_add(&t, v.s.p, v.s.n);
    }
    return run_take(c->r, &t, out);
}

ar_status method_format(call *c, value *out) {
    const arguments a = {(value *)c->args, c->n, (dict *)c->named};
    return format_braces(c->r, c->self.s, &a, out);
}

/* ---- splitting ---- */

typedef struct parts {
    render *r;
    value list; /* with room for `room` */
    size_t room;
} parts;

static ar_status add_part(parts *l, str s) {
    seq *const have = l->list.seq;
    if (have->n == l->room) {
        value more;
        TRY(run_seq(l->r, V_LIST, l->room * 2 + 4, &more));
        if (have->n) memcpy(more.seq->at, have->at, have->n * sizeof(value));
        l->room = more.seq->n;
        have->at = more.seq->at;
    }
    have->at[have->n++] = v_text(s.p, s.n);
    return AR_OK;
}

static ar_status begin_parts(parts *l, render *r) {
    *l = (parts){.r = r};
    return run_seq(r, V_LIST, 0, &l->list);
}

static void turn_round(seq *s) {
    for (size_t i = 0; i < s->n / 2; i++) {
        const value v = s->at[i];
        s->at[i] = s->at[s->n - 1 - i];
        s->at[s->n - 1 - i] = v;
    }
}

/* Bytes before the first white space in s, or all. */
static size_t word_size(str s) {
    size_t at = 0, size;
    while (at < s.n && !text_is_space(text_first(part(s, at, s.n), &size)))
        at += size;
    return at;
}

static size_t last_word(str s) {
    str rest = s;
    while (rest.n && text_strip_right(rest).n == rest.n) {
        rest.n--; /* back to the start of a code point */
        while (rest.n && ((unsigned char)rest.p[rest.n] & 0xC0) == 0x80)
            rest.n--;
    }
    return rest.n;
}

static ar_status split_words(parts *l, str s, integer max, bool right) {
    s = right ? text_strip_right(s) : text_strip_left(s);
    for (; s.n; max--) {
        if (max == 0) return add_part(l, s);
        const size_t cut = right ? last_word(s) : word_size(s);
        TRY(add_part(l, right ? part(s, cut, s.n) : part(s, 0, cut)));
        s = right ? text_strip_right(part(s, 0, cut))
                  : text_strip_left(part(s, cut, s.n));
    }
    return AR_OK;
}

static ar_status split_by(parts *l, str s, str by, integer max, bool right) {
    for (; max != 0; max--) {
        const int64_t at = right ? text_find_last(s, by) : text_find(s, by, 0);
        if (at < 0) break;
        const size_t before = (size_t)at, behind = before + by.n;
        TRY(add_part(l, right ? part(s, behind, s.n) : part(s, 0, before)));
        s = right ? part(s, 0, before) : part(s, behind, s.n);
    }
    return add_part(l, s);
}

static ar_status split(call *c, bool right, value *out) {
    parts l;
    str by;
    integer max;
    TRY(arg_text(c, 0, NULL, &by));
    TRY(arg_int(c, 1, -1, &max));
    TRY(begin_parts(&l, c->r));
    if (by.p && !by.n) return run_fail(c->r, AR_FORMAT, "empty separator");
    TRY(run_step(c->r, c->self.s.n * 8));
    TRY(by.p ? split_by(&l, c->self.s, by, max, right)
             : split_words(&l, c->self.s, max, right));
    if (right) turn_round(l.list.seq);
    *out = l.list;
    return AR_OK;
}

ar_status method_split(call *c, value *out) { return split(c, false, out); }
ar_status method_rsplit(call *c, value *out) { return split(c, true, out); }

static bool is_line_end(uint32_t cp) {
    return (cp >= 0x0A && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x1E) ||
           cp == 0x85 || cp == 0x2028 || cp == 0x2029;
}

ar_status method_splitlines(call *c, value *out) {
    const str s = c->self.s;
    const bool keep = arg_truth(c, 0, false);
    parts l;
    TRY(begin_parts(&l, c->r));
    size_t start = 0, size;
    for (size_t at = 0; at < s.n; at += size) {
        const uint32_t cp = text_first(part(s, at, s.n), &size);
        if (!is_line_end(cp)) continue;
        if (cp == '\r' && at + 1 < s.n && s.p[at + 1] == '\n') size = 2;
        TRY(add_part(&l, part(s, start, keep ? at + size : at)));
        start = at + size;
    }
    if (start < s.n) TRY(add_part(&l, part(s, start, s.n)));
    *out = l.list;
    return run_step(c->r, s.n * 8);
}

static ar_status cut_in_three(call *c, bool right, value *out) {
    const str s = c->self.s;
    str by;
    TRY(arg_text(c, 0, "", &by));
    if (!by.n) return run_fail(c->r, AR_FORMAT, "empty separator");
    const int64_t at = right ? text_find_last(s, by) : text_find(s, by, 0);
    TRY(run_seq(c->r, V_TUPLE, 3, out));
    value *const v = out->seq->at;
    v[0] = v[1] = v[2] = v_text("", 0);
    if (at < 0) {
        v[right ? 2 : 0] = v_text(s.p, s.n);
        return AR_OK;
    }
    const size_t before = (size_t)at, behind = before + by.n;
    v[0] = v_text(s.p, before);
    v[1] = v_text(by.p, by.n);
    v[2] = v_text(s.p + behind, s.n - behind);
    return AR_OK;
}

ar_status method_partition(call *c, value *out) {
    return cut_in_three(c, false, out);
}
ar_status method_rpartition(call *c, value *out) {
    return cut_in_three(c, true, out);
}
