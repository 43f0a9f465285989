/* pair_table.h - neighbouring tokens of a corpus: how often, and in which
 * words.
 *
 * Counts only fall once a pair exists, since new pairs always have the newest
 * token in them.  So a heap may hold counts that are too high: what comes out
 * of it is compared with the present count and put back if that is lower. */
#ifndef TOK_PAIR_TABLE_H
#define TOK_PAIR_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct pair {
    int32_t left, right;
    int64_t count;
    uint32_t places; /* a list of places, + 1; 0 is the end */
} pair;

/* A word that has the pair, or had it. */
typedef struct place {
    uint32_t word, next;
} place;

typedef struct pair_rank {
    int64_t count;
    uint32_t pair;
} pair_rank;

typedef struct pair_table {
    pair *pairs; /* [n] */
    size_t n, capacity;
    uint32_t *slots; /* index + 1 of a pair; open addressing */
    size_t n_slots;
    place *places;
    size_t n_places, places_capacity;
    uint32_t free_places; /* a list, as pair.places */
    pair_rank *heap;
    size_t n_heap, heap_capacity;
} pair_table;

/* Add `delta` occurrences of a pair in a word; words come in order within one
 * merge.  Errors: AR_NOMEM, AR_RANGE (2^32 places). */
ar_status pair_table_add(pair_table *t, int32_t left, int32_t right,
                         uint32_t word, int64_t delta, ar_error *err);
/* Take occurrences of a known pair away. */
void pair_table_take(pair_table *t, int32_t left, int32_t right, int64_t delta);
/* Put all pairs from index `first` on into the heap. */
ar_status pair_table_push_from(pair_table *t, size_t first, ar_error *err);
/* The most frequent pair, of equals the smaller (left, then right); or NULL
 * if none occurs. */
pair *pair_table_pop(pair_table *t);
/* Its places are not needed any more. */
void pair_table_release(pair_table *t, pair *p);
void pair_table_close(pair_table *t);

#endif
