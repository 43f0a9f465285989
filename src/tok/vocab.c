/* vocab.c - which bytes each token stands for. */
#include "tok/vocab.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

/* Ids whose slots are fetched ahead together. */
enum { BLOCK_IDS = 32 };

static ar_status grow(vocab *v, int32_t id, ar_error *err) {
    if (id >= v->capacity) {
        int32_t want = v->capacity ? v->capacity : 512;
        while (want <= id) want *= 2;
        token *p = mem_realloc(v->tokens, (size_t)want * sizeof *p);
        if (!p)
            return error_set(err, AR_NOMEM, "out of memory for a vocabulary");
        memset(p + v->capacity, 0, (size_t)(want - v->capacity) * sizeof *p);
        v->tokens = p;
        v->capacity = want;
    }
    if (id >= v->n) v->n = id + 1;
    return AR_OK;
}

ar_status vocab_set(vocab *v, int32_t id, const char *bytes, size_t n,
                    unsigned flags, ar_error *err) {
    if (vocab_has(v, id))
        return error_set(err, AR_FORMAT, "id %d is given to two tokens", id);
    TRY(grow(v, id, err));
    v->tokens[id].flags = flags | TOKEN_KNOWN;
    return vocab_replace(v, id, bytes, n, err);
}

ar_status vocab_replace(vocab *v, int32_t id, const char *bytes, size_t n,
                        ar_error *err) {
    if (n > UINT32_MAX - v->bytes.size)
        return error_set(err, AR_RANGE, "the vocabulary is larger than 4 GiB");
    v->is_indexed = false;
    v->tokens[id].offset = (uint32_t)v->bytes.size;
    v->tokens[id].size = (uint32_t)n;
    text_add(&v->bytes, bytes, n);
    return text_status(&v->bytes, err);
}

static size_t slot_of(const vocab *v, const char *bytes, size_t n,
                      uint64_t hash) {
    const uint32_t upper = (uint32_t)(hash >> 32);
    size_t i = hash & (v->n_slots - 1);
    for (; v->slots[i].entry; i = (i + 1) & (v->n_slots - 1)) {
        if (v->slots[i].hash != upper) continue;
        const token *t = &v->tokens[v->slots[i].entry - 1];
        if (t->size == n && !memcmp(v->bytes.data + t->offset, bytes, n)) break;
    }
    return i;
}

/* Index the ids of [first, end), at most BLOCK_IDS. */
static void index_block(vocab *v, int32_t first, int32_t end) {
    uint64_t hash[BLOCK_IDS];
    for (int32_t id = first; id < end; id++) {
        if (!vocab_is_found(&v->tokens[id])) continue;
        hash[id - first] = vocab_hash(vocab_bytes(v, id), v->tokens[id].size);
        vocab_touch(v, hash[id - first]);
    }
    for (int32_t id = first; id < end; id++) {
        if (!vocab_is_found(&v->tokens[id])) continue;
        const uint64_t h = hash[id - first];
        v->slots[slot_of(v, vocab_bytes(v, id), v->tokens[id].size, h)] =
            (vocab_slot){(uint32_t)(h >> 32), id + 1};
    }
}

ar_status vocab_index(vocab *v, ar_error *err) {
    if (v->is_indexed) return AR_OK;
    size_t n = 64;
    while (n < 2 * (size_t)v->n) n *= 2;
    mem_free(v->slots);
    v->slots = mem_new(vocab_slot, n);
    v->n_slots = 0;
    if (!v->slots)
        return error_set(err, AR_NOMEM, "out of memory for a vocabulary");
    v->n_slots = n;
    for (int32_t id = 0; id < v->n; id += BLOCK_IDS)
        index_block(v, id, v->n - id < BLOCK_IDS ? v->n : id + BLOCK_IDS);
    v->is_indexed = true;
    return AR_OK;
}

int32_t vocab_find_hashed(const vocab *v, const char *bytes, size_t n,
                          uint64_t hash) {
    return v->n_slots ? v->slots[slot_of(v, bytes, n, hash)].entry - 1 : -1;
}

int32_t vocab_find(const vocab *v, const char *bytes, size_t n) {
    return vocab_find_hashed(v, bytes, n, vocab_hash(bytes, n));
}

int32_t vocab_find_byte(const vocab *v, int byte) {
    char name[8];
    snprintf(name, sizeof name, "<0x%02X>", byte);
    return vocab_find(v, name, 6);
}

void vocab_close(vocab *v) {
    mem_free(v->tokens);
    mem_free(v->slots);
    text_close(&v->bytes);
    *v = (vocab){0};
}
