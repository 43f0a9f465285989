/* shard.c - files of token ids: llm.c's form and bare u16.
 *
 * Source of the form: llm.c, dev/data/data_common.py and llmc/dataloader.h.
 * Ids are stored little-endian and read in place. */
#include "format/shard.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"

/* The header is 256 i32: magic, version, number of ids, zeros. */
enum { HEADER_SIZE = 1024 };

static const struct {
    int32_t magic, version;
    int width;
} forms[] = {{20240520, 1, 2}, {20240801, 7, 4}};

static ar_status read_header(shard *s, const int32_t *header, int form,
                             const char *name, ar_error *err) {
    if (header[1] != forms[form].version)
        return error_set(err, AR_FORMAT,
                         "%s: token shard of version %" PRId32 ", %" PRId32
                         " is known",
                         name, header[1], forms[form].version);
    const int width = forms[form].width;
    if (header[2] < 0 ||
        s->map.size != HEADER_SIZE + (size_t)header[2] * (size_t)width)
        return error_set(err, AR_FORMAT,
                         "%s: token shard of %zu bytes, which does not fit "
                         "the %" PRId32 " ids of its header",
                         name, s->map.size, header[2]);
    s->ids = s->map.data + HEADER_SIZE;
    s->width = width;
    s->n_tokens = header[2];
    return AR_OK;
}

/* s->map is set; fills the rest. */
static ar_status read_shard(shard *s, const char *name, ar_error *err) {
    int32_t header[3] = {0};
    if (s->map.size >= HEADER_SIZE) memcpy(header, s->map.data, sizeof header);
    for (int form = 0; form < 2; form++)
        if (header[0] == forms[form].magic)
            return read_header(s, header, form, name, err);
    if (!s->map.size || s->map.size % 2)
        return error_set(err, AR_FORMAT, "%s: %zu bytes are not a token shard",
                         name, s->map.size);
    s->ids = s->map.data;
    s->width = 2;
    s->n_tokens = (int64_t)(s->map.size / 2);
    return AR_OK;
}

ar_status shard_open(shard *out, const char *path, ar_error *err) {
    shard s = {0};
    *out = (shard){0};
    TRY(file_map_open(&s.map, path, err));
    const ar_status status = read_shard(&s, path, err);
    if (status == AR_OK)
        *out = s;
    else
        file_map_close(&s.map);
    return status;
}

ar_status shard_view(shard *out, const void *data, size_t size,
                     const char *name, ar_error *err) {
    shard s = {.map = {data, size}};
    *out = (shard){0};
    TRY(read_shard(&s, name, err));
    s.map = (file_map){0}; /* not ours to close */
    *out = s;
    return AR_OK;
}

void shard_close(shard *s) {
    file_map_close(&s->map);
    *s = (shard){0};
}

static ar_status write_ids(file_writer *w, const int32_t *ids, int64_t n,
                           int width, ar_error *err) {
    unsigned char piece[4096];
    size_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (width == 2 && ids[i] > UINT16_MAX))
            return error_set(err, AR_RANGE,
                             "id %" PRId32 " does not fit a shard of %d bytes "
                             "an id",
                             ids[i], width);
        for (int k = 0; k < width; k++)
            piece[used++] = (unsigned char)((uint32_t)ids[i] >> 8 * k);
        if (used == sizeof piece) {
            file_write(w, piece, used);
            used = 0;
        }
    }
    file_write(w, piece, used);
    return AR_OK;
}

ar_status shard_write(const char *path, const int32_t *ids, int64_t n,
                      int width, ar_error *err) {
    if (n < 0 || n > INT32_MAX || (width != 2 && width != 4))
        return error_set(err, AR_RANGE,
                         "%s: a shard holds up to %d ids of 2 or 4 bytes", path,
                         INT32_MAX);
    int32_t header[HEADER_SIZE / 4] = {forms[width == 4].magic,
                                       forms[width == 4].version, (int32_t)n};
    file_writer *w;
    TRY(file_create(&w, path, err));
    file_write(w, header, sizeof header);
    const ar_status s = write_ids(w, ids, n, width, err);
    if (s == AR_OK) return file_commit(w, err);
    file_abandon(w);
    return error_prefix(err, s, path);
}
