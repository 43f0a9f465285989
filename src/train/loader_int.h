/* loader_int.h - the parts of the loader.
 *
 * A position says where the next batch begins; making a batch moves it on.
 * The thread moves one position, the user sees another (loader.c). */
#ifndef TRAIN_LOADER_INT_H
#define TRAIN_LOADER_INT_H

#include "train/loader.h"

/* Documents are added to the buffer by PACK_REFILL until it has PACK_BUFFER,
 * so it never has more than PACK_MOST. */
enum {
    PACK_BUFFER = 1000,
    PACK_REFILL = 128,
    PACK_MOST = PACK_BUFFER + PACK_REFILL,
};

typedef struct position {
    int64_t row;               /* sequential, shuffled: rows read so far */
    int64_t epoch, next;       /* packed: next document to be buffered */
    int64_t n;                 /* documents in the buffer */
    int64_t buffer[PACK_MOST]; /* their numbers, oldest first */
} position;

/* All shards as one sequence of ids. */
typedef struct stream {
    const char **paths; /* [n_shards] copies */
    shard *shards;      /* [n_shards] */
    int64_t *starts;    /* [n_shards + 1] first id of each, then n_tokens */
    int64_t n_shards, n_tokens;
    int32_t n_vocab;
} stream;

/* Errors as for loader_open. */
ar_status stream_open(stream *s, const loader_options *opt, ar_error *err);
void stream_close(stream *s);
/* ids[n] from place `start`, each checked against the vocabulary. */
ar_status stream_read(const stream *s, int64_t start, int64_t n, int32_t *ids,
                      ar_error *err);
/* A number that differs for different data: of the size of every shard and
 * the ids at its ends. */
uint64_t stream_print(const stream *s);

/* Places where documents begin, and the end of the last one. */
typedef struct pack_index {
    int64_t *starts; /* [n + 1] */
    int64_t n;
} pack_index;

/* Errors: AR_FORMAT (no `bos` anywhere), AR_NOMEM. */
ar_status pack_index_open(pack_index *x, const stream *s, int32_t bos,
                          ar_error *err);
void pack_index_close(pack_index *x);
/* One row of n ids, by the rule in loader.h. */
ar_status pack_row(const pack_index *x, const stream *s, position *at,
                   int64_t n, int32_t *row, ar_error *err);

/* Entry i of permutation number `epoch` of [0, n). */
int64_t shuffle_at(uint64_t seed, int64_t epoch, int64_t n, int64_t i);

#endif
