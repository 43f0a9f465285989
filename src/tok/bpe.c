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
    const uint64_t key = bpe_key(left, right);
    size_t i = bpe_slot(b, key);
    while (b->slots[i].key && b->slots[i].key != key)
        i = (i + 1) & (b->n_slots - 1);
    b->n_merges += !b->slots[i].key;
    b->slots[i] = (bpe_merge){key, rank, id};
}

/* The tokens of one character each: of equal ones the last, as in the index. */
static ar_status find_chars(bpe *b, const vocab *v, ar_error *err) {
    b->char_id = mem_new(int32_t, BPE_CHARS);
    if (!b->char_id)
        return error_set(err, AR_NOMEM, "out of memory for a vocabulary");
    for (uint32_t cp = 0; cp < BPE_CHARS; cp++) b->char_id[cp] = -1;
    for (int32_t id = 0; id < v->n; id++) {
        const token *t = &v->tokens[id];
        if (!vocab_is_found(t) || !t->size || t->size > 3) continue;
        const unsigned char *p = (const unsigned char *)vocab_bytes(v, id);
        uint32_t cp;
        if (utf8_decode(p, p + t->size, &cp) == (int)t->size)
            b->char_id[cp] = id;
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
