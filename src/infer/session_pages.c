/* session_pages.c - the pages that a text holds: taking them, sharing them
 * with others, copying what is shared before it is written, giving back what
 * lies behind a window. */
#include <string.h>

#include "base/error.h"
#include "infer/engine_state.h"
#include "infer/recurrent.h"
#include "model/layer_cache.h"

static int64_t pages_of(const ar_session *s, int64_t n) {
    const int64_t page = s->e->cache.page;
    return (n + page - 1) / page;
}

/* Pages [first, end) of a group to the device's table. */
static ar_status write_table(const ar_session *s, int g, int64_t first,
                             int64_t end, ar_error *err) {
    ar_engine *e = s->e;
    const int64_t M = e->cache.pages_per_session;
    const int64_t at = (g * e->opt.max_sessions + s->index) * M + first;
    if (end <= first) return AR_OK;
    return e->be->write(e->dev, &e->buffers[SLOT_TABLE],
                        (size_t)at * sizeof(int32_t), s->pages[g] + first,
                        (size_t)(end - first) * sizeof(int32_t), err);
}

/* ---- giving back ---- */

static void release(ar_session *s, int g, int64_t p) {
    if (s->pages[g][p] < 0) return;
    pages_release(&s->e->prefixes.pools[g], s->pages[g][p]);
    s->pages[g][p] = -1;
}

/* Pages from `keep` on, from the end: see prefix.c. */
static void release_from(ar_session *s, int64_t keep) {
    while (s->n_pages > keep) {
        s->n_pages--;
        for (int g = 0; g < s->e->cache.n_groups; g++)
            release(s, g, s->n_pages);
    }
}

static bool has_gaps(const ar_session *s) {
    const cache_layout *c = &s->e->cache;
    if (s->n_ready < s->n_kept) return true;
    for (int g = 1; g < c->n_groups; g++)
        if (cache_first_needed(&c->group[g], s->n_ready) / c->page <
            s->first[g])
            return true;
    return false;
}

/* Windows begin anew so early that they are right when they come to n_kept.
 *
 * The first rows see keys that are no longer there, so what they leave in the
 * next layer is wrong; but no row sees further back than its window.  So the
 * keys of the first layer with a window are right from the start on, those of
 * the next one window later, and so on.  Group 0 keeps its right keys. */
static void restart_windows(ar_session *s) {
    const cache_layout *c = &s->e->cache;
    const int64_t start = s->n_kept - c->refill;
    const int64_t first = start > 0 ? start / c->page : 0;
    for (int g = 1; g < c->n_groups; g++) {
        for (int64_t p = 0; p < s->n_pages; p++) release(s, g, p);
        s->first[g] = first;
    }
    s->n_ready = first * c->page;
}

void session_trim(ar_session *s) {
    const cache_layout *c = &s->e->cache;
    if (s->n_kept > s->length) s->n_kept = s->length;
    if (s->n_ready > s->length) s->n_ready = s->length;
    if (c->n_groups > 1 && has_gaps(s)) restart_windows(s);
    if (s->e->recurrent) {
        recurrent_rewind(s->e, s->index, s->length);
        s->n_ready = recurrent_ready(s->e, s->index, s->n_ready);
    }
    release_from(s, pages_of(s, s->n_kept));
    if (s->n_nodes > s->n_kept / c->page) s->n_nodes = s->n_kept / c->page;
    if (s->n_kept == 0) memset(s->first, 0, sizeof s->first);
}

static void drop_behind(ar_session *s, int g) {
    const cache_group *x = &s->e->cache.group[g];
    if (s->n_ready <= x->keep) return;
    const int64_t first = (s->n_ready - x->keep) / s->e->cache.page;
    for (; s->first[g] < first; s->first[g]++) release(s, g, s->first[g]);
}

/* ---- taking ---- */

static ar_status copy_pool(ar_engine *e, const pool_place *p, int32_t to,
                           int32_t from, ar_error *err) {
    buffer *b = &e->buffers[SLOT_CACHE];
    const size_t at = (size_t)p->offset, size = p->page_size;
    if (!p->shape.rank) return AR_OK;
    return e->be->copy(e->dev, b, at + (size_t)to * size, b,
                       at + (size_t)from * size, size, err);
}

static ar_status copy_page(ar_engine *e, int g, int32_t to, int32_t from,
                           ar_error *err) {
    for (int64_t l = 0; l < e->m->config.n_layers; l++) {
        const layer_cache x = layer_cache_of(&e->m->config, l);
        if (cache_group_of(&e->cache, x.window) != g) continue;
        TRY(copy_pool(e, &e->k_pool[l], to, from, err));
        TRY(copy_pool(e, &e->v_pool[l], to, from, err));
    }
    return AR_OK;
}

