/* template_text.h - what Python's str does, on UTF-8. */
#ifndef TOK_TEMPLATE_TEXT_H
#define TOK_TEMPLATE_TEXT_H

#include "base/text.h"
#include "tok/template_value.h"

/* Code points; a byte that is not UTF-8 counts as one. */
int64_t text_length(str s);
/* Bytes of the first n code points, all if there are fewer. */
size_t text_offset(str s, int64_t n);
/* The code point at s.p[0], s.n > 0; *size is its length. */
uint32_t text_first(str s, size_t *size);

bool text_is_space(uint32_t cp); /* as str.isspace */
bool text_is_printable(uint32_t cp);
bool text_is_upper(uint32_t cp);
bool text_is_lower(uint32_t cp);
bool text_is_alpha(uint32_t cp);
bool text_is_decimal(uint32_t cp);
bool text_is_numeric(uint32_t cp);

str text_strip_left(str s);
str text_strip_right(str s);
str text_strip(str s);
/* Ends stripped of the code points in `set`, all white space if NULL. */
enum { STRIP_LEFT = 1, STRIP_RIGHT = 2 };
str text_strip_set(str s, const str *set, int sides);

/* Bytes before the first (or last) `what` at or after `from`, or -1. */
int64_t text_find(str s, str what, size_t from);
int64_t text_find_last(str s, str what);
bool text_starts(str s, str what);
bool text_ends(str s, str what);

/* Append a code point, or a string in another case. */
void text_add_code(text *t, uint32_t cp);
void text_add_upper(text *t, str s);
void text_add_lower(text *t, str s);
void text_add_capital(text *t, str s);
void text_add_title(text *t, str s); /* str.title */
void text_add_swapped(text *t, str s);

#endif
