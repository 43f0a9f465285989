/* bpe_run.c - encoding pieces.
 *
 * Short pieces, nearly all, are merged by looking at every pair again and
 * again: their few ranks lie in one cache line or two.  Long ones keep the
 * ranks in a heap, O(n log n).  A cache of pieces seen in this call saves both
 * for the words that make up most of a text. */
#include "tok/bpe.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum {
    SHORT = 64, /* bytes of a piece merged by scanning */
    NO_RANK = INT32_MAX,
    KEY_BYTES = 24,       /* longest piece that is cached */
    FIRST_SLOTS = 1 << 8, /* of the cache */
    LAST_SLOTS = 1 << 16,
};

typedef struct cached {
    uint64_t key[KEY_BYTES / 8]; /* the piece, zero behind it */
    uint32_t offset;             /* in bpe_run.pool */
    uint8_t size, n_ids;         /* size 0 is an empty slot */
} cached;

/* A long piece: a list of tokens, linked by index. */
typedef struct long_piece {
    int32_t *ids, *next, *prev, *rank; /* rank of the pair that starts here */
    uint64_t *heap;                    /* rank << 32 | index */
    size_t n_heap, capacity;           /* capacity in tokens */
} long_piece;

struct bpe_run {
    const bpe *bpe;
    const vocab *vocab;
    id_sink *sink;
    cached *slots;
    size_t n_slots, n_cached;
    int32_t *pool;
    size_t n_pool, pool_capacity;
    long_piece work;
};

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for encoding");
}

ar_status bpe_run_open(bpe_run **out, const bpe *b, const vocab *v,
                       id_sink *sink, ar_error *err) {
    *out = mem_new(bpe_run, 1);
    if (!*out) return no_memory(err);
    **out = (bpe_run){.bpe = b, .vocab = v, .sink = sink};
    return AR_OK;
}

void bpe_run_close(bpe_run *r) {
    if (!r) return;
    mem_free(r->slots);
    mem_free(r->pool);
    mem_free(r->work.ids);
    mem_free(r->work.heap);
    mem_free(r);
}

/* One token per byte; returns how many. */
static size_t first_ids(const bpe *b, const char *p, size_t n, int32_t *ids) {
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

static uint64_t hash_key(const uint64_t *key) {
    uint64_t h = 0;
    for (int i = 0; i < KEY_BYTES / 8; i++) {
        h = (h ^ key[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return h;
}

static cached *find_slot(cached *slots, size_t n_slots, const cached *key) {
    size_t i = hash_key(key->key) & (n_slots - 1);
    while (slots[i].size && (slots[i].size != key->size ||
                             memcmp(slots[i].key, key->key, sizeof key->key)))
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

/* Room for one more; a full cache is emptied, so that it follows the text. */
static ar_status grow_cache(bpe_run *r, ar_error *err) {
    if (2 * (r->n_cached + 1) <= r->n_slots) return AR_OK;
    if (r->n_slots == LAST_SLOTS) {
        memset(r->slots, 0, r->n_slots * sizeof *r->slots);
        r->n_cached = r->n_pool = 0;
        return AR_OK;
    }
    const size_t n = r->n_slots ? 4 * r->n_slots : FIRST_SLOTS;
    cached *slots = mem_new(cached, n);
    if (!slots) return no_memory(err);
    for (size_t i = 0; i < r->n_slots; i++)
        if (r->slots[i].size) *find_slot(slots, n, &r->slots[i]) = r->slots[i];
    mem_free(r->slots);
    r->slots = slots;
    r->n_slots = n;
    return AR_OK;
}

static ar_status remember(bpe_run *r, cached key, const int32_t *ids, size_t n,
                          ar_error *err) {
    TRY(grow_cache(r, err));
    if (r->n_pool + n > r->pool_capacity) {
        const size_t want = r->pool_capacity ? 2 * r->pool_capacity : 1024;
        int32_t *p = mem_realloc(r->pool, want * sizeof *p);
        if (!p) return no_memory(err);
        r->pool = p;
        r->pool_capacity = want;
    }
    key.offset = (uint32_t)r->n_pool;
    key.n_ids = (uint8_t)n;
    if (n) memcpy(r->pool + r->n_pool, ids, n * sizeof *ids);
    r->n_pool += n;
    *find_slot(r->slots, r->n_slots, &key) = key;
    r->n_cached++;
    return AR_OK;
}

static ar_status encode_long(bpe_run *r, const char *p, size_t n,
                             ar_error *err) {
    TRY(reserve_long(&r->work, n, err));
    const size_t k = first_ids(r->bpe, p, n, r->work.ids);
    sink_add(r->sink, r->work.ids, merge_long(r->bpe, &r->work, k));
    return AR_OK;
}

/* A piece that is a token by itself, where the model says that this counts. */
static bool encode_whole(bpe_run *r, const char *p, size_t n) {
    const int32_t id = r->bpe->ignore_merges ? vocab_find(r->vocab, p, n) : -1;
    if (id >= 0) sink_add(r->sink, &id, 1);
    return id >= 0;
}

ar_status bpe_run_piece(bpe_run *r, const char *p, size_t n, ar_error *err) {
    if (!n) return AR_OK;
    cached key = {0};
    if (n <= KEY_BYTES) {
        memcpy(key.key, p, n);
        key.size = (uint8_t)n;
        const cached *c =
            r->n_slots ? find_slot(r->slots, r->n_slots, &key) : &key;
        if (r->n_slots && c->size) {
            if (c->n_ids) sink_add(r->sink, r->pool + c->offset, c->n_ids);
            return AR_OK;
        }
    }
    if (encode_whole(r, p, n)) return AR_OK;
    if (n > SHORT) return encode_long(r, p, n, err);
    int32_t ids[SHORT];
    const size_t k = merge_short(r->bpe, ids, first_ids(r->bpe, p, n, ids));
    sink_add(r->sink, ids, k);
    return n <= KEY_BYTES ? remember(r, key, ids, k, err) : AR_OK;
}
