/* template_lex.h - a template as tokens.
 *
 * White space is settled here: trim_blocks (the newline behind a block tag
 * goes), lstrip_blocks (the blanks before one that starts its line go), and
 * the signs - and + that ask for more or less than that. */
#ifndef TOK_TEMPLATE_LEX_H
#define TOK_TEMPLATE_LEX_H

#include "arcane/status.h"
#include "base/arena.h"
#include "tok/template_value.h"

typedef enum token_kind {
    T_END,
    T_DATA,
    T_PRINT, /* {{ */
    T_PRINT_END,
    T_BLOCK, /* {% */
    T_BLOCK_END,
    T_NAME,
    T_STRING, /* with its quotes */
    T_INT,
    T_FLOAT,
    T_OP,
} token_kind;

typedef struct token {
    token_kind kind;
    str s; /* in the source, or static */
    int line, column;
} token;

enum { LEX_BRACKETS = 128 };

typedef struct lexer {
    const char *name; /* for error messages */
    const char *p, *end;
    const char *line_start;
    int line;
    token_kind mode;    /* T_DATA, T_PRINT or T_BLOCK: where p is */
    bool line_starting; /* what was read last ends with a newline */
    int n_open;
    char open[LEX_BRACKETS]; /* the closing partners that are awaited */
    ar_error *err;
} lexer;

/* The source with \n for every kind of newline and without its last one. */
ar_status lex_source(arena *mem, const char *text, size_t n, str *out,
                     ar_error *err);
void lex_open(lexer *l, const char *name, str source, ar_error *err);
ar_status lex_next(lexer *l, token *out);

#endif
