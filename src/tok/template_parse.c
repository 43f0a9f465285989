/* template_parse.c - statements of templates. */
#include "tok/template_parse.h"

#include <stdio.h>

#include "base/error.h"

ar_status parse_fail(parser *p, const char *what) {
    const str s = p->now.s;
    const int n = s.n > 40 ? 40 : (int)s.n;
    if (p->now.kind == T_END)
        return error_set(p->err, AR_FORMAT, "%s:%d:%d: %s at the end", p->name,
                         p->now.line, p->now.column, what);
    return error_set(p->err, AR_FORMAT, "%s:%d:%d: %s at \"%.*s\"", p->name,
                     p->now.line, p->now.column, what, n, s.p);
}

ar_status parse_enter(parser *p) {
    if (++p->depth <= PARSE_DEPTH) return AR_OK;
    return error_set(p->err, AR_RANGE, "%s:%d:%d: nested more than %d deep",
                     p->name, p->now.line, p->now.column, PARSE_DEPTH);
}

ar_status parse_advance(parser *p) { return lex_next(&p->lex, &p->now); }

bool parse_at(const parser *p, const char *op) {
    return p->now.kind == T_OP && str_is(p->now.s, op);
}

bool parse_at_name(const parser *p, const char *name) {
    return p->now.kind == T_NAME && str_is(p->now.s, name);
}

ar_status parse_skip(parser *p, const char *op, bool *had) {
    *had = parse_at(p, op);
    return *had ? parse_advance(p) : AR_OK;
}

static ar_status fail_missing(parser *p, const char *what) {
    char sentence[64];
    snprintf(sentence, sizeof sentence, "\"%.30s\" is missing", what);
    return parse_fail(p, sentence);
}

ar_status parse_expect(parser *p, const char *op) {
    return parse_at(p, op) ? parse_advance(p) : fail_missing(p, op);
}

ar_status parse_expect_name(parser *p, const char *name) {
    return parse_at_name(p, name) ? parse_advance(p) : fail_missing(p, name);
}

ar_status parse_node(parser *p, node_kind kind, node **out) {
    node *n = arena_new(p->mem, node, 1);
    if (!n) return error_set(p->err, AR_NOMEM, "%s: out of memory", p->name);
    n->kind = (uint8_t)kind;
    n->line = p->now.line;
    n->column = p->now.column;
    *out = n;
    return AR_OK;
}

/* Statements up to a block that begins with one of `ends` (NULL-terminated),
 * whose name is then the token at hand; or, if `ends` is NULL, to the end. */
static ar_status parse_body(parser *p, const char *const *ends, node **list);

static ar_status parse_block_end(parser *p) {
    if (p->now.kind != T_BLOCK_END)
        return parse_fail(p, "the end of the tag is missing");
    return parse_advance(p);
}

/* `%}`, statements, `{% end`; the closing `%}` is left. */
static ar_status parse_block(parser *p, const char *end, node **list) {
    const char *const ends[] = {end, NULL};
    TRY(parse_block_end(p));
    TRY(parse_body(p, ends, list));
    return parse_advance(p);
}

static ar_status parse_if(parser *p, node **out) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    node **at = out;
    for (;;) {
        TRY(parse_node(p, N_IF, at));
        TRY(parse_advance(p));
        TRY(parse_tuple(p, false, &(*at)->a));
        TRY(parse_block_end(p));
        TRY(parse_body(p, ends, &(*at)->list));
        if (!parse_at_name(p, "elif")) break;
        (*at)->elif = true;
        at = &(*at)->b;
    }
    if (parse_at_name(p, "else")) {
        TRY(parse_advance(p));
        return parse_block(p, "endif", &(*at)->b);
    }
    return parse_advance(p);
}

static ar_status parse_for(parser *p, node **out) {
    static const char *const ends[] = {"else", "endfor", NULL};
    TRY(parse_node(p, N_FOR, out));
    node *n = *out;
    TRY(parse_advance(p));
    TRY(parse_target(p, false, &n->a));
    if (n->a->kind == N_NAME && str_is(n->a->v.s, "loop"))
        return parse_fail(p, "the variable of a loop is called `loop`");
    TRY(parse_expect_name(p, "in"));
    TRY(parse_tuple(p, false, &n->b));
    if (parse_at_name(p, "if")) {
        TRY(parse_advance(p));
        TRY(parse_expression(p, &n->c));
    }
    if (parse_at_name(p, "recursive")) {
        n->recursive = true;
        TRY(parse_advance(p));
    }
    TRY(parse_block_end(p));
    p->loops++;
    TRY(parse_body(p, ends, &n->list));
    p->loops--;
    if (parse_at_name(p, "else")) {
        TRY(parse_advance(p));
        return parse_block(p, "endfor", &n->list2);
    }
    return parse_advance(p);
}

static ar_status parse_set(parser *p, node **out) {
    TRY(parse_node(p, N_SET, out));
    node *n = *out;
    TRY(parse_advance(p));
    TRY(parse_target(p, true, &n->a));
    if (parse_at(p, "=")) {
        TRY(parse_advance(p));
        return parse_tuple(p, true, &n->b);
    }
    n->kind = N_SET_BLOCK;
    TRY(parse_filters(p, NULL, false, &n->b));
    return parse_block(p, "endset", &n->list);
}

