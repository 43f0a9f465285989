/* normalize_text.c - the normalisers that are no Unicode normal forms. */
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/normalize.h"
#include "tok/unicode.h"
#include "tok/utf8.h"

static ar_status give(const text *room, const char **p, size_t *n,
                      ar_error *err) {
    TRY(text_status(room, err));
    *p = room->data ? room->data : "";
    *n = room->size;
    return AR_OK;
}

ar_status normalize_prepend(const normalizer *self, const char **p, size_t *n,
                            text *room, ar_error *err) {
    if (!*n) return AR_OK;
    text_clear(room);
    text_adds(room, self->to);
    text_add(room, *p, *n);
    return give(room, p, n, err);
}

/* The next occurrence of `what` in p[0..n), or NULL. */
static const char *find(const char *p, size_t n, const char *what, size_t k) {
    while (n >= k) {
        const char *at = memchr(p, *what, n - k + 1);
        if (!at || !memcmp(at, what, k)) return at;
        n -= (size_t)(at + 1 - p);
        p = at + 1;
    }
    return NULL;
}

static ar_status replace_text(const normalizer *self, const char **p, size_t *n,
                              text *room, ar_error *err) {
    const char *from = *p, *end = *p + *n;
    const size_t k = strlen(self->from);
    const char *at = find(from, *n, self->from, k);
    if (!at) return AR_OK;
    text_clear(room);
    for (; at; at = find(from, (size_t)(end - from), self->from, k)) {
        text_add(room, from, (size_t)(at - from));
        text_adds(room, self->to);
        from = at + k;
    }
    text_add(room, from, (size_t)(end - from));
    return give(room, p, n, err);
}

/* Bytes of n code points. */
static size_t span(const char *p, size_t n) {
    const char *start = p;
    for (; n; n--) {
        const unsigned char c = (unsigned char)*p;
        p += c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    }
    return (size_t)(p - start);
}

/* One stretch of UTF-8 as codes. */
static ar_status replace_stretch(const normalizer *self, matcher *w,
                                 const uint8_t *codes, size_t n_codes,
                                 const char *p, text *room, ar_error *err) {
    size_t from = 0, done = 0, last_end = SIZE_MAX;
    while (from <= n_codes) {
        match m;
        TRY(pattern_find(self->pattern, w, codes, n_codes, from, &m, err));
        if (!m.found) break;
        from = m.end > m.start ? m.end : m.end + 1;
        if (m.start == m.end && m.end == last_end) continue;
        const size_t before = span(p, m.start - done);
        text_add(room, p, before);
        text_adds(room, self->to);
        p += before + span(p + before, m.end - m.start);
        done = last_end = m.end;
    }
    text_add(room, p, span(p, n_codes - done));
    return AR_OK;
}

static ar_status replace_pattern(const normalizer *self, matcher *m,
                                 uint8_t *codes, const char *p, size_t n,
                                 text *room, ar_error *err) {
    while (n) {
        size_t size;
        const size_t k = pattern_transcribe(self->pattern, p, n, codes, &size);
        TRY(replace_stretch(self, m, codes, k, p, room, err));
        p += size;
        n -= size;
        if (!n) break;
        text_add(room, p++, 1); /* not UTF-8 */
        n--;
    }
    return AR_OK;
}

ar_status normalize_replace(const normalizer *self, const char **p, size_t *n,
                            text *room, ar_error *err) {
    if (!*n) return AR_OK;
    if (!self->pattern) return replace_text(self, p, n, room, err);
    matcher *m;
    TRY(matcher_open(&m, err));
    uint8_t *codes = mem_alloc(*n);
    text_clear(room);
    const ar_status s =
        codes ? replace_pattern(self, m, codes, *p, *n, room, err)
              : error_set(err, AR_NOMEM, "out of memory for normalising");
    mem_free(codes);
    matcher_close(m);
    return s == AR_OK ? give(room, p, n, err) : s;
}

