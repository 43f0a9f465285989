/* grammar_parse.c - GBNF: rules of alternatives of items.
 *
 * A rule ends with its line, but not inside parentheses, behind `::=` and `|`
 * nor in front of `|`.  Groups become rules of their own, so that every item
 * is one of three kinds. */
#include <stdio.h>

#include "base/error.h"
#include "base/hash.h"
#include "infer/grammar_int.h"
#include "tok/utf8.h"

enum {
    MAX_DEPTH = 64,
    MAX_REPEAT = 100000,
    MAX_NAME = 128,
    MAX_RANGES = 512,
    MAX_ITEMS = 1 << 20,
    LAST_CODE = 0x10FFFF,
};

typedef struct parser {
    gram_source *s;
    const char *start, *at, *end;
    int depth;
    int64_t n_items;
    const char *mark; /* at that line and column */
    int mark_line, mark_column;
    ar_error *err;
} parser;

/* Places are asked for in rising order, but for a few. */
static void place(parser *p, const char *at, int *line, int *column) {
    if (!p->mark || at < p->mark) {
        p->mark = p->start;
        p->mark_line = p->mark_column = 1;
    }
    for (; p->mark < at; p->mark++) {
        const bool line_ends = *p->mark == '\n';
        p->mark_column += (*p->mark & 0xC0) != 0x80;
        if (line_ends) p->mark_column = 1;
        p->mark_line += line_ends;
    }
    *line = p->mark_line;
    *column = p->mark_column;
}

static ar_status fail_at(parser *p, const char *at, ar_status code,
                         const char *what) {
    int line, column;
    place(p, at, &line, &column);
    return error_set(p->err, code, "%.100s: line %d, column %d: %s", p->s->name,
                     line, column, what);
}
static ar_status fail(parser *p, const char *what) {
    return fail_at(p, p->at, AR_FORMAT, what);
}
static ar_status no_memory(const parser *p) {
    return error_set(p->err, AR_NOMEM, "%.100s: no memory for a grammar",
                     p->s->name);
}

static bool sees(const parser *p, char c) {
    return p->at < p->end && *p->at == c;
}

/* Blanks and comments; the ends of lines too if `lines`. */
static void skip(parser *p, bool lines) {
    for (; p->at < p->end; p->at++) {
        if (*p->at == '#')
            while (p->at + 1 < p->end && p->at[1] != '\n' && p->at[1] != '\r')
                p->at++;
        else if (*p->at != ' ' && *p->at != '\t' &&
                 !(lines && (*p->at == '\n' || *p->at == '\r')))
            break;
    }
}

static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* ---- rules by name ---- */

static int32_t *find_slot(const gram_source *s, const char *name, size_t n) {
    size_t i = (size_t)hash_bytes(name, n, 0) & (s->n_slots - 1);
    for (; s->slots[i]; i = (i + 1) & (s->n_slots - 1)) {
        const char *other = s->rules[s->slots[i] - 1]->name;
        if (strlen(other) == n && !memcmp(other, name, n)) break;
    }
    return &s->slots[i];
}

static bool grow_slots(gram_source *s) {
    if (s->n_rules * 2 < s->n_slots) return true;
    int32_t *old = s->slots;
    const size_t n = s->n_slots ? s->n_slots * 2 : 256;
    int32_t *slots = mem_new(int32_t, n);
    if (!slots) return false;
    s->slots = slots;
    s->n_slots = n;
    for (size_t i = 0; i < s->n_rules; i++) {
        const char *name = s->rules[i]->name;
        *find_slot(s, name, strlen(name)) = (int32_t)i + 1;
    }
    mem_free(old);
    return true;
}

static ar_status add_rule(parser *p, const char *name, size_t n,
                          gram_rule **out) {
    gram_source *s = p->s;
    if (s->n_rules == GRAMMAR_MAX_RULES)
        return fail_at(p, p->at, AR_RANGE, "the grammar has too many rules");
    if (!gram_reserve((void **)&s->rules, &s->rules_capacity, s->n_rules + 1,
                      sizeof *s->rules) ||
        !grow_slots(s))
        return no_memory(p);
    gram_rule *r = arena_new(&s->memory, gram_rule, 1);
    char *copy = arena_text(&s->memory, name, n);
    if (!r || !copy) return no_memory(p);
    r->name = copy;
    place(p, p->at, &r->line, &r->column);
    r->number = (int32_t)s->n_rules;
    *find_slot(s, name, n) = r->number + 1;
    s->rules[s->n_rules++] = r;
    *out = r;
    return AR_OK;
}

