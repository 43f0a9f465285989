/* byte_chars.h - bytes written as printable characters, as GPT-2 does.
 *
 * A vocabulary in JSON cannot hold bytes.  Each byte is written as one
 * character: itself if it is printable in Latin-1, else the next free one
 * from U+0100 on (bytes_to_unicode of GPT-2's encoder.py). */
#ifndef TOK_BYTE_CHARS_H
#define TOK_BYTE_CHARS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* The bytes that n bytes of such characters stand for: written to `out`, of
 * size n; returns how many, or -1 if some character stands for no byte. */
long byte_chars_decode(const char *s, size_t n, char *out);

/* Append the characters for n bytes. */
void byte_chars_encode(text *t, const char *bytes, size_t n);

#endif