ar_status normalize_strip(const normalizer *self, const char **p, size_t *n,
                          text *room, ar_error *err) {
    (void)room, (void)err;
    const unsigned char *start = (const unsigned char *)*p, *end = start + *n;
    while (self->left && start < end) {
        uint32_t cp;
        const int k = utf8_decode(start, end, &cp);
        if (!k || !unicode_is_white(cp)) break;
        start += k;
    }
    while (self->right && start < end) {
        int k;
        const int32_t cp = utf8_before(start, end, &k);
        if (cp < 0 || !unicode_is_white((uint32_t)cp)) break;
        end -= k;
    }
    *p = (const char *)start;
    *n = (size_t)(end - start);
    return AR_OK;
}

/* What becomes of one code point. */
typedef void change_fn(const normalizer *self, uint32_t cp, text *out);

static ar_status change_all(const normalizer *self, change_fn *change,
                            const char **p, size_t *n, text *room,
                            ar_error *err) {
    const unsigned char *s = (const unsigned char *)*p, *end = s + *n;
    text_clear(room);
    while (s < end) {
        uint32_t cp;
        const int k = utf8_decode(s, end, &cp);
        if (k)
            change(self, cp, room);
        else
            text_add(room, s, 1);
        s += k ? k : 1;
    }
    return give(room, p, n, err);
}

static void add_code(text *out, uint32_t cp) {
    char bytes[4];
    text_add(out, bytes, (size_t)utf8_encode(cp, bytes));
}

static void lower_one(const normalizer *self, uint32_t cp, text *out) {
    (void)self;
    if (cp == 0x130) /* the one that becomes two */
        text_adds(out, "i\xCC\x87");
    else
        add_code(out, (uint32_t)utf8proc_tolower((int32_t)cp));
}

ar_status normalize_lowercase(const normalizer *self, const char **p, size_t *n,
                              text *room, ar_error *err) {
    return change_all(self, lower_one, p, n, room, err);
}

static void drop_mark(const normalizer *self, uint32_t cp, text *out) {
    (void)self;
    if (strcmp(unicode_get(cp)->category, "Mn") != 0) add_code(out, cp);
}

static void drop_any_mark(const normalizer *self, uint32_t cp, text *out) {
    (void)self;
    if (unicode_get(cp)->category[0] != 'M') add_code(out, cp);
}

ar_status normalize_strip_accents(const normalizer *self, const char **p,
                                  size_t *n, text *room, ar_error *err) {
    return change_all(self, drop_any_mark, p, n, room, err);
}

/* CJK ideographs, as BERT's tokenizer lists them; 0x2B920 is the start that
 * the tokenizers library has. */
static bool is_ideograph(uint32_t cp) {
    static const uint32_t ranges[][2] = {
        {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
        {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (cp >= ranges[i][0] && cp <= ranges[i][1]) return true;
    return false;
}

static bool is_control(uint32_t cp) {
    const char *c = unicode_get(cp)->category;
    return !cp || cp == 0xFFFD || (c[0] == 'C' && c[1] != 'n');
}

static void clean_one(const normalizer *self, uint32_t cp, text *out) {
    const bool white = unicode_is_white(cp);
    if (self->clean && white && cp != 0x85 && cp != 0x0B && cp != 0x0C) {
        text_adds(out, " ");
    } else if (self->clean && is_control(cp)) {
        return;
    } else if (self->chinese && is_ideograph(cp)) {
        text_adds(out, " ");
        add_code(out, cp);
        text_adds(out, " ");
    } else {
        add_code(out, cp);
    }
}

/* The room that does not have the text now. */
static text *other_room(const char *p, text *a, text *b) {
    return p == a->data ? b : a;
}

ar_status normalize_bert(const normalizer *self, const char **p, size_t *n,
                         text *room, ar_error *err) {
    text other = {0};
    ar_status s = AR_OK;
    if (self->clean || self->chinese)
        s = change_all(self, clean_one, p, n, room, err);
    if (s == AR_OK && self->accents)
        s = normalize_nfd(self, p, n, other_room(*p, room, &other), err);
    if (s == AR_OK && self->accents)
        s = change_all(self, drop_mark, p, n, other_room(*p, room, &other),
                       err);
    if (s == AR_OK && self->lower)
        s = change_all(self, lower_one, p, n, other_room(*p, room, &other),
                       err);
    if (s == AR_OK && other.data && *p == other.data) {
        const text had = *room; /* the result has to live in the room */
        *room = other;
        other = had;
    }
    text_close(&other);
    return s;
}
