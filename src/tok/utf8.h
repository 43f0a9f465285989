/* utf8.h - UTF-8, strictly: no overlong forms, no surrogates. */
#ifndef TOK_UTF8_H
#define TOK_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* The code point at p < end: its length in bytes and *cp, or 0 if the bytes
 * there are not UTF-8. */
int utf8_decode_long(const unsigned char *p, const unsigned char *end,
                     uint32_t *cp);

static inline int utf8_decode(const unsigned char *p, const unsigned char *end,
                              uint32_t *cp) {
    if (*p >= 0x80) return utf8_decode_long(p, end, cp);
    *cp = *p;
    return 1;
}

/* The bytes of a code point, 1 to 4 of them. */
int utf8_encode(uint32_t cp, char out[4]);

/* Length of the longest prefix that is UTF-8. */
size_t utf8_valid(const char *p, size_t n);

/* The code point before p > start, or -1 if the bytes there are not UTF-8;
 * *size is its length, 1 for a stray byte. */
int32_t utf8_before(const unsigned char *start, const unsigned char *p,
                    int *size);

/* Append n bytes, each maximal part that is not UTF-8 replaced by U+FFFD (the
 * practice that the Unicode Standard recommends, section 3.9). */
void utf8_add_lossy(text *t, const char *p, size_t n);

#endif
