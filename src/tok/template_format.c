/* template_format.c - "%s" % x and "{}".format(x). */
#include <stdio.h>
#include <string.h>

#include "tok/template_run.h"
#include "tok/template_text.h"

typedef struct layout {
    bool left, plus, space, alternate, zero, comma;
    char align;    /* < > ^ = or 0 */
    str fill;      /* one code point */
    int64_t width; /* -1 if not given */
    int64_t precision;
    char type;
} layout;

enum { FORMAT_WIDTH = 1 << 16, FORMAT_PRECISION = 300 };

static ar_status wrong(render *r, const char *what) {
    return run_fail(r, AR_FORMAT, "a format is wrong: %s", what);
}

/* Digits at *p as a number; -1 if there are none. */
static int64_t read_number(const char **p, const char *end) {
    int64_t v = -1;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
        if (v < 1 << 20) v = (v < 0 ? 0 : v * 10) + (**p - '0');
    return v;
}

/* Digits in threes from the right. */
static void add_commas(text *t, const char *s) {
    const size_t n = strspn(s, "0123456789");
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) text_adds(t, ",");
        text_add(t, s + i, 1);
    }
    text_adds(t, s + n);
}

static void add_fill(text *t, str fill, int64_t n) {
    for (; n > 0; n--) text_add(t, fill.p, fill.n);
}

/* `body` with its sign, filled up to the width. */
static void add_field(text *t, const layout *l, const char *sign, str body,
                      bool number) {
    const int64_t size = text_length(body) + (int64_t)strlen(sign);
    const int64_t pad = l->width > size ? l->width - size : 0;
    str fill = l->fill.n ? l->fill : (str){" ", 1};
    char align = l->align;
    if (!align && l->zero && number && !l->left) {
        align = '=';
        fill = (str){"0", 1};
    } else if (!align) {
        align = l->left || !number ? '<' : '>';
    }
    const int64_t before = align == '^' ? pad / 2 : align == '>' ? pad : 0;
    const int64_t between = align == '=' ? pad : 0;
    add_fill(t, fill, before);
    text_adds(t, sign);
    add_fill(t, fill, between);
    text_add(t, body.p, body.n);
    add_fill(t, fill, pad - before - between);
}

static const char *sign_of(const layout *l, bool minus) {
    return minus ? "-" : l->plus ? "+" : l->space ? " " : "";
}

static ar_status to_integer(render *r, const layout *l, value v, integer *out) {
    if (is_integral(v))
        *out = value_integer(v);
    else if (v.type == V_FLOAT)
        *out = v.f < 1e38 && v.f > -1e38 ? (integer)v.f : 0;
    else
        return run_fail(r, AR_FORMAT,
                        "%%%c format: a number is required, not %s", l->type,
                        value_type_name(v));
    return AR_OK;
}

static int base_of(char type) {
    switch (type | 0x20) {
    case 'x': return 16;
    case 'o': return 8;
    case 'b': return 2;
    default: return 10;
    }
}

static ar_status add_integer(render *r, text *t, const layout *l, value v) {
    integer i = 0;
    TRY(to_integer(r, l, v, &i));
    text plain = {0}, body = {0};
    const int base = base_of(l->type);
    show_integer(&plain, i, base);
    const char *digits = plain.data ? plain.data : "";
    if (i < 0 && *digits) digits++;
    if (l->alternate && base != 10) text_addf(&body, "0%c", l->type);
    add_fill(&body, (str){"0", 1}, l->precision - (int64_t)strlen(digits));
    if (l->comma)
        add_commas(&body, digits);
    else
        text_adds(&body, digits);
    for (size_t k = 0; l->type == 'X' && k < body.size; k++)
        if (body.data[k] >= 'a' && body.data[k] <= 'f') body.data[k] -= 32;
    add_field(t, l, sign_of(l, i < 0), (str){body.data, body.size}, true);
    text_close(&plain);
    text_close(&body);
    return AR_OK;
}

static ar_status add_real(render *r, text *t, const layout *l, value v) {
    if (!is_number(v))
        return run_fail(r, AR_FORMAT, "must be real number, not %s",
                        value_type_name(v));
    double f = value_real(v);
    const bool minus = f < 0;
    if (minus) f = -f;
    const int digits = l->precision < 0 ? 6 : (int)l->precision;
    char buffer[700];
    switch (l->type) {
    case 'e': snprintf(buffer, sizeof buffer, "%.*e", digits, f); break;
    case 'E': snprintf(buffer, sizeof buffer, "%.*E", digits, f); break;
    case 'g': snprintf(buffer, sizeof buffer, "%.*g", digits, f); break;
    case 'G': snprintf(buffer, sizeof buffer, "%.*G", digits, f); break;
    case '%': snprintf(buffer, sizeof buffer, "%.*f%%", digits, f * 100); break;
    default: snprintf(buffer, sizeof buffer, "%.*f", digits, f); break;
    }
    text body = {0};
    if (l->comma)
        add_commas(&body, buffer);
    else
        text_adds(&body, buffer);
    add_field(t, l, sign_of(l, minus), (str){body.data, body.size}, true);
    text_close(&body);
    return AR_OK;
}

