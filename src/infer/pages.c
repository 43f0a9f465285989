/* pages.c - the free list of the KV cache. */
#include "infer/pages.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

ar_status pages_open(page_pool *p, int64_t n_pages, ar_error *err) {
    *p = (page_pool){
        .n_pages = n_pages, .n_free = n_pages, .oldest = -1, .newest = -1};
    p->free_pages = mem_new(int32_t, n_pages);
    p->uses = mem_new(int32_t, n_pages);
    p->owner = mem_new(int32_t, n_pages);
    p->older = mem_new(int32_t, n_pages);
    p->newer = mem_new(int32_t, n_pages);
    if (!p->free_pages || !p->uses || !p->owner || !p->older || !p->newer) {
        pages_close(p);
        return error_set(err, AR_NOMEM, "no memory for a list of %lld pages",
                         (long long)n_pages);
    }
    /* The lowest page is on top, so a lone text fills them in order. */
    for (int64_t i = 0; i < n_pages; i++) {
        p->free_pages[i] = (int32_t)(n_pages - 1 - i);
        p->owner[i] = p->older[i] = p->newer[i] = -1;
    }
    return AR_OK;
}

void pages_close(page_pool *p) {
    mem_free(p->free_pages);
    mem_free(p->uses);
    mem_free(p->owner);
    mem_free(p->older);
    mem_free(p->newer);
    memset(p, 0, sizeof *p);
}

static void link_newest(page_pool *p, int32_t page) {
    p->older[page] = p->newest;
    p->newer[page] = -1;
    if (p->newest >= 0)
        p->newer[p->newest] = page;
    else
        p->oldest = page;
    p->newest = page;
    p->n_cached++;
}

static void unlink_cached(page_pool *p, int32_t page) {
    const int32_t older = p->older[page], newer = p->newer[page];
    if (older >= 0)
        p->newer[older] = newer;
    else
        p->oldest = newer;
    if (newer >= 0)
        p->older[newer] = older;
    else
        p->newest = older;
    p->n_cached--;
}

int32_t pages_take(page_pool *p) {
    if (p->n_free == 0) return -1;
    const int32_t page = p->free_pages[--p->n_free];
    assert(p->uses[page] == 0 && p->owner[page] < 0);
    p->uses[page] = 1;
    return page;
}

void pages_share(page_pool *p, int32_t page) {
    assert(p->uses[page] > 0 || p->owner[page] >= 0);
    if (p->uses[page]++ == 0) unlink_cached(p, page);
}

void pages_release(page_pool *p, int32_t page) {
    assert(p->uses[page] > 0);
    if (--p->uses[page] > 0) return;
    if (p->owner[page] >= 0)
        link_newest(p, page);
    else
        p->free_pages[p->n_free++] = page;
}

void pages_own(page_pool *p, int32_t page, int32_t owner) {
    assert(p->uses[page] > 0 && p->owner[page] < 0 && owner >= 0);
    p->owner[page] = owner;
}

void pages_disown(page_pool *p, int32_t page) {
    assert(p->owner[page] >= 0);
    p->owner[page] = -1;
    if (p->uses[page] > 0) return;
    unlink_cached(p, page);
    p->free_pages[p->n_free++] = page;
}
