/* charsmap.c - the map of strings to strings in SentencePiece models. */
#include "tok/charsmap.h"

#include <stdbool.h>

#include "base/error.h"

static uint32_t read_u32(const unsigned char *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

ar_status charsmap_open(charsmap *out, const char *blob, size_t n,
                        ar_error *err) {
    *out = (charsmap){0};
    if (!n) return AR_OK;
    const unsigned char *p = (const unsigned char *)blob;
    const size_t size = n < 4 ? 0 : read_u32(p);
    if (!size || size % 4 || size > n - 4)
        return error_set(err, AR_FORMAT,
                         "the trie of the precompiled_charsmap has %zu bytes "
                         "of %zu",
                         size, n);
    if (size + 4 == n || blob[n - 1])
        return error_set(err, AR_FORMAT,
                         "the strings of the precompiled_charsmap do not end "
                         "in NUL");
    *out = (charsmap){p + 4, size / 4, blob + 4 + size, n - 4 - size};
    return AR_OK;
}

/* Units, from the low bit on: label or value; bit 8: a value hangs here; bit
 * 9: the offset counts blocks of 256; from bit 10 on the offset. */
static size_t offset_of(uint32_t unit) {
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

static size_t search(const charsmap *m, const char *p, size_t n, bool shortest,
                     const char **to) {
    size_t found = 0;
    if (!m->n_units) return 0;
    size_t at = offset_of(read_u32(m->units));
    for (size_t i = 0; i < n && p[i]; i++) {
        at ^= (unsigned char)p[i];
        if (at >= m->n_units) break;
        const uint32_t unit = read_u32(m->units + 4 * at);
        if ((unit & (1u << 31 | 0xFF)) != (unsigned char)p[i]) break;
        at ^= offset_of(unit);
        if (at >= m->n_units) break;
        if (!(unit & 1u << 8)) continue;
        const size_t value = read_u32(m->units + 4 * at) & ~((uint32_t)1 << 31);
        if (value >= m->size) continue;
        *to = m->strings + value;
        found = i + 1;
        if (shortest) break;
    }
    return found;
}

size_t charsmap_longest(const charsmap *m, const char *p, size_t n,
                        const char **to) {
    return search(m, p, n, false, to);
}

size_t charsmap_shortest(const charsmap *m, const char *p, size_t n,
                         const char **to) {
    return search(m, p, n, true, to);
}
