/* shard.h - files of token ids.
 *
 * Read: llm.c shards (magic 20240520 version 1: u16 ids; 20240801 version 7:
 * u32 ids; 1024-byte header, [2] = count) and headerless u16 files.  Written:
 * llm.c's form, u16 where the vocabulary allows, else u32. */
#ifndef FORMAT_SHARD_H
#define FORMAT_SHARD_H

#include "base/file.h"

typedef struct shard {
    file_map map;
    const void *ids; /* u16 or u32 */
    int width;       /* bytes an id: 2 or 4 */
    int64_t n_tokens;
} shard;

/* Errors: AR_IO, AR_FORMAT naming the file. */
ar_status shard_open(shard *out, const char *path, ar_error *err);
/* The same over bytes in memory, aligned to 4, borrowed until shard_close. */
ar_status shard_view(shard *out, const void *data, size_t size,
                     const char *name, ar_error *err);
void shard_close(shard *s);
static inline int32_t shard_token(const shard *s, int64_t i) {
    return s->width == 2 ? ((const uint16_t *)s->ids)[i]
                         : (int32_t)((const uint32_t *)s->ids)[i];
}
/* One shard from at most 2^31 - 1 ids; replaced whole.
 * Errors: AR_IO, AR_NOMEM, AR_RANGE (an id that `width` bytes cannot hold). */
ar_status shard_write(const char *path, const int32_t *ids, int64_t n,
                      int width, ar_error *err);

#endif