/* The rule whose name is here, made if it is new. */
static ar_status parse_name(parser *p, gram_rule **out) {
    const char *name = p->at, *end = name;
    while (end < p->end && is_name(*end)) end++;
    const size_t n = (size_t)(end - name);
    if (!n) return fail(p, "a rule's name is expected");
    if (n > MAX_NAME) return fail(p, "the name is too long");
    if (!p->s->n_slots && !grow_slots(p->s)) return no_memory(p);
    const int32_t known = *find_slot(p->s, name, n);
    if (known)
        *out = p->s->rules[known - 1];
    else
        TRY(add_rule(p, name, n, out));
    p->at = end;
    return AR_OK;
}

/* A rule that a group or a repetition stands for. */
static ar_status make_rule(parser *p, const gram_rule *of, gram_rule **out) {
    char name[MAX_NAME + 24];
    const size_t stem = strcspn(of->name, "'");
    snprintf(name, sizeof name, "%.*s'%zu", (int)stem, of->name, p->s->n_rules);
    TRY(add_rule(p, name, strlen(name), out));
    (*out)->defined = true;
    return AR_OK;
}

static ar_status add_alt(parser *p, gram_rule *r, gram_alt **out) {
    gram_alt *a = arena_new(&p->s->memory, gram_alt, 1);
    if (!a) return no_memory(p);
    a->rule = r;
    if (r->last)
        r->last->next = a;
    else
        r->alts = a;
    r->last = a;
    *out = a;
    return AR_OK;
}

static ar_status add_item(parser *p, gram_alt *a, gram_kind kind,
                          gram_item **out) {
    if (++p->n_items > MAX_ITEMS)
        return fail_at(p, p->at, AR_RANGE, "the grammar is too large");
    gram_item *i = arena_new(&p->s->memory, gram_item, 1);
    if (!i) return no_memory(p);
    i->kind = kind;
    i->min = i->max = 1;
    i->alt = a;
    i->prev = a->last;
    if (a->last)
        a->last->next = i;
    else
        a->first = i;
    a->last = i;
    *out = i;
    return AR_OK;
}

static ar_status add_call(parser *p, gram_alt *a, gram_rule *r) {
    gram_item *i = NULL;
    TRY(add_item(p, a, ITEM_RULE, &i));
    i->arg = r->number;
    i->next_call = r->calls;
    r->calls = i;
    return AR_OK;
}

/* ---- characters ---- */

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static ar_status parse_hex(parser *p, int n, uint32_t *out) {
    const char *start = p->at - 2;
    uint32_t v = 0;
    for (int i = 0; i < n; i++) {
        const int h = p->at < p->end ? hex_value(*p->at) : -1;
        if (h < 0) return fail(p, "a hexadecimal digit is expected");
        v = v * 16 + (uint32_t)h;
        p->at++;
    }
    if (v > LAST_CODE || (v >= 0xD800 && v < 0xE000))
        return fail_at(p, start, AR_FORMAT, "this is no character of Unicode");
    *out = v;
    return AR_OK;
}

