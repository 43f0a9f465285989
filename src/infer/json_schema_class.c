/* json_schema_class.c - one character of a regular expression. */
#include "infer/json_schema_class.h"

#include <string.h>

#include "tok/utf8.h"

enum { LAST_CODE = 0x10FFFF };

/* ---- sets with a name ---- */

typedef struct range {
    uint32_t low, high;
} range;

/* Ascending; ECMA-262, CharacterClassEscape. */
static const range digits[] = {{'0', '9'}};
static const range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const range spaces[] = {
    {0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
    {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
static const range line_ends[] = {{0x0A, 0x0A}, {0x0D, 0x0D}, {0x2028, 0x2029}};

static bool add(char_class *c, uint32_t low, uint32_t high) {
    if (c->n == CHAR_CLASS_MAX) return false;
    c->ranges[c->n].low = low;
    c->ranges[c->n++].high = high;
    return true;
}

static bool add_set(char_class *c, const range *r, int n, bool not ) {
    uint32_t next = 0;
    bool good = true;
    for (int i = 0; i < n; i++) {
        if (!not ) good &= add(c, r[i].low, r[i].high);
        if (not &&r[i].low > next) good &= add(c, next, r[i].low - 1);
        next = r[i].high + 1;
    }
    if (not ) good &= add(c, next, LAST_CODE);
    return good;
}

static bool add_named(char_class *c, char name) {
    switch (name) {
    case 'd': return add_set(c, digits, 1, false);
    case 'D': return add_set(c, digits, 1, true);
    case 'w': return add_set(c, words, 4, false);
    case 'W': return add_set(c, words, 4, true);
    case 's': return add_set(c, spaces, 10, false);
    default: return add_set(c, spaces, 10, true);
    }
}

/* ---- parsing ---- */

static bool read_hex(const char **p, int n, uint32_t *out) {
    static const char hex[] = "0123456789abcdef0123456789ABCDEF";
    *out = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        const char *at = **p ? strchr(hex, **p) : NULL;
        if (!at && **p) at = strrchr(hex, **p);
        if (!at) return false;
        *out = *out * 16 + (uint32_t)((at - hex) & 15);
    }
    return true;
}

static const char *read_code(const char **p, int n, uint32_t *out) {
    if (!read_hex(p, n, out)) return "a hexadecimal digit is missing";
    return *out >= 0xD800 && *out < 0xE000 ? "half a character" : NULL;
}

/* An escape of one character, behind its backslash. */
static const char *read_escape(const char **p, uint32_t *out) {
    static const char names[] = "nrtfv0", means[] = "\n\r\t\f\v";
    static const char marks[] = "^$\\.*+?()[]{}|/-\"'#&~%,:;=@!<>_` ";
    const char c = **p;
    const char *which = c ? strchr(names, c) : NULL;
    if (!c || (!which && !strchr("xu", c) && !strchr(marks, c)) ||
        (c == '0' && (*p)[1] >= '0' && (*p)[1] <= '9'))
        return "this escape is not supported";
    (*p)++;
    if (c == 'x' || c == 'u') return read_code(p, c == 'x' ? 2 : 4, out);
    *out = (unsigned char)(which ? means[which - names] : c);
    return NULL;
}

static const char *read_char(const char **p, uint32_t *out) {
    if (**p == '\\') {
        (*p)++;
        return read_escape(p, out);
    }
    const unsigned char *at = (const unsigned char *)*p;
    const int n = utf8_decode(at, at + strlen(*p), out);
    *p += n;
    return n ? NULL : "this is not UTF-8";
}

static bool is_named(const char *p) {
    return p[0] == '\\' && p[1] && strchr("dDwWsS", p[1]);
}

static const char *parse_member(char_class *c, const char **p) {
    uint32_t low, high;
    const char *why;
    if (is_named(*p)) {
        const char name = (*p)[1];
        *p += 2;
        return add_named(c, name) ? NULL : "the class is too long";
    }
    if ((*p)[0] == '\\' && (*p)[1] == 'b') { /* here a backspace */
        *p += 2;
        low = 8;
    } else if ((why = read_char(p, &low))) {
        return why;
    }
    high = low;
    if ((*p)[0] == '-' && (*p)[1] && (*p)[1] != ']') {
        (*p)++;
        if (is_named(*p)) return "a range that ends in a set";
        if ((why = read_char(p, &high))) return why;
        if (high < low) return "a range is upside down";
    }
    return add(c, low, high) ? NULL : "the class is too long";
}

const char *char_class_parse(char_class *c, const char **p) {
    uint32_t one;
    if (**p == '.') {
        (*p)++;
        c->inverted = true;
        add_set(c, line_ends, 3, false);
        return NULL;
    }
    if (is_named(*p)) return parse_member(c, p);
    if (**p != '[') {
        const char *why = read_char(p, &one);
        if (!why) add(c, one, one);
        return why;
    }
    (*p)++;
    c->inverted = **p == '^';
    *p += c->inverted;
    while (**p != ']') {
        if (!**p) return "a class is not closed";
        const char *why = parse_member(c, p);
        if (why) return why;
    }
    (*p)++;
    return NULL;
}

/* ---- writing ---- */

static bool has(const char_class *c, uint32_t code) {
    for (int i = 0; i < c->n; i++)
        if (code >= c->ranges[i].low && code <= c->ranges[i].high)
            return !c->inverted;
    return c->inverted;
}

static bool is_plain(uint32_t code) {
    return code >= 0x20 && code != '"' && code != '\\';
}

static void add_range(text *out, uint32_t low, uint32_t high) {
    text_addf(out, "\\U%08X", low);
    if (high > low) text_addf(out, "-\\U%08X", high);
}

/* The ranges without what has to be escaped; false if nothing is left. */
static bool write_plain(const char_class *c, text *out) {
    static const uint32_t cuts[] = {0x00, 0x20, 0x22,         0x23,
                                    0x5C, 0x5D, LAST_CODE + 1};
    bool some = c->inverted;
    text_adds(out, c->inverted ? "[^\"\\\\\\x00-\\x1F" : "[");
    for (int i = 0; i < c->n; i++) {
        if (c->inverted) {
            add_range(out, c->ranges[i].low, c->ranges[i].high);
            continue;
        }
        for (int k = 0; k < 6; k++) {
            uint32_t low = c->ranges[i].low, high = c->ranges[i].high;
            if (low < cuts[k]) low = cuts[k];
            if (high >= cuts[k + 1]) high = cuts[k + 1] - 1;
            if (low > high || !is_plain(low)) continue;
            add_range(out, low, high);
            some = true;
        }
    }
    text_adds(out, "]");
    return some;
}

bool char_class_write(const char_class *c, text *out) {
    static const char escaped[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    text part = {0};
    text_adds(out, "(");
    bool some = write_plain(c, &part);
    if (some) text_add(out, part.data, part.size);
    out->failed |= part.failed;
    text_close(&part);
    for (int i = 0; i < 7; i++) {
        if (!has(c, (unsigned char)escaped[i])) continue;
        text_addf(out, "%s\"\\\\%s%c\"", some ? " | " : "", i < 2 ? "\\" : "",
                  names[i]);
        some = true;
    }
    /* other controls are written only where they are all there is */
    for (uint32_t code = 1; code < 0x20 && !some; code++) {
        if (!has(c, code)) continue;
        text_addf(out, "\"\\\\u00%02x\"", code);
        some = true;
    }
    text_adds(out, ")");
    return some;
}
