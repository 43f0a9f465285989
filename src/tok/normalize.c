/* normalize.c - Unicode normal forms.
 *
 * NFC moves and joins only characters that our table calls loose, and what
 * they join is at most the one character before a run of them.  So only those
 * short stretches go through utf8proc. */
#include "tok/normalize.h"

#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/unicode.h"
#include "tok/utf8.h"

/* Append the NFC of n bytes of UTF-8. */
static ar_status add_nfc(text *out, const char *p, size_t n, ar_error *err) {
    enum { LONGEST = 1 << 28 }; /* far above any text with sense */
    int32_t few[256], *codes = few;
    const utf8proc_option_t form = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    if (n > LONGEST)
        return error_set(err, AR_RANGE, "a run of combining characters of more "
                                        "than 2^28 bytes");
    utf8proc_ssize_t k =
        utf8proc_decompose((const uint8_t *)p, (utf8proc_ssize_t)n, few,
                           sizeof few / sizeof *few - 1, form);
    if (k >= (utf8proc_ssize_t)(sizeof few / sizeof *few)) {
        codes = mem_new(int32_t, k + 1);
        if (!codes) return error_set(err, AR_NOMEM, "out of memory for NFC");
        k = utf8proc_decompose((const uint8_t *)p, (utf8proc_ssize_t)n, codes,
                               k, form);
    }
    if (k > 0) k = utf8proc_reencode(codes, k, form);
    if (k > 0) text_add(out, codes, (size_t)k);
    if (k < 0) text_add(out, p, n);
    if (codes != few) mem_free(codes);
    return AR_OK;
}

/* The first loose character from p on. */
static const unsigned char *find_loose(const unsigned char *p,
                                       const unsigned char *end) {
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        uint32_t cp;
        const int k = utf8_decode_long(p, end, &cp);
        if (k && (unicode_get(cp)->flags & UNICODE_LOOSE)) break;
        p += k ? k : 1;
    }
    return p;
}

static const unsigned char *skip_loose(const unsigned char *p,
                                       const unsigned char *end) {
    while (p < end) {
        uint32_t cp;
        const int k = utf8_decode(p, end, &cp);
        if (!k || !(unicode_get(cp)->flags & UNICODE_LOOSE)) break;
        p += k;
    }
    return p;
}

ar_status normalize_nfc(const char **text_at, size_t *n, text *room,
                        ar_error *err) {
    const unsigned char *p = (const unsigned char *)*text_at, *end = p + *n;
    const unsigned char *loose = find_loose(p, end);
    if (loose == end) return AR_OK;
    text_clear(room);
    while (loose < end) {
        int size = 0;
        const int32_t before = loose > p ? utf8_before(p, loose, &size) : -1;
        const unsigned char *start = before >= 0 ? loose - size : loose;
        text_add(room, p, (size_t)(start - p));
        p = skip_loose(loose, end);
        TRY(add_nfc(room, (const char *)start, (size_t)(p - start), err));
        loose = find_loose(p, end);
    }
    text_add(room, p, (size_t)(end - p));
    TRY(text_status(room, err));
    *text_at = room->data;
    *n = room->size;
    return AR_OK;
}
