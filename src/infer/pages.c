/* pages.c - the free list of the KV cache. */
#include "infer/pages.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

ar_status pages_open(page_pool *p, int64_t n_pages, ar_error *err) {
    *p = (page_pool){.n_pages = n_pages, .n_free = n_pages};
    p->free_pages = mem_new(int32_t, n_pages);
    p->uses = mem_new(int32_t, n_pages);
    if (!p->free_pages || !p->uses) {
        pages_close(p);
        return error_set(err, AR_NOMEM, "no memory for a list of %lld pages",
                         (long long)n_pages);
    }
    /* The lowest page is on top, so a lone text fills them in order. */
    for (int64_t i = 0; i < n_pages; i++)
        p->free_pages[i] = (int32_t)(n_pages - 1 - i);
    return AR_OK;
}

void pages_close(page_pool *p) {
    mem_free(p->free_pages);
    mem_free(p->uses);
    memset(p, 0, sizeof *p);
}

int32_t pages_take(page_pool *p) {
    if (p->n_free == 0) return -1;
    const int32_t page = p->free_pages[--p->n_free];
    assert(p->uses[page] == 0);
    p->uses[page] = 1;
    return page;
}

void pages_share(page_pool *p, int32_t page) {
    assert(p->uses[page] > 0);
    p->uses[page]++;
}

void pages_release(page_pool *p, int32_t page) {
    assert(p->uses[page] > 0);
    if (--p->uses[page] == 0) p->free_pages[p->n_free++] = page;
}
