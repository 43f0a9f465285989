/* mil_lex.h - words of MIL text, one at a time. */
#ifndef ANE_MIL_LEX_H
#define ANE_MIL_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/ane/mil.h"

enum mil_token {
    MIL_END,
    MIL_WORD,   /* letters, digits and _, not beginning with a digit */
    MIL_NUM,    /* 1 -0.5 1e-5 0x1.8p-3 -inf */
    MIL_QUOTED, /* "text", with its quotes */
    MIL_ARROW,  /* -> */
    MIL_MARK,   /* one of ( ) [ ] { } < > , = ; ? */
    MIL_BAD     /* anything else, or text without an end */
};

/* The word that was read last, and what is behind it.  Spaces and comments
 * (from // or # to the end of the line) are between words. */
typedef struct mil_lex {
    const char *at, *end;
    const char *line_start;
    uint32_t line;
    enum mil_token kind;
    const char *text; /* size bytes of the source */
    size_t size;
    mil_place place;
} mil_lex;

/* Goes to the first word. */
void mil_lex_open(mil_lex *x, const char *source, size_t size);
void mil_lex_next(mil_lex *x);
bool mil_lex_is(const mil_lex *x, char mark);
bool mil_lex_word(const mil_lex *x, const char *word);
/* The byte that begins the next word, 0 at the end: one word of foresight. */
char mil_lex_peek(const mil_lex *x);

#endif
