/* loader_stream.c - the ids of all shards as one sequence. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "train/loader_int.h"

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for the list of shards");
}

static ar_status add_shard(stream *s, const char *path, ar_error *err) {
    const size_t size = strlen(path) + 1;
    char *copy = mem_alloc(size);
    if (!copy) return no_memory(err);
    s->paths[s->n_shards] = memcpy(copy, path, size);
    const int64_t i = s->n_shards++;
    TRY(shard_open(&s->shards[i], path, err));
    s->starts[i] = s->n_tokens;
    s->n_tokens += s->shards[i].n_tokens;
    s->starts[i + 1] = s->n_tokens;
    return AR_OK;
}

ar_status stream_open(stream *s, const loader_options *opt, ar_error *err) {
    *s = (stream){.n_vocab = opt->n_vocab};
    s->paths = mem_new(const char *, opt->n_shards);
    s->shards = mem_new(shard, opt->n_shards);
    s->starts = mem_new(int64_t, opt->n_shards + 1);
    ar_status status = AR_OK;
    if (!s->paths || !s->shards || !s->starts) status = no_memory(err);
    for (int64_t i = 0; i < opt->n_shards && status == AR_OK; i++)
        status = add_shard(s, opt->shards[i], err);
    if (status != AR_OK) stream_close(s);
    return status;
}

void stream_close(stream *s) {
    for (int64_t i = 0; i < s->n_shards; i++) {
        mem_free((char *)s->paths[i]);
        shard_close(&s->shards[i]);
    }
    mem_free(s->paths);
    mem_free(s->shards);
    mem_free(s->starts);
    *s = (stream){0};
}

/* The shard that has place `at`: the last one that begins at or before it. */
static int64_t shard_of(const stream *s, int64_t at) {
    int64_t low = 0, high = s->n_shards;
    while (high - low > 1) {
        const int64_t mid = low + (high - low) / 2;
        if (s->starts[mid] <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

ar_status stream_read(const stream *s, int64_t start, int64_t n, int32_t *ids,
                      ar_error *err) {
    int64_t k = shard_of(s, start);
    for (int64_t i = 0; i < n; i++) {
        while (start + i >= s->starts[k + 1]) k++; /* shards may be empty */
        const int64_t place = start + i - s->starts[k];
        ids[i] = shard_token(&s->shards[k], place);
        if (ids[i] < 0 || ids[i] >= s->n_vocab)
            return error_set(err, AR_RANGE,
                             "%s: id %" PRIu32 " at place %" PRId64
                             " is not in the vocabulary of %" PRId32,
                             s->paths[k], (uint32_t)ids[i], place, s->n_vocab);
    }
    return AR_OK;
}

uint64_t stream_print(const stream *s) {
    enum { ENDS = 4096 }; /* bytes */
    uint64_t h = hash_xx64(s->starts, (size_t)(s->n_shards + 1) * 8, 0);
    for (int64_t i = 0; i < s->n_shards; i++) {
        const shard *a = &s->shards[i];
        const size_t size = (size_t)(a->n_tokens * a->width);
        const size_t end = size < ENDS ? size : ENDS;
        const unsigned char *p = a->ids;
        h = hash_xx64(p, end, h);
        h = hash_xx64(p + (size - end), end, h);
    }
    return h;
}
