/* engine.c - opening an engine: device, weights, cache, programs. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "infer/engine_state.h"
#include "infer/recurrent.h"
#include "model/params_parts.h"
#include "quant/quant.h"

/* What a name means: a backend, its kernels, the type of everything. */
static const struct device_name {
    const char *name, *backend, *kernels;
    ar_type type;
} device_names[] = {
    {"cpu", "cpu", NULL, AR_F32},
    {"reference", "cpu", "reference", AR_F32},
    {"reference-f64", "cpu", "reference", AR_F64},
};

ar_engine_options ar_engine_options_default(void) {
    return (ar_engine_options){.device = "cpu",
                               .max_sessions = 16,
                               .max_rows = 256,
                               .page = 16,
                               .snapshots = 4,
                               .rewind = 512};
}

static ar_status check_range(const char *name, int64_t x, int64_t most,
                             ar_error *err) {
    if (x >= 1 && x <= most) return AR_OK;
    return error_set(err, AR_RANGE, "%s is %lld, not in 1 .. %lld", name,
                     (long long)x, (long long)most);
}

static ar_status set_options(ar_engine *e, const ar_engine_options *opt,
                             ar_error *err) {
    const model_config *c = &e->m->config;
    e->opt = opt ? *opt : ar_engine_options_default();
    if (!e->opt.device) e->opt.device = "cpu";
    if (e->opt.max_tokens == 0) e->opt.max_tokens = c->n_ctx;
    TRY(check_range("max_tokens", e->opt.max_tokens, INT32_MAX, err));
    TRY(check_range("max_sessions", e->opt.max_sessions, 1 << 16, err));
    TRY(check_range("max_rows", e->opt.max_rows, 1 << 16, err));
    TRY(check_range("page", e->opt.page, 1 << 12, err));
    TRY(check_range("snapshots", e->opt.snapshots, 1 << 10, err));
    const int64_t page = e->opt.page, n = (e->opt.max_tokens + page - 1) / page;
    if (e->opt.rewind < 0)
        return error_set(err, AR_RANGE, "rewind is %lld, less than 0",
                         (long long)e->opt.rewind);
    return check_range("max_tokens in whole pages", n * page, INT32_MAX, err);
}

static ar_status open_device(ar_engine *e, ar_error *err) {
    device_options o = {.n_threads = e->opt.n_threads,
                        .kernels = e->opt.kernels};
    const char *name = e->opt.device;
    e->type = AR_F32;
    for (size_t i = 0; i < sizeof device_names / sizeof *device_names; i++)
        if (!strcmp(device_names[i].name, e->opt.device)) {
            name = device_names[i].backend;
            e->type = device_names[i].type;
            if (device_names[i].kernels) o.kernels = device_names[i].kernels;
        }
    e->be = backend_find(name);
    if (!e->be || e->be->count() < 1)
        return error_set(err, AR_UNSUPPORTED, "there is no device \"%.64s\"",
                         e->opt.device);
    e->matmul.compute = e->type;
    e->matmul.exact = 1;
    /* Folders give what transformers gives; GGUF files are made for this. */
    e->matmul.act8 = !e->opt.exact && e->type == AR_F32 && e->m->config.gguf;
    return e->be->open(0, &o, &e->dev, err);
}

/* May a weight have its file's type t in a graph?  Matrices of 16 bits or in
 * blocks are multiplied as they are; but blocks lie along the last dimension,
 * which must be that of the sums. */
static bool usable_as(const ar_engine *e, const param_spec *s, ar_type t) {
    const bool matrix = s->shape.rank >= 2;
    const bool turned = s->shape.rank == 2 ? e->m->config.conv1d : s->turned;
    /* The ways out of a latent vector are read along either side. */
    const bool way_out =
        s->role == ROLE_KV_B || s->role == ROLE_K_B || s->role == ROLE_V_B;
    if (quant_is_block(t)) return matrix && !turned && !way_out;
    return t == e->type || (matrix && (t == AR_F16 || t == AR_BF16));
}

static bool usable_in_place(const param_source *from, ar_type t) {
    if (from->kind != PARAM_WHOLE) return false;
    return quant_is_block(t) ||
           (uintptr_t)from->tensor->data % ar_type_size(t, 1) == 0;
}

/* Stacks of experts are most of a model: those that must be copied keep their
 * type too. */
