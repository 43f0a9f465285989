/* template_filters_text.c - filters that make text. */
#include <string.h>

#include "tok/template_filters.h"
#include "tok/template_text.h"

/* What is filtered, as text. */
static ar_status self_text(call *c, str *out) {
    value v;
    TRY(show_str(c->r, c->self, &v));
    *out = v.s;
    return run_step(c->r, v.s.n * 8);
}

static ar_status cased(call *c, void (*add)(text *, str), value *out) {
    str s;
    text t = {0};
    TRY(self_text(c, &s));
    add(&t, s);
    return run_take(c->r, &t, out);
}

ar_status filter_upper(call *c, value *out) {
    return cased(c, text_add_upper, out);
}
ar_status filter_lower(call *c, value *out) {
    return cased(c, text_add_lower, out);
}
ar_status filter_capitalize(call *c, value *out) {
    return cased(c, text_add_capital, out);
}

/* Words begin behind white space, hyphens and opening brackets. */
static void add_filter_title(text *t, str s) {
    size_t size, start = 0;
    for (size_t at = 0; at <= s.n; at += size) {
        size = 1;
        const uint32_t cp =
            at < s.n ? text_first((str){s.p + at, s.n - at}, &size) : ' ';
        const bool cut =
            text_is_space(cp) || (cp < 0x80 && cp && strchr("-({[<", (int)cp));
        if (!cut && at < s.n) continue;
        size_t first = 0;
        if (at > start) text_first((str){s.p + start, at - start}, &first);
        text_add_upper(t, (str){s.p + start, first});
        text_add_lower(t, (str){s.p + start + first, at - start - first});
        if (at < s.n) text_add(t, s.p + at, size);
        start = at + size;
    }
}

ar_status filter_title(call *c, value *out) {
    return cased(c, add_filter_title, out);
}

ar_status filter_string(call *c, value *out) {
    return show_str(c->r, c->self, out);
}

ar_status filter_safe(call *c, value *out) {
    TRY(show_str(c->r, c->self, out));
    out->safe = true;
    return AR_OK;
}

static void add_html(text *t, str s) {
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(from, s.p[i]) : NULL;
        if (at)
            text_adds(t, to[at - from]);
        else
            text_add(t, s.p + i, 1);
    }
}

ar_status filter_forceescape(call *c, value *out) {
    TRY(cased(c, add_html, out));
    out->safe = true;
    return AR_OK;
}

ar_status filter_escape(call *c, value *out) {
    if (!c->self.safe) return filter_forceescape(c, out);
    *out = c->self;
    return AR_OK;
}

ar_status filter_trim(call *c, value *out) {
    str s, chars;
    TRY(self_text(c, &s));
    TRY(arg_text(c, 0, NULL, &chars));
    s = text_strip_set(s, chars.p ? &chars : NULL, STRIP_LEFT | STRIP_RIGHT);
    *out = v_text(s.p, s.n);
    return AR_OK;
}

ar_status text_replace(render *r, str s, const str what[2], integer count,
                       value *out) {
    const str old = what[0], new = what[1];
    text t = {0};
    size_t at = 0, size = 1;
    while (count != 0 && at <= s.n && t.size <= RUN_OUTPUT) {
        int64_t next = text_find(s, old, at);
        if (next < 0) break;
        text_add(&t, s.p + at, (size_t)next - at);
        text_add(&t, new.p, new.n);
        at = (size_t)next + old.n;
        count--;
        if (old.n) continue;
        if (at >= s.n) { /* nothing stands between all characters */
            at = s.n + 1;
            break;
        }
        text_first((str){s.p + at, s.n - at}, &size);
        text_add(&t, s.p + at, size);
        at += size;
    }
    if (at < s.n) text_add(&t, s.p + at, s.n - at);
    if (t.size > RUN_OUTPUT) {
        text_close(&t);
        return run_fail(r, AR_RANGE, "a text is longer than %d MiB",
                        RUN_OUTPUT >> 20);
    }
    return run_take(r, &t, out);
}

