/* sha256.h - SHA-256 (FIPS 180-4), of bytes that come piece by piece.
 *
 *   sha256 s;
 *   sha256_begin(&s);
 *   sha256_add(&s, bytes, n);        any number of times
 *   char hex[SHA256_HEX];
 *   sha256_end(&s, hex); */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX = 65 }; /* 64 digits and a NUL */

typedef struct sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes so far */
    unsigned char block[64];
} sha256;

void sha256_begin(sha256 *s);
void sha256_add(sha256 *s, const void *p, size_t n);
void sha256_end(sha256 *s, char hex[SHA256_HEX]); /* digits in lower case */

/* Is the text a sum: 64 hexadecimal digits? */
bool sha256_is_hex(const char *text);

#endif
