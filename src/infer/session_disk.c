/* session_disk.c - a session to a file and back. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "infer/engine_state.h"
#include "infer/session_file.h"
#include "model/layer_cache.h"
#include "model/params_parts.h"

enum { SAMPLE = 64 }; /* bytes of each weight that tell models apart */

static uint64_t hash_weight(const tensor_view *t, uint64_t h) {
    const size_t n = t->size < SAMPLE ? t->size : SAMPLE;
    const unsigned char *p = t->data;
    h = hash_xx64(&t->type, sizeof t->type, h);
    h = hash_xx64(&t->size, sizeof t->size, h);
    h = hash_xx64(p, n, h);
    return hash_xx64(p + t->size - n, n, h);
}

/* Of every tensor of a weight. */
static uint64_t hash_parts(const param_spec *s, const weights *w, uint64_t h) {
    const param_source from = params_source(s, w);
    for (int64_t i = 0; i < from.n; i++)
        h = hash_weight(params_part(s, w, &from, i), h);
    return h;
}

static int append(const char *part, size_t n, void *ctx) {
    text_add(ctx, part, n);
    return 0;
}

/* Of the configuration, without the length of the context, and of some bytes
 * of every weight. */
static ar_status model_hash(const ar_engine *e, uint64_t *out, ar_error *err) {
    model_config c = e->m->config;
    c.n_ctx = 1;
    json_t *json = config_json(&c);
    text words = {0};
    if (!json ||
        json_dump_callback(json, append, &words, JSON_COMPACT | JSON_SORT_KEYS))
        words.failed = 1;
    json_decref(json);
    const ar_status st = text_status(&words, err);
    uint64_t h = hash_xx64(words.data, words.size, 0);
    text_close(&words);
    h = hash_xx64(c.window, (size_t)c.n_layers * sizeof *c.window, h);
    for (int i = 0; i < e->params.n; i++)
        h = hash_parts(&e->params.spec[i], e->m->files, h);
    *out = h;
    return st;
}

static int group_of(const ar_engine *e, int64_t layer) {
    return cache_group_of(&e->cache,
                          layer_cache_of(&e->m->config, layer).window);
}

/* ---- writing ---- */

typedef struct writer {
    const ar_session *s;
    int64_t n_ready; /* 0 where a window has gaps */
    file_writer *file;
    session_sum sum;
    unsigned char *page; /* the largest of any pool */
} writer;

static void put(writer *w, const void *p, size_t n) {
    session_sum_add(&w->sum, p, n);
    file_write(w->file, p, n);
}

/* Tokens [first, n_ready) of a pool. */
static ar_status put_pool(writer *w, const pool_place *pool, int g,
                          int64_t first, ar_error *err) {
    const ar_session *s = w->s;
    ar_engine *e = s->e;
    const int64_t page = e->cache.page;
    if (!pool->shape.rank) return AR_OK;
    for (int64_t at = first; at < w->n_ready; at += page) {
        const int64_t left = w->n_ready - at, n = left < page ? left : page;
        const size_t size = (size_t)n * pool->row_size;
        const size_t from = (size_t)pool->offset +
                            (size_t)s->pages[g][at / page] * pool->page_size;
        TRY(e->be->read(e->dev, &e->buffers[SLOT_CACHE], from, w->page, size,
                        err));
        put(w, w->page, size);
    }
    return AR_OK;
}

static ar_status put_layer(writer *w, int64_t l, ar_error *err) {
    const ar_engine *e = w->s->e;
    const int g = group_of(e, l);
    const int64_t first = w->n_ready ? w->s->first[g] * e->cache.page : 0;
    const session_layer_header h = {.first = (uint64_t)first,
                                    .k_row = (uint32_t)e->k_pool[l].row_size,
                                    .v_row = (uint32_t)e->v_pool[l].row_size};
    put(w, &h, sizeof h);
    TRY(put_pool(w, &e->k_pool[l], g, first, err));
    return put_pool(w, &e->v_pool[l], g, first, err);
}

