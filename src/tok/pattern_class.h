/* pattern_class.h - bracketed classes and escapes, as sets. */
#ifndef TOK_PATTERN_CLASS_H
#define TOK_PATTERN_CLASS_H

#include "arcane/status.h"
#include "tok/code_set.h"

/* Where in a pattern the parser is. */
typedef struct pattern_reader {
    const unsigned char *p, *end;
} pattern_reader;

/* The next code point; the pattern is known to be UTF-8 and not at its end. */
uint32_t pattern_next(pattern_reader *r);

/* After "\": adds the set that the escape stands for.  *single is the code
 * point, or -1 for a class such as \s. */
ar_status pattern_read_escape(pattern_reader *r, code_set *set, int32_t *single,
                              ar_error *err);

/* After "[": adds the set up to and with "]". */
ar_status pattern_read_class(pattern_reader *r, bool caseless, code_set *set,
                             ar_error *err);

#endif
