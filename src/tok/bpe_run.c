/* bpe_run.c - encoding pieces.
 *
 * Short pieces, nearly all, are merged by looking at every pair again and
 * again: their few ranks lie in one cache line or two.  Long ones keep the
 * ranks in a heap, O(n log n). */
#include "tok/bpe.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/utf8.h"

enum {
    SHORT = 64, /* bytes of a piece merged by scanning */
    NO_RANK = INT32_MAX,
};

/* A long piece: a list of tokens, linked by index. */
typedef struct long_piece {
    int32_t *ids, *next, *prev, *rank; /* rank of the pair that starts here */
    uint64_t *heap;                    /* rank << 32 | index */
    size_t n_heap, capacity;           /* capacity in tokens */
} long_piece;

struct bpe_run {
    const bpe *bpe;
    const vocab *vocab;
    long_piece work;
};

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for encoding");
}

ar_status bpe_run_open(bpe_run **out, const bpe *b, const vocab *v,
                       ar_error *err) {
    *out = mem_new(bpe_run, 1);
    if (!*out) return no_memory(err);
    **out = (bpe_run){.bpe = b, .vocab = v};
    return AR_OK;
}

void bpe_run_close(bpe_run *r) {
    if (!r) return;
    mem_free(r->work.ids);
    mem_free(r->work.heap);
    mem_free(r);
}

/* One token per byte; returns how many. */
static size_t first_bytes(const bpe *b, const char *p, size_t n, int32_t *ids) {
    size_t k = 0;
    bool fused = false;
    for (size_t i = 0; i < n; i++) {
        int32_t id = b->byte_id[(unsigned char)p[i]];
        const bool unknown = id < 0;
        if (unknown) id = fused && b->fuse_unknown ? -1 : b->unknown;
        fused = unknown;
        if (id >= 0) ids[k++] = id;
    }
    return k;
}

/* The bytes of a character that is no token: false if one of them is none. */
static bool add_bytes(const bpe *b, const char *p, size_t n, int32_t *ids) {
    if (!b->byte_fallback) return false;
    for (size_t i = 0; i < n; i++) {
        ids[i] = b->byte_id[(unsigned char)p[i]];
        if (ids[i] < 0) return false;
    }
    return true;
}

static int32_t find_char(const bpe_run *r, const char *p, size_t n,
                         size_t *size) {
    const unsigned char *s = (const unsigned char *)p;
    uint32_t cp;
    const int k = utf8_decode(s, s + n, &cp);
    *size = k ? (size_t)k : 1;
    if (!k) return -1;
    return cp < BPE_CHARS ? r->bpe->char_id[cp]
                          : vocab_find(r->vocab, p, *size);
}

/* One token per character; returns how many.  An unknown one waits until the
 * next known one, bytes overtaking it, as in the tokenizers library. */
static size_t first_chars(const bpe_run *r, const char *p, size_t n,
                          int32_t *ids) {
    const bpe *b = r->bpe;
    size_t k = 0, size;
    bool waiting = false;
    for (size_t i = 0; i < n; i += size) {
        const int32_t id = find_char(r, p + i, n - i, &size);
        if (id < 0 && add_bytes(b, p + i, size, ids + k)) {
            k += size;
            continue;
        }
        if (waiting && (id >= 0 || !b->fuse_unknown)) ids[k++] = b->unknown;
        waiting = id < 0 && b->unknown >= 0;
        if (id >= 0) ids[k++] = id;
    }
    if (waiting) ids[k++] = b->unknown;
    return k;
}

static size_t first_ids(const bpe_run *r, const char *p, size_t n,
                        int32_t *ids) {
    return r->bpe->chars ? first_chars(r, p, n, ids)
                         : first_bytes(r->bpe, p, n, ids);
}

/* Merge ids[0..n), n <= SHORT, in place; returns how many are left. */
static size_t merge_short(const bpe *b, int32_t *ids, size_t n) {
    int32_t rank[SHORT], joined[SHORT];
    for (size_t i = 0; i + 1 < n; i++) {
        const bpe_merge *m = bpe_find(b, ids[i], ids[i + 1]);
        rank[i] = m ? m->rank : NO_RANK;
        joined[i] = m ? m->id : 0;
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == NO_RANK) break;
        ids[best] = joined[best];
        n--;
        for (size_t i = best + 1; i < n; i++) {
            ids[i] = ids[i + 1];
            rank[i - 1] = rank[i];
            joined[i - 1] = joined[i];
        }
        for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < n; i++) {
            const bpe_merge *m = bpe_find(b, ids[i], ids[i + 1]);
            rank[i] = m ? m->rank : NO_RANK;
            joined[i] = m ? m->id : 0;
        }
    }
    return n;
}

