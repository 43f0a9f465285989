/* template_parse_value.c - names, literals, tuples and targets. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tok/template_parse.h"
#include "tok/utf8.h"

static ar_status no_memory(parser *p) {
    return error_set(p->err, AR_NOMEM, "%s: out of memory", p->name);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hexadecimal digits, exactly n of them; -1 if they are not there. */
static int32_t read_hex(const char *p, const char *end, int n) {
    int32_t v = 0;
    if (end - p < n) return -1;
    for (int i = 0; i < n; i++) {
        const int d = hex_digit(p[i]);
        if (d < 0 || v > 0x1FFFFFF) return -1;
        v = v * 16 + d;
    }
    return v;
}

/* Up to three octal digits at *p. */
static int32_t read_octal(const char **p, const char *end) {
    int32_t v = 0;
    for (int i = 0; i < 3 && *p < end && **p >= '0' && **p <= '7'; i++)
        v = v * 8 + (*(*p)++ - '0');
    return v;
}

/* The escape behind the backslash at p[-1], written to *w; returns where it
 * ends, or NULL if it is wrong. */
static const char *read_escape(const char *p, const char *end, char **w) {
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    const char *at = memchr(from, *p, sizeof from - 1);
    if (at) {
        *(*w)++ = to[at - from];
        return p + 1;
    }
    if (*p == '\n') return p + 1;
    int32_t cp = 0;
    const int n = *p == 'x' ? 2 : *p == 'u' ? 4 : *p == 'U' ? 8 : 0;
    if (n) {
        cp = read_hex(p + 1, end, n);
        p += n + 1;
    } else if (*p >= '0' && *p <= '7') {
        cp = read_octal(&p, end);
    } else {
        *(*w)++ = '\\';
        *(*w)++ = *p;
        return p + 1;
    }
    const bool surrogate = cp >= 0xD800 && cp < 0xE000;
    if (cp < 0 || cp > 0x10FFFF || surrogate) return NULL;
    *w += utf8_encode((uint32_t)cp, *w);
    return p;
}

/* Strings beside each other are one. */
static ar_status parse_string(parser *p, node **out) {
    TRY(parse_node(p, N_CONST, out));
    str all = {"", 0};
    while (p->now.kind == T_STRING) {
        const str s = p->now.s;
        const char *from = s.p + 1, *end = s.p + s.n - 1;
        /* No escape is longer than what it stands for. */
        char *to = arena_alloc(p->mem, all.n + s.n);
        if (!to) return no_memory(p);
        if (all.n) memcpy(to, all.p, all.n);
        char *w = to + all.n;
        while (from && from < end) {
            if (*from != '\\')
                *w++ = *from++;
            else
                from = read_escape(from + 1, end, &w);
        }
        if (!from) return parse_fail(p, "a string has a wrong escape");
        all = (str){to, (size_t)(w - to)};
        TRY(parse_advance(p));
    }
    (*out)->v = v_text(all.p, all.n);
    return AR_OK;
}

static ar_status parse_int(parser *p, node **out) {
    TRY(parse_node(p, N_CONST, out));
    str s = p->now.s;
    int base = 10;
    if (s.n > 1 && s.p[0] == '0') {
        const char c = (char)(s.p[1] | 0x20);
        base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
        if (base != 10) s = (str){s.p + 2, s.n - 2};
    }
    integer v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_') continue;
        const int d = hex_digit(s.p[i]);
        if (d < 0 || d >= base) return parse_fail(p, "a number is wrong");
        if (__builtin_mul_overflow(v, base, &v) ||
            __builtin_add_overflow(v, d, &v))
            return parse_fail(p, "a number is too large");
    }
    if (!s.n) return parse_fail(p, "a number is wrong");
    (*out)->v = v_int(v);
    return parse_advance(p);
}

static ar_status parse_float(parser *p, node **out) {
    TRY(parse_node(p, N_CONST, out));
    char digits[128];
    size_t n = 0;
    for (size_t i = 0; i < p->now.s.n; i++) {
        if (p->now.s.p[i] == '_') continue;
        if (n + 1 == sizeof digits)
            return parse_fail(p, "a number has too many digits");
        digits[n++] = p->now.s.p[i];
    }
    digits[n] = 0;
    (*out)->v = v_float(strtod(digits, NULL));
    return parse_advance(p);
}

static ar_status parse_name(parser *p, node **out) {
    static const struct {
        const char *name;
        value v;
    } constants[] = {
        {"true", {.type = V_BOOL, .truth = true}},
        {"True", {.type = V_BOOL, .truth = true}},
        {"false", {.type = V_BOOL}},
        {"False", {.type = V_BOOL}},
        {"none", {.type = V_NONE}},
        {"None", {.type = V_NONE}},
    };
    TRY(parse_node(p, N_NAME, out));
    const str s = p->now.s;
    (*out)->v = v_text(s.p, s.n);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (str_is(s, constants[i].name)) {
            (*out)->kind = N_CONST;
            (*out)->v = constants[i].v;
        }
    for (node *m = p->macro; m && (*out)->kind == N_NAME; m = m->c) {
        m->caller = m->caller || str_is(s, "caller");
        m->varargs = m->varargs || str_is(s, "varargs");
        m->kwargs = m->kwargs || str_is(s, "kwargs");
    }
    return parse_advance(p);
}

