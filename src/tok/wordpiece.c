/* wordpiece.c - the longest tokens that a word is made of. */
#include "tok/wordpiece.h"

#include <stdbool.h>

/* The longest token at the start of p: its size, 0 if there is none. */
static size_t longest(const trie *t, uint32_t node, const char *p, size_t n,
                      int32_t *id) {
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        const trie_edge *e = trie_step(t, node, (unsigned char)p[i]);
        if (!e) break;
        node = e->node;
        if (e->id < 0) continue;
        *id = e->id;
        size = i + 1;
    }
    return size;
}

static bool too_long(const wordpiece *w, const char *p, size_t n) {
    int64_t chars = 0;
    for (size_t i = 0; i < n; i++) chars += (p[i] & 0xC0) != 0x80;
    return chars > w->max_chars;
}

void wordpiece_add(const wordpiece *w, id_sink *sink, const char *p, size_t n) {
    const size_t count = sink->count;
    const bool whole = too_long(w, p, n);
    size_t done = 0;
    while (done < n && !whole) {
        int32_t id = -1;
        const size_t size = longest(&w->tokens, done ? WORD_INSIDE : WORD_START,
                                    p + done, n - done, &id);
        if (!size) break;
        sink_add(sink, &id, 1);
        done += size;
    }
    if (done == n) return;
    sink->count = count; /* all or nothing */
    if (w->unknown >= 0) sink_add(sink, &w->unknown, 1);
}
