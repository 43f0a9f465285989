/* normalize_map.c - normalising by the map of a SentencePiece model. */
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "tok/normalize.h"
#include "tok/utf8.h"

/* Bytes of the grapheme cluster at p. */
static size_t cluster_size(const unsigned char *p, const unsigned char *end) {
    uint32_t cp, next;
    int k = utf8_decode(p, end, &cp);
    size_t size = k ? (size_t)k : 1;
    utf8proc_int32_t state = 0;
    while (k && p + size < end) {
        k = utf8_decode(p + size, end, &next);
        if (!k || (next < 0x300 && next != '\n' && cp < 0x300) ||
            utf8proc_grapheme_break_stateful((int32_t)cp, (int32_t)next,
                                             &state))
            break;
        size += (size_t)k;
        cp = next;
    }
    return size;
}

/* The tokenizers library maps a whole cluster by the shortest key that it
 * starts with, if it has fewer than six bytes, and else one character after
 * the other. */
static size_t map_char(const charsmap *m, const char *p, size_t n, text *out) {
    const char *to;
    if (charsmap_shortest(m, p, n, &to))
        text_adds(out, to);
    else
        return 0;
    return n;
}

ar_status normalize_precompiled(const normalizer *self, const char **text_at,
                                size_t *n, text *room, ar_error *err) {
    const unsigned char *p = (const unsigned char *)*text_at, *end = p + *n;
    const charsmap *m = &self->map;
    text_clear(room);
    while (p < end) {
        const size_t size = cluster_size(p, end);
        const unsigned char *stop = p + size;
        if (size < 6 && map_char(m, (const char *)p, size, room)) p = stop;
        while (p < stop) {
            uint32_t cp;
            const int decoded = utf8_decode(p, stop, &cp);
            const size_t k = decoded ? (size_t)decoded : 1;
            if (!map_char(m, (const char *)p, k, room)) text_add(room, p, k);
            p += k;
        }
    }
    TRY(text_status(room, err));
    *text_at = room->data ? room->data : "";
    *n = room->size;
    return AR_OK;
}

/* What the next characters become: a string, and how many bytes it is for. */
typedef struct mapped {
    const char *to;
    size_t n, used;
} mapped;

static mapped map_next(const normalizer *self, const char *p, size_t n) {
    const char *to;
    const added_token *t =
        self->verbatim ? added_longest(self->verbatim, p, n) : NULL;
    if (t) return (mapped){p, t->size, t->size};
    const size_t key = charsmap_longest(&self->map, p, n, &to);
    if (key) return (mapped){to, strlen(to), key};
    const unsigned char *s = (const unsigned char *)p;
    uint32_t cp;
    const int k = utf8_decode(s, s + n, &cp);
    if (!k) return (mapped){"\xEF\xBF\xBD", 3, 1};
    return (mapped){p, (size_t)k, (size_t)k};
}

static const char mark[] = "\xE2\x96\x81"; /* U+2581 */

static void add_space(const normalizer *self, text *out) {
    text_adds(out, self->escape ? mark : " ");
}

static void add_mapped(const normalizer *self, const mapped *m, text *out) {
    size_t done = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (m->to[i] != ' ') continue;
        text_add(out, m->to + done, i - done);
        add_space(self, out);
        done = i + 1;
    }
    text_add(out, m->to + done, m->n - done);
}

static void drop_spaces_at_end(const normalizer *self, text *out) {
    const char *space = self->escape ? mark : " ";
    const size_t k = strlen(space);
    while (!out->failed && out->size >= k &&
           !memcmp(out->data + out->size - k, space, k))
        out->size -= k;
}

/* Where the text begins behind its leading spaces. */
static const char *skip_spaces(const normalizer *self, const char *p,
                               const char *end) {
    while (p < end) {
        const mapped m = map_next(self, p, (size_t)(end - p));
        if (m.n != 1 || *m.to != ' ') break;
        p += m.used;
    }
    return p;
}

static void add_text(const normalizer *self, const char *p, const char *end,
                     text *out) {
    bool after_space = self->squeeze;
    while (p < end) {
        mapped m = map_next(self, p, (size_t)(end - p));
        p += m.used;
        while (after_space && m.n && *m.to == ' ') m.to++, m.n--;
        if (!m.n) continue;
        add_mapped(self, &m, out);
        after_space = self->squeeze && m.to[m.n - 1] == ' ';
    }
    if (self->squeeze) drop_spaces_at_end(self, out);
}

ar_status normalize_sentencepiece(const normalizer *self, const char **text_at,
                                  size_t *n, text *room, ar_error *err) {
    const char *p = *text_at, *end = p + *n;
    text_clear(room);
    if (self->squeeze) p = skip_spaces(self, p, end);
    if (p < end) {
        if (self->dummy_prefix && !self->suffix) add_space(self, room);
        add_text(self, p, end, room);
        if (self->dummy_prefix && self->suffix) add_space(self, room);
    }
    TRY(text_status(room, err));
    *text_at = room->data ? room->data : "";
    *n = room->size;
    return AR_OK;
}