static void place_weight(ar_engine *e, int i, bool host_memory) {
    const param_spec *s = &e->params.spec[i];
    const param_source from = params_source(s, e->m->files);
    const bool as_is = usable_as(e, s, from.type);
    const bool in_place =
        host_memory && as_is && usable_in_place(&from, from.type);
    const bool keep = in_place || (as_is && s->shape.rank == 3);
    e->weight_type[i] = keep ? from.type : e->type;
    if (in_place) {
        e->weight_slot[i] = e->n_buffers++;
        e->mapped_size += from.tensor->size;
        return;
    }
    const size_t size = ar_type_size(e->weight_type[i], shape_count(&s->shape));
    e->weight_slot[i] = SLOT_WEIGHTS;
    e->weight_offset[i] = (int64_t)e->weights_size;
    e->weights_size += (size + 63) / 64 * 64;
}

/* A slot and an offset for every weight. */
static ar_status place_weights(ar_engine *e, ar_error *err) {
    device_caps caps;
    e->be->caps(e->dev, &caps);
    TRY(params_build(&e->params, &e->m->config, e->type, err));
    const int n = e->params.n;
    e->weight_slot = mem_new(int32_t, n);
    e->weight_offset = mem_new(int64_t, n);
    e->weight_type = mem_new(ar_type, n);
    e->buffers = mem_new(buffer, SLOT_FILE + n);
    if (!e->weight_slot || !e->weight_offset || !e->weight_type || !e->buffers)
        return error_set(err, AR_NOMEM, "no memory for %d weights", n);
    e->n_buffers = SLOT_FILE;
    for (int i = 0; i < n; i++) place_weight(e, i, caps.host_memory);
    return AR_OK;
}

/* One weight into its buffer, by way of `stage` where the host cannot see
 * that buffer. */
static ar_status load_weight(ar_engine *e, int i, void *stage, ar_error *err) {
    const param_spec *s = &e->params.spec[i];
    buffer *b = &e->buffers[e->weight_slot[i]];
    const ar_type type = e->weight_type[i];
    const size_t size = ar_type_size(type, shape_count(&s->shape));
    if (e->weight_slot[i] >= SLOT_FILE) {
        const tensor_view *t = params_whole(s, e->m->files);
        return e->be->import(e->dev, t->data, t->size, b, err);
    }
    const size_t at = (size_t)e->weight_offset[i];
    if (b->host)
        return params_load_one(s, type, e->m->files, (char *)b->host + at, err);
    TRY(params_load_one(s, type, e->m->files, stage, err));
    return e->be->write(e->dev, b, at, stage, size, err);
}

static ar_status load_weights(ar_engine *e, ar_error *err) {
    size_t largest = 0;
    for (int i = 0; i < e->params.n; i++) {
        const size_t size =
            ar_type_size(e->type, shape_count(&e->params.spec[i].shape));
        if (size > largest) largest = size;
    }
    TRY(e->be->alloc(e->dev, e->weights_size ? e->weights_size : 64,
                     &e->buffers[SLOT_WEIGHTS], err));
    void *stage = NULL;
    if (!e->buffers[SLOT_WEIGHTS].host) {
        stage = mem_block_alloc(largest);
        if (!stage) return error_set(err, AR_NOMEM, "no memory for a weight");
    }
    ar_status s = AR_OK;
    for (int i = 0; i < e->params.n && s == AR_OK; i++)
        s = load_weight(e, i, stage, err);
    if (stage) mem_block_free(stage, largest);
    return s;
}

static ar_status open_cache(ar_engine *e, ar_error *err) {
    const cache_layout *c = &e->cache;
    int64_t n_pages[MAX_GROUPS];
    TRY(cache_place(e, err));
    TRY(recurrent_open(e, err));
    TRY(e->be->alloc(e->dev, c->size, &e->buffers[SLOT_CACHE], err));
    TRY(e->be->alloc(
        e->dev,
        (size_t)(c->n_groups * e->opt.max_sessions * c->pages_per_session) *
            sizeof(int32_t),
        &e->buffers[SLOT_TABLE], err));
    for (int g = 0; g < c->n_groups; g++) n_pages[g] = c->group[g].n_pages;
    return prefix_open(&e->prefixes, c->n_groups, n_pages, c->page, err);
}

