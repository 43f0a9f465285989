/* template_parse_expr.c - expressions of templates: operators, filters and
 * tests, from the loosest to the tightest. */
#include <string.h>

#include "base/error.h"
#include "tok/template_parse.h"

typedef struct binary_row {
    const char *op;
    int level;
    binary_op code;
} binary_row;

/* `~` binds tighter than `+`, and looser than `*`. */
enum { LEVEL_ADD, LEVEL_CONCAT, LEVEL_MUL, LEVEL_POW, LEVEL_UNARY };
static const binary_row binary_rows[] = {
    {"+", LEVEL_ADD, B_ADD},       {"-", LEVEL_ADD, B_SUB},
    {"~", LEVEL_CONCAT, B_CONCAT}, {"*", LEVEL_MUL, B_MUL},
    {"/", LEVEL_MUL, B_DIV},       {"//", LEVEL_MUL, B_FLOOR_DIV},
    {"%", LEVEL_MUL, B_MOD},       {"**", LEVEL_POW, B_POW},
};

static ar_status parse_unary(parser *p, bool filters, node **out);

static const binary_row *binary_at(const parser *p, int level) {
    for (size_t i = 0; i < sizeof binary_rows / sizeof *binary_rows; i++)
        if (binary_rows[i].level == level && parse_at(p, binary_rows[i].op))
            return &binary_rows[i];
    return NULL;
}

static ar_status parse_binary(parser *p, int level, node **out) {
    if (level == LEVEL_UNARY) return parse_unary(p, true, out);
    TRY(parse_binary(p, level + 1, out));
    const binary_row *row;
    while ((row = binary_at(p, level))) {
        node *n;
        TRY(parse_node(p, N_BINARY, &n));
        TRY(parse_advance(p));
        n->op = row->code;
        n->a = *out;
        TRY(parse_binary(p, level + 1, &n->b));
        *out = n;
    }
    return AR_OK;
}

static ar_status compare_at(parser *p, bool *found, compare_op *op) {
    static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">="};
    *found = true;
    for (int i = 0; i < 6; i++)
        if (parse_at(p, ops[i])) {
            *op = (compare_op)i;
            return parse_advance(p);
        }
    if (parse_at_name(p, "in")) {
        *op = C_IN;
        return parse_advance(p);
    }
    *found = false;
    if (!parse_at_name(p, "not")) return AR_OK;
    parser ahead = *p; /* `not` belongs here only if `in` follows */
    TRY(parse_advance(&ahead));
    if (!parse_at_name(&ahead, "in")) return AR_OK;
    *found = true;
    *op = C_NOT_IN;
    TRY(parse_advance(p));
    return parse_advance(p);
}

static ar_status parse_compare(parser *p, node **out) {
    TRY(parse_binary(p, LEVEL_ADD, out));
    node *all = NULL, **tail = NULL;
    for (;;) {
        node *n;
        bool found;
        compare_op op = C_EQ;
        TRY(parse_node(p, N_COMPARE, &n));
        TRY(compare_at(p, &found, &op));
        if (!found) return AR_OK;
        if (!all) {
            TRY(parse_node(p, N_COMPARE, &all));
            all->a = *out;
            tail = &all->list;
            *out = all;
        }
        n->op = (uint8_t)op;
        TRY(parse_binary(p, LEVEL_ADD, &n->a));
        *tail = n;
        tail = &n->next;
    }
}

static ar_status parse_not(parser *p, node **out) {
    if (!parse_at_name(p, "not")) return parse_compare(p, out);
    TRY(parse_enter(p));
    node *n;
    TRY(parse_node(p, N_NOT, &n));
    TRY(parse_advance(p));
    TRY(parse_not(p, &n->a));
    *out = n;
    p->depth--;
    return AR_OK;
}

static ar_status parse_and(parser *p, node **out) {
    TRY(parse_not(p, out));
    while (parse_at_name(p, "and")) {
        node *n;
        TRY(parse_node(p, N_AND, &n));
        TRY(parse_advance(p));
        n->a = *out;
        TRY(parse_not(p, &n->b));
        *out = n;
    }
    return AR_OK;
}

