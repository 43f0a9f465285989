/* pages.h - which pages of the KV cache are taken, and by how many texts.
 *
 * A page is free, used by one text or more, or cached: used by none, but an
 * owner (a node of the prefix tree) can still find it.  Cached pages are in
 * the order in which they were given back, the oldest first. */
#ifndef INFER_PAGES_H
#define INFER_PAGES_H

#include "arcane/status.h"

#include <stdint.h>

typedef struct page_pool {
    int64_t n_pages, n_free, n_cached;
    int32_t *free_pages;    /* [n_pages]: a stack, the first n_free are free */
    int32_t *uses;          /* [n_pages]: texts that hold the page */
    int32_t *owner;         /* [n_pages]: who can find it, -1 = no one */
    int32_t *older, *newer; /* [n_pages]: neighbours of a cached page, or -1 */
    int32_t oldest, newest; /* cached pages, or -1 */
} page_pool;

/* Errors: AR_NOMEM. */
ar_status pages_open(page_pool *p, int64_t n_pages, ar_error *err);
void pages_close(page_pool *p); /* also of a zeroed pool */

/* A free page with one use, or -1. */
int32_t pages_take(page_pool *p);
/* One use more (also of a cached page), one fewer: a page without uses is
 * cached if it has an owner, else free. */
void pages_share(page_pool *p, int32_t page);
void pages_release(page_pool *p, int32_t page);

/* Let an owner find a used page that has none; take a page from its owner. */
void pages_own(page_pool *p, int32_t page, int32_t owner);
void pages_disown(page_pool *p, int32_t page);

#endif
