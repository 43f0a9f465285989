/* prefix.h - full pages of the KV cache, found by the tokens they hold.
 *
 * A tree with a node for every full page: its key is the page's marks and the
 * node before it, so a path from the root is the beginning of a text.  A mark
 * is a token and what else its keys depend on.
 *
 * A page exists once in every group of layers.  Group 0 sees the whole text:
 * a node lives as long as its page there does, and a text that holds the page
 * of a node holds those of the nodes above it.  Other groups have windows; a
 * node may have lost its page there. */
#ifndef INFER_PREFIX_H
#define INFER_PREFIX_H

#include "infer/pages.h"

enum { MAX_GROUPS = 4 };

typedef struct prefix_node {
    int32_t parent;            /* -1 = the root */
    int32_t next;              /* of its chain in the table, or free; -1 */
    int32_t pages[MAX_GROUPS]; /* -1 = none */
} prefix_node;

typedef struct prefix_tree {
    page_pool pools[MAX_GROUPS];
    int n_groups;
    int64_t page;       /* marks a node */
    int64_t n_nodes;    /* pages of group 0 */
    prefix_node *nodes; /* [n_nodes] */
    int32_t *marks;     /* [n_nodes, page] */
    int32_t *table;     /* [table_size]: first node of a chain, or -1 */
    int64_t table_size; /* a power of 2 */
    int32_t free_nodes; /* a chain */
} prefix_tree;

/* Pools of n_pages[0 .. n_groups - 1] pages.  Errors: AR_NOMEM. */
ar_status prefix_open(prefix_tree *t, int n_groups, const int64_t *n_pages,
                      int64_t page, ar_error *err);
void prefix_close(prefix_tree *t); /* also of a zeroed tree */

/* The node of a page of marks behind `parent` (-1 = the root), or -1. */
int32_t prefix_find(const prefix_tree *t, int32_t parent, const int32_t *marks);
/* A new node there that owns the used pages [n_groups] (-1 = none), of which
 * that of group 0 must exist. */
int32_t prefix_add(prefix_tree *t, int32_t parent, const int32_t *marks,
                   const int32_t *pages);
/* Give a node a used page that it has lost. */
void prefix_give(prefix_tree *t, int32_t node, int group, int32_t page);
/* Let go of the page of a node; of that of group 0: of the node, which must
 * have none below it. */
void prefix_drop(prefix_tree *t, int32_t node, int group);

/* A page with one use: a free one, else the one that has been cached longest;
 * -1 if all are used. */
int32_t prefix_take(prefix_tree *t, int group);

#endif