static ar_status parse_parameters(parser *p, node **list) {
    TRY(parse_expect(p, "("));
    node **tail = list;
    while (!parse_at(p, ")")) {
        if (tail != list) {
            TRY(parse_expect(p, ","));
            if (parse_at(p, ")")) break;
        }
        if (p->now.kind != T_NAME)
            return parse_fail(p, "the name of a parameter is missing");
        TRY(parse_node(p, N_ARG, tail));
        (*tail)->v = v_text(p->now.s.p, p->now.s.n);
        TRY(parse_advance(p));
        if (parse_at(p, "=")) {
            TRY(parse_advance(p));
            TRY(parse_expression(p, &(*tail)->a));
        } else if (tail != list && (*list)->op) {
            return parse_fail(p, "a parameter without default follows one");
        }
        (*list)->op = (*list)->op || (*tail)->a;
        tail = &(*tail)->next;
    }
    return parse_expect(p, ")");
}

/* The rest of a macro; loops around it are not around its body. */
static ar_status parse_macro_body(parser *p, node *n, const char *end) {
    node *const outer = p->macro;
    const int loops = p->loops;
    n->c = outer;
    p->macro = n;
    p->loops = 0;
    TRY(parse_block(p, end, &n->list));
    p->macro = outer;
    p->loops = loops;
    return AR_OK;
}

static ar_status parse_macro(parser *p, node **out) {
    TRY(parse_node(p, N_MACRO, out));
    node *n = *out;
    TRY(parse_advance(p));
    if (p->now.kind != T_NAME)
        return parse_fail(p, "the name of the macro is missing");
    n->v = v_text(p->now.s.p, p->now.s.n);
    TRY(parse_advance(p));
    TRY(parse_parameters(p, &n->list2));
    return parse_macro_body(p, n, "endmacro");
}

static ar_status parse_call_block(parser *p, node **out) {
    TRY(parse_node(p, N_CALL_BLOCK, out));
    node *n = *out;
    TRY(parse_node(p, N_MACRO, &n->b));
    n->b->v = v_text("caller", 6);
    TRY(parse_advance(p));
    if (parse_at(p, "(")) TRY(parse_parameters(p, &n->b->list2));
    TRY(parse_expression(p, &n->a));
    if (n->a->kind != N_CALL) return parse_fail(p, "{% call %} needs a call");
    return parse_macro_body(p, n->b, "endcall");
}

static ar_status parse_filter_block(parser *p, node **out) {
    TRY(parse_node(p, N_FILTER_BLOCK, out));
    TRY(parse_advance(p));
    TRY(parse_filters(p, NULL, true, &(*out)->a));
    return parse_block(p, "endfilter", &(*out)->list);
}

/* name = value, as two nodes of a chain. */
static ar_status parse_one_with(parser *p, node **tail) {
    TRY(parse_target(p, false, tail));
    TRY(parse_expect(p, "="));
    return parse_expression(p, &(*tail)->next);
}

static ar_status parse_with(parser *p, node **out) {
    TRY(parse_node(p, N_WITH, out));
    TRY(parse_advance(p));
    node **tail = &(*out)->list2;
    while (p->now.kind != T_BLOCK_END) {
        if (tail != &(*out)->list2) TRY(parse_expect(p, ","));
        TRY(parse_one_with(p, tail));
        tail = &(*tail)->next->next;
    }
    return parse_block(p, "endwith", &(*out)->list);
}

static ar_status parse_generation(parser *p, node **out) {
    TRY(parse_node(p, N_GENERATION, out));
    TRY(parse_advance(p));
    return parse_block(p, "endgeneration", &(*out)->list);
}

static ar_status parse_break(parser *p, node **out) {
    const bool leave = parse_at_name(p, "break");
    if (!p->loops) return parse_fail(p, "there is no loop around it");
    TRY(parse_node(p, leave ? N_BREAK : N_CONTINUE, out));
    return parse_advance(p);
}

static const struct {
    const char *name;
    ar_status (*parse)(parser *p, node **out);
} statements[] = {
    {"if", parse_if},           {"for", parse_for},
    {"set", parse_set},         {"macro", parse_macro},
    {"call", parse_call_block}, {"filter", parse_filter_block},
    {"with", parse_with},       {"generation", parse_generation},
    {"break", parse_break},     {"continue", parse_break},
};

static ar_status parse_statement(parser *p, node **out) {
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (parse_at_name(p, statements[i].name)) {
            TRY(parse_enter(p));
            TRY(statements[i].parse(p, out));
            p->depth--;
            return parse_block_end(p);
        }
    return parse_fail(p, "no such statement");
}

static bool at_any(const parser *p, const char *const *names) {
    for (; names && *names; names++)
        if (parse_at_name(p, *names)) return true;
    return false;
}

static ar_status parse_print(parser *p, node **out) {
    TRY(parse_node(p, N_PRINT, out));
    TRY(parse_advance(p));
    TRY(parse_tuple(p, true, &(*out)->a));
    if (p->now.kind != T_PRINT_END)
        return parse_fail(p, "the end of the expression is missing");
    return parse_advance(p);
}

static ar_status parse_body(parser *p, const char *const *ends, node **list) {
    while (p->now.kind != T_END) {
        if (p->now.kind == T_DATA) {
            TRY(parse_node(p, N_DATA, list));
            (*list)->v = v_text(p->now.s.p, p->now.s.n);
            TRY(parse_advance(p));
        } else if (p->now.kind == T_PRINT) {
            TRY(parse_print(p, list));
        } else {
            TRY(parse_advance(p));
            if (at_any(p, ends)) return AR_OK;
            TRY(parse_statement(p, list));
        }
        list = &(*list)->next;
    }
    if (!ends) return AR_OK;
    while (ends[1]) ends++;
    return fail_missing(p, *ends);
}

ar_status template_parse(arena *mem, const char *name, str source, node **out,
                         ar_error *err) {
    parser p = {.mem = mem, .name = name, .err = err};
    *out = NULL;
    lex_open(&p.lex, name, source, err);
    TRY(parse_advance(&p));
    return parse_body(&p, NULL, out);
}
