/* engine_build.c - the programs of an engine, one per row capacity.
 *
 * The body takes R rows of any sessions, writes their keys and values to the
 * cache and leaves their last hidden state.  The head turns picked rows of it
 * into logits, a few at a time, so that a long prompt never has [T, V] logits
 * at once, nor computes those that no one asked for. */
#include "base/error.h"
#include "base/mem.h"
#include "infer/engine_state.h"
#include "model/layer_cache.h"

static ref row_input(const ar_engine *e, graph *g, const char *name, int field,
                     int64_t n) {
    return graph_input(g, name, AR_I32, shape1(n), SLOT_ROWS,
                       field * e->opt.max_rows * (int64_t)sizeof(int32_t));
}

/* All weights as leaves; those not used are dropped by graph_rewrite. */
static void add_params(const ar_engine *e, graph *g, ref *param) {
    for (int i = 0; i < e->params.n; i++)
        param[i] = graph_param(g, e->params.spec[i].name, e->weight_type[i],
                               e->params.spec[i].shape, e->weight_slot[i],
                               e->weight_offset[i]);
}

static ref pool(graph *g, const char *name, const pool_place *p) {
    if (!p->shape.rank) return 0;
    return graph_state(g, name, p->type, p->shape, SLOT_CACHE, p->offset);
}

/* What every layer has: its pools; its group's table and slots. */
static void add_cache(const ar_engine *e, graph *g, decoder_pages *p,
                      int64_t n) {
    const cache_layout *c = &e->cache;
    const shape s = shape2(e->opt.max_sessions, c->pages_per_session);
    ref table[MAX_GROUPS], slot[MAX_GROUPS];
    for (int i = 0; i < c->n_groups; i++) {
        table[i] = graph_input(g, "table", AR_I32, s, SLOT_TABLE,
                               i * shape_count(&s) * (int64_t)sizeof(int32_t));
        slot[i] = row_input(e, g, "slot", ROWS_SLOT + i, n);
    }
    for (int64_t l = 0; l < e->m->config.n_layers; l++) {
        const int i =
            cache_group_of(c, layer_cache_of(&e->m->config, l).window);
        p->k_pool[l] = pool(g, "keys", &e->k_pool[l]);
        p->v_pool[l] = pool(g, "values", &e->v_pool[l]);
        p->conv_pool[l] = pool(g, "inputs", &e->conv_pool[l]);
        p->scan_pool[l] = pool(g, "states", &e->scan_pool[l]);
        p->table[l] = table[i];
        p->slot[l] = slot[i];
    }
}

static void build_body(const ar_engine *e, graph *g, decoder *d, int64_t n) {
    const model_config *c = &e->m->config;
    ref k_pool[MAX_LAYERS], v_pool[MAX_LAYERS], table[MAX_LAYERS],
        slot[MAX_LAYERS];
    ref conv_pool[MAX_LAYERS], scan_pool[MAX_LAYERS];
    decoder_pages pages = {.k_pool = k_pool,
                           .v_pool = v_pool,
                           .conv_pool = conv_pool,
                           .scan_pool = scan_pool,
                           .table = table,
                           .slot = slot,
                           .page = e->cache.page};
    add_cache(e, g, &pages, n);
    pages.sequence = row_input(e, g, "sequence", ROWS_SESSION, n);
    pages.is_long = row_input(e, g, "is long", ROWS_LONG, n);
    d->ids = row_input(e, g, "ids", ROWS_ID, n);
    d->positions = row_input(e, g, "positions", ROWS_POSITION, n);
    d->pages = &pages;
    const ref hidden = decoder_hidden(d);
    d->pages = NULL;
    const ref out =
        graph_state(g, "hidden", e->type, shape2(n, c->n_embd), SLOT_HIDDEN, 0);
    graph_store(g, out, hidden);
}

static void build_head(const ar_engine *e, graph *g, decoder *d, int64_t n) {
    const model_config *c = &e->m->config;
    const ref hidden =
        graph_input(g, "hidden", e->type, shape2(e->opt.max_rows, c->n_embd),
                    SLOT_HIDDEN, 0);
    const ref pick = row_input(e, g, "pick", ROWS_PICK, n);
    const ref y = decoder_logits(d, graph_embed(g, hidden, pick));
    const ref out = graph_state(g, "logits", e->type, shape2(n, c->n_vocab),
                                SLOT_LOGITS, 0);
    graph_store(g, out, y);
}

typedef void build_fn(const ar_engine *e, graph *g, decoder *d, int64_t n);

static ar_status compile(ar_engine *e, engine_program *out, build_fn *build,
                         int64_t n, ar_error *err) {
    ref *param = mem_new(ref, e->params.n);
    if (!param) return error_set(err, AR_NOMEM, "no memory for a graph");
    graph g;
    graph_open(&g);
    add_params(e, &g, param);
    decoder d = {.g = &g,
                 .config = &e->m->config,
                 .params = &e->params,
                 .param = param,
                 .type = e->type,
                 .matmul = e->matmul,
                 .n_rows = n,
                 .n_tokens = 1};
    build(e, &g, &d, n);
    ar_status s = graph_status(&g, err);
    out->n_rows = n;
    if (s == AR_OK) s = graph_rewrite(&g, &out->g, err);
    if (s == AR_OK) {
        s = e->be->compile(e->dev, &out->g, &out->p, err);
        if (s != AR_OK) graph_close(&out->g);
    }
    graph_close(&g);
    mem_free(param);
    return s;
}

static ar_status compile_all(ar_engine *e, engine_program *list, int *n,
                             build_fn *build, int64_t most, ar_error *err) {
    static const int64_t sizes[] = {1, 4, 16, 64, 256};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i] >= most) break;
        TRY(compile(e, &list[*n], build, sizes[i], err));
        ++*n;
    }
    TRY(compile(e, &list[*n], build, most, err));
    ++*n;
    return AR_OK;
}

ar_status engine_build(ar_engine *e, ar_error *err) {
    const int64_t R = e->opt.max_rows;
    TRY(compile_all(e, e->body, &e->n_body, build_body, R, err));
    return compile_all(e, e->head, &e->n_head, build_head,
                       R < HEAD_MAX_ROWS ? R : HEAD_MAX_ROWS, err);
}

static void release_all(ar_engine *e, engine_program *list, int *n) {
    for (int i = 0; i < *n; i++) {
        e->be->release(list[i].p);
        graph_close(&list[i].g);
    }
    *n = 0;
}

void engine_unbuild(ar_engine *e) {
    release_all(e, e->body, &e->n_body);
    release_all(e, e->head, &e->n_head);
}
