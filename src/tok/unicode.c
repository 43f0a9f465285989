/* unicode.c - questions about code points, and the sets that classes name. */
#include "tok/unicode.h"

#include <string.h>

#include "tok/code_set.h"

bool unicode_is_white(uint32_t cp) {
    return unicode_get(cp)->flags & UNICODE_WHITE;
}

static bool is_alphabetic_or_mark(const unicode_kind *k) {
    const char *c = k->category;
    return c[0] == 'L' || c[0] == 'M' || !strcmp(c, "Nl") ||
           (k->flags & UNICODE_ALPHA);
}

static bool is_word_kind(const unicode_kind *k) {
    const char *c = k->category;
    return is_alphabetic_or_mark(k) || !strcmp(c, "Nd") || !strcmp(c, "Pc");
}

bool unicode_is_word(uint32_t cp) {
    /* Join_Control: the zero-width joiner and non-joiner */
    if (cp == 0x200C || cp == 0x200D) return true;
    return is_word_kind(unicode_get(cp));
}

/* A question asked of every code point, and what it compares with. */
typedef struct kind_test {
    bool (*has)(const unicode_kind *k, const struct kind_test *t);
    const char *name;
    size_t n;
} kind_test;

static bool has_category(const unicode_kind *k, const kind_test *t) {
    return !strncmp(k->category, t->name, t->n);
}

static bool has_white(const unicode_kind *k, const kind_test *t) {
    (void)t;
    return k->flags & UNICODE_WHITE;
}

static bool has_word(const unicode_kind *k, const kind_test *t) {
    (void)t;
    return is_word_kind(k);
}

static uint32_t block_bits(uint32_t block, const kind_test *t) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 16; i++) {
        const unicode_kind *k = &unicode_kinds[unicode_third[block * 16 + i]];
        bits |= (uint32_t)t->has(k, t) << i;
    }
    return bits;
}

/* What has it of the 512 code points from cp on; how many that are. */
static int add_group(code_set *s, uint32_t cp, const kind_test *t) {
    uint32_t known = UINT32_MAX, bits = 0;
    int n = 0;
    for (const uint32_t end = cp + 512; cp < end; cp += 16) {
        const uint32_t block = unicode_block(cp);
        if (block != known) bits = block_bits(known = block, t);
        n += __builtin_popcount(bits);
        if (bits == 0xFFFF)
            code_set_add(s, cp, cp + 15);
        else
            for (uint32_t i = 0; i < 16; i++)
                if (bits >> i & 1) code_set_add(s, cp + i, cp + i);
    }
    return n;
}

/* Most groups lie in long runs of one that has all or none. */
static void add_kinds(code_set *s, const kind_test *t) {
    int even = -1, n = 0;
    for (uint32_t cp = 0; cp < UNICODE_COUNT; cp += 512) {
        const int group = unicode_first[cp >> 9];
        if (group != even) {
            n = add_group(s, cp, t);
            even = n == 0 || n == 512 ? group : -1;
        } else if (n) {
            code_set_add(s, cp, cp + 511);
        }
    }
}

bool code_set_add_category(code_set *s, const char *name, size_t n) {
    if (n < 1 || n > 2) return false;
    const size_t before = s->n;
    add_kinds(s, &(kind_test){has_category, name, n});
    return s->failed || s->n > before;
}

void code_set_add_white(code_set *s) {
    add_kinds(s, &(kind_test){.has = has_white});
}

void code_set_add_digit(code_set *s) {
    (void)code_set_add_category(s, "Nd", 2);
}

void code_set_add_word(code_set *s) {
    add_kinds(s, &(kind_test){.has = has_word});
    /* Oniguruma, whose patterns these are, also has the Latin-1 numbers */
    code_set_add(s, 0xB2, 0xB3);
    code_set_add(s, 0xB9, 0xB9);
    code_set_add(s, 0xBC, 0xBE);
}
