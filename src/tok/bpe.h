/* bpe.h - byte-pair encoding of pieces.
 *
 * A piece starts as one token per byte, or one per character.  Of all
 * neighbours that have a merge, those of the lowest rank are joined, the
 * leftmost first, until none is left (Sennrich et al. 2016, arXiv:1508.07909).
 */
#ifndef TOK_BPE_H
#define TOK_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"
#include "tok/sink.h"
#include "tok/vocab.h"

enum { BPE_CHARS = 1 << 16 }; /* in a table of their own */

typedef struct bpe_merge {
    uint64_t key;     /* left << 24 | right, + 1; 0 is an empty slot */
    int32_t rank, id; /* what the pair becomes */
} bpe_merge;

typedef struct bpe {
    bool chars;           /* a piece starts as characters, not bytes */
    int32_t *char_id;     /* [BPE_CHARS], or -1 */
    int32_t byte_id[256]; /* -1 where the vocabulary lacks the byte */
    bool byte_fallback;   /* byte_id is for characters without a token */
    int32_t unknown;      /* for what is left; -1 leaves it out */
    bool fuse_unknown;    /* one token for neighbours of them */
    bool ignore_merges;   /* a piece in the vocabulary is taken whole */
    bpe_merge *slots;     /* open addressing, at most half full */
    size_t n_slots;       /* a power of two */
    int32_t n_merges;
} bpe;

/* Room for n_merges.  Errors: AR_NOMEM. */
ar_status bpe_open(bpe *b, int32_t n_merges, ar_error *err);
/* Of equal pairs the last one counts. */
void bpe_add(bpe *b, int32_t left, int32_t right, int32_t rank, int32_t id);
/* byte_id of bytes, or byte_id of <0x00> to <0xFF> and char_id, from the
 * vocabulary.  Errors: AR_NOMEM. */
ar_status bpe_find_first(bpe *b, const vocab *v, ar_error *err);
void bpe_close(bpe *b);

static inline uint64_t bpe_key(int32_t left, int32_t right) {
    return ((uint64_t)left << 24 | (uint64_t)right) + 1;
}

static inline size_t bpe_slot(const bpe *b, uint64_t key) {
    return (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (b->n_slots - 1);
}

/* Fetch ahead of bpe_add: the table is larger than near caches. */
static inline void bpe_touch(const bpe *b, int32_t left, int32_t right) {
    __builtin_prefetch(&b->slots[bpe_slot(b, bpe_key(left, right))], 1);
}

/* The merge of a pair, or NULL. */
static inline const bpe_merge *bpe_find(const bpe *b, int32_t left,
                                        int32_t right) {
    const uint64_t key = bpe_key(left, right);
    size_t i = bpe_slot(b, key);
    for (; b->slots[i].key; i = (i + 1) & (b->n_slots - 1))
        if (b->slots[i].key == key) return &b->slots[i];
    return NULL;
}

/* What encoding needs, for one thread. */
typedef struct bpe_run bpe_run;
ar_status bpe_run_open(bpe_run **out, const bpe *b, const vocab *v,
                       ar_error *err);
/* Errors: AR_NOMEM, AR_RANGE (a piece of more than 2^30 bytes). */
ar_status bpe_run_piece(bpe_run *r, id_sink *sink, const char *p, size_t n,
                        ar_error *err);
void bpe_run_close(bpe_run *r);

#endif
