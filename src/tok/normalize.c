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

/* Code points of one stretch. */
typedef struct codes {
    int32_t *p;
    size_t n, capacity;
} codes;

static ar_status reserve(codes *c, size_t n, ar_error *err) {
    if (n <= c->capacity) return AR_OK;
    const size_t want = n + n / 2 + 64;
    int32_t *p = mem_realloc(c->p, want * sizeof *p);
    if (!p) return error_set(err, AR_NOMEM, "out of memory for normalising");
    c->p = p;
    c->capacity = want;
    return AR_OK;
}

/* The full canonical decomposition of n bytes of UTF-8. */
static ar_status decompose(codes *c, const unsigned char *p, size_t n,
                           ar_error *err) {
    enum { LONGEST = 16 }; /* code points that one becomes: 4 in Unicode 16 */
    const unsigned char *end = p + n;
    while (p < end) {
        uint32_t cp = 0;
        p += utf8_decode(p, end, &cp);
        TRY(reserve(c, c->n + LONGEST, err));
        const utf8proc_ssize_t k =
            utf8proc_decompose_char((int32_t)cp, c->p + c->n, LONGEST,
                                    UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, NULL);
        if (k > 0 && k <= LONGEST)
            c->n += (size_t)k;
        else
            c->p[c->n++] = (int32_t)cp;
    }
    return AR_OK;
}

static int class_of(int32_t cp) {
    return (uint8_t)utf8proc_get_property(cp)->combining_class;
}

/* Stable sort of n code points by class, which is below 256. */
static ar_status sort_marks(int32_t *p, size_t n, ar_error *err) {
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++) start[class_of(p[i]) + 1]++;
    for (int k = 0; k < 256; k++) {
        if (start[k + 1] == n) return AR_OK; /* all of one class */
        start[k + 1] += start[k];
    }
    int32_t *sorted = mem_new(int32_t, n);
    if (!sorted)
        return error_set(err, AR_NOMEM, "out of memory for normalising");
    for (size_t i = 0; i < n; i++) sorted[start[class_of(p[i])]++] = p[i];
    memcpy(p, sorted, n * sizeof *p);
    mem_free(sorted);
    return AR_OK;
}

/* Canonical order: marks between two starters by their class.  (utf8proc
 * sorts by exchanges, which long runs would make quadratic.) */
static ar_status sort_codes(codes *c, ar_error *err) {
    size_t i = 0;
    while (i < c->n) {
        if (!class_of(c->p[i])) {
            i++;
            continue;
        }
        const size_t start = i;
        while (i < c->n && class_of(c->p[i])) i++;
        if (i - start > 1) TRY(sort_marks(c->p + start, i - start, err));
    }
    return AR_OK;
}

/* Append the NFC of n bytes of UTF-8. */
static ar_status add_nfc(text *out, codes *c, const unsigned char *p, size_t n,
                         ar_error *err) {
    c->n = 0;
    TRY(decompose(c, p, n, err));
    TRY(sort_codes(c, err));
    const utf8proc_ssize_t k = utf8proc_normalize_utf32(
        c->p, (utf8proc_ssize_t)c->n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < k; i++) {
        char bytes[4];
        text_add(out, bytes, (size_t)utf8_encode((uint32_t)c->p[i], bytes));
    }
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

static ar_status normalize_from(const unsigned char *p,
                                const unsigned char *loose,
                                const unsigned char *end, text *room,
                                ar_error *err) {
    codes c = {0};
    ar_status s = AR_OK;
    while (loose < end && s == AR_OK) {
        int size = 0;
        const int32_t before = loose > p ? utf8_before(p, loose, &size) : -1;
        const unsigned char *start = before >= 0 ? loose - size : loose;
        text_add(room, p, (size_t)(start - p));
        p = skip_loose(loose, end);
        s = add_nfc(room, &c, start, (size_t)(p - start), err);
        loose = find_loose(p, end);
    }
    text_add(room, p, (size_t)(end - p));
    mem_free(c.p);
    return s == AR_OK ? text_status(room, err) : s;
}

ar_status normalize_nfc(const char **text_at, size_t *n, text *room,
                        ar_error *err) {
    const unsigned char *p = (const unsigned char *)*text_at, *end = p + *n;
    const unsigned char *loose = find_loose(p, end);
    if (loose == end) return AR_OK;
    text_clear(room);
    TRY(normalize_from(p, loose, end, room, err));
    *text_at = room->data;
    *n = room->size;
    return AR_OK;
}
