/* added.c - tokens that are looked for in a text before anything else.
 *
 * Follows the tokenizers library (added_vocabulary.rs): matches are found
 * first, leftmost and longest, without overlaps; then those that may not stand
 * are dropped, with what they covered left as text. */
#include "tok/added.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/unicode.h"
#include "tok/utf8.h"

static int by_bytes(const void *a, const void *b) {
    const added_token *x = *(const added_token *const *)a,
                      *y = *(const added_token *const *)b;
    const uint32_t n = x->size < y->size ? x->size : y->size;
    const int c = memcmp(x->bytes, y->bytes, n);
    if (c) return c;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

ar_status added_set_open(added_set *out, const added_token *tokens, int32_t n,
                         bool normalized, ar_error *err) {
    *out = (added_set){0};
    out->sorted = mem_new(const added_token *, n);
    if (!out->sorted)
        return error_set(err, AR_NOMEM, "out of memory for added tokens");
    for (int32_t i = 0; i < n; i++)
        if (tokens[i].normalized == normalized) {
            out->sorted[out->n++] = &tokens[i];
            out->has_plain |= !tokens[i].special;
        }
    if (out->n)
        qsort(out->sorted, (size_t)out->n, sizeof *out->sorted, by_bytes);
    int32_t i = 0;
    for (int b = 0; b <= 256; b++) {
        while (i < out->n && (unsigned char)out->sorted[i]->bytes[0] < b) i++;
        out->start[b] = i;
    }
    return AR_OK;
}

void added_set_close(added_set *s) {
    mem_free(s->sorted);
    s->sorted = NULL;
    s->n = 0;
}

/* The first of [low, high) whose byte at `depth` is c or more. */
static int32_t first_from(const added_set *s, int32_t low, int32_t high,
                          uint32_t depth, int c) {
    while (low < high) {
        const int32_t mid = low + (high - low) / 2;
        if ((unsigned char)s->sorted[mid]->bytes[depth] < c)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const added_token *added_longest(const added_set *s, const char *p, size_t n) {
    const unsigned char first = (unsigned char)p[0];
    int32_t low = s->start[first], high = s->start[first + 1];
    const added_token *best = NULL;
    for (uint32_t depth = 1; low < high; depth++) {
        /* all of [low, high) share `depth` bytes with p, shortest first */
        if (s->sorted[low]->size == depth) {
            best = s->sorted[low];
            while (low < high && s->sorted[low]->size == depth) low++;
        }
        if (depth >= n) break;
        const int c = (unsigned char)p[depth];
        const int32_t end = high;
        low = first_from(s, low, end, depth, c);
        high = first_from(s, low, end, depth, c + 1);
    }
    return best;
}

static bool word_before(const added_search *s, size_t at) {
    const unsigned char *p = (const unsigned char *)s->text;
    int size;
    const int32_t cp = at ? utf8_before(p, p + at, &size) : -1;
    return cp >= 0 && unicode_is_word((uint32_t)cp);
}

static bool word_after(const added_search *s, size_t at) {
    const unsigned char *p = (const unsigned char *)s->text;
    uint32_t cp;
    return at < s->n && utf8_decode(p + at, p + s->n, &cp) &&
           unicode_is_word(cp);
}

static size_t space_start(const added_search *s, size_t at) {
    const unsigned char *p = (const unsigned char *)s->text;
    while (at > s->used) {
        int size;
        const int32_t cp = utf8_before(p, p + at, &size);
        if (cp < 0 || !unicode_is_white((uint32_t)cp)) break;
        at -= (size_t)size;
    }
    return at < s->used ? s->used : at;
}

static size_t space_end(const added_search *s, size_t at) {
    const unsigned char *p = (const unsigned char *)s->text;
    while (at < s->n) {
        uint32_t cp;
        const int size = utf8_decode(p + at, p + s->n, &cp);
        if (!size || !unicode_is_white(cp)) break;
        at += (size_t)size;
    }
    return at;
}

static bool may_stand(const added_search *s, const added_token *t, size_t start,
                      size_t end) {
    if (t->special && !s->special) return false;
    return !t->whole_word || (!word_before(s, start) && !word_after(s, end));
}

added_match added_next(added_search *s) {
    const added_set *set = s->set;
    const bool useful = set->n && (s->special || set->has_plain);
    while (useful && s->from < s->n) {
        const unsigned char b = (unsigned char)s->text[s->from];
        const added_token *t =
            set->start[b] == set->start[b + 1]
                ? NULL
                : added_longest(set, s->text + s->from, s->n - s->from);
        if (!t) {
            s->from++;
            continue;
        }
        added_match m = {t, s->from, s->from + t->size};
        s->from = m.end;
        if (!may_stand(s, t, m.start, m.end)) continue;
        if (t->left) m.start = space_start(s, m.start);
        if (t->right) m.end = space_end(s, m.end);
        if (m.start < s->used) m.start = s->used;
        s->used = m.end > s->used ? m.end : s->used;
        return m;
    }
    return (added_match){NULL, s->n, s->n};
}
