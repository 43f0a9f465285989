/* vocab.h - which bytes each token stands for. */
#ifndef TOK_VOCAB_H
#define TOK_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"
#include "base/hash.h"
#include "base/text.h"

enum { VOCAB_MAX = 1 << 24 }; /* ids are below */

enum token_flag {
    TOKEN_KNOWN = 1,
    TOKEN_MODEL = 2, /* in the model's own vocabulary */
    TOKEN_RAW = 4,   /* written in files as it is, not byte by byte */
    TOKEN_ADDED = 8, /* found in a text before it is cut into pieces */
    TOKEN_SPECIAL = 16,
    TOKEN_APART = 32, /* never what a piece is made of */
};

typedef struct token {
    uint32_t offset, size; /* in vocab.bytes */
    uint32_t flags;
    uint32_t shown; /* bytes that it stands for in a text */
} token;

/* A place of the index.  Most slots that are not the wanted one differ in
 * `hash`, so that neither the token nor its bytes need be fetched. */
typedef struct vocab_slot {
    uint32_t hash; /* the upper half of vocab_hash */
    int32_t entry; /* id + 1, 0 is an empty slot */
} vocab_slot;

typedef struct vocab {
    token *tokens; /* [n], unknown ids have no flags */
    int32_t n;     /* largest id + 1 */
    int32_t capacity;
    text bytes;
    /* Those of TOKEN_MODEL and not TOKEN_RAW, by their bytes. */
    vocab_slot *slots;
    size_t n_slots;  /* a power of two, 0 until vocab_index */
    bool is_indexed; /* nothing was set since vocab_index */
} vocab;

/* Give `id` its bytes.  Errors: AR_FORMAT (the id is taken), AR_NOMEM. */
ar_status vocab_set(vocab *v, int32_t id, const char *bytes, size_t n,
                    unsigned flags, ar_error *err);
/* Give a known id other bytes.  Errors: AR_NOMEM, AR_RANGE. */
ar_status vocab_replace(vocab *v, int32_t id, const char *bytes, size_t n,
                        ar_error *err);
/* Make vocab_find work; it may be called again after tokens were set, and is
 * quick if none were.  Errors: AR_NOMEM. */
ar_status vocab_index(vocab *v, ar_error *err);
int32_t vocab_find(const vocab *v, const char *bytes, size_t n); /* or -1 */
/* The same with vocab_hash known. */
int32_t vocab_find_hashed(const vocab *v, const char *bytes, size_t n,
                          uint64_t hash);
/* The token <0x00> to <0xFF> for a byte, or -1. */
int32_t vocab_find_byte(const vocab *v, int byte);
void vocab_close(vocab *v);

static inline const char *vocab_bytes(const vocab *v, int32_t id) {
    return v->bytes.data + v->tokens[id].offset;
}

static inline uint64_t vocab_hash(const char *bytes, size_t n) {
    return hash_xx64(bytes, n, 0);
}

/* Fetch ahead of vocab_find_hashed: an index is larger than near caches. */
static inline void vocab_touch(const vocab *v, uint64_t hash) {
    if (v->n_slots) __builtin_prefetch(&v->slots[hash & (v->n_slots - 1)]);
}

/* Can vocab_find find this token? */
static inline bool vocab_is_found(const token *t) {
    return (t->flags & TOKEN_MODEL) && !(t->flags & TOKEN_RAW);
}

static inline bool vocab_has(const vocab *v, int32_t id) {
    return id >= 0 && id < v->n && v->tokens[id].flags;
}

#endif