/* A character or an escape of one. */
static ar_status parse_char(parser *p, uint32_t *out) {
    static const char plain[] = "\\\"[]-^nrt";
    static const char means[] = "\\\"[]-^\n\r\t";
    const int n = utf8_decode((const unsigned char *)p->at,
                              (const unsigned char *)p->end, out);
    if (!n) return fail(p, "the text is not valid UTF-8");
    if (*out != '\\') {
        p->at += n;
        return AR_OK;
    }
    if (p->at + 1 == p->end) return fail(p, "an escape is expected");
    const char c = p->at[1];
    const char *which = c ? strchr(plain, c) : NULL;
    if (!which && (!c || !strchr("xuU", c)))
        return fail(p, "there is no such escape; there are \\n \\r \\t \\\\ "
                       "\\\" \\[ \\] \\- \\^ \\xHH \\uHHHH \\UHHHHHHHH");
    p->at += 2;
    if (!which) return parse_hex(p, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
    *out = (unsigned char)means[which - plain];
    return AR_OK;
}

static ar_status parse_literal(parser *p, gram_alt *a) {
    const char *start = p->at++;
    const char *body = p->at;
    while (body < p->end && *body != '"') body += *body == '\\' ? 2 : 1;
    const size_t most = (size_t)((body < p->end ? body : p->end) - p->at);
    char *copy = arena_alloc(&p->s->memory, most + 4), code[4];
    size_t n = 0;
    if (!copy) return no_memory(p);
    while (!sees(p, '"')) {
        uint32_t c;
        if (p->at >= p->end || *p->at == '\n' || *p->at == '\r')
            return fail_at(p, start, AR_FORMAT, "the text is not closed");
        TRY(parse_char(p, &c));
        const int k = utf8_encode(c, code);
        memcpy(copy + n, code, (size_t)k); /* an escape is longer than it */
        n += (size_t)k;
    }
    p->at++;
    gram_item *i = NULL;
    TRY(add_item(p, a, ITEM_TEXT, &i));
    i->text = copy;
    i->size = n;
    return AR_OK;
}

/* ---- classes ---- */

/* Sorted and joined in place; returns how many are left. */
static int join_ranges(code_range *r, int n) {
    for (int i = 1; i < n; i++) {
        const code_range x = r[i];
        int k = i;
        for (; k > 0 && r[k - 1].low > x.low; k--) r[k] = r[k - 1];
        r[k] = x;
    }
    int out = 0;
    for (int i = 0; i < n; i++) {
        if (out && r[i].low <= r[out - 1].high + 1) {
            if (r[i].high > r[out - 1].high) r[out - 1].high = r[i].high;
        } else {
            r[out++] = r[i];
        }
    }
    return out;
}

/* What is not in r [n], in `out` of room n + 1. */
static int invert(const code_range *r, int n, code_range *out) {
    uint32_t next = 0;
    int k = 0;
    for (int i = 0; i < n; i++) {
        if (r[i].low > next) out[k++] = (code_range){next, r[i].low - 1};
        next = r[i].high + 1;
    }
    if (next <= LAST_CODE) out[k++] = (code_range){next, LAST_CODE};
    return k;
}

static ar_status add_class(parser *p, gram_alt *a, const code_range *r, int n) {
    gram_source *s = p->s;
    if (!gram_reserve((void **)&s->classes, &s->classes_capacity,
                      s->n_classes + 1, sizeof *s->classes))
        return no_memory(p);
    code_range *copy = arena_copy(&s->memory, r, (size_t)n * sizeof *r);
    if (!copy) return no_memory(p);
    gram_item *i = NULL;
    TRY(add_item(p, a, ITEM_CLASS, &i));
    i->arg = (int32_t)s->n_classes;
    s->classes[s->n_classes++] = (gram_class){copy, n};
    return AR_OK;
}

static ar_status parse_ranges(parser *p, code_range *list, int *n) {
    const char *start = p->at - 1;
    while (!sees(p, ']')) {
        code_range r;
        if (p->at >= p->end || *p->at == '\n' || *p->at == '\r')
            return fail_at(p, start, AR_FORMAT, "the class is not closed");
        const char *at = p->at;
        TRY(parse_char(p, &r.low));
        r.high = r.low;
        if (sees(p, '-') && p->at + 1 < p->end && p->at[1] != ']') {
            p->at++;
            TRY(parse_char(p, &r.high));
        }
        if (r.high < r.low)
            return fail_at(p, at, AR_FORMAT, "the range is upside down");
        if (*n == MAX_RANGES)
            return fail_at(p, start, AR_RANGE, "the class is too long");
        list[(*n)++] = r;
    }
    p->at++;
    return AR_OK;
}

static ar_status parse_class(parser *p, gram_alt *a) {
    const char *start = p->at++;
    code_range *list = mem_new(code_range, 2 * MAX_RANGES + 1);
    if (!list) return no_memory(p);
    const bool not = sees(p, '^');
    int n = 0;
    p->at += not ;
    ar_status s = parse_ranges(p, list, &n);
    if (s == AR_OK) {
        code_range *use = list;
        n = join_ranges(list, n);
        if (not ) {
            use = list + n;
            n = invert(list, n, use);
        }
        s = n ? add_class(p, a, use, n)
              : fail_at(p, start, AR_FORMAT, "the class has no character");
    }
    mem_free(list);
    return s;
}

/* ---- repetition ---- */

static ar_status parse_count(parser *p, int32_t *out) {
    int32_t n = 0;
    if (p->at >= p->end || *p->at < '0' || *p->at > '9')
        return fail(p, "a number is expected");
    const char *start = p->at;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        n = n * 10 + (*p->at - '0');
        if (n > MAX_REPEAT)
            return fail_at(p, start, AR_RANGE,
                           "repetitions are counted up to 100000");
    }
    *out = n;
    return AR_OK;
}

/* {m}, {m,} or {m,n} */
static ar_status parse_braces(parser *p, int32_t *min, int32_t *max) {
    const char *start = p->at++;
    skip(p, true);
    TRY(parse_count(p, min));
    *max = *min;
    skip(p, true);
    if (sees(p, ',')) {
        p->at++;
        skip(p, true);
        *max = GRAMMAR_UNLIMITED;
        if (!sees(p, '}')) TRY(parse_count(p, max));
        skip(p, true);
    }
    if (!sees(p, '}')) return fail(p, "} is expected");
    p->at++;
    if (*max != GRAMMAR_UNLIMITED && *max < *min)
        return fail_at(p, start, AR_FORMAT, "the range is upside down");
    return AR_OK;
}

