/* code_set.c - sets of code points, as sorted ranges. */
#include "tok/code_set.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "tok/unicode.h"

void code_set_add(code_set *s, uint32_t first, uint32_t last) {
    if (s->failed) return;
    if (s->n && s->ranges[s->n - 1].last + 1 == first) {
        s->ranges[s->n - 1].last = last;
        return;
    }
    if (s->n == s->capacity) {
        const size_t want = s->capacity ? 2 * s->capacity : 16;
        code_range *r = mem_realloc(s->ranges, want * sizeof *r);
        if (!r) {
            s->failed = true;
            return;
        }
        s->ranges = r;
        s->capacity = want;
    }
    s->ranges[s->n++] = (code_range){first, last};
}

void code_set_add_set(code_set *s, const code_set *other) {
    s->failed |= other->failed;
    for (size_t i = 0; i < other->n; i++)
        code_set_add(s, other->ranges[i].first, other->ranges[i].last);
}

static int by_first(const void *a, const void *b) {
    const code_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

void code_set_finish(code_set *s) {
    if (s->failed || !s->n) return;
    qsort(s->ranges, s->n, sizeof *s->ranges, by_first);
    size_t n = 1;
    for (size_t i = 1; i < s->n; i++) {
        code_range *top = &s->ranges[n - 1];
        const code_range r = s->ranges[i];
        if (r.first > top->last + 1)
            s->ranges[n++] = r;
        else if (r.last > top->last)
            top->last = r.last;
    }
    s->n = n;
}

void code_set_invert(code_set *s) {
    code_set out = {.failed = s->failed};
    uint32_t next = 0;
    for (size_t i = 0; i < s->n; i++) {
        const code_range r = s->ranges[i];
        if (r.first > next) code_set_add(&out, next, r.first - 1);
        next = r.last + 1;
    }
    if (next < UNICODE_COUNT) code_set_add(&out, next, UNICODE_COUNT - 1);
    code_set_close(s);
    *s = out;
}

/* Simple case folding, near enough: the lower case of the upper case. */
static uint32_t fold(uint32_t cp) {
    return (uint32_t)utf8proc_tolower(utf8proc_toupper((utf8proc_int32_t)cp));
}

/* All letters with cases lie below this. */
enum { CASED_END = 0x1F000 };

static void add_cases_of_many(code_set *s) {
    uint8_t *wanted = mem_alloc(CASED_END);
    if (!wanted) {
        s->failed = true;
        return;
    }
    for (size_t i = 0; i < s->n; i++)
        for (uint32_t c = s->ranges[i].first;
             c <= s->ranges[i].last && c < CASED_END; c++)
            wanted[fold(c)] = 1;
    for (uint32_t c = 0; c < CASED_END; c++)
        if (wanted[fold(c)]) code_set_add(s, c, c);
    mem_free(wanted);
}

static void add_cases_of_ascii(code_set *s, uint32_t c) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    if (c < 'a' || c > 'z') return;
    code_set_add(s, c, c);
    code_set_add(s, c - ('a' - 'A'), c - ('a' - 'A'));
    if (c == 's') code_set_add(s, 0x17F, 0x17F);   /* long s */
    if (c == 'k') code_set_add(s, 0x212A, 0x212A); /* Kelvin */
}

void code_set_add_cases(code_set *s) {
    if (s->failed || !s->n) return;
    const size_t n = s->n;
    if (s->ranges[n - 1].last >= 0x80) {
        add_cases_of_many(s);
    } else {
        for (size_t i = 0; i < n; i++) {
            const code_range r = s->ranges[i];
            for (uint32_t c = r.first; c <= r.last; c++)
                add_cases_of_ascii(s, c);
        }
    }
    code_set_finish(s);
}

bool code_set_equal(const code_set *a, const code_set *b) {
    return a->n == b->n &&
           (!a->n || !memcmp(a->ranges, b->ranges, a->n * sizeof *a->ranges));
}

void code_set_close(code_set *s) {
    mem_free(s->ranges);
    *s = (code_set){0};
}
