/* engine_cache.c - where the keys and values of every layer are.
 *
 * Group 0 has a page for every page of the cache's capacity.  A layer with a
 * window needs of each session only what lies in it, so layers of one window
 * have pages of their own, as many as all sessions can need at once; where
 * that saves nothing they are in group 0 too. */
#include "base/error.h"
#include "base/mem.h"
#include "infer/engine_state.h"
#include "infer/recurrent.h"
#include "model/layer_cache.h"
#include "quant/quant.h"

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int cache_group_of(const cache_layout *c, int64_t window) {
    for (int g = 1; g < c->n_groups; g++)
        if (c->group[g].window == window) return g;
    return 0;
}

/* A group for a window, if it saves pages.  A session holds at most what lies
 * behind its end, and the rows of a step before that is given back. */
static void add_group(const ar_engine *e, cache_layout *c, int64_t window) {
    if (window == 0 || cache_group_of(c, window) || c->n_groups == MAX_GROUPS)
        return;
    const int64_t most = c->group[0].n_pages * c->page;
    if (window >= most || e->opt.rewind >= most) return;
    const int64_t keep = window - 1 + e->opt.rewind;
    const int64_t each = ceil_div(keep + e->opt.max_rows, c->page) + 1;
    if (each * e->opt.max_sessions >= c->group[0].n_pages) return;
    c->group[c->n_groups++] =
        (cache_group){window, keep, each * e->opt.max_sessions};
}

/* A pool behind `size` bytes of others; false where it is too large to be
 * memory. */
static bool place_pages(pool_place *p, ar_type t, shape s, size_t *size) {
    *p = (pool_place){.type = t, .shape = s, .offset = (int64_t)*size};
    p->row_size = ar_type_size(t, s.dim[3]);
    size_t all;
    if (__builtin_mul_overflow(p->row_size, (size_t)s.dim[2], &p->row_size) ||
        __builtin_mul_overflow(p->row_size, (size_t)s.dim[1], &p->page_size) ||
        __builtin_mul_overflow(p->page_size, (size_t)s.dim[0], &all))
        return false;
    if (all > PTRDIFF_MAX - 63 ||
        __builtin_add_overflow(*size, (all + 63) / 64 * 64, size))
        return false;
    return *size < PTRDIFF_MAX;
}

/* The same for states: a row for each text and each snapshot. */
static bool place_states(pool_place *p, ar_type t, shape s, size_t *size) {
    *p = (pool_place){.type = t, .shape = s, .offset = (int64_t)*size};
    size_t all = ar_type_size(t, 1);
    for (int i = 0; i < s.rank; i++)
        if (__builtin_mul_overflow(all, (size_t)s.dim[i], &all)) return false;
    if (all > PTRDIFF_MAX - 63 ||
        __builtin_add_overflow(*size, (all + 63) / 64 * 64, size))
        return false;
    return *size < PTRDIFF_MAX;
}

/* The state of layer l, if it has one. */
static bool lay_out_state(const ar_engine *e, int64_t l, size_t *size,
                          pool_place *conv, pool_place *scan) {
    const layer_cache x = layer_cache_of(&e->m->config, l);
    const int64_t S = recurrent_rows(e);
    return !x.scan_heads ||
           (place_states(conv, e->type, shape3(S, x.conv_rows, x.conv_channels),
                         size) &&
            place_states(scan, e->type,
                         shape4(S, x.scan_heads, x.scan_k, x.scan_v), size));
}

/* The layout of a cache of max_tokens; pools into k and v [n_layers] where
 * they are not NULL.  Returns false where it is too large. */
