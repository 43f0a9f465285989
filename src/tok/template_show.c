/* template_show.c - values as text, as Python's str() and repr(). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tok/template_run.h"
#include "tok/template_text.h"

void show_integer(text *t, integer i, int base) {
    char digits[130];
    size_t n = sizeof digits;
    const bool minus = i < 0;
    unsigned __int128 u = minus ? -(unsigned __int128)i : (unsigned __int128)i;
    do {
        digits[--n] = "0123456789abcdef"[u % (unsigned)base];
        u /= (unsigned)base;
    } while (u);
    if (minus) digits[--n] = '-';
    text_add(t, digits + n, sizeof digits - n);
}

/* The fewest digits that read back as f, laid out as Python does. */
void show_float(text *t, double f) {
    if (isnan(f)) return text_adds(t, "nan");
    if (isinf(f)) return text_adds(t, f < 0 ? "-inf" : "inf");
    char s[40];
    for (int n = 0; n < 17; n++) {
        snprintf(s, sizeof s, "%.*e", n, f);
        if (strtod(s, NULL) == f) break;
    }
    char *const e = strchr(s, 'e');
    const int power = (int)strtol(e + 1, NULL, 10);
    *e = 0;
    if (power < -4 || power >= 16) {
        text_addf(t, "%se%c%02d", s, power < 0 ? '-' : '+', abs(power));
        return;
    }
    const char *dot = strchr(s, '.');
    const int decimals = (dot ? (int)strlen(dot + 1) : 0) - power;
    text_addf(t, "%.*f", decimals > 1 ? decimals : 1, f);
}

static void add_escaped(text *t, uint32_t cp) {
    if (cp == '\n' || cp == '\r' || cp == '\t')
        text_adds(t, cp == '\n' ? "\\n" : cp == '\r' ? "\\r" : "\\t");
    else if (cp < 0x100)
        text_addf(t, "\\x%02x", (unsigned)cp);
    else if (cp < 0x10000)
        text_addf(t, "\\u%04x", (unsigned)cp);
    else
        text_addf(t, "\\U%08x", (unsigned)cp);
}

static void add_quoted(text *t, str s) {
    const bool two = s.n && memchr(s.p, '\'', s.n) && !memchr(s.p, '"', s.n);
    const char quote = two ? '"' : '\'';
    text_add(t, &quote, 1);
    size_t size;
    for (size_t at = 0; at < s.n; at += size) {
        const uint32_t cp = text_first((str){s.p + at, s.n - at}, &size);
        if (cp == (unsigned char)quote || cp == '\\')
            text_addf(t, "\\%c", (char)cp);
        else if (text_is_printable(cp))
            text_add(t, s.p + at, size);
        else
            add_escaped(t, cp);
    }
    text_add(t, &quote, 1);
}

static ar_status add_seq(render *r, text *t, const seq *s, const char *ends) {
    text_add(t, ends, 1);
    for (size_t i = 0; i < s->n; i++) {
        if (i) text_adds(t, ", ");
        TRY(show_add(r, t, s->at[i], true));
    }
    if (s->n == 1 && *ends == '(') text_adds(t, ",");
    text_add(t, ends + 1, 1);
    return AR_OK;
}

static ar_status add_dict(render *r, text *t, const dict *d) {
    text_adds(t, "{");
    for (size_t i = 0; i < d->n; i++) {
        if (i) text_adds(t, ", ");
        TRY(show_add(r, t, d->keys[i], true));
        text_adds(t, ": ");
        TRY(show_add(r, t, d->values[i], true));
    }
    text_adds(t, "}");
    return AR_OK;
}

static void add_range(text *t, const seq *s) {
    text_adds(t, "range(");
    show_integer(t, s->start, 10);
    text_adds(t, ", ");
    show_integer(t, s->stop, 10);
    if (s->step != 1) {
        text_adds(t, ", ");
        show_integer(t, s->step, 10);
    }
    text_adds(t, ")");
}

static ar_status add_view(render *r, text *t, value v) {
    text_addf(t, "%s(", value_type_name(v));
    TRY(add_seq(r, t, v.seq, "[]"));
    text_adds(t, ")");
    return AR_OK;
}

static ar_status add_space(render *r, text *t, const dict *d) {
    text_adds(t, "<Namespace ");
    TRY(add_dict(r, t, d));
    text_adds(t, ">");
    return AR_OK;
}

static ar_status add_many(render *r, text *t, value v) {
    switch ((value_type)v.type) {
    case V_LIST: return add_seq(r, t, v.seq, "[]");
    case V_TUPLE: return add_seq(r, t, v.seq, "()");
    case V_KEYS:
    case V_VALUES:
    case V_ITEMS: return add_view(r, t, v);
    case V_DICT: return add_dict(r, t, v.dict);
    case V_NAMESPACE: return add_space(r, t, v.dict);
    default: text_addf(t, "<%s>", value_type_name(v)); return AR_OK;
    }
}

static ar_status add_value(render *r, text *t, value v, bool quoted) {
    switch ((value_type)v.type) {
    case V_MISSING:
    case V_UNDEFINED: text_adds(t, quoted ? "Undefined" : ""); break;
    case V_NONE: text_adds(t, "None"); break;
    case V_BOOL: text_adds(t, v.truth ? "True" : "False"); break;
    case V_INT: show_integer(t, v.i, 10); break;
    case V_FLOAT: show_float(t, v.f); break;
    case V_RANGE: add_range(t, v.seq); break;
    case V_LOOP:
        text_addf(t, "<LoopContext %zu/%zu>", v.loop->i + 1, v.loop->n);
        break;
    default: return add_many(r, t, v);
    }
    return AR_OK;
}

ar_status show_add(render *r, text *t, value v, bool quoted) {
    TRY(run_step(r, 0));
    if (v.type == V_TEXT && !quoted) {
        text_add(t, v.s.p, v.s.n);
        return run_step(r, v.s.n);
    }
    if (v.type == V_TEXT) {
        if (v.safe) text_adds(t, "Markup(");
        add_quoted(t, v.s);
        if (v.safe) text_adds(t, ")");
        return run_step(r, v.s.n * 8);
    }
    if (t->size > RUN_OUTPUT)
        return run_fail(r, AR_RANGE, "a text is longer than %d MiB",
                        RUN_OUTPUT >> 20);
    if (++r->depth > RUN_DEPTH)
        return run_fail(r, AR_RANGE, "values are nested too deeply");
    const ar_status s = add_value(r, t, v, quoted);
    r->depth--;
    return s;
}

ar_status show_str(render *r, value v, value *out) {
    if (v.type == V_TEXT) {
        *out = v;
        return AR_OK;
    }
    text t = {0};
    const ar_status s = show_add(r, &t, v, false);
    if (s == AR_OK) return run_take(r, &t, out);
    text_close(&t);
    return s;
}

ar_status check_defined(render *r, value v) {
    if (v.type != V_UNDEFINED) return AR_OK;
    return run_fail(r, AR_FORMAT, "%.*s", (int)v.s.n, v.s.p);
}
