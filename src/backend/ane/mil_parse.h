/* mil_parse.h - what the two halves of the parser share. */
#ifndef ANE_MIL_PARSE_H
#define ANE_MIL_PARSE_H

#include "backend/ane/mil_int.h"
#include "backend/ane/mil_lex.h"

typedef struct mil_parser {
    mil_lex x;
    mil_program *p;
    pile refs, types, names; /* lists being read; see mil_parse.c */
} mil_parser;

/* "expected WHAT, not WORD" at the word that is next. */
void mil_expected(mil_parser *s, const char *what);
/* Fails at the word that is next. */
void mil_fail_here(mil_parser *s, ar_status code, const char *what);
bool mil_accept(mil_parser *s, char mark);
bool mil_expect(mil_parser *s, char mark);

/* A type; false after failing. */
bool mil_parse_type(mil_parser *s, mil_type *t);
/* One with a value behind it, or a bare text, true or false. */
bool mil_parse_literal(mil_parser *s, mil_literal *l);
/* Text up to the bracket that closes the one that is next, and past it; NULL
 * after failing. */
const char *mil_parse_raw(mil_parser *s);
/* What a quoted word says, in the program's memory. */
const char *mil_parse_text(mil_parser *s);

#endif