static ar_status add_shown(render *r, text *t, const layout *l, value v,
                           bool quoted) {
    text body = {0};
    const ar_status s = show_add(r, &body, v, quoted);
    str shown = {body.data, body.size};
    if (l->precision >= 0) shown.n = text_offset(shown, l->precision);
    if (s == AR_OK) add_field(t, l, "", shown, false);
    text_close(&body);
    return s;
}

static ar_status check_layout(render *r, const layout *l) {
    if (l->width > FORMAT_WIDTH) return wrong(r, "it is too wide");
    if (l->precision > FORMAT_PRECISION && l->type != 's')
        return wrong(r, "it has too many digits");
    return AR_OK;
}

static ar_status add_percent(render *r, text *t, layout *l, value v) {
    TRY(check_layout(r, l));
    if (!l->type) return wrong(r, "no such conversion");
    if (strchr("diuxXo", l->type)) return add_integer(r, t, l, v);
    if (strchr("eEfFgG", l->type)) return add_real(r, t, l, v);
    if (!strchr("srac", l->type)) return wrong(r, "no such conversion");
    if (l->type == 'c' && v.type != V_TEXT)
        return wrong(r, "%c needs a character");
    if (!l->left) l->align = '>';
    return add_shown(r, t, l, v, l->type == 'r' || l->type == 'a');
}

static void read_flags(const char **p, const char *end, layout *l) {
    for (; *p < end; ++*p) {
        if (**p == '-')
            l->left = true;
        else if (**p == '+')
            l->plus = true;
        else if (**p == ' ')
            l->space = true;
        else if (**p == '#')
            l->alternate = true;
        else if (**p == '0')
            l->zero = true;
        else
            return;
    }
}

typedef struct percent_args {
    const value *args;
    size_t n, used;
    const dict *named;
} percent_args;

/* The conversion behind the % at (*p)[-1]. */
static ar_status one_percent(render *r, text *t, const char **p,
                             const char *end, percent_args *a) {
    layout l = {.width = -1, .precision = -1};
    const value *v = NULL;
    if (*p < end && **p == '(') {
        const char *shut = memchr(*p, ')', (size_t)(end - *p));
        if (!shut) return wrong(r, "a bracket is not closed");
        const str name = {*p + 1, (size_t)(shut - *p - 1)};
        const int64_t k = dict_find_text(a->named, name);
        if (k < 0) return wrong(r, "a name is not given");
        v = &a->named->values[k];
        a->used = a->n;
        *p = shut + 1;
    }
    read_flags(p, end, &l);
    l.width = read_number(p, end);
    if (*p < end && **p == '.') {
        ++*p;
        l.precision = read_number(p, end);
        if (l.precision < 0) l.precision = 0;
    }
    if (*p >= end) return wrong(r, "it ends too early");
    l.type = *(*p)++;
    if (l.type == '%') {
        text_adds(t, "%");
        return AR_OK;
    }
    if (!v) {
        if (a->used >= a->n)
            return run_fail(r, AR_FORMAT,
                            "not enough arguments for format string");
        v = &a->args[a->used++];
    }
    return add_percent(r, t, &l, *v);
}

ar_status format_percent(render *r, str format, const value *args, size_t n,
                         const dict *named, value *out) {
    percent_args a = {args, n, 0, named};
    const char *p = format.p, *const end = p + format.n;
    text t = {0};
    ar_status s = AR_OK;
    while (p < end && s == AR_OK) {
        if (t.size > RUN_OUTPUT) s = wrong(r, "the text is too long");
        if (*p != '%')
            text_add(&t, p++, 1);
        else {
            p++;
            s = one_percent(r, &t, &p, end, &a);
        }
    }
    if (s == AR_OK && a.used < n && !named->n)
        s = run_fail(r, AR_FORMAT,
                     "not all arguments converted during string formatting");
    if (s == AR_OK) return run_take(r, &t, out);
    text_close(&t);
    return s;
}

/* ---- {} ---- */

/* The byte at *p, taken if it is one of `set`; else 0. */
static char take_any(const char **p, const char *end, const char *set) {
    if (*p >= end || !**p || !strchr(set, **p)) return 0;
    return *(*p)++;
}

/* [[fill]align][sign][#][0][width][,][.precision][type] */
static ar_status read_layout(render *r, str spec, layout *l) {
    const char *p = spec.p, *const end = p + spec.n;
    size_t size = 0;
    if (spec.n) text_first(spec, &size);
    const char *behind = p + size;
    l->align = size ? take_any(&behind, end, "<>^=") : 0;
    if (l->align) {
        l->fill = (str){p, size};
        p = behind;
    } else {
        l->align = take_any(&p, end, "<>^=");
    }
    const char sign = take_any(&p, end, "+- ");
    l->plus = sign == '+';
    l->space = sign == ' ';
    l->alternate = take_any(&p, end, "#");
    l->zero = take_any(&p, end, "0");
    l->width = read_number(&p, end);
    l->comma = take_any(&p, end, ",");
    if (take_any(&p, end, ".")) l->precision = read_number(&p, end);
    if (p < end) l->type = *p++;
    return p == end ? AR_OK : wrong(r, "what follows the type");
}

