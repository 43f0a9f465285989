/* loader.h - batches of token rows out of shards.
 *
 * Order of rows:
 *   sequential  row b of batch i starts at token ((i B + b) T) mod (n - T - 1)
 *   shuffled    starts at i B + b in a pseudo-random permutation of the
 *               windows 0, T, 2T ... of one epoch, a new one each epoch
 *   packed      documents (each starts with the beginning-of-sequence token)
 *               fitted into rows of T + 1: repeatedly the largest of at least
 *               1000 buffered documents that fits, the first on ties; if none
 *               fits, the shortest, cropped (autoresearch's loader)
 * Targets are the inputs shifted by one.  The next batch is prepared by a
 * thread while the current one is used; what it holds depends only on the
 * options and the position, so a run resumes exactly. */
#ifndef TRAIN_LOADER_H
#define TRAIN_LOADER_H

#include <jansson.h>

#include "format/shard.h"

enum loader_order {
    LOADER_SEQUENTIAL,
    LOADER_SHUFFLED,
    LOADER_PACKED,
};

typedef struct loader_options {
    const char *const *shards; /* paths, in order; one token stream */
    int64_t n_shards;
    enum loader_order order;
    int64_t n_rows, n_tokens; /* B, T */
    int32_t n_vocab;          /* every id is checked against it */
    int32_t bos;              /* for PACKED */
    uint64_t seed;            /* for SHUFFLED */
} loader_options;

typedef struct loader loader;

/* Errors: AR_IO, AR_FORMAT, AR_RANGE (fewer tokens than one row; an id not in
 * the vocabulary, naming shard and place), AR_NOMEM. */
ar_status loader_open(loader **out, const loader_options *opt, ar_error *err);
void loader_close(loader *l);
int64_t loader_tokens(const loader *l); /* in all shards */

/* The next batch: inputs, targets I32 [B * T], copied out. */
ar_status loader_next(loader *l, int32_t *inputs, int32_t *targets,
                      ar_error *err);
/* Where the next loader_next will read, as JSON (new reference; NULL if memory
 * has run out), and back.  The number of rows of a batch may differ between.
 * Errors: AR_FORMAT if the position does not fit these shards. */
json_t *loader_position(const loader *l);
ar_status loader_seek(loader *l, const json_t *position, ar_error *err);

/* Batch i of the sequential order without moving, for evaluation.
 * Errors: AR_RANGE (a negative batch, an id not in the vocabulary). */
ar_status loader_window(const loader *l, int64_t batch, int32_t *inputs,
                        int32_t *targets, ar_error *err);

#endif
