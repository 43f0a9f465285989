/* word_count.h - how often each distinct piece occurs in a corpus. */
#ifndef TOK_WORD_COUNT_H
#define TOK_WORD_COUNT_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"
#include "base/text.h"

typedef struct counted_word {
    uint64_t hash;
    size_t offset; /* in word_count.bytes */
    uint32_t size;
    int64_t count;
} counted_word;

typedef struct word_count {
    counted_word *words; /* [n], in the order of first appearance */
    size_t n, capacity;
    uint32_t *slots; /* index + 1 of a word; open addressing */
    size_t n_slots;
    text bytes;
} word_count;

/* Errors: AR_NOMEM, AR_RANGE (2^32 distinct pieces). */
ar_status word_count_add(word_count *w, const char *p, size_t n, ar_error *err);
void word_count_close(word_count *w);

#endif