static bool lay_out(const ar_engine *e, int64_t max_tokens, cache_layout *c,
                    pool_place *k, pool_place *v) {
    const model_config *m = &e->m->config;
    const int64_t page = e->opt.page;
    const int64_t longest = m->n_ctx < max_tokens ? m->n_ctx : max_tokens;
    *c = (cache_layout){.page = page, .n_groups = 1};
    c->pages_per_session = ceil_div(longest, page);
    c->group[0] = (cache_group){.n_pages = ceil_div(max_tokens, page)};
    for (int64_t l = 0; l < m->n_layers; l++)
        add_group(e, c, layer_cache_of(m, l).window);
    c->refill = e->opt.rewind + page;
    for (int64_t l = 0; l < m->n_layers; l++) {
        const layer_cache x = layer_cache_of(m, l);
        const int g = cache_group_of(c, x.window);
        const int64_t n = c->group[g].n_pages;
        if (g) c->refill += x.window - 1;
        pool_place unused;
        if (!lay_out_state(e, l, &c->size, k ? &e->conv_pool[l] : &unused,
                           k ? &e->scan_pool[l] : &unused))
            return false;
        if (x.k_dim > 0 &&
            !place_pages(k ? &k[l] : &unused, e->opt.k_type,
                         shape4(n, page, x.n_heads, x.k_dim), &c->size))
            return false;
        if (x.v_dim > 0 &&
            !place_pages(v ? &v[l] : &unused, e->opt.v_type,
                         shape4(n, page, x.n_heads, x.v_dim), &c->size))
            return false;
    }
    return true;
}

/* ---- checks ---- */

static ar_status check_type(const char *what, ar_type t, int64_t dim,
                            ar_error *err) {
    const bool plain =
        t == AR_F32 || t == AR_F64 || t == AR_F16 || t == AR_BF16;
    if (!plain && t != AR_Q8_0)
        return error_set(err, AR_RANGE,
                         "%s cannot be cached as %s: only as f32, f16, bf16 "
                         "or q8_0",
                         what, ar_type_name(t));
    if (plain || quant_holds(t, dim)) return AR_OK;
    return error_set(err, AR_SHAPE,
                     "%s cannot be cached as %s: heads of %lld numbers are "
                     "not whole blocks of 32",
                     what, ar_type_name(t), (long long)dim);
}

static ar_status check_types(ar_engine *e, ar_error *err) {
    if (e->opt.k_type == AR_NONE) e->opt.k_type = e->type;
    if (e->opt.v_type == AR_NONE) e->opt.v_type = e->type;
    for (int64_t l = 0; l < e->m->config.n_layers; l++) {
        const layer_cache x = layer_cache_of(&e->m->config, l);
        if (x.k_dim) TRY(check_type("keys", e->opt.k_type, x.k_dim, err));
        if (x.v_dim) TRY(check_type("values", e->opt.v_type, x.v_dim, err));
    }
    return AR_OK;
}

/* The largest cache, in tokens, of at most `size` bytes. */
static int64_t most_tokens(const ar_engine *e, size_t size) {
    int64_t low = 0, high = e->opt.max_tokens;
    while (low < high) {
        const int64_t middle = low + (high - low + 1) / 2;
        cache_layout c;
        if (lay_out(e, middle, &c, NULL, NULL) && c.size <= size)
            low = middle;
        else
            high = middle - 1;
    }
    return low / e->opt.page * e->opt.page;
}

/* Nothing is written to the cache yet, so the system would give more memory
 * than it has. */
static ar_status check_memory(const ar_engine *e, bool can_be, ar_error *err) {
    device_caps caps;
    e->be->caps(e->dev, &caps);
    if (can_be && (!caps.memory || e->cache.size <= caps.memory)) return AR_OK;
    const size_t room = caps.memory ? caps.memory : (size_t)PTRDIFF_MAX / 2;
    const double GiB = 1073741824.0;
    if (!can_be)
        return error_set(err, AR_NOMEM,
                         "a cache of %lld tokens is too large; %lld would fit",
                         (long long)e->opt.max_tokens,
                         (long long)most_tokens(e, room));
    return error_set(err, AR_NOMEM,
                     "a cache of %lld tokens takes %.2f GiB and %.2f GiB are "
                     "free; %lld tokens would fit",
                     (long long)e->opt.max_tokens, (double)e->cache.size / GiB,
                     (double)room / GiB, (long long)most_tokens(e, room));
}

ar_status cache_place(ar_engine *e, ar_error *err) {
    const int64_t n = e->m->config.n_layers;
    TRY(check_types(e, err));
    e->k_pool = mem_new(pool_place, n);
    e->v_pool = mem_new(pool_place, n);
    e->conv_pool = mem_new(pool_place, n);
    e->scan_pool = mem_new(pool_place, n);
    if (!e->k_pool || !e->v_pool || !e->conv_pool || !e->scan_pool)
        return error_set(err, AR_NOMEM, "no memory for %lld layers",
                         (long long)n);
    return check_memory(
        e, lay_out(e, e->opt.max_tokens, &e->cache, e->k_pool, e->v_pool), err);
}
