/* pattern.h - the regular expressions that cut a text into pieces.
 *
 * A pattern names few sets of code points, so the code points fall into few
 * classes that it cannot tell apart.  Opening a pattern finds the classes,
 * numbers them, and rewrites the pattern over bytes that are class numbers;
 * a text is transcribed, one byte per code point, and PCRE2 matches those.
 * Unicode is then our table's, never the library's, and every class of any
 * size costs PCRE2 one look at a 256-bit map.
 *
 * Syntax: what Oniguruma and PCRE2 agree on.  Literals, classes, \p{..} of
 * general categories, \s \d \w \b and their opposites, groups, lookaround,
 * greedy, lazy and possessive repeats, (?i). */
#ifndef TOK_PATTERN_H
#define TOK_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct pattern pattern; /* const once open */

/* Errors: AR_FORMAT (not a pattern), AR_UNSUPPORTED (naming what is not
 * known), AR_NOMEM. */
ar_status pattern_open(pattern **out, const char *source, ar_error *err);

/* Where libraries differ.  To Oniguruma ^ and $ are also the ends of lines,
 * and {1,3}+ is refused; tiktoken reads both as PCRE2 does. */
enum pattern_dialect { PATTERN_ONIGURUMA, PATTERN_TIKTOKEN };
ar_status pattern_open_as(pattern **out, const char *source,
                          enum pattern_dialect dialect, ar_error *err);
void pattern_close(pattern *p);

/* Transcribe text up to its end or the first byte that is not UTF-8.  `codes`
 * has room for n; returns how many are used, *size is the bytes they stand
 * for. */
size_t pattern_transcribe(const pattern *p, const char *text, size_t n,
                          uint8_t *codes, size_t *size);

/* What matching needs, for one thread, for any patterns. */
typedef struct matcher matcher;
ar_status matcher_open(matcher **out, ar_error *err);
void matcher_close(matcher *m);

/* The first match in codes[0..n) that starts at `from` or later; *found is
 * false if there is none.  Errors: AR_RANGE when the pattern takes more steps
 * than any sensible one would. */
typedef struct match {
    size_t start, end;
    bool found;
} match;
ar_status pattern_find(const pattern *p, matcher *m, const uint8_t *codes,
                       size_t n, size_t from, match *out, ar_error *err);

#endif
