/* unicode.h - categories of code points, from our own table, so that ids do
 * not depend on the Unicode version of any library. */
#ifndef TOK_UNICODE_H
#define TOK_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

enum { UNICODE_COUNT = 0x110000 };

enum unicode_flag {
    UNICODE_WHITE = 1, /* White_Space */
    UNICODE_ALPHA = 2, /* Alphabetic, though in neither L, M nor Nl */
    UNICODE_LOOSE = 4, /* may change, or join its neighbours, under NFC */
};

typedef struct unicode_kind {
    char category[3];
    uint8_t flags;
} unicode_kind;

extern const char unicode_version[];
extern const unicode_kind unicode_kinds[];
extern const uint8_t unicode_first[], unicode_third[];
extern const uint16_t unicode_second[];

/* Index of the block of 16 code points that has cp. */
static inline uint32_t unicode_block(uint32_t cp) {
    return unicode_second[unicode_first[cp >> 9] * 32u + (cp >> 4 & 31)];
}

/* cp < UNICODE_COUNT. */
static inline const unicode_kind *unicode_get(uint32_t cp) {
    return &unicode_kinds[unicode_third[unicode_block(cp) * 16 + (cp & 15)]];
}

/* As Rust's regex crate has \s and \w (UTS #18, annex C). */
bool unicode_is_white(uint32_t cp);
bool unicode_is_word(uint32_t cp);

#endif
