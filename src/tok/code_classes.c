/* code_classes.c - code points that no set of a list tells apart, numbered.
 *
 * Walks all sets at once, from code point 0 up: between two neighbouring
 * edges of ranges the sets that hold are the same. */
#include "tok/code_classes.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum { MAX_SETS = 64 };

typedef struct walk {
    const code_set *sets;
    int n_sets;
    size_t at[MAX_SETS]; /* first range of each set not yet passed */
    uint8_t row[256];    /* classes of the block being filled */
} walk;

/* The sets that have cp, as bits; *end is where that may change. */
static uint64_t sets_at(walk *w, uint32_t cp, uint32_t *end) {
    uint64_t bits = 0;
    *end = UNICODE_COUNT;
    for (int i = 0; i < w->n_sets; i++) {
        const code_set *s = &w->sets[i];
        while (w->at[i] < s->n && s->ranges[w->at[i]].last < cp) w->at[i]++;
        if (w->at[i] == s->n) continue;
        const code_range r = s->ranges[w->at[i]];
        const uint32_t edge = r.first > cp ? r.first : r.last + 1;
        bits |= (uint64_t)(r.first <= cp) << i;
        if (edge < *end) *end = edge;
    }
    return bits;
}

/* The class of these sets, or -1 when there are too many. */
static int class_of(code_classes *c, uint64_t bits) {
    int i = 0;
    while (i < c->n && c->sets[i] != bits) i++;
    if (i == CODE_CLASSES_MAX) return -1;
    if (i == c->n) c->sets[c->n++] = bits;
    return i;
}

static ar_status store_row(code_classes *c, const uint8_t *row, uint32_t block,
                           ar_error *err) {
    /* the last few blocks, since most repeat one of them */
    for (int i = c->n_blocks - 1; i >= 0 && i >= c->n_blocks - 16; i--)
        if (!memcmp(c->blocks + i * 256, row, 256)) {
            c->index[block] = (uint16_t)i;
            return AR_OK;
        }
    if (c->n_blocks == c->capacity) {
        const int want = c->capacity ? 2 * c->capacity : 64;
        uint8_t *p = mem_realloc(c->blocks, (size_t)want * 256);
        if (!p) return error_set(err, AR_NOMEM, "out of memory for a pattern");
        c->blocks = p;
        c->capacity = want;
    }
    memcpy(c->blocks + c->n_blocks * 256, row, 256);
    c->index[block] = (uint16_t)c->n_blocks++;
    return AR_OK;
}

ar_status code_classes_open(code_classes *out, const code_set *sets, int n_sets,
                            ar_error *err) {
    memset(out, 0, sizeof *out);
    walk w = {.sets = sets, .n_sets = n_sets};
    uint32_t end = 0;
    int class = 0;
    for (uint32_t cp = 0; cp < UNICODE_COUNT;) {
        if (cp == end) {
            class = class_of(out, sets_at(&w, cp, &end));
            if (class < 0)
                return error_set(err, AR_UNSUPPORTED,
                                 "the pattern tells more than %d classes of "
                                 "characters apart",
                                 CODE_CLASSES_MAX);
        }
        const uint32_t block_end = (cp | 255) + 1;
        const uint32_t stop = end < block_end ? end : block_end;
        memset(w.row + (cp & 255), class, stop - cp);
        if (stop == block_end) TRY(store_row(out, w.row, cp >> 8, err));
        cp = stop;
    }
    memcpy(out->ascii, out->blocks, sizeof out->ascii);
    return AR_OK;
}

void code_classes_close(code_classes *c) {
    mem_free(c->blocks);
    c->blocks = NULL;
}