/* Move the last item of `a` into a rule of its own. */
static ar_status wrap_last(parser *p, gram_alt *a) {
    gram_rule *r = NULL;
    gram_alt *inner = NULL;
    gram_item *i = a->last;
    TRY(make_rule(p, a->rule, &r));
    TRY(add_alt(p, r, &inner));
    a->last = i->prev;
    if (a->last)
        a->last->next = NULL;
    else
        a->first = NULL;
    i->prev = NULL;
    i->alt = inner;
    inner->first = inner->last = i;
    return add_call(p, a, r);
}

static ar_status repeat_last(parser *p, gram_alt *a) {
    int32_t min = *p->at == '+', max = *p->at == '?' ? 1 : GRAMMAR_UNLIMITED;
    if (!a->last) return fail(p, "there is nothing to repeat");
    if (*p->at == '{')
        TRY(parse_braces(p, &min, &max));
    else
        p->at++;
    const gram_item *last = a->last;
    if (last->min != 1 || last->max != 1 ||
        (last->kind == ITEM_TEXT && last->size > 1))
        TRY(wrap_last(p, a));
    a->last->min = min;
    a->last->max = max;
    return AR_OK;
}

/* ---- sequences ---- */

static ar_status parse_alternatives(parser *p, gram_rule *r, bool nested);

static ar_status parse_group(parser *p, gram_alt *a) {
    const char *start = p->at++;
    gram_rule *r = NULL;
    if (++p->depth > MAX_DEPTH)
        return fail_at(p, start, AR_RANGE,
                       "more than 64 groups inside each other");
    TRY(make_rule(p, a->rule, &r));
    TRY(parse_alternatives(p, r, true));
    if (!sees(p, ')'))
        return fail_at(p, p->at == p->end ? start : p->at, AR_FORMAT,
                       p->at == p->end ? "the group is not closed"
                                       : "this cannot stand in a group");
    p->at++;
    p->depth--;
    return add_call(p, a, r);
}

static ar_status parse_item(parser *p, gram_alt *a) {
    static const code_range any = {0, LAST_CODE};
    gram_rule *r = NULL;
    switch (*p->at) {
    case '"': return parse_literal(p, a);
    case '[': return parse_class(p, a);
    case '(': return parse_group(p, a);
    case '.': p->at++; return add_class(p, a, &any, 1);
    case '*':
    case '+':
    case '?':
    case '{': return repeat_last(p, a);
    default: break;
    }
    TRY(parse_name(p, &r));
    return add_call(p, a, r);
}

static bool starts_item(const parser *p) {
    return p->at < p->end && (is_name(*p->at) || strchr("\"[(.*+?{", *p->at)) &&
           *p->at;
}

static ar_status parse_alternatives(parser *p, gram_rule *r, bool nested) {
    for (;;) {
        gram_alt *a = NULL;
        TRY(add_alt(p, r, &a));
        skip(p, nested);
        while (starts_item(p)) {
            TRY(parse_item(p, a));
            skip(p, nested);
        }
        const char *line = p->at;
        skip(p, true);
        if (!sees(p, '|')) {
            p->at = line;
            return AR_OK;
        }
        p->at++;
        skip(p, true);
    }
}

static ar_status parse_rule(parser *p) {
    gram_rule *r = NULL;
    const char *start = p->at;
    TRY(parse_name(p, &r));
    skip(p, false);
    if (p->end - p->at < 3 || memcmp(p->at, "::=", 3) != 0)
        return fail(p, "::= is expected");
    if (r->defined)
        return fail_at(p, start, AR_FORMAT, "the rule is defined twice");
    r->defined = true;
    place(p, start, &r->line, &r->column);
    p->at += 3;
    skip(p, true);
    TRY(parse_alternatives(p, r, false));
    if (p->at < p->end && *p->at != '\n' && *p->at != '\r')
        return fail(p, "this cannot stand in a rule");
    skip(p, true);
    return AR_OK;
}

ar_status grammar_parse(gram_source *s, const char *source, size_t n,
                        ar_error *err) {
    parser p = {.s = s, .start = source, .at = source, .end = source + n};
    p.err = err;
    arena_open(&s->memory, 1 << 16);
    if (n > GRAMMAR_MAX_SOURCE)
        return error_set(err, AR_RANGE, "%.100s: more than 4 MiB", s->name);
    skip(&p, true);
    while (p.at < p.end) TRY(parse_rule(&p));
    s->root = -1;
    if (s->n_slots) s->root = *find_slot(s, "root", 4) - 1;
    if (s->root < 0)
        return error_set(err, AR_FORMAT, "%.100s: has no rule \"root\"",
                         s->name);
    return AR_OK;
}

void gram_source_close(gram_source *s) {
    arena_close(&s->memory);
    mem_free(s->rules);
    mem_free(s->classes);
    mem_free(s->slots);
}