static ar_status no_pages(const ar_session *s, int64_t need, ar_error *err) {
    return error_set(err, AR_FULL,
                     "the text needs %lld more pages of the cache, and %lld "
                     "are free",
                     (long long)need, (long long)ar_engine_free_pages(s->e));
}

/* Page p will be written: make it one that no one else sees.  Where no page is
 * left for a copy, a page that only can be found is taken from its finder. */
static ar_status own_page(ar_session *s, int g, int64_t p, ar_error *err) {
    prefix_tree *t = &s->e->prefixes;
    page_pool *pool = &t->pools[g];
    const int32_t old = s->pages[g][p];
    if (pool->uses[old] == 1 && pool->owner[old] < 0) return AR_OK;
    const int32_t copy = prefix_take(t, g);
    if (copy < 0 && pool->uses[old] > 1) return no_pages(s, 1, err);
    if (copy < 0) {
        prefix_drop(t, pool->owner[old], g);
        return AR_OK;
    }
    s->pages[g][p] = copy;
    ar_status st = copy_page(s->e, g, copy, old, err);
    if (st == AR_OK) st = write_table(s, g, p, p + 1, err);
    if (st != AR_OK) s->pages[g][p] = old;
    pages_release(pool, st == AR_OK ? old : copy);
    return st;
}

/* Pages [first, end) of a group. */
static ar_status take_pages(ar_session *s, int g, int64_t first, int64_t end,
                            ar_error *err) {
    for (int64_t p = first; p < end; p++) {
        s->pages[g][p] = prefix_take(&s->e->prefixes, g);
        if (s->pages[g][p] < 0) return no_pages(s, end - p, err);
        if (g == 0) s->n_pages = p + 1;
    }
    return write_table(s, g, first, end, err);
}

ar_status session_reserve(ar_session *s, int64_t n, ar_error *err) {
    const int64_t page = s->e->cache.page, need = pages_of(s, n);
    if (need > s->e->cache.pages_per_session ||
        need - s->n_pages > ar_engine_free_pages(s->e))
        return no_pages(s, need - s->n_pages, err);
    if (s->n_kept % page && s->n_kept < n)
        TRY(own_page(s, 0, s->n_kept / page, err));
    return take_pages(s, 0, s->n_pages, need, err);
}

ar_status session_reserve_windows(ar_session *s, int64_t n, ar_error *err) {
    const int64_t page = s->e->cache.page;
    for (int g = 1; g < s->e->cache.n_groups; g++) {
        if (s->n_ready % page && s->n_ready < n)
            TRY(own_page(s, g, s->n_ready / page, err));
        TRY(take_pages(s, g, pages_of(s, s->n_ready), pages_of(s, n), err));
    }
    return AR_OK;
}

ar_status session_reserve_held(ar_session *s, int64_t n, ar_error *err) {
    for (int g = 1; g < s->e->cache.n_groups; g++)
        TRY(take_pages(s, g, s->first[g], pages_of(s, n), err));
    return AR_OK;
}

/* ---- sharing ---- */

/* Hold the page of a node in place of an equal one. */
static ar_status adopt(ar_session *s, int g, int64_t p, int32_t at,
                       ar_error *err) {
    prefix_tree *t = &s->e->prefixes;
    page_pool *pool = &t->pools[g];
    const int32_t mine = s->pages[g][p], theirs = t->nodes[at].pages[g];
    if (mine < 0 || mine == theirs) return AR_OK;
    if (theirs < 0) {
        if (pool->owner[mine] < 0) prefix_give(t, at, g, mine);
        return AR_OK;
    }
    s->pages[g][p] = theirs;
    const ar_status st = write_table(s, g, p, p + 1, err);
    if (st == AR_OK) pages_share(pool, theirs);
    if (st == AR_OK) pages_release(pool, mine);
    if (st != AR_OK) s->pages[g][p] = mine;
    return st;
}

/* The node of full page p; -1 if the device failed, which costs only that this
 * text's pages are not found. */
static int32_t node_of(ar_session *s, int64_t p) {
    prefix_tree *t = &s->e->prefixes;
    const int32_t parent = p ? s->nodes[p - 1] : -1;
    const int32_t *marks = s->marks + p * t->page;
    const int32_t at = prefix_find(t, parent, marks);
    if (at < 0) {
        int32_t pages[MAX_GROUPS];
        for (int g = 0; g < t->n_groups; g++) pages[g] = s->pages[g][p];
        return prefix_add(t, parent, marks, pages);
    }
    for (int g = 0; g < t->n_groups; g++)
        if (adopt(s, g, p, at, NULL) != AR_OK) return -1;
    return at;
}