ar_status parse_or(parser *p, node **out) {
    TRY(parse_enter(p));
    TRY(parse_and(p, out));
    while (parse_at_name(p, "or")) {
        node *n;
        TRY(parse_node(p, N_OR, &n));
        TRY(parse_advance(p));
        n->a = *out;
        TRY(parse_and(p, &n->b));
        *out = n;
    }
    p->depth--;
    return AR_OK;
}

ar_status parse_expression(parser *p, node **out) {
    TRY(parse_enter(p));
    TRY(parse_or(p, out));
    while (parse_at_name(p, "if")) {
        node *n;
        TRY(parse_node(p, N_IF_ELSE, &n));
        TRY(parse_advance(p));
        n->b = *out;
        TRY(parse_or(p, &n->a));
        if (parse_at_name(p, "else")) {
            TRY(parse_advance(p));
            TRY(parse_expression(p, &n->c));
        }
        *out = n;
    }
    p->depth--;
    return AR_OK;
}

/* A name, or several with dots between them, as n->v. */
static ar_status parse_dotted(parser *p, node *n) {
    if (p->now.kind != T_NAME) return parse_fail(p, "a name is missing");
    str s = p->now.s;
    TRY(parse_advance(p));
    while (parse_at(p, ".")) {
        TRY(parse_advance(p));
        if (p->now.kind != T_NAME) return parse_fail(p, "a name is missing");
        s.n = (size_t)(p->now.s.p + p->now.s.n - s.p);
        TRY(parse_advance(p));
    }
    n->v = v_text(s.p, s.n);
    return AR_OK;
}

ar_status parse_filters(parser *p, node *inner, bool inline_start, node **out) {
    *out = inner;
    while (inline_start || parse_at(p, "|")) {
        if (!inline_start) TRY(parse_advance(p));
        inline_start = false;
        node *n;
        TRY(parse_node(p, N_FILTER, &n));
        n->a = *out;
        TRY(parse_dotted(p, n));
        if (parse_at(p, "(")) TRY(parse_arguments(p, &n->list));
        *out = n;
    }
    return AR_OK;
}

/* Whether an argument without brackets follows a test (`is divisibleby 3`). */
static bool bare_argument(const parser *p) {
    static const char *const not_one[] = {"else", "or", "and"};
    for (int i = 0; i < 3; i++)
        if (parse_at_name(p, not_one[i])) return false;
    return p->now.kind == T_NAME || p->now.kind == T_STRING ||
           p->now.kind == T_INT || p->now.kind == T_FLOAT || parse_at(p, "[") ||
           parse_at(p, "{");
}

static ar_status parse_test(parser *p, node **inout) {
    node *n, *not_node = NULL;
    TRY(parse_node(p, N_TEST, &n));
    TRY(parse_advance(p));
    if (parse_at_name(p, "not")) {
        TRY(parse_node(p, N_NOT, &not_node));
        TRY(parse_advance(p));
        not_node->a = n;
    }
    n->a = *inout;
    TRY(parse_dotted(p, n));
    if (parse_at_name(p, "is"))
        return parse_fail(p, "tests cannot be chained with `is`");
    if (parse_at(p, "(")) {
        TRY(parse_arguments(p, &n->list));
    } else if (bare_argument(p)) {
        TRY(parse_node(p, N_ARG, &n->list));
        TRY(parse_primary(p, &n->list->a));
        TRY(parse_postfix(p, &n->list->a));
    }
    *inout = not_node ? not_node : n;
    return AR_OK;
}

static ar_status parse_call(parser *p, node **inout) {
    node *n;
    TRY(parse_node(p, N_CALL, &n));
    n->a = *inout;
    n->line = n->a->line; /* a call is where its name is */
    n->column = n->a->column;
    TRY(parse_arguments(p, &n->list));
    *inout = n;
    return AR_OK;
}

static ar_status parse_behind(parser *p, node **inout) {
    for (;;) {
        if (parse_at(p, "|"))
            TRY(parse_filters(p, *inout, false, inout));
        else if (parse_at_name(p, "is"))
            TRY(parse_test(p, inout));
        else if (parse_at(p, "("))
            TRY(parse_call(p, inout));
        else
            return AR_OK;
    }
}