static ar_status reserve_long(long_piece *w, size_t n, ar_error *err) {
    if (n <= w->capacity) return AR_OK;
    mem_free(w->ids);
    mem_free(w->heap);
    *w = (long_piece){0};
    if (n > INT32_MAX / 2)
        return error_set(err, AR_RANGE, "a piece of more than 2^30 bytes");
    w->ids = mem_new(int32_t, 4 * n);
    /* every pair once, and two more for each of at most n - 1 merges */
    w->heap = mem_new(uint64_t, 3 * n);
    if (!w->ids || !w->heap) return no_memory(err);
    w->capacity = n;
    w->next = w->ids + n;
    w->prev = w->next + n;
    w->rank = w->prev + n;
    return AR_OK;
}

static void heap_push(long_piece *w, uint64_t v) {
    size_t i = w->n_heap++;
    while (i && w->heap[(i - 1) / 2] > v) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = v;
}

static uint64_t heap_pop(long_piece *w) {
    const uint64_t top = w->heap[0], v = w->heap[--w->n_heap];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < w->n_heap) {
        if (child + 1 < w->n_heap && w->heap[child + 1] < w->heap[child])
            child++;
        if (w->heap[child] >= v) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = v;
    return top;
}

/* The pair that starts at i is new: rank it. */
static void rank_pair(const bpe *b, long_piece *w, int32_t i) {
    w->rank[i] = NO_RANK;
    if (w->next[i] < 0) return;
    const bpe_merge *m = bpe_find(b, w->ids[i], w->ids[w->next[i]]);
    if (!m) return;
    w->rank[i] = m->rank;
    heap_push(w, (uint64_t)m->rank << 32 | (uint32_t)i);
}

static size_t merge_long(const bpe *b, long_piece *w, size_t n) {
    w->n_heap = 0;
    for (size_t i = 0; i < n; i++) {
        w->prev[i] = (int32_t)i - 1;
        w->next[i] = i + 1 < n ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i < n; i++) rank_pair(b, w, (int32_t)i);
    while (w->n_heap) {
        const uint64_t top = heap_pop(w);
        const int32_t i = (int32_t)(uint32_t)top, right = w->next[i];
        if (w->rank[i] != (int32_t)(top >> 32)) continue; /* no longer so */
        w->ids[i] = bpe_find(b, w->ids[i], w->ids[right])->id;
        w->rank[right] = NO_RANK;
        w->next[i] = w->next[right];
        if (w->next[i] >= 0) w->prev[w->next[i]] = i;
        rank_pair(b, w, i);
        if (w->prev[i] >= 0) rank_pair(b, w, w->prev[i]);
    }
    size_t k = 0;
    for (int32_t i = 0; n && i >= 0; i = w->next[i]) w->ids[k++] = w->ids[i];
    return k;
}

static ar_status encode_long(bpe_run *r, id_sink *sink, const char *p, size_t n,
                             ar_error *err) {
    TRY(reserve_long(&r->work, n, err));
    const size_t k = first_ids(r, p, n, r->work.ids);
    sink_add(sink, r->work.ids, merge_long(r->bpe, &r->work, k));
    return AR_OK;
}

ar_status bpe_run_piece(bpe_run *r, id_sink *sink, const char *p, size_t n,
                        ar_error *err) {
    if (!n) return AR_OK;
    /* a piece that is a token by itself, where the model says this counts */
    const int32_t id = r->bpe->ignore_merges ? vocab_find(r->vocab, p, n) : -1;
    if (id >= 0) {
        sink_add(sink, &id, 1);
        return AR_OK;
    }
    if (n > SHORT) return encode_long(r, sink, p, n, err);
    int32_t ids[SHORT];
    const size_t k = merge_short(r->bpe, ids, first_ids(r, p, n, ids));
    sink_add(sink, ids, k);
    return AR_OK;
}
