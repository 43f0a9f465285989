/* wordpiece.h - the longest tokens that a word is made of, from its start
 * (the WordPiece of BERT). */
#ifndef TOK_WORDPIECE_H
#define TOK_WORDPIECE_H

#include <stddef.h>
#include <stdint.h>

#include "tok/sink.h"
#include "tok/trie.h"

/* Roots of the trie. */
enum { WORD_START = 1, WORD_INSIDE = 2 };

typedef struct wordpiece {
    trie tokens;        /* those inside a word without their prefix */
    const char *prefix; /* "##"; owned by the tokenizer */
    int32_t unknown;    /* for a word that has no tokens; -1 leaves it out */
    int64_t max_chars;  /* a longer word is unknown */
} wordpiece;

void wordpiece_add(const wordpiece *w, id_sink *sink, const char *p, size_t n);

#endif