static ar_status add_brace(render *r, text *t, str spec, value v) {
    layout l = {.width = -1, .precision = -1};
    TRY(read_layout(r, spec, &l));
    if (!l.type) l.type = v.type == V_INT ? 'd' : 's';
    TRY(check_layout(r, &l));
    if (strchr("dxXob", l.type)) {
        if (!is_integral(v)) return wrong(r, "an integer is needed");
        return add_integer(r, t, &l, v);
    }
    if (strchr("eEfFgG%", l.type)) return add_real(r, t, &l, v);
    if (l.type != 's') return wrong(r, "no such type");
    if (v.type == V_FLOAT && !l.align) l.align = '>';
    return add_shown(r, t, &l, v, false);
}

typedef struct brace_args {
    const arguments *given;
    size_t next;
    bool counted, numbered; /* {} and {0} do not go together */
} brace_args;

static ar_status find_argument(render *r, str name, brace_args *a, value *out) {
    const arguments *const given = a->given;
    const char *p = name.p;
    const int64_t number = read_number(&p, name.p + name.n);
    if (name.n && p != name.p + name.n) {
        const int64_t k = dict_find_text(given->named, name);
        if (k < 0) return wrong(r, "a name is not given");
        *out = given->named->values[k];
        return AR_OK;
    }
    a->counted = a->counted || !name.n;
    a->numbered = a->numbered || name.n;
    if (a->counted && a->numbered)
        return wrong(r, "fields with and without a number");
    const size_t i = name.n ? (size_t)number : a->next++;
    if (i >= given->n) return wrong(r, "an argument is not given");
    *out = given->args[i];
    return AR_OK;
}

/* "0.name[key]": an argument, then its parts. */
static ar_status find_field(render *r, str name, brace_args *a, value *out) {
    size_t n = 0;
    while (n < name.n && name.p[n] != '.' && name.p[n] != '[') n++;
    TRY(find_argument(r, (str){name.p, n}, a, out));
    const char *p;
    while (n < name.n) {
        const bool item = name.p[n] == '[';
        size_t end = ++n;
        while (end < name.n &&
               (item ? name.p[end] != ']'
                     : name.p[end] != '.' && name.p[end] != '['))
            end++;
        const str key = {name.p + n, end - n};
        p = key.p;
        const int64_t i = read_number(&p, key.p + key.n);
        const bool number = key.n && p == key.p + key.n;
        TRY(item ? item_get(r, *out, number ? v_int(i) : v_text(key.p, key.n),
                            out)
                 : attr_get(r, *out, key, out));
        n = item ? end + 1 : end;
    }
    return AR_OK;
}

static ar_status one_brace(render *r, text *t, str field, brace_args *a) {
    const char *colon = field.n ? memchr(field.p, ':', field.n) : NULL;
    str name = {field.p, colon ? (size_t)(colon - field.p) : field.n};
    str spec = {"", 0};
    if (colon) spec = (str){colon + 1, field.n - name.n - 1};
    const bool quoted = name.n > 1 && name.p[name.n - 2] == '!';
    const bool repr = quoted && name.p[name.n - 1] == 'r';
    if (quoted) name.n -= 2;
    value v;
    TRY(find_field(r, name, a, &v));
    if (!repr) return add_brace(r, t, spec, v);
    layout l = {.width = -1, .precision = -1};
    TRY(read_layout(r, spec, &l));
    return add_shown(r, t, &l, v, true);
}

ar_status format_braces(render *r, str format, const arguments *a, value *out) {
    text t = {0};
    brace_args given = {.given = a};
    ar_status s = AR_OK;
    for (size_t i = 0; i < format.n && s == AR_OK; i++) {
        const char c = format.p[i];
        const bool twice = i + 1 < format.n && format.p[i + 1] == c;
        if (t.size > RUN_OUTPUT) s = wrong(r, "the text is too long");
        if ((c != '{' && c != '}') || twice) {
            text_add(&t, &c, 1);
            i += twice && (c == '{' || c == '}');
            continue;
        }
        const char *shut = memchr(format.p + i, '}', format.n - i);
        if (c == '}' || !shut) {
            s = wrong(r, "a single brace");
            break;
        }
        const size_t end = (size_t)(shut - format.p);
        if (s == AR_OK)
            s = one_brace(r, &t, (str){format.p + i + 1, end - i - 1}, &given);
        i = end;
    }
    if (s == AR_OK) return run_take(r, &t, out);
    text_close(&t);
    return s;
}
