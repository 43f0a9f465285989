/* added.h - tokens that are looked for in a text before anything else. */
#ifndef TOK_ADDED_H
#define TOK_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

enum { ADDED_MAX_BYTES = 4096 };

typedef struct added_token {
    const char *name;  /* as the file has it; owned by the tokenizer */
    const char *bytes; /* what is looked for: the name, normalised or not */
    uint32_t size;     /* of bytes, 1 to ADDED_MAX_BYTES */
    int32_t id;
    bool special, left, right; /* takes white space on that side with it */
    bool whole_word;           /* only between characters of no word */
    bool normalized;           /* looked for in the normalised text */
    bool as_is;                /* and its bytes are what is found there */
} added_token;

/* Some of the added tokens, ready for searching. */
typedef struct added_set {
    const added_token **sorted; /* [n], by bytes */
    int32_t n;
    bool has_plain;     /* some are not special */
    int32_t start[257]; /* first whose first byte is b */
} added_set;

/* Those of `tokens` whose `normalized` is the same.  Errors: AR_NOMEM. */
ar_status added_set_open(added_set *out, const added_token *tokens, int32_t n,
                         bool normalized, ar_error *err);
void added_set_close(added_set *s);

/* The longest token that p[0..n) starts with, or NULL; n > 0. */
const added_token *added_longest(const added_set *s, const char *p, size_t n);

/* The next token in a text at or after `from`: leftmost, then longest.  Spans
 * include the white space that the token takes; `token` is NULL if there is
 * no more.  `text_from` is where the text that is not yet used begins. */
typedef struct added_match {
    const added_token *token;
    size_t start, end;
} added_match;
typedef struct added_search {
    const added_set *set;
    const char *text;
    size_t n;
    bool special;      /* find special tokens too */
    size_t from, used; /* where to look next; end of the last span */
} added_search;
added_match added_next(added_search *s);

#endif
