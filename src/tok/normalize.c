/* normalize.c - Unicode normal forms.
 *
 * NFC moves and joins only characters that our table calls loose, and what
 * they join is at most the one character before a run of them; other forms
 * also take characters apart.  So only those short stretches go through
 * utf8proc. */
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

/* The four forms: whether characters that are only compatible are taken for
 * their like, and whether all is put together again at the end. */
typedef struct form {
    bool compatible, compose;
} form;

/* The full decomposition of n bytes of UTF-8. */
static ar_status decompose(codes *c, form f, const unsigned char *p, size_t n,
                           ar_error *err) {
    enum { LONGEST = 32 }; /* code points that one becomes: U+FDFA gives 18 */
    const int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                        (f.compatible ? UTF8PROC_COMPAT : 0);
    const unsigned char *end = p + n;
    while (p < end) {
        uint32_t cp = 0;
        p += utf8_decode(p, end, &cp);
        TRY(reserve(c, c->n + LONGEST, err));
        const utf8proc_ssize_t k = utf8proc_decompose_char(
            (int32_t)cp, c->p + c->n, LONGEST, options, NULL);
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

/* Append the form of n bytes of UTF-8. */
static ar_status add_form(text *out, codes *c, form f, const unsigned char *p,
                          size_t n, ar_error *err) {
    c->n = 0;
    TRY(decompose(c, f, p, n, err));
    TRY(sort_codes(c, err));
    utf8proc_ssize_t k = (utf8proc_ssize_t)c->n;
    if (f.compose)
        k = utf8proc_normalize_utf32(c->p, k,
                                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < k; i++) {
        char bytes[4];
        text_add(out, bytes, (size_t)utf8_encode((uint32_t)c->p[i], bytes));
    }
    return AR_OK;
}

/* Whether a form may change the character, or move it. */
static bool is_loose(uint32_t cp, form f) {
    if (f.compose && !f.compatible)
        return unicode_get(cp)->flags & UNICODE_LOOSE;
    const utf8proc_property_t *k = utf8proc_get_property((int32_t)cp);
    return (unicode_get(cp)->flags & UNICODE_LOOSE) || k->combining_class ||
           k->decomp_seqindex != UINT16_MAX || (cp >= 0xAC00 && cp <= 0xD7A3);
}

/* The first loose character from p on. */
static const unsigned char *find_loose(const unsigned char *p,
                                       const unsigned char *end, form f) {
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        uint32_t cp;
        const int k = utf8_decode_long(p, end, &cp);
        if (k && is_loose(cp, f)) break;
        p += k ? k : 1;
    }
    return p;
}

static const unsigned char *skip_loose(const unsigned char *p,
                                       const unsigned char *end, form f) {
    while (p < end) {
        uint32_t cp;
        const int k = utf8_decode(p, end, &cp);
        if (!k || !is_loose(cp, f)) break;
        p += k;
    }
    return p;
}

/* A text of which p to `loose` needs no change. */
typedef struct rest {
    const unsigned char *p, *loose, *end;
} rest;

static ar_status normalize_from(rest r, form f, text *room, ar_error *err) {
    codes c = {0};
    ar_status s = AR_OK;
    while (r.loose < r.end && s == AR_OK) {
        int size = 0;
        const int32_t before =
            r.loose > r.p ? utf8_before(r.p, r.loose, &size) : -1;
        const unsigned char *start = before >= 0 ? r.loose - size : r.loose;
        text_add(room, r.p, (size_t)(start - r.p));
        r.p = skip_loose(r.loose, r.end, f);
        s = add_form(room, &c, f, start, (size_t)(r.p - start), err);
        r.loose = find_loose(r.p, r.end, f);
    }
    text_add(room, r.p, (size_t)(r.end - r.p));
    mem_free(c.p);
    return s == AR_OK ? text_status(room, err) : s;
}

static ar_status normalize_form(form f, const char **text_at, size_t *n,
                                text *room, ar_error *err) {
    const unsigned char *p = (const unsigned char *)*text_at, *end = p + *n;
    const unsigned char *loose = find_loose(p, end, f);
    if (loose == end) return AR_OK;
    text_clear(room);
    TRY(normalize_from((rest){p, loose, end}, f, room, err));
    *text_at = room->data;
    *n = room->size;
    return AR_OK;
}

ar_status normalize_nfc(const normalizer *self, const char **p, size_t *n,
                        text *room, ar_error *err) {
    (void)self;
    return normalize_form((form){.compatible = false, .compose = true}, p, n,
                          room, err);
}

ar_status normalize_nfd(const normalizer *self, const char **p, size_t *n,
                        text *room, ar_error *err) {
    (void)self;
    return normalize_form((form){.compatible = false, .compose = false}, p, n,
                          room, err);
}

ar_status normalize_nfkc(const normalizer *self, const char **p, size_t *n,
                         text *room, ar_error *err) {
    (void)self;
    return normalize_form((form){.compatible = true, .compose = true}, p, n,
                          room, err);
}

ar_status normalize_nfkd(const normalizer *self, const char **p, size_t *n,
                         text *room, ar_error *err) {
    (void)self;
    return normalize_form((form){.compatible = true, .compose = false}, p, n,
                          room, err);
}