static ar_status put_all(writer *w, ar_error *err) {
    const ar_session *s = w->s;
    const ar_engine *e = s->e;
    session_header h = {.page = (uint32_t)e->cache.page,
                        .n_layers = (uint32_t)e->m->config.n_layers,
                        .n_text = (uint64_t)s->length,
                        .n_ready = (uint64_t)w->n_ready};
    memcpy(h.magic, SESSION_MAGIC, sizeof h.magic);
    const char *k = ar_type_name(e->opt.k_type),
               *v = ar_type_name(e->opt.v_type);
    memcpy(h.k_type, k, strlen(k));
    memcpy(h.v_type, v, strlen(v));
    TRY(model_hash(e, &h.model, err));
    put(w, &h, sizeof h);
    put(w, s->marks, (size_t)s->length * sizeof *s->marks);
    for (int64_t l = 0; l < e->m->config.n_layers; l++)
        TRY(put_layer(w, l, err));
    const uint64_t sum = session_sum_end(&w->sum);
    file_write(w->file, &sum, sizeof sum);
    return AR_OK;
}

static size_t largest_page(const ar_engine *e) {
    size_t size = 1;
    for (int64_t l = 0; l < e->m->config.n_layers; l++) {
        if (e->k_pool[l].page_size > size) size = e->k_pool[l].page_size;
        if (e->v_pool[l].page_size > size) size = e->v_pool[l].page_size;
    }
    return size;
}

ar_status ar_session_save(const ar_session *s, const char *path,
                          ar_error *err) {
    writer *w = mem_new(writer, 1);
    ar_status st = AR_OK;
    if (w) w->page = mem_alloc(largest_page(s->e));
    if (!w || !w->page)
        st = error_set(err, AR_NOMEM, "no memory to save a session");
    if (st == AR_OK) {
        w->s = s;
        w->n_ready = s->n_ready < s->n_kept ? 0 : s->n_ready;
        st = file_create(&w->file, path, err);
    }
    if (st == AR_OK) {
        st = put_all(w, err);
        if (st == AR_OK)
            st = file_commit(w->file, err);
        else
            file_abandon(w->file);
    }
    if (w) mem_free(w->page);
    mem_free(w);
    return st;
}

/* ---- reading ---- */

static ar_status check_layers(const ar_engine *e, const session_image *m,
                              ar_error *err) {
    for (int64_t l = 0; l < m->n_layers; l++) {
        const session_layer *x = &m->layer[l];
        const cache_group own = {.window =
                                     layer_cache_of(&e->m->config, l).window};
        if (x->k_row == e->k_pool[l].row_size &&
            x->v_row == e->v_pool[l].row_size &&
            x->first <= cache_first_needed(&own, m->n_ready))
            continue;
        return error_set(err, AR_FORMAT,
                         "layer %lld has rows of %zu and %zu bytes from token "
                         "%lld on, which the model has not",
                         (long long)l, x->k_row, x->v_row, (long long)x->first);
    }
    return AR_OK;
}

static int32_t mark_at(const session_image *m, int64_t i) {
    int32_t mark;
    memcpy(&mark, m->marks + i * (int64_t)sizeof mark, sizeof mark);
    return mark;
}

static ar_status check_marks(const ar_engine *e, const session_image *m,
                             ar_error *err) {
    const bool has_long = e->m->config.rope_scaling == ROPE_SCALING_LONGROPE;
    for (int64_t i = 0; i < m->n_text; i++) {
        const int32_t mark = mark_at(m, i), id = mark_token(mark);
        if (id >= e->m->config.n_vocab || (mark < 0 && !has_long))
            return error_set(err, AR_FORMAT, "token %lld is none of the model",
                             (long long)i);
    }
    if (m->n_text <= e->m->config.n_ctx &&
        m->n_text <= e->cache.pages_per_session * e->cache.page)
        return AR_OK;
    return error_set(err, AR_FULL,
                     "its text of %lld tokens is longer than the context of "
                     "%lld or the cache",
                     (long long)m->n_text, (long long)e->m->config.n_ctx);
}