ar_status filter_replace(call *c, value *out) {
    str s, what[2];
    integer count;
    TRY(self_text(c, &s));
    TRY(arg_text(c, 0, "", &what[0]));
    TRY(arg_text(c, 1, "", &what[1]));
    TRY(arg_int(c, 2, -1, &count));
    return text_replace(c->r, s, what, count, out);
}

static void add_spaces(text *t, integer n) {
    for (; n > 0; n--) text_adds(t, " ");
}

static ar_status check_width(call *c, integer n) {
    if (n <= 1 << 20) return AR_OK;
    return run_fail(c->r, AR_RANGE, "a width of more than 2^20");
}

ar_status filter_center(call *c, value *out) {
    str s;
    integer width;
    TRY(self_text(c, &s));
    TRY(arg_int(c, 0, 80, &width));
    TRY(check_width(c, width));
    const integer pad = width - text_length(s);
    const integer left = pad > 0 ? pad / 2 + (pad & width & 1) : 0;
    text t = {0};
    add_spaces(&t, left);
    text_add(&t, s.p, s.n);
    add_spaces(&t, pad - left);
    return run_take(c->r, &t, out);
}

/* One line; false behind the last. */
static bool next_line(str *rest, str *line) {
    const char *nl = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    *line = (str){rest->p, nl ? (size_t)(nl - rest->p) : rest->n};
    *rest = (str){rest->p + line->n, rest->n - line->n};
    if (!nl) return false;
    *rest = (str){rest->p + 1, rest->n - 1};
    return true;
}

ar_status filter_indent(call *c, value *out) {
    str s, line, by = {0};
    integer width = 4;
    TRY(check_defined(c->r, c->self));
    if (c->self.type != V_TEXT)
        return run_fail(c->r, AR_FORMAT, "indent needs a string, not %s",
                        value_type_name(c->self));
    TRY(self_text(c, &s));
    if (arg_given(c, 0) && c->p[0].type == V_TEXT)
        by = c->p[0].s;
    else
        TRY(arg_int(c, 0, 4, &width));
    TRY(check_width(c, width));
    const bool first = arg_truth(c, 1, false), blank = arg_truth(c, 2, false);
    text t = {0};
    bool more = true;
    for (int64_t i = 0; more && t.size <= RUN_OUTPUT; i++) {
        more = next_line(&s, &line);
        if (i ? blank || line.n : first) {
            text_add(&t, by.p, by.n);
            if (!by.p) add_spaces(&t, width);
        }
        text_add(&t, line.p, line.n);
        if (more) text_adds(&t, "\n");
    }
    return run_take(c->r, &t, out);
}

ar_status filter_truncate(call *c, value *out) {
    str s, end;
    integer length, leeway;
    TRY(self_text(c, &s));
    TRY(arg_int(c, 0, 255, &length));
    TRY(arg_text(c, 2, "...", &end));
    TRY(arg_int(c, 3, 5, &leeway));
    const integer keep = length - text_length(end);
    if (keep < 0) return run_fail(c->r, AR_FORMAT, "the length is too small");
    *out = v_text(s.p, s.n);
    if (text_length(s) <= length + leeway) return AR_OK;
    s.n = text_offset(s, (int64_t)(keep > INT32_MAX ? INT32_MAX : keep));
    const int64_t space = text_find_last(s, (str){" ", 1});
    if (!arg_truth(c, 1, false) && space >= 0) s.n = (size_t)space;
    text t = {0};
    text_add(&t, s.p, s.n);
    text_add(&t, end.p, end.n);
    return run_take(c->r, &t, out);
}

ar_status filter_wordcount(call *c, value *out) {
    str s;
    size_t size;
    integer n = 0;
    bool inside = false;
    TRY(self_text(c, &s));
    for (size_t at = 0; at < s.n; at += size) {
        const uint32_t cp = text_first((str){s.p + at, s.n - at}, &size);
        const bool word = text_is_alpha(cp) || text_is_numeric(cp) || cp == '_';
        n += word && !inside;
        inside = word;
    }
    *out = v_int(n);
    return AR_OK;
}

ar_status filter_format(call *c, value *out) {
    str s;
    TRY(self_text(c, &s));
    return format_percent(c->r, s, c->args, c->n, c->named, out);
}
