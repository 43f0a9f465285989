/* template_text.c - what Python's str does, on UTF-8. */
#include "tok/template_text.h"

#include <string.h>
#include <utf8proc.h>

#include "tok/unicode.h"
#include "tok/utf8.h"

uint32_t text_first(str s, size_t *size) {
    uint32_t cp;
    const unsigned char *p = (const unsigned char *)s.p;
    const int n = utf8_decode(p, p + s.n, &cp);
    *size = n ? (size_t)n : 1;
    return n ? cp : 0xFFFD;
}

size_t text_offset(str s, int64_t n) {
    size_t at = 0, size;
    for (; n > 0 && at < s.n; n--, at += size)
        text_first((str){s.p + at, s.n - at}, &size);
    return at;
}

int64_t text_length(str s) {
    int64_t count = 0;
    size_t size;
    for (size_t at = 0; at < s.n; at += size, count++)
        text_first((str){s.p + at, s.n - at}, &size);
    return count;
}

static const char *category(uint32_t cp) { return unicode_get(cp)->category; }

bool text_is_space(uint32_t cp) {
    return unicode_is_white(cp) || (cp >= 0x1C && cp <= 0x1F);
}
bool text_is_printable(uint32_t cp) {
    const char *c = category(cp);
    return cp == ' ' || (*c != 'C' && *c != 'Z');
}
bool text_is_upper(uint32_t cp) { return !strcmp(category(cp), "Lu"); }
bool text_is_lower(uint32_t cp) { return !strcmp(category(cp), "Ll"); }
bool text_is_alpha(uint32_t cp) { return *category(cp) == 'L'; }
bool text_is_decimal(uint32_t cp) { return !strcmp(category(cp), "Nd"); }
bool text_is_numeric(uint32_t cp) { return *category(cp) == 'N'; }

static bool in_set(uint32_t cp, const str *set) {
    if (!set) return text_is_space(cp);
    size_t size;
    for (size_t at = 0; at < set->n; at += size)
        if (text_first((str){set->p + at, set->n - at}, &size) == cp)
            return true;
    return false;
}

str text_strip_set(str s, const str *set, int sides) {
    size_t size;
    while (sides & STRIP_LEFT && s.n && in_set(text_first(s, &size), set)) {
        s.p += size;
        s.n -= size;
    }
    while (sides & STRIP_RIGHT && s.n) {
        const unsigned char *p = (const unsigned char *)s.p;
        int n;
        const int32_t cp = utf8_before(p, p + s.n, &n);
        if (!in_set(cp < 0 ? 0xFFFD : (uint32_t)cp, set)) break;
        s.n -= (size_t)n;
    }
    return s;
}

str text_strip_left(str s) { return text_strip_set(s, NULL, STRIP_LEFT); }
str text_strip_right(str s) { return text_strip_set(s, NULL, STRIP_RIGHT); }
str text_strip(str s) {
    return text_strip_set(s, NULL, STRIP_LEFT | STRIP_RIGHT);
}

int64_t text_find(str s, str what, size_t from) {
    if (from > s.n) return -1;
    if (!what.n) return (int64_t)from;
    const char *at = memmem(s.p + from, s.n - from, what.p, what.n);
    return at ? at - s.p : -1;
}

int64_t text_find_last(str s, str what) {
    for (size_t i = s.n + 1; i-- > 0;)
        if (s.n - i >= what.n && (!what.n || !memcmp(s.p + i, what.p, what.n)))
            return (int64_t)i;
    return -1;
}

bool text_starts(str s, str what) {
    return s.n >= what.n && str_equal((str){s.p, what.n}, what);
}
bool text_ends(str s, str what) {
    return s.n >= what.n && str_equal((str){s.p + s.n - what.n, what.n}, what);
}

void text_add_code(text *t, uint32_t cp) {
    char p[4];
    text_add(t, p, (size_t)utf8_encode(cp, p));
}

/* The upper case of a code point whose case folding has several: that of each
 * of them (sharp s, ligatures); for a title, of the first alone. */
static bool add_long_upper(text *t, uint32_t cp, bool title) {
    utf8proc_int32_t folded[8];
    int last = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char(
        (utf8proc_int32_t)cp, folded, 8, UTF8PROC_CASEFOLD, &last);
    if (n < 2 || n > 8) return false;
    for (utf8proc_ssize_t i = 0; i < n; i++)
        text_add_code(t, (uint32_t)(title && i ? folded[i]
                                               : utf8proc_toupper(folded[i])));
    return true;
}

static void add_upper(text *t, uint32_t cp) {
    const uint32_t up = (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp);
    if (up != cp && cp != 0xDF)
        text_add_code(t, up);
    else if (!text_is_lower(cp) || !add_long_upper(t, cp, false))
        text_add_code(t, cp);
}

static void add_title(text *t, uint32_t cp) {
    const uint32_t up = (uint32_t)utf8proc_totitle((utf8proc_int32_t)cp);
    if (up != cp && cp != 0xDF)
        text_add_code(t, up);
    else if (!text_is_lower(cp) || !add_long_upper(t, cp, true))
        text_add_code(t, cp);
}

static bool is_cased(uint32_t cp) {
    return text_is_upper(cp) || text_is_lower(cp) ||
           !strcmp(category(cp), "Lt");
}

/* A sigma that ends a word has a form of its own. */
static bool ends_word(str s, size_t at, size_t behind) {
    size_t size;
    if (!at) return false;
    const unsigned char *p = (const unsigned char *)s.p;
    int n;
    const int32_t before = utf8_before(p, p + at, &n);
    if (before < 0 || !is_cased((uint32_t)before)) return false;
    return behind >= s.n ||
           !is_cased(text_first((str){s.p + behind, s.n - behind}, &size));
}

static void add_lower(text *t, str s, size_t at, size_t size, uint32_t cp) {
    if (cp == 0x130)
        text_adds(t, "i\xCC\x87");
    else if (cp == 0x3A3 && ends_word(s, at, at + size))
        text_add_code(t, 0x3C2);
    else
        text_add_code(t, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
}

void text_add_upper(text *t, str s) {
    size_t size;
    for (size_t at = 0; at < s.n; at += size)
        add_upper(t, text_first((str){s.p + at, s.n - at}, &size));
}

void text_add_lower(text *t, str s) {
    size_t size;
    for (size_t at = 0; at < s.n; at += size) {
        const uint32_t cp = text_first((str){s.p + at, s.n - at}, &size);
        add_lower(t, s, at, size, cp);
    }
}

void text_add_capital(text *t, str s) {
    size_t size;
    for (size_t at = 0; at < s.n; at += size) {
        const uint32_t cp = text_first((str){s.p + at, s.n - at}, &size);
        if (at)
            add_lower(t, s, at, size, cp);
        else
            add_title(t, cp);
    }
}

void text_add_title(text *t, str s) {
    size_t size;
    bool inside = false;
    for (size_t at = 0; at < s.n; at += size) {
        const uint32_t cp = text_first((str){s.p + at, s.n - at}, &size);
        if (inside)
            add_lower(t, s, at, size, cp);
        else
            add_title(t, cp);
        inside = is_cased(cp);
    }
}

void text_add_swapped(text *t, str s) {
    size_t size;
    for (size_t at = 0; at < s.n; at += size) {
        const uint32_t cp = text_first((str){s.p + at, s.n - at}, &size);
        if (text_is_upper(cp))
            add_lower(t, s, at, size, cp);
        else
            add_upper(t, cp);
    }
}
