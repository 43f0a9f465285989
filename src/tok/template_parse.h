/* template_parse.h - from the text of a template to its tree. */
#ifndef TOK_TEMPLATE_PARSE_H
#define TOK_TEMPLATE_PARSE_H

#include "tok/template_lex.h"
#include "tok/template_node.h"

enum { PARSE_DEPTH = 100 }; /* nesting of expressions and of blocks */

typedef struct parser {
    lexer lex;
    token now;
    arena *mem;
    const char *name;
    node *macro; /* the one whose body is being read, or NULL */
    int depth, loops;
    ar_error *err;
} parser;

/* The statements of a template, in `mem`; NULL for an empty one.  `name` is
 * what error messages call it.  Errors: AR_FORMAT with line and column,
 * AR_RANGE (nested too deeply), AR_NOMEM. */
ar_status template_parse(arena *mem, const char *name, str source, node **out,
                         ar_error *err);

/* ---- between the files of the parser ---- */

ar_status parse_fail(parser *p, const char *what);
ar_status parse_advance(parser *p);
bool parse_at(const parser *p, const char *op);
bool parse_at_name(const parser *p, const char *name);
/* Take an operator or a name if it is there; or fail if it is not. */
ar_status parse_skip(parser *p, const char *op, bool *had);
ar_status parse_expect(parser *p, const char *op);
ar_status parse_expect_name(parser *p, const char *name);
ar_status parse_node(parser *p, node_kind kind, node **out);
ar_status parse_enter(parser *p);

ar_status parse_expression(parser *p, node **out);
ar_status parse_or(parser *p, node **out); /* without `x if y else z` */
/* One or, separated by commas, a tuple of expressions.  `condition`: they may
 * be `x if y else z`. */
ar_status parse_tuple(parser *p, bool condition, node **out);
ar_status parse_target(parser *p, bool attribute, node **out);
ar_status parse_arguments(parser *p, node **list);
/* A chain of filters; `a` of the innermost is `inner`. */
ar_status parse_filters(parser *p, node *inner, bool inline_start, node **out);
ar_status parse_primary(parser *p, node **out);
ar_status parse_postfix(parser *p, node **inout);

#endif
