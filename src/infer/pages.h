/* pages.h - which pages of the KV cache are taken, and by how many texts. */
#ifndef INFER_PAGES_H
#define INFER_PAGES_H

#include "arcane/status.h"

#include <stdint.h>

typedef struct page_pool {
    int64_t n_pages, n_free;
    int32_t *free_pages; /* [n_pages]: a stack, the first n_free are free */
    int32_t *uses;       /* [n_pages]: texts that hold the page */
} page_pool;

/* Errors: AR_NOMEM. */
ar_status pages_open(page_pool *p, int64_t n_pages, ar_error *err);
void pages_close(page_pool *p); /* also of a zeroed pool */

/* A free page with one use, or -1. */
int32_t pages_take(page_pool *p);
/* One use more, one fewer: without uses a page is free again. */
void pages_share(page_pool *p, int32_t page);
void pages_release(page_pool *p, int32_t page);

#endif
