/* encoder.c - the model at work: pieces to ids, with a memory.
 *
 * A cache of pieces seen in this call saves the work of the model for the
 * words that make up most of a text. */
#include "tok/encoder.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum {
    KEY_BYTES = 24,       /* longest piece that is cached */
    FIRST_SLOTS = 1 << 8, /* of the cache */
    LAST_SLOTS = 1 << 16,
};

typedef struct cached {
    uint64_t key[KEY_BYTES / 8]; /* the piece, zero behind it */
    uint32_t offset;             /* in encoder.pool */
    uint8_t size, n_ids;         /* size 0 is an empty slot */
} cached;

struct encoder {
    const model_kind *kind;
    const ar_tokenizer *tok;
    void *run;
    id_sink *sink;
    cached *slots;
    size_t n_slots, n_cached;
    int32_t *pool;
    size_t n_pool, pool_capacity;
};

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for encoding");
}

ar_status encoder_open(encoder **out, const ar_tokenizer *tok, id_sink *sink,
                       ar_error *err) {
    *out = mem_new(encoder, 1);
    if (!*out) return no_memory(err);
    **out = (encoder){.kind = tok->kind, .tok = tok, .sink = sink};
    const ar_status s = tok->kind->open(&(*out)->run, tok, err);
    if (s != AR_OK) {
        mem_free(*out);
        *out = NULL;
    }
    return s;
}

void encoder_close(encoder *r) {
    if (!r) return;
    r->kind->close(r->run);
    mem_free(r->slots);
    mem_free(r->pool);
    mem_free(r);
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
static ar_status grow_cache(encoder *r, ar_error *err) {
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

static ar_status remember(encoder *r, cached key, const int32_t *ids, size_t n,
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

ar_status encoder_piece(encoder *r, const char *p, size_t n, ar_error *err) {
    if (!n) return AR_OK;
    if (n > KEY_BYTES) return r->kind->piece(r->run, r->sink, p, n, err);
    cached key = {.size = (uint8_t)n};
    memcpy(key.key, p, n);
    if (r->n_slots) {
        const cached *c = find_slot(r->slots, r->n_slots, &key);
        if (c->size) {
            if (c->n_ids) sink_add(r->sink, r->pool + c->offset, c->n_ids);
            return AR_OK;
        }
    }
    int32_t ids[KEY_BYTES]; /* no model makes more ids than bytes */
    id_sink few = {.ids = ids, .capacity = KEY_BYTES};
    TRY(r->kind->piece(r->run, &few, p, n, err));
    sink_add(r->sink, ids, few.count);
    return remember(r, key, ids, few.count, err);
}