static ar_status open_rows(ar_engine *e, ar_error *err) {
    const model_config *c = &e->m->config;
    const int64_t R = e->opt.max_rows;
    const int64_t head = R < HEAD_MAX_ROWS ? R : HEAD_MAX_ROWS;
    const size_t rows = (size_t)(ROWS_COUNT * R) * sizeof(int32_t);
    TRY(e->be->alloc(e->dev, rows, &e->buffers[SLOT_ROWS], err));
    TRY(e->be->alloc(e->dev, ar_type_size(e->type, R * c->n_embd),
                     &e->buffers[SLOT_HIDDEN], err));
    TRY(e->be->alloc(e->dev, ar_type_size(e->type, head * c->n_vocab),
                     &e->buffers[SLOT_LOGITS], err));
    e->rows = mem_alloc(rows);
    e->targets = mem_new(double *, R);
    e->row = mem_alloc(ar_type_size(e->type, c->n_vocab));
    if (!e->rows || !e->targets || !e->row)
        return error_set(err, AR_NOMEM, "no memory for %lld rows",
                         (long long)R);
    return AR_OK;
}

static ar_status open_sessions(ar_engine *e, ar_error *err) {
    const int64_t S = e->opt.max_sessions, M = e->cache.pages_per_session;
    const int64_t each = M * (e->cache.n_groups + 1 + e->cache.page);
    e->sessions = mem_new(ar_session, S);
    e->lists = mem_new(int32_t, S * each);
    if (!e->sessions || !e->lists)
        return error_set(err, AR_NOMEM, "no memory for %lld sessions",
                         (long long)S);
    int32_t *at = e->lists;
    for (int64_t i = 0; i < S; i++) {
        ar_session *s = &e->sessions[i];
        *s = (ar_session){.e = e, .index = (int32_t)i};
        for (int g = 0; g < e->cache.n_groups; g++, at += M) {
            s->pages[g] = at;
            for (int64_t p = 0; p < M; p++) at[p] = -1;
        }
        s->nodes = at;
        s->marks = at += M;
        at += M * e->cache.page;
    }
    return AR_OK;
}

static ar_status open_all(ar_engine *e, const ar_engine_options *opt,
                          ar_error *err) {
    TRY(set_options(e, opt, err));
    TRY(open_device(e, err));
    TRY(place_weights(e, err));
    TRY(load_weights(e, err));
    TRY(open_cache(e, err));
    TRY(open_rows(e, err));
    TRY(open_sessions(e, err));
    return engine_build(e, err);
}

ar_status ar_engine_open(ar_engine **out, const ar_model *m,
                         const ar_engine_options *opt, ar_error *err) {
    *out = NULL;
    ar_engine *e = mem_new(ar_engine, 1);
    if (!e) return error_set(err, AR_NOMEM, "no memory for an engine");
    e->m = m;
    const ar_status s = open_all(e, opt, err);
    if (s == AR_OK)
        *out = e;
    else
        ar_engine_close(e);
    return s;
}

void ar_engine_close(ar_engine *e) {
    if (!e) return;
    engine_unbuild(e);
    for (int i = 0; i < e->n_buffers; i++)
        if (e->buffers[i].host || e->buffers[i].handle)
            e->be->free(e->dev, &e->buffers[i]);
    if (e->dev) e->be->close(e->dev);
    prefix_close(&e->prefixes);
    params_close(&e->params);
    mem_free(e->weight_slot);
    mem_free(e->weight_offset);
    mem_free(e->weight_type);
    mem_free(e->buffers);
    mem_free(e->k_pool);
    mem_free(e->v_pool);
    mem_free(e->conv_pool);
    mem_free(e->scan_pool);
    recurrent_close(e);
    mem_free(e->sessions);
    mem_free(e->lists);
    mem_free(e->rows);
    mem_free(e->targets);
    mem_free(e->row);
    mem_free(e);
}

int64_t ar_engine_free_pages(const ar_engine *e) {
    const page_pool *p = &e->prefixes.pools[0];
    return p->n_free + p->n_cached;
}

int64_t ar_engine_rows_run(const ar_engine *e) { return e->n_rows; }

void ar_engine_memory_use(const ar_engine *e, ar_engine_memory *out) {
    *out = (ar_engine_memory){.weights = e->weights_size,
                              .mapped = e->mapped_size,
                              .cache = e->buffers[SLOT_CACHE].size};
    out->rest = e->buffers[SLOT_ROWS].size + e->buffers[SLOT_TABLE].size +
                e->buffers[SLOT_HIDDEN].size + e->buffers[SLOT_LOGITS].size;
    for (int i = 0; i < e->n_body + e->n_head; i++) {
        program_stats st;
        const engine_program *p =
            i < e->n_body ? &e->body[i] : &e->head[i - e->n_body];
        e->be->stats(p->p, &st);
        out->programs += st.block_size + st.const_size + st.work_size;
    }
}
