/* corpus_write.c - documents encoded into shards. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/shard.h"
#include "train/corpus.h"

/* A shard is written when it has this many tokens; a document is encoded in
 * pieces of at most this many bytes, cut behind a newline where there is one.
 */
enum { SHARD_TOKENS = 1 << 26, PIECE_BYTES = 16 << 20 };

typedef struct shard_maker {
    const ar_tokenizer *tok;
    const char *folder, *name;
    int32_t *ids;
    size_t n, capacity;
    int width;
    corpus_counts counts;
} shard_maker;

static ar_status write_shard(shard_maker *m, ar_error *err) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "%.40s-%05" PRId64 ".bin", m->name,
             m->counts.n_shards);
    TRY(file_join(path, sizeof path, m->folder, name, err));
    TRY(shard_write(path, m->ids, (int64_t)m->n, m->width, err));
    m->counts.n_shards++;
    m->counts.n_tokens += (int64_t)m->n;
    m->n = 0;
    return AR_OK;
}

static ar_status make_room(shard_maker *m, size_t more, ar_error *err) {
    if (m->n + more <= m->capacity) return AR_OK;
    size_t capacity = m->capacity ? 2 * m->capacity : 1 << 16;
    while (capacity < m->n + more) capacity *= 2;
    int32_t *ids = mem_realloc(m->ids, capacity * sizeof *ids);
    if (!ids) return error_set(err, AR_NOMEM, "out of memory for tokens");
    m->ids = ids;
    m->capacity = capacity;
    return AR_OK;
}

/* Bytes of the next piece of a text of n bytes. */
static size_t piece_size(const char *text, size_t n) {
    if (n <= PIECE_BYTES) return n;
    size_t size = PIECE_BYTES; /* macOS has no memrchr */
    while (size && text[size - 1] != '\n') size--;
    return size ? size : PIECE_BYTES;
}

static ar_status add_document(shard_maker *m, const char *text, size_t n,
                              ar_error *err) {
    const int32_t bos = ar_tokenizer_bos(m->tok);
    m->counts.n_documents++;
    m->counts.n_bytes += (int64_t)n;
    TRY(make_room(m, 1, err));
    if (bos >= 0) m->ids[m->n++] = bos;
    while (n) {
        const size_t size = piece_size(text, n);
        size_t count;
        TRY(make_room(m, size, err)); /* a token has at least one byte */
        TRY(ar_tokenizer_encode(m->tok, text, size, 0, m->ids + m->n,
                                m->capacity - m->n, &count, err));
        if (count > m->capacity - m->n) { /* some tokenizers add to a text */
            TRY(make_room(m, count, err));
            TRY(ar_tokenizer_encode(m->tok, text, size, 0, m->ids + m->n,
                                    m->capacity - m->n, &count, err));
        }
        m->n += count;
        text += size;
        n -= size;
    }
    return m->n >= SHARD_TOKENS ? write_shard(m, err) : AR_OK;
}

static ar_status write_all(shard_maker *m, corpus_next *next, void *ctx,
                           ar_error *err) {
    for (;;) {
        const char *text;
        size_t n;
        TRY(next(ctx, &text, &n, err));
        if (!text) break;
        if (n) TRY(add_document(m, text, n, err));
    }
    return m->n ? write_shard(m, err) : AR_OK;
}

ar_status corpus_write(const ar_tokenizer *tok, corpus_next *next, void *ctx,
                       const char *folder, const char *name, corpus_counts *out,
                       ar_error *err) {
    shard_maker m = {
        .tok = tok,
        .folder = folder,
        .name = name,
        .width = ar_tokenizer_vocab(tok) <= 65536 ? 2 : 4,
    };
    memset(out, 0, sizeof *out);
    const ar_status status = write_all(&m, next, ctx, err);
    mem_free(m.ids);
    if (status == AR_OK) *out = m.counts;
    return status;
}
