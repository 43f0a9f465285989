/* bpe.c - the table of merges. */
#include "tok/bpe.h"

#include "base/error.h"
#include "base/mem.h"
#include "tok/utf8.h"

ar_status bpe_open(bpe *b, int32_t n_merges, ar_error *err) {
    *b = (bpe){.unknown = -1};
    size_t n = 16;
    while (n < 2 * (size_t)n_merges) n *= 2;
    b->slots = mem_new(bpe_merge, n);
    if (!b->slots)
        return error_set(err, AR_NOMEM, "out of memory for %d merges",
                         n_merges);
    b->n_slots = n;
    return AR_OK;
}

void bpe_add(bpe *b, int32_t left, int32_t right, int32_t rank, int32_t id) {
    bpe_merge *known = (bpe_merge *)bpe_find(b, left, right);
    if (!known) {
        const uint64_t key = bpe_key(left, right);
        size_t i = (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (b->n_slots - 1);
        while (b->slots[i].key) i = (i + 1) & (b->n_slots - 1);
        known = &b->slots[i];
        known->key = key;
        b->n_merges++;
    }
    known->rank = rank;
    known->id = id;
}

static ar_status find_chars(bpe *b, const vocab *v, ar_error *err) {
    b->char_id = mem_new(int32_t, BPE_CHARS);
    if (!b->char_id)
        return error_set(err, AR_NOMEM, "out of memory for a vocabulary");
    for (uint32_t cp = 0; cp < BPE_CHARS; cp++) {
        char bytes[4];
        b->char_id[cp] = vocab_find(v, bytes, (size_t)utf8_encode(cp, bytes));
    }
    return AR_OK;
}

ar_status bpe_find_first(bpe *b, const vocab *v, ar_error *err) {
    for (int i = 0; i < 256; i++)
        b->byte_id[i] = b->chars ? vocab_find_byte(v, i)
                                 : vocab_find(v, &(char){(char)i}, 1);
    return b->chars ? find_chars(b, v, err) : AR_OK;
}

void bpe_close(bpe *b) {
    mem_free(b->slots);
    mem_free(b->char_id);
    *b = (bpe){.unknown = -1};
}