void session_advanced(ar_session *s, int64_t n_ready) {
    const bool again = s->n_ready < s->n_kept;
    s->n_ready = n_ready;
    if (s->n_kept < n_ready) s->n_kept = n_ready;
    /* What was run again may be wrong before the window: it is no one's. */
    for (int g = 1; again && g < s->e->cache.n_groups; g++) drop_behind(s, g);
    if (n_ready < s->n_kept) return;
    while (s->n_nodes < n_ready / s->e->cache.page) {
        const int32_t at = node_of(s, s->n_nodes);
        if (at < 0) break;
        s->nodes[s->n_nodes++] = at;
    }
    for (int g = 1; g < s->e->cache.n_groups; g++) drop_behind(s, g);
}

/* The most pages for marks [0, n) after which a text can go on; their nodes
 * into s->nodes, the first page that each group has of them into first. */
static int64_t longest_path(ar_session *s, int64_t n, int64_t *first) {
    const cache_layout *c = &s->e->cache;
    const prefix_tree *t = &s->e->prefixes;
    int64_t best = 0, from[MAX_GROUPS] = {0};
    int32_t at = -1;
    for (int64_t p = 0; (p + 1) * c->page <= n; p++) {
        at = prefix_find(t, at, s->marks + p * c->page);
        if (at < 0) break;
        s->nodes[p] = at;
        bool whole = true;
        for (int g = 1; g < c->n_groups; g++) {
            if (t->nodes[at].pages[g] < 0) from[g] = p + 1;
            whole = whole &&
                    from[g] * c->page <=
                        cache_first_needed(&c->group[g], (p + 1) * c->page);
        }
        if (!whole) continue;
        best = p + 1;
        memcpy(first, from, sizeof from);
    }
    return best;
}

ar_status session_find_prefix(ar_session *s, int64_t n, ar_error *err) {
    const cache_layout *c = &s->e->cache;
    prefix_tree *t = &s->e->prefixes;
    int64_t first[MAX_GROUPS] = {0};
    if (s->e->recurrent) return AR_OK; /* pages have no states */
    const int64_t best = longest_path(s, n, first), end = best * c->page;
    if (end <= s->n_ready) return AR_OK;
    for (int g = 1; g < c->n_groups; g++) {
        const int64_t keep = (end - c->group[g].keep) / c->page;
        if (keep > first[g]) first[g] = keep;
    }
    /* First hold the new pages, then let go of the old: some are the same. */
    for (int64_t p = 0; p < best; p++)
        for (int g = 0; g < c->n_groups; g++)
            if (p >= first[g])
                pages_share(&t->pools[g], t->nodes[s->nodes[p]].pages[g]);
    release_from(s, 0);
    for (int64_t p = 0; p < best; p++)
        for (int g = 0; g < c->n_groups; g++)
            if (p >= first[g]) s->pages[g][p] = t->nodes[s->nodes[p]].pages[g];
    memcpy(s->first, first, sizeof first);
    s->n_pages = s->n_nodes = best;
    s->n_ready = s->n_kept = end;
    ar_status st = AR_OK;
    for (int g = 0; g < c->n_groups && st == AR_OK; g++)
        st = write_table(s, g, first[g], best, err);
    if (st == AR_OK) return AR_OK;
    s->n_ready = s->n_kept = 0;
    session_trim(s);
    return st;
}

ar_status session_share(ar_session *s, const ar_session *from, ar_error *err) {
    const cache_layout *c = &s->e->cache;
    ar_status st = AR_OK;
    s->length = from->length;
    s->n_kept = from->n_kept;
    s->n_ready = from->n_ready;
    s->n_pages = from->n_pages;
    s->n_nodes = from->n_nodes;
    memcpy(s->first, from->first, sizeof s->first);
    memcpy(s->marks, from->marks, (size_t)s->length * sizeof *s->marks);
    memcpy(s->nodes, from->nodes, (size_t)s->n_nodes * sizeof *s->nodes);
    for (int g = 0; g < c->n_groups; g++) {
        for (int64_t p = 0; p < s->n_pages; p++) {
            s->pages[g][p] = from->pages[g][p];
            if (s->pages[g][p] >= 0)
                pages_share(&s->e->prefixes.pools[g], s->pages[g][p]);
        }
        if (st == AR_OK) st = write_table(s, g, s->first[g], s->n_pages, err);
    }
    if (st != AR_OK || !s->e->recurrent) return st;
    st = recurrent_fork(s->e, s->index, from->index, err);
    session_trim(s);
    return st;
}
