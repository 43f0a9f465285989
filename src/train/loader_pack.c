/* loader_pack.c - documents fitted into rows, windows in random order.
 *
 * Source of the packing: autoresearch, prepare.py (its loader): a buffer of
 * at least 1000 documents refilled by 128; the largest that fits, the first of
 * equals; if none fits, the shortest is cropped and its rest dropped. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/loader_int.h"

/* Append a start; doubles the array when it is full. */
static ar_status add_start(pack_index *x, int64_t *capacity, int64_t at,
                           ar_error *err) {
    if (x->n + 1 >= *capacity) {
        const int64_t want = *capacity ? *capacity * 2 : 1024;
        int64_t *p = mem_realloc(x->starts, (size_t)want * sizeof *p);
        if (!p)
            return error_set(err, AR_NOMEM,
                             "out of memory for the index of documents");
        x->starts = p;
        *capacity = want;
    }
    x->starts[x->n++] = at;
    return AR_OK;
}

static ar_status add_shard(pack_index *x, int64_t *capacity, const shard *s,
                           int64_t first, int32_t bos, ar_error *err) {
    for (int64_t i = 0; i < s->n_tokens; i++)
        if (shard_token(s, i) == bos)
            TRY(add_start(x, capacity, first + i, err));
    return AR_OK;
}

ar_status pack_index_open(pack_index *x, const stream *s, int32_t bos,
                          ar_error *err) {
    int64_t capacity = 0;
    ar_status status = AR_OK;
    *x = (pack_index){0};
    for (int64_t i = 0; i < s->n_shards && status == AR_OK; i++)
        status = add_shard(x, &capacity, &s->shards[i], s->starts[i], bos, err);
    if (status == AR_OK && !x->n)
        status = error_set(err, AR_FORMAT,
                           "%s: no document begins with id %d, the beginning "
                           "of a sequence; use another order",
                           s->paths[0], bos);
    if (status == AR_OK)
        x->starts[x->n] = s->n_tokens; /* add_start keeps room for it */
    else
        pack_index_close(x);
    return status;
}

void pack_index_close(pack_index *x) {
    mem_free(x->starts);
    *x = (pack_index){0};
}

static int64_t length(const pack_index *x, int64_t document) {
    return x->starts[document + 1] - x->starts[document];
}

static void refill(const pack_index *x, position *at) {
    while (at->n < PACK_BUFFER) {
        for (int i = 0; i < PACK_REFILL; i++) {
            at->buffer[at->n++] = at->next++;
            if (at->next == x->n) {
                at->next = 0;
                at->epoch++;
            }
        }
    }
}

/* Index in the buffer of the largest document of at most `room` ids, else of
 * the shortest; the first of equals. */
static int64_t choose(const pack_index *x, const position *at, int64_t room) {
    int64_t best = -1, best_size = 0, least = 0;
    int64_t least_size = length(x, at->buffer[0]);
    for (int64_t i = 0; i < at->n; i++) {
        const int64_t size = length(x, at->buffer[i]);
        if (size <= room && size > best_size) {
            best = i;
            best_size = size;
        }
        if (size < least_size) {
            least = i;
            least_size = size;
        }
    }
    return best >= 0 ? best : least;
}

ar_status pack_row(const pack_index *x, const stream *s, position *at,
                   int64_t n, int32_t *row, ar_error *err) {
    for (int64_t used = 0; used < n;) {
        refill(x, at);
        const int64_t i = choose(x, at, n - used);
        const int64_t document = at->buffer[i];
        int64_t size = length(x, document);
        if (size > n - used) size = n - used;
        at->n--;
        memmove(at->buffer + i, at->buffer + i + 1,
                (size_t)(at->n - i) * sizeof *at->buffer);
        TRY(stream_read(s, x->starts[document], size, row + used, err));
        used += size;
    }
    return AR_OK;
}

/* A Feistel network of 8 rounds over the smallest even number of bits that
 * holds n, walked until it lands inside [0, n): a permutation of any size
 * without a table (Black and Rogaway 2002, "Ciphers with arbitrary finite
 * domains").  Fewer than 4 steps are expected. */
int64_t shuffle_at(uint64_t seed, int64_t epoch, int64_t n, int64_t i) {
    const uint64_t name = rng_stream("loader.shuffle");
    const uint64_t key = rng_bits(seed, name, (uint64_t)epoch);
    int half = 1; /* bits */
    while (half < 31 && (int64_t)1 << 2 * half < n) half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    uint64_t v = (uint64_t)i;
    do {
        uint64_t left = v >> half, right = v & mask;
        for (uint64_t round = 0; round < 8; round++) {
            const uint64_t f = rng_bits(key, name, round << 32 | right);
            const uint64_t next = left ^ (f & mask);
            left = right;
            right = next;
        }
        v = left << half | right;
    } while (v >= (uint64_t)n);
    return (int64_t)v;
}
