/* unigram.h - the segmentation of a piece with the best sum of scores.
 *
 * Scores are logarithms of probabilities, so the sum of those of the tokens
 * that a piece is cut into is that of the whole; a Viterbi search over the
 * places between characters finds the best (Kudo 2018, arXiv:1804.10959). */
#ifndef TOK_UNIGRAM_H
#define TOK_UNIGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"
#include "tok/sink.h"
#include "tok/trie.h"
#include "tok/vocab.h"

/* An unknown character scores this much less than the worst token. */
enum { UNIGRAM_PENALTY = 10 };

typedef struct unigram {
    trie tokens;      /* those that a piece can be cut into */
    double *scores;   /* [n_scores], by id */
    int32_t n_scores; /* ids above have no score and are not in the trie */
    double unknown_score;
    int32_t unknown;      /* -1: what has no token is left out */
    int32_t byte_id[256]; /* the tokens <0x00> to <0xFF>, or -1 */
    bool byte_fallback;   /* what has no token becomes its bytes */
    bool single;          /* sums are rounded to float, as SentencePiece does */
} unigram;

void unigram_close(unigram *u);

/* What encoding needs, for one thread. */
typedef struct unigram_run unigram_run;
ar_status unigram_run_open(unigram_run **out, const unigram *u, const vocab *v,
                           ar_error *err);
/* Errors: AR_NOMEM, AR_RANGE (a piece of more than 2^30 bytes). */
ar_status unigram_run_piece(unigram_run *r, id_sink *sink, const char *p,
                            size_t n, ar_error *err);
void unigram_run_close(unigram_run *r);

#endif
