/* trie.c - which tokens a text starts with. */
#include "tok/trie.h"

#include "base/error.h"
#include "base/mem.h"

ar_status trie_open(trie *t, size_t n_bytes, ar_error *err) {
    *t = (trie){0};
    if (n_bytes > UINT32_MAX / 4)
        return error_set(err, AR_RANGE, "tokens of more than 2^30 bytes");
    size_t n = 16;
    while (n < 2 * n_bytes) n *= 2;
    t->slots = mem_new(trie_edge, n);
    if (!t->slots)
        return error_set(err, AR_NOMEM, "out of memory for a vocabulary");
    t->n_slots = n;
    t->n_nodes = TRIE_ROOTS + 1;
    return AR_OK;
}

void trie_add(trie *t, uint32_t root, const char *p, size_t n, int32_t id) {
    uint32_t node = root;
    trie_edge *e = NULL;
    for (size_t k = 0; k < n; k++) {
        const unsigned char byte = (unsigned char)p[k];
        e = (trie_edge *)trie_step(t, node, byte);
        if (!e) {
            const uint64_t key = ((uint64_t)node << 8 | byte) + 1;
            size_t i =
                (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (t->n_slots - 1);
            while (t->slots[i].key) i = (i + 1) & (t->n_slots - 1);
            e = &t->slots[i];
            *e = (trie_edge){key, t->n_nodes++, -1};
        }
        node = e->node;
    }
    if (e) e->id = id;
}

void trie_close(trie *t) {
    mem_free(t->slots);
    *t = (trie){0};
}