static ar_status parse_list(parser *p, node **out) {
    TRY(parse_node(p, N_LIST, out));
    TRY(parse_expect(p, "["));
    node **tail = &(*out)->list;
    while (!parse_at(p, "]")) {
        if (tail != &(*out)->list) {
            TRY(parse_expect(p, ","));
            if (parse_at(p, "]")) break;
        }
        TRY(parse_expression(p, tail));
        tail = &(*tail)->next;
    }
    return parse_expect(p, "]");
}

static ar_status parse_dict(parser *p, node **out) {
    TRY(parse_node(p, N_DICT, out));
    TRY(parse_expect(p, "{"));
    node **tail = &(*out)->list;
    while (!parse_at(p, "}")) {
        if (tail != &(*out)->list) {
            TRY(parse_expect(p, ","));
            if (parse_at(p, "}")) break;
        }
        TRY(parse_expression(p, tail));
        tail = &(*tail)->next;
        TRY(parse_expect(p, ":"));
        TRY(parse_expression(p, tail));
        tail = &(*tail)->next;
    }
    return parse_expect(p, "}");
}

static ar_status parse_brackets(parser *p, node **out) {
    TRY(parse_expect(p, "("));
    if (parse_at(p, ")"))
        TRY(parse_node(p, N_TUPLE, out));
    else
        TRY(parse_tuple(p, true, out));
    return parse_expect(p, ")");
}

ar_status parse_primary(parser *p, node **out) {
    switch (p->now.kind) {
    case T_NAME: return parse_name(p, out);
    case T_STRING: return parse_string(p, out);
    case T_INT: return parse_int(p, out);
    case T_FLOAT: return parse_float(p, out);
    default: break;
    }
    TRY(parse_enter(p));
    if (parse_at(p, "("))
        TRY(parse_brackets(p, out));
    else if (parse_at(p, "["))
        TRY(parse_list(p, out));
    else if (parse_at(p, "{"))
        TRY(parse_dict(p, out));
    else
        return parse_fail(p, "an expression is missing");
    p->depth--;
    return AR_OK;
}

/* What may follow a comma that ends a tuple. */
static bool tuple_ends(const parser *p) {
    return p->now.kind == T_BLOCK_END || p->now.kind == T_PRINT_END ||
           parse_at(p, ")") || parse_at_name(p, "recursive");
}

ar_status parse_tuple(parser *p, bool condition, node **out) {
    TRY(condition ? parse_expression(p, out) : parse_or(p, out));
    if (!parse_at(p, ",")) return AR_OK;
    node *all;
    TRY(parse_node(p, N_TUPLE, &all));
    all->list = *out;
    node **tail = &(*out)->next;
    while (parse_at(p, ",")) {
        TRY(parse_advance(p));
        if (tuple_ends(p)) break;
        TRY(condition ? parse_expression(p, tail) : parse_or(p, tail));
        tail = &(*tail)->next;
    }
    *out = all;
    return AR_OK;
}

static ar_status parse_one_target(parser *p, bool attribute, node **out) {
    if (parse_at(p, "(")) {
        TRY(parse_enter(p));
        TRY(parse_advance(p));
        TRY(parse_target(p, false, out));
        p->depth--;
        return parse_expect(p, ")");
    }
    if (p->now.kind != T_NAME) return parse_fail(p, "a name to set is missing");
    TRY(parse_primary(p, out));
    if ((*out)->kind != N_NAME) return parse_fail(p, "a constant is set");
    if (!attribute || !parse_at(p, ".")) return AR_OK;
    TRY(parse_advance(p));
    node *n;
    TRY(parse_node(p, N_ATTR, &n));
    if (p->now.kind != T_NAME) return parse_fail(p, "a name is missing");
    n->a = *out;
    n->v = v_text(p->now.s.p, p->now.s.n);
    *out = n;
    return parse_advance(p);
}

ar_status parse_target(parser *p, bool attribute, node **out) {
    TRY(parse_one_target(p, attribute, out));
    if (!parse_at(p, ",")) return AR_OK;
    node *all;
    TRY(parse_node(p, N_TUPLE, &all));
    all->list = *out;
    node **tail = &(*out)->next;
    while (parse_at(p, ",")) {
        TRY(parse_advance(p));
        if (p->now.kind != T_NAME && !parse_at(p, "(")) break;
        if (parse_at_name(p, "in")) break;
        TRY(parse_one_target(p, attribute, tail));
        tail = &(*tail)->next;
    }
    *out = all;
    return AR_OK;
}
