/* pattern_parse.h - a pattern as text and sets of code points. */
#ifndef TOK_PATTERN_PARSE_H
#define TOK_PATTERN_PARSE_H

#include "base/text.h"
#include "tok/code_set.h"
#include "tok/pattern.h"

enum { PATTERN_MAX_SETS = 64 };

/* Either PCRE2 text, or one code point out of a set. */
typedef struct pattern_item {
    int32_t set;         /* -1 for text */
    size_t offset, size; /* in parsed_pattern.text */
} pattern_item;

typedef struct parsed_pattern {
    code_set sets[PATTERN_MAX_SETS]; /* all different */
    int n_sets;
    pattern_item *items;
    size_t n_items, capacity;
    text text;
} parsed_pattern;

/* Errors: as pattern_open.  Close it in any case. */
ar_status pattern_parse(parsed_pattern *out, const char *source,
                        enum pattern_dialect dialect, ar_error *err);
void pattern_parse_close(parsed_pattern *p);

#endif
