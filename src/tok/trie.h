/* trie.h - which tokens a text starts with.
 *
 * Nodes are numbers; the edges of all nodes share one hash table.  Several
 * tries can share the nodes: each has a root of its own. */
#ifndef TOK_TRIE_H
#define TOK_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

enum { TRIE_ROOTS = 2, TRIE_NONE = 0 };

typedef struct trie_edge {
    uint64_t key; /* node << 8 | byte, + 1; 0 is an empty slot */
    uint32_t node;
    int32_t id; /* of the token that ends at that node, or -1 */
} trie_edge;

typedef struct trie {
    trie_edge *slots; /* open addressing, at most half full */
    size_t n_slots;   /* a power of two */
    uint32_t n_nodes; /* the first are the roots, 1 to TRIE_ROOTS */
} trie;

/* Room for tokens of n_bytes together.  Errors: AR_NOMEM, AR_RANGE. */
ar_status trie_open(trie *t, size_t n_bytes, ar_error *err);
/* Of equal tokens the last one counts; n > 0. */
void trie_add(trie *t, uint32_t root, const char *p, size_t n, int32_t id);
void trie_close(trie *t);

/* The edge from a node by a byte, or NULL. */
static inline const trie_edge *trie_step(const trie *t, uint32_t node,
                                         unsigned char byte) {
    const uint64_t key = ((uint64_t)node << 8 | byte) + 1;
    size_t i = (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (t->n_slots - 1);
    for (; t->slots[i].key; i = (i + 1) & (t->n_slots - 1))
        if (t->slots[i].key == key) return &t->slots[i];
    return NULL;
}

#endif
