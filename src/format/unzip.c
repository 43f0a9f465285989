/* unzip.c - zstd-compressed bytes, decompressed piece by piece. */
#include "format/unzip.h"

#include <zstd.h>

#include "base/error.h"

ar_status unzip_open(unzip *u, const char *name, const void *data, size_t size,
                     ar_error *err) {
    *u = (unzip){.name = name, .data = data, .size = size};
    u->stream = ZSTD_createDStream();
    return u->stream ? AR_OK
                     : error_set(err, AR_NOMEM, "%s: out of memory", name);
}

ar_status unzip_read(unzip *u, void *out, size_t capacity, size_t *n,
                     ar_error *err) {
    ZSTD_outBuffer to = {out, capacity, 0};
    ZSTD_inBuffer from = {u->data, u->size, u->pos};
    *n = 0;
    while (!to.pos) {
        if (from.pos == from.size && !u->wanted) return AR_OK;
        const size_t before = from.pos;
        u->wanted = ZSTD_decompressStream(u->stream, &to, &from);
        u->pos = from.pos;
        if (ZSTD_isError(u->wanted))
            return error_set(err, AR_FORMAT, "%s: zstd at byte %zu: %s",
                             u->name, before, ZSTD_getErrorName(u->wanted));
        if (!to.pos && from.pos == before && u->wanted)
            return error_set(err, AR_FORMAT,
                             "%s: ends inside a zstd frame; is it cut short?",
                             u->name);
    }
    *n = to.pos;
    return AR_OK;
}

void unzip_close(unzip *u) {
    ZSTD_freeDStream(u->stream);
    *u = (unzip){0};
}
