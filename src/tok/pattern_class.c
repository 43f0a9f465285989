/* pattern_class.c - bracketed classes and escapes, as sets. */
#include "tok/pattern_class.h"

#include <string.h>

#include "base/error.h"
#include "tok/unicode.h"
#include "tok/utf8.h"

uint32_t pattern_next(pattern_reader *r) {
    uint32_t cp = 0;
    r->p += utf8_decode(r->p, r->end, &cp);
    return cp;
}

static int hex_value(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to `most` hexadecimal digits; -1 without any, or too large a value. */
static int32_t read_hex(pattern_reader *r, int most) {
    int32_t v = -1;
    for (int i = 0; i < most && r->p < r->end; i++, r->p++) {
        const int d = hex_value(*r->p);
        if (d < 0) break;
        v = (v < 0 ? 0 : v * 16) + d;
        if (v >= UNICODE_COUNT) return -1;
    }
    return v;
}

/* \xHH, \x{H...}, \uHHHH */
static ar_status read_code(pattern_reader *r, int letter, int32_t *out,
                           ar_error *err) {
    const bool braces = letter == 'x' && r->p < r->end && *r->p == '{';
    r->p += braces;
    const int32_t v = read_hex(r, letter == 'u' ? 4 : braces ? 6 : 2);
    const bool closed = !braces || (r->p < r->end && *r->p == '}');
    if (v < 0 || !closed)
        return error_set(err, AR_FORMAT, "bad \\%c in the pattern", letter);
    r->p += braces;
    *out = v;
    return AR_OK;
}

/* \p{Lu}, \p{^Lu}, \pL */
static ar_status read_category(pattern_reader *r, bool invert, code_set *set,
                               ar_error *err) {
    const char *name = (const char *)r->p;
    size_t n = 1;
    if (r->p == r->end)
        return error_set(err, AR_FORMAT, "the pattern ends in \\p");
    if (*r->p == '{') {
        const unsigned char *close = memchr(r->p, '}', (size_t)(r->end - r->p));
        if (!close)
            return error_set(err, AR_FORMAT, "\\p{ without } in the pattern");
        name++;
        n = (size_t)(close - r->p) - 1;
        r->p = close;
    }
    r->p++;
    if (n && *name == '^') {
        invert = !invert;
        name++;
        n--;
    }
    code_set chosen = {0};
    const bool known = code_set_add_category(&chosen, name, n);
    code_set_finish(&chosen);
    if (invert) code_set_invert(&chosen);
    if (known) code_set_add_set(set, &chosen);
    code_set_close(&chosen);
    if (known) return AR_OK;
    return error_set(err, AR_UNSUPPORTED,
                     "\\p{%.*s} in the pattern is not a general category",
                     n > 40 ? 40 : (int)n, name);
}

static void add_shorthand(code_set *set, int letter) {
    static const struct {
        char letter;
        void (*add)(code_set *);
    } rows[] = {{'s', code_set_add_white},
                {'d', code_set_add_digit},
                {'w', code_set_add_word}};
    code_set chosen = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].letter == (letter | 0x20)) rows[i].add(&chosen);
    code_set_finish(&chosen);
    if (letter < 'a') code_set_invert(&chosen);
    code_set_add_set(set, &chosen);
    code_set_close(&chosen);
}

/* A letter that stands for a control character, or a mark for itself. */
static bool read_plain(uint32_t c, int32_t *single) {
    static const char letters[] = "nrtfvae", values[] = "\n\r\t\f\v\a\x1B";
    const char *at = c && c < 0x80 ? strchr(letters, (int)c) : NULL;
    const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    *single = at ? values[at - letters] : (int32_t)c;
    return at || c >= 0x80 ||
           (c >= ' ' && !letter && !(c >= '0' && c <= '9') && c != '_');
}

ar_status pattern_read_escape(pattern_reader *r, code_set *set, int32_t *single,
                              ar_error *err) {
    *single = -1;
    if (r->p == r->end)
        return error_set(err, AR_FORMAT, "the pattern ends in \\");
    const uint32_t c = pattern_next(r);
    if (c == 'p' || c == 'P') return read_category(r, c == 'P', set, err);
    if (c && c < 0x80 && strchr("sSdDwW", (int)c)) {
        add_shorthand(set, (int)c);
        return AR_OK;
    }
    if (c == 'x' || c == 'u')
        TRY(read_code(r, (int)c, single, err));
    else if (!read_plain(c, single))
        return error_set(err, AR_UNSUPPORTED,
                         "\\%c in the pattern is not supported", (int)c);
    code_set_add(set, (uint32_t)*single, (uint32_t)*single);
    return AR_OK;
}

/* One member of a class: a code point (returned in *single) or a set. */
static ar_status read_member(pattern_reader *r, code_set *set, int32_t *single,
                             ar_error *err) {
    const uint32_t c = pattern_next(r);
    const bool pair = r->p < r->end && *r->p == c;
    if (c == '[' || (c == '&' && pair))
        return error_set(err, AR_UNSUPPORTED,
                         "%s inside a class of the pattern; a literal one "
                         "is written with \\ in front",
                         c == '[' ? "[" : "&&");
    if (c == '\\') return pattern_read_escape(r, set, single, err);
    *single = (int32_t)c;
    code_set_add(set, c, c);
    return AR_OK;
}

/* After a single code point: "-x" makes it a range. */
static ar_status read_range(pattern_reader *r, uint32_t first, code_set *set,
                            ar_error *err) {
    if (r->end - r->p < 2 || r->p[0] != '-' || r->p[1] == ']') return AR_OK;
    r->p++;
    int32_t last;
    TRY(read_member(r, set, &last, err));
    if (last < (int32_t)first)
        return error_set(err, AR_FORMAT,
                         "a range in the pattern ends before it starts");
    code_set_add(set, first, (uint32_t)last);
    return AR_OK;
}

ar_status pattern_read_class(pattern_reader *r, bool caseless, code_set *set,
                             ar_error *err) {
    const bool invert = r->p < r->end && *r->p == '^';
    r->p += invert;
    if (r->p < r->end && *r->p == ']')
        return error_set(err, AR_FORMAT, "an empty class in the pattern");
    while (r->p < r->end && *r->p != ']') {
        int32_t single;
        TRY(read_member(r, set, &single, err));
        if (single >= 0) TRY(read_range(r, (uint32_t)single, set, err));
    }
    if (r->p == r->end)
        return error_set(err, AR_FORMAT, "[ without ] in the pattern");
    r->p++;
    code_set_finish(set);
    if (caseless) code_set_add_cases(set);
    if (invert) code_set_invert(set);
    return AR_OK;
}
