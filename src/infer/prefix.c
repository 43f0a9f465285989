/* prefix.c - full pages of the KV cache, found by the tokens they hold.
 *
 * Why the oldest cached page of group 0 is never above another node: texts
 * give their pages back from the end, so of two pages of one path the lower
 * one is cached first; and no text uses it, or the text would use both. */
#include "infer/prefix.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

ar_status prefix_open(prefix_tree *t, int n_groups, const int64_t *n_pages,
                      int64_t page, ar_error *err) {
    *t = (prefix_tree){.n_groups = n_groups, .page = page};
    for (int g = 0; g < n_groups; g++)
        TRY(pages_open(&t->pools[g], n_pages[g], err));
    const int64_t n = t->n_nodes = n_pages[0];
    for (t->table_size = 16; t->table_size < 2 * n;) t->table_size *= 2;
    t->nodes = mem_new(prefix_node, n);
    t->marks = mem_new(int32_t, n * page);
    t->table = mem_new(int32_t, t->table_size);
    if (!t->nodes || !t->marks || !t->table)
        return error_set(err, AR_NOMEM, "no memory to find %lld pages",
                         (long long)n);
    for (int64_t i = 0; i < t->table_size; i++) t->table[i] = -1;
    for (int64_t i = 0; i < n; i++)
        t->nodes[i].next = i + 1 < n ? (int32_t)(i + 1) : -1;
    t->free_nodes = 0;
    return AR_OK;
}

void prefix_close(prefix_tree *t) {
    for (int g = 0; g < MAX_GROUPS; g++) pages_close(&t->pools[g]);
    mem_free(t->nodes);
    mem_free(t->marks);
    mem_free(t->table);
    memset(t, 0, sizeof *t);
}

static size_t marks_size(const prefix_tree *t) {
    return (size_t)t->page * sizeof *t->marks;
}

/* The beginning of the chain for a key. */
static int32_t *chain_of(const prefix_tree *t, int32_t parent,
                         const int32_t *marks) {
    const uint64_t h =
        hash_xx64(marks, marks_size(t), (uint64_t)(uint32_t)parent);
    return &t->table[h & (uint64_t)(t->table_size - 1)];
}

int32_t prefix_find(const prefix_tree *t, int32_t parent,
                    const int32_t *marks) {
    int32_t i = *chain_of(t, parent, marks);
    for (; i >= 0; i = t->nodes[i].next)
        if (t->nodes[i].parent == parent &&
            !memcmp(t->marks + i * t->page, marks, marks_size(t)))
            break;
    return i;
}

int32_t prefix_add(prefix_tree *t, int32_t parent, const int32_t *marks,
                   const int32_t *pages) {
    const int32_t i = t->free_nodes; /* there is one: they are as many */
    prefix_node *n = &t->nodes[i];
    int32_t *chain = chain_of(t, parent, marks);
    t->free_nodes = n->next;
    *n = (prefix_node){.parent = parent, .next = *chain};
    *chain = i;
    memcpy(t->marks + i * t->page, marks, marks_size(t));
    for (int g = 0; g < MAX_GROUPS; g++) n->pages[g] = -1;
    for (int g = 0; g < t->n_groups; g++)
        if (pages[g] >= 0) prefix_give(t, i, g, pages[g]);
    return i;
}

void prefix_give(prefix_tree *t, int32_t node, int group, int32_t page) {
    pages_own(&t->pools[group], page, node);
    t->nodes[node].pages[group] = page;
}

static void remove_node(prefix_tree *t, int32_t node) {
    prefix_node *n = &t->nodes[node];
    int32_t *at = chain_of(t, n->parent, t->marks + node * t->page);
    while (*at != node) at = &t->nodes[*at].next;
    *at = n->next;
    n->next = t->free_nodes;
    t->free_nodes = node;
}

void prefix_drop(prefix_tree *t, int32_t node, int group) {
    prefix_node *n = &t->nodes[node];
    for (int g = 0; g < t->n_groups; g++) {
        if ((group && g != group) || n->pages[g] < 0) continue;
        pages_disown(&t->pools[g], n->pages[g]);
        n->pages[g] = -1;
    }
    if (group == 0) remove_node(t, node);
}

int32_t prefix_take(prefix_tree *t, int group) {
    page_pool *p = &t->pools[group];
    if (p->n_free == 0 && p->oldest >= 0)
        prefix_drop(t, p->owner[p->oldest], group);
    return pages_take(p);
}