static ar_status parse_unary(parser *p, bool filters, node **out) {
    const bool minus = parse_at(p, "-");
    if (minus || parse_at(p, "+")) {
        TRY(parse_enter(p));
        node *n;
        TRY(parse_node(p, minus ? N_NEG : N_POS, &n));
        TRY(parse_advance(p));
        TRY(parse_unary(p, false, &n->a));
        *out = n;
        p->depth--;
    } else {
        TRY(parse_primary(p, out));
    }
    TRY(parse_postfix(p, out));
    return filters ? parse_behind(p, out) : AR_OK;
}

/* ---- . [] () ---- */

static ar_status parse_dot(parser *p, node **inout) {
    node *n;
    TRY(parse_node(p, N_ATTR, &n));
    TRY(parse_advance(p));
    n->a = *inout;
    if (p->now.kind == T_INT) {
        n->kind = N_ITEM;
        TRY(parse_primary(p, &n->b));
    } else if (p->now.kind == T_NAME) {
        n->v = v_text(p->now.s.p, p->now.s.n);
        TRY(parse_advance(p));
    } else {
        return parse_fail(p, "a name or a number is missing");
    }
    *inout = n;
    return AR_OK;
}

static ar_status parse_slice(parser *p, node **out) {
    node *n, *part[3] = {NULL};
    TRY(parse_node(p, N_SLICE, &n));
    int k = 0;
    for (; k < 3; k++) {
        bool had;
        if (!parse_at(p, ":") && !parse_at(p, "]") && !parse_at(p, ","))
            TRY(parse_expression(p, &part[k]));
        if (k == 2) break;
        TRY(parse_skip(p, ":", &had));
        if (!had) break;
    }
    if (k == 0) {
        *out = part[0];
        return part[0] ? AR_OK : parse_fail(p, "an index is missing");
    }
    n->a = part[0];
    n->b = part[1];
    n->c = part[2];
    *out = n;
    return AR_OK;
}

static ar_status parse_item(parser *p, node **inout) {
    node *n;
    TRY(parse_node(p, N_ITEM, &n));
    TRY(parse_advance(p));
    n->a = *inout;
    TRY(parse_slice(p, &n->b));
    if (parse_at(p, ",")) { /* several make a tuple */
        node *all, **tail;
        TRY(parse_node(p, N_TUPLE, &all));
        all->list = n->b;
        tail = &n->b->next;
        while (parse_at(p, ",")) {
            TRY(parse_advance(p));
            TRY(parse_expression(p, tail));
            tail = &(*tail)->next;
        }
        n->b = all;
    }
    *inout = n;
    return parse_expect(p, "]");
}

ar_status parse_postfix(parser *p, node **inout) {
    for (;;) {
        if (parse_at(p, "."))
            TRY(parse_dot(p, inout));
        else if (parse_at(p, "["))
            TRY(parse_item(p, inout));
        else if (parse_at(p, "("))
            TRY(parse_call(p, inout));
        else
            return AR_OK;
    }
}

static ar_status parse_argument(parser *p, node **out) {
    node *n;
    TRY(parse_node(p, N_ARG, &n));
    *out = n;
    if (parse_at(p, "*") || parse_at(p, "**")) {
        n->op = parse_at(p, "*") ? 1 : 2;
        TRY(parse_advance(p));
        return parse_expression(p, &n->a);
    }
    if (p->now.kind == T_NAME) {
        parser ahead = *p;
        TRY(parse_advance(&ahead));
        if (parse_at(&ahead, "=")) {
            n->v = v_text(p->now.s.p, p->now.s.n);
            TRY(parse_advance(p));
            TRY(parse_advance(p));
        }
    }
    return parse_expression(p, &n->a);
}

ar_status parse_arguments(parser *p, node **list) {
    TRY(parse_expect(p, "("));
    node **tail = list;
    bool named = false;
    while (!parse_at(p, ")")) {
        if (tail != list) {
            TRY(parse_expect(p, ","));
            if (parse_at(p, ")")) break;
        }
        TRY(parse_argument(p, tail));
        const bool by_name = (*tail)->v.type == V_TEXT || (*tail)->op == 2;
        if (named && !by_name && !(*tail)->op)
            return parse_fail(p, "an argument without name follows one with");
        named = named || by_name;
        tail = &(*tail)->next;
    }
    return parse_expect(p, ")");
}
