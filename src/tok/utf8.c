/* utf8.c - UTF-8, strictly: no overlong forms, no surrogates. */
#include "tok/utf8.h"

#include <string.h>

/* What a lead byte allows: the number of bytes, and the range of the second
 * (The Unicode Standard, table 3-7). */
typedef struct lead {
    uint8_t size, low, high;
} lead;

static lead lead_of(unsigned char c) {
    if (c < 0x80) return (lead){1, 0, 0};
    if (c < 0xC2) return (lead){0, 0, 0};
    if (c < 0xE0) return (lead){2, 0x80, 0xBF};
    if (c == 0xE0) return (lead){3, 0xA0, 0xBF};
    if (c == 0xED) return (lead){3, 0x80, 0x9F};
    if (c < 0xF0) return (lead){3, 0x80, 0xBF};
    if (c == 0xF0) return (lead){4, 0x90, 0xBF};
    if (c < 0xF4) return (lead){4, 0x80, 0xBF};
    if (c == 0xF4) return (lead){4, 0x80, 0x8F};
    return (lead){0, 0, 0};
}

/* Bytes at p that could start a code point; all of it if that equals the
 * size that its lead byte asks for. */
static int part_size(const unsigned char *p, const unsigned char *end, lead l) {
    if (l.size < 2) return l.size;
    if (end - p < 2 || p[1] < l.low || p[1] > l.high) return 1;
    int n = 2;
    while (n < l.size && p + n < end && (p[n] & 0xC0) == 0x80) n++;
    return n;
}

int utf8_decode_long(const unsigned char *p, const unsigned char *end,
                     uint32_t *cp) {
    const lead l = lead_of(*p);
    if (!l.size || part_size(p, end, l) < l.size) return 0;
    static const uint8_t mask[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t v = *p & mask[l.size];
    for (int i = 1; i < l.size; i++) v = v << 6 | (p[i] & 0x3Fu);
    *cp = v;
    return l.size;
}

int utf8_encode(uint32_t cp, char out[4]) {
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    const int n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    static const uint8_t mark[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(mark[n] | cp);
    return n;
}

size_t utf8_valid(const char *s, size_t n) {
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        uint64_t eight;
        if (end - p >= 8) {
            memcpy(&eight, p, 8);
            if (!(eight & 0x8080808080808080u)) {
                p += 8;
                continue;
            }
        }
        uint32_t cp;
        const int k = utf8_decode(p, end, &cp);
        if (!k) break;
        p += k;
    }
    return (size_t)(p - (const unsigned char *)s);
}

int32_t utf8_before(const unsigned char *start, const unsigned char *p,
                    int *size) {
    const unsigned char *q = p - 1;
    while (q > start && p - q < 4 && (*q & 0xC0) == 0x80) q--;
    uint32_t cp;
    const int n = utf8_decode(q, p, &cp);
    *size = n && q + n == p ? n : 1;
    return n && q + n == p ? (int32_t)cp : -1;
}

void utf8_add_lossy(text *t, const char *s, size_t n) {
    while (n) {
        const size_t good = utf8_valid(s, n);
        text_add(t, s, good);
        s += good;
        n -= good;
        if (!n) return;
        text_adds(t, "\xEF\xBF\xBD");
        const unsigned char *p = (const unsigned char *)s;
        int bad = part_size(p, p + n, lead_of(*p));
        if (bad < 1) bad = 1;
        s += bad;
        n -= (size_t)bad;
    }
}
