/* vocab.h - which bytes each token stands for. */
#ifndef TOK_VOCAB_H
#define TOK_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"
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

typedef struct vocab {
    token *tokens; /* [n], unknown ids have no flags */
    int32_t n;     /* largest id + 1 */
    int32_t capacity;
    text bytes;
    /* Those of TOKEN_MODEL and not TOKEN_RAW, by their bytes; id + 1. */
    int32_t *slots;
    size_t n_slots; /* a power of two, 0 until vocab_index */
} vocab;

/* Give `id` its bytes.  Errors: AR_FORMAT (the id is taken), AR_NOMEM. */
ar_status vocab_set(vocab *v, int32_t id, const char *bytes, size_t n,
                    unsigned flags, ar_error *err);
/* Give a known id other bytes.  Errors: AR_NOMEM, AR_RANGE. */
ar_status vocab_replace(vocab *v, int32_t id, const char *bytes, size_t n,
                        ar_error *err);
/* Make vocab_find work.  Errors: AR_NOMEM. */
ar_status vocab_index(vocab *v, ar_error *err);
int32_t vocab_find(const vocab *v, const char *bytes, size_t n); /* or -1 */
/* The token <0x00> to <0xFF> for a byte, or -1. */
int32_t vocab_find_byte(const vocab *v, int byte);
void vocab_close(vocab *v);

static inline const char *vocab_bytes(const vocab *v, int32_t id) {
    return v->bytes.data + v->tokens[id].offset;
}

static inline bool vocab_has(const vocab *v, int32_t id) {
    return id >= 0 && id < v->n && v->tokens[id].flags;
}

#endif
