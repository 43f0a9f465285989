/* byte_chars.c - bytes written as printable characters, as GPT-2 does. */
#include "tok/byte_chars.h"

#include "tok/utf8.h"

/* Bytes that are not printable are, in order: 0 to 32, 127 to 160, 173. */
enum { N_LOW = 33, FIRST_HIGH = 127, N_HIGH = 34, SOFT_HYPHEN = 173 };

static int byte_of(uint32_t cp) {
    if (cp >= 256) {
        const int k = cp > 400 ? 1000 : (int)cp - 256;
        if (k < N_LOW) return k;
        if (k < N_LOW + N_HIGH) return k - N_LOW + FIRST_HIGH;
        return k == N_LOW + N_HIGH ? SOFT_HYPHEN : -1;
    }
    const int b = (int)cp;
    const bool hidden = b < N_LOW || b == SOFT_HYPHEN ||
                        (b >= FIRST_HIGH && b < FIRST_HIGH + N_HIGH);
    return hidden ? -1 : b;
}

static uint32_t char_of(int b) {
    if (b < N_LOW) return 256 + (uint32_t)b;
    if (b >= FIRST_HIGH && b < FIRST_HIGH + N_HIGH)
        return 256 + N_LOW + (uint32_t)(b - FIRST_HIGH);
    return b == SOFT_HYPHEN ? 256 + N_LOW + N_HIGH : (uint32_t)b;
}

long byte_chars_decode(const char *s, size_t n, char *out) {
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    long count = 0;
    while (p < end) {
        if (*p >= N_LOW && *p < FIRST_HIGH) {
            out[count++] = (char)*p++;
            continue;
        }
        uint32_t cp;
        const int k = utf8_decode(p, end, &cp), b = k ? byte_of(cp) : -1;
        if (b < 0) return -1;
        out[count++] = (char)b;
        p += k;
    }
    return count;
}

void byte_chars_encode(text *t, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char out[4];
        text_add(t, out,
                 (size_t)utf8_encode(char_of((unsigned char)bytes[i]), out));
    }
}