static ar_status check_image(const ar_engine *e, const session_image *m,
                             ar_error *err) {
    uint64_t hash;
    TRY(model_hash(e, &hash, err));
    if (m->model != hash || m->n_layers != e->m->config.n_layers)
        return error_set(err, AR_FORMAT, "is a session of another model");
    if (m->k_type != e->opt.k_type || m->v_type != e->opt.v_type ||
        m->page != e->cache.page)
        return error_set(err, AR_FORMAT,
                         "its cache has types %s and %s and pages of %lld "
                         "tokens, the engine's %s and %s and %lld",
                         ar_type_name(m->k_type), ar_type_name(m->v_type),
                         (long long)m->page, ar_type_name(e->opt.k_type),
                         ar_type_name(e->opt.v_type), (long long)e->cache.page);
    TRY(check_layers(e, m, err));
    return check_marks(e, m, err);
}

/* Rows from `first` on to the pages of a pool, from page `from` on. */
static ar_status load_pool(ar_session *s, const pool_place *pool, int g,
                           const unsigned char *rows, int64_t first,
                           ar_error *err) {
    ar_engine *e = s->e;
    const int64_t page = e->cache.page;
    if (!pool->shape.rank) return AR_OK;
    for (int64_t at = s->first[g] * page; at < s->length; at += page) {
        const int64_t left = s->length - at, n = left < page ? left : page;
        const size_t to = (size_t)pool->offset +
                          (size_t)s->pages[g][at / page] * pool->page_size;
        TRY(e->be->write(e->dev, &e->buffers[SLOT_CACHE], to,
                         rows + (size_t)(at - first) * pool->row_size,
                         (size_t)n * pool->row_size, err));
    }
    return AR_OK;
}

/* The first page of each group that the file has and the engine would keep. */
static void first_pages(ar_session *s, const session_image *m) {
    const cache_layout *c = &s->e->cache;
    for (int g = 1; g < c->n_groups; g++) {
        const int64_t keep = c->group[g].keep;
        s->first[g] = m->n_ready > keep ? (m->n_ready - keep) / c->page : 0;
    }
    for (int64_t l = 0; l < m->n_layers; l++) {
        const int g = group_of(s->e, l);
        const int64_t first = m->layer[l].first / c->page;
        if (g && first > s->first[g]) s->first[g] = first;
    }
}

static ar_status load_text(ar_session *s, const session_image *m,
                           ar_error *err) {
    for (int64_t i = 0; i < m->n_text; i++) s->marks[i] = mark_at(m, i);
    s->length = m->n_ready;
    first_pages(s, m);
    TRY(session_reserve(s, m->n_ready, err));
    TRY(session_reserve_held(s, m->n_ready, err));
    for (int64_t l = 0; l < m->n_layers; l++) {
        const session_layer *x = &m->layer[l];
        const int g = group_of(s->e, l);
        TRY(load_pool(s, &s->e->k_pool[l], g, x->k, x->first, err));
        TRY(load_pool(s, &s->e->v_pool[l], g, x->v, x->first, err));
    }
    session_advanced(s, m->n_ready);
    s->length = m->n_text;
    if (s->e->recurrent) session_trim(s); /* states are not in the file */
    return AR_OK;
}

static ar_status load(ar_session *s, const file_map *file, ar_error *err) {
    session_image *m = mem_new(session_image, 1);
    if (!m) return error_set(err, AR_NOMEM, "no memory to load a session");
    ar_status st = session_image_read(m, file->data, file->size, err);
    if (st == AR_OK) st = check_image(s->e, m, err);
    if (st == AR_OK) st = load_text(s, m, err);
    mem_free(m);
    return st;
}

ar_status ar_session_load(ar_session **out, ar_engine *e, const char *path,
                          ar_error *err) {
    file_map file;
    ar_session *s;
    *out = NULL;
    TRY(file_map_open(&file, path, err));
    ar_status st = ar_session_open(&s, e, err);
    if (st == AR_OK) {
        st = load(s, &file, err);
        if (st == AR_FORMAT || st == AR_FULL) error_prefix(err, st, path);
        if (st == AR_OK)
            *out = s;
        else
            ar_session_close(s);
    }
    file_map_close(&file);
    return st;
}
