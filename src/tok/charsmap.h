/* charsmap.h - the map of strings to strings in SentencePiece models.
 *
 * A blob: the size of a trie (32 bits, little-endian), the trie, and strings
 * that end in NUL.  The trie is a double array as Darts-clone writes it; the
 * value of a key is where its string begins. */
#ifndef TOK_CHARSMAP_H
#define TOK_CHARSMAP_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct charsmap {
    const unsigned char *units; /* [n_units] of 4 bytes */
    size_t n_units;             /* 0 for an empty map */
    const char *strings;        /* [size], the last byte is NUL */
    size_t size;
} charsmap;

/* The blob is borrowed, as long as the map is used.  Errors: AR_FORMAT. */
ar_status charsmap_open(charsmap *out, const char *blob, size_t n,
                        ar_error *err);

/* The longest key that p[0..n) starts with, or the shortest: its size, 0 if
 * there is none; *to is the string for it. */
size_t charsmap_longest(const charsmap *m, const char *p, size_t n,
                        const char **to);
size_t charsmap_shortest(const charsmap *m, const char *p, size_t n,
                         const char **to);

#endif
