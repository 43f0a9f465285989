/* word_count.c - how often each distinct piece occurs in a corpus. */
#include "tok/word_count.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for the words of a corpus");
}

static ar_status grow_slots(word_count *w, ar_error *err) {
    if (w->n < w->n_slots / 2) return AR_OK;
    const size_t n = w->n_slots ? 2 * w->n_slots : 1024;
    uint32_t *slots = mem_new(uint32_t, n);
    if (!slots) return no_memory(err);
    for (size_t i = 0; i < w->n; i++) {
        size_t at = w->words[i].hash & (n - 1);
        while (slots[at]) at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(w->slots);
    w->slots = slots;
    w->n_slots = n;
    return AR_OK;
}

static ar_status append(word_count *w, counted_word word, const char *p,
                        ar_error *err) {
    if (w->n == UINT32_MAX - 1)
        return error_set(err, AR_RANGE, "the corpus has 2^32 distinct pieces");
    if (w->n == w->capacity) {
        const size_t want = w->capacity ? 2 * w->capacity : 1024;
        counted_word *words = mem_realloc(w->words, want * sizeof *words);
        if (!words) return no_memory(err);
        w->words = words;
        w->capacity = want;
    }
    text_add(&w->bytes, p, word.size);
    if (w->bytes.failed) return no_memory(err);
    w->words[w->n++] = word;
    return AR_OK;
}

ar_status word_count_add(word_count *w, const char *p, size_t n,
                         ar_error *err) {
    TRY(grow_slots(w, err));
    const uint64_t hash = hash_xx64(p, n, 0);
    size_t at = hash & (w->n_slots - 1);
    for (; w->slots[at]; at = (at + 1) & (w->n_slots - 1)) {
        counted_word *c = &w->words[w->slots[at] - 1];
        if (c->hash == hash && c->size == n &&
            !memcmp(w->bytes.data + c->offset, p, n)) {
            c->count++;
            return AR_OK;
        }
    }
    const counted_word word = {hash, w->bytes.size, (uint32_t)n, 1};
    TRY(append(w, word, p, err));
    w->slots[at] = (uint32_t)w->n;
    return AR_OK;
}

void word_count_close(word_count *w) {
    mem_free(w->words);
    mem_free(w->slots);
    text_close(&w->bytes);
    *w = (word_count){0};
}
