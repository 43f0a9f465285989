/* importance.c - mean squares of the inputs of products, over a text. */
#include "train/importance.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/decoder.h"
#include "train/train_device.h"
#include "train/train_graphs.h"

/* Behind the slots of training: the sums of one window. */
enum { SLOT_SUMS = TRAIN_SLOTS, N_SLOTS, DEFAULT_TOKENS = 512, ALIGN = 64 };

/* A product with a weight of the model, and where its sums lie. */
typedef struct product {
    int param; /* in m->params */
    ref x;     /* [rows, columns] */
    int64_t columns;
    int64_t at; /* bytes in SLOT_SUMS; of equal x the same */
} product;

typedef struct meter {
    const ar_model *m;
    const importance_options *opt;
    train_device dev;
    train_shape shape;
    train_places places;
    param_list params;
    buffer buffers[N_SLOTS];
    compiled forward;
    product *list;
    int n, room;
    int64_t size; /* bytes of SLOT_SUMS */
    double *sums; /* [size / 4] of all windows so far */
    int32_t *ids;
    int64_t n_ids, rows;
} meter;

importance_options importance_options_default(void) {
    return (importance_options){.device = "cpu"};
}

/* The weight that a node multiplies with, -1 for none. */
static int weight_of(const meter *t, const graph *g, const node *n) {
    if (n->op != OP_MATMUL || !n->in[1]) return -1;
    const node *leaf = graph_node(g, graph_value(g, n->in[1])->storage);
    if (leaf->op != OP_PARAM) return -1;
    for (int i = 0; i < t->params.n; i++)
        if (t->params.spec[i].offset == leaf->attr.leaf.offset) return i;
    return -1;
}

static void list_products(meter *t, const graph *g) {
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        const int param = weight_of(t, g, n);
        if (param < 0 || t->n == t->room) continue;
        const shape s = graph_shape(g, n->in[0]);
        product p = {.param = param, .x = n->in[0], .at = t->size};
        p.columns = shape_last(&s);
        for (int k = 0; k < t->n; k++)
            if (t->list[k].x == p.x) p.at = t->list[k].at;
        if (p.at == t->size)
            t->size += (p.columns * 4 + ALIGN - 1) / ALIGN * ALIGN;
        t->list[t->n++] = p;
    }
}

/* The forward graph, and a sum of squares for each input of a product. */
static void build(meter *t, graph *g) {
    train_graph_forward(g, &t->shape);
    if (g->error.code) return;
    list_products(t, g);
    int64_t next = 0;
    for (int i = 0; i < t->n; i++) {
        const product *p = &t->list[i];
        if (p->at < next) continue;
        next = p->at + 1;
        const ref sums = graph_state(g, "sums", AR_F32, shape2(1, p->columns),
                                     SLOT_SUMS, p->at);
        graph_store(g, sums,
                    graph_reduce_as(g, REDUCE_SUM_SQR, p->x, 0, AR_F32));
    }
}

static ar_status load_weights(meter *t, ar_error *err) {
    buffer *b = &t->buffers[TRAIN_PARAMS];
    const size_t size = (size_t)t->params.size;
    TRY(train_alloc(&t->dev, size, b, err));
    if (b->host)
        return params_load(&t->params, t->shape.type, t->m->files, b->host,
                           err);
    void *data = mem_block_alloc(size);
    if (!data) return error_set(err, AR_NOMEM, "no memory for weights");
    ar_status s =
        params_load(&t->params, t->shape.type, t->m->files, data, err);
    if (s == AR_OK) s = t->dev.b->write(t->dev.d, b, 0, data, size, err);
    mem_block_free(data, size);
    return s;
}

static ar_status open_meter(meter *t, ar_error *err) {
    const device_options how = {.n_threads = t->opt->n_threads};
    graph g;
    TRY(train_device_open(&t->dev, t->opt->device, &how, err));
    TRY(params_build(&t->params, &t->m->config, t->dev.type, err));
    t->shape.config = &t->m->config;
    t->shape.params = &t->params;
    t->shape.type = t->shape.compute = t->dev.type;
    t->places = train_places_of(&t->shape);
    t->room = 4 * t->params.n;
    t->list = mem_new(product, t->room);
    if (!t->list) return error_set(err, AR_NOMEM, "no memory for a list");
    TRY(load_weights(t, err));
    build(t, &g);
    TRY(compiled_open(&t->forward, &t->dev, &g, err));
    TRY(train_alloc(&t->dev, (size_t)t->places.in_size, &t->buffers[TRAIN_IN],
                    err));
    TRY(train_alloc(&t->dev, (size_t)t->places.out_size, &t->buffers[TRAIN_OUT],
                    err));
    const size_t size = t->size ? (size_t)t->size : ALIGN;
    TRY(train_alloc(&t->dev, size, &t->buffers[SLOT_SUMS], err));
    t->sums = mem_new(double, size / 4);
    return t->sums ? AR_OK : error_set(err, AR_NOMEM, "no memory for sums");
}

static void close_meter(meter *t) {
    if (t->dev.d) compiled_close(&t->forward, &t->dev);
    for (int i = 0; i < N_SLOTS; i++)
        if (t->buffers[i].size) t->dev.b->free(t->dev.d, &t->buffers[i]);
    params_close(&t->params);
    train_device_close(&t->dev);
    mem_free(t->list);
    mem_free(t->sums);
    mem_free(t->ids);
}

/* bos, as models expect it at the start, and the text. */
static ar_status read_ids(meter *t, const ar_tokenizer *tok, const char *text,
                          size_t n, ar_error *err) {
    const int32_t bos = ar_tokenizer_bos(tok);
    const size_t first = bos >= 0;
    size_t count = 0;
    if (ar_tokenizer_vocab(tok) > t->m->config.n_vocab)
        return error_set(
            err, AR_RANGE, "the tokenizer has %d entries, the model %lld",
            (int)ar_tokenizer_vocab(tok), (long long)t->m->config.n_vocab);
    TRY(ar_tokenizer_encode(tok, text, n, 0, NULL, 0, &count, err));
    if (!count) return error_set(err, AR_RANGE, "there is no text to measure");
    t->ids = mem_new(int32_t, count + 1);
    if (!t->ids) return error_set(err, AR_NOMEM, "no memory for the text");
    if (first) t->ids[0] = bos;
    t->n_ids = (int64_t)(count + first);
    if (t->opt->most && t->opt->most < t->n_ids) t->n_ids = t->opt->most;
    return ar_tokenizer_encode(tok, text, n, 0, t->ids + first, count, &count,
                               err);
}

static void set_window(meter *t) {
    int64_t T = t->opt->tokens ? t->opt->tokens : DEFAULT_TOKENS;
    if (T > t->m->config.n_ctx) T = t->m->config.n_ctx;
    if (T > t->n_ids) T = t->n_ids;
    t->shape.tokens = T;
    t->shape.rows = 1;
}

static ar_status run_window(meter *t, const int32_t *ids, float *sums,
                            ar_error *err) {
    const backend *b = t->dev.b;
    const size_t n = (size_t)t->shape.tokens * sizeof *ids;
    TRY(b->write(t->dev.d, &t->buffers[TRAIN_IN], (size_t)t->places.ids, ids, n,
                 err));
    TRY(b->write(t->dev.d, &t->buffers[TRAIN_IN], (size_t)t->places.targets,
                 ids, n, err));
    TRY(compiled_run(&t->forward, &t->dev, t->buffers, N_SLOTS, err));
    TRY(b->read(t->dev.d, &t->buffers[SLOT_SUMS], 0, sums, (size_t)t->size,
                err));
    for (int64_t i = 0; i < t->size / 4; i++) t->sums[i] += (double)sums[i];
    return AR_OK;
}

static ar_status run_all(meter *t, ar_error *err) {
    const int64_t T = t->shape.tokens;
    float *sums = mem_new(float, t->size / 4 + 1);
    if (!sums) return error_set(err, AR_NOMEM, "no memory for sums");
    ar_status s = AR_OK;
    for (int64_t i = 0; s == AR_OK && i + T <= t->n_ids; i += T) {
        s = run_window(t, t->ids + i, sums, err);
        t->rows += T;
        if (t->opt->progress)
            t->opt->progress(t->opt->ctx, (double)(i + T) / (double)t->n_ids);
    }
    mem_free(sums);
    return s;
}

/* Means by the name that a GGUF file has for the matrix. */
static ar_status add_means(meter *t, imatrix *out, ar_error *err) {
    model_config c = t->m->config;
    param_list names;
    float *mean = mem_new(float, t->size / 4 + 1);
    if (!mean) return error_set(err, AR_NOMEM, "no memory for means");
    c.gguf = true;
    ar_status s = params_build(&names, &c, AR_F32, err);
    for (int i = 0; s == AR_OK && i < t->n; i++) {
        const product *p = &t->list[i];
        const param_spec *spec = &t->params.spec[p->param];
        const int at = params_find(&names, spec->role, spec->layer);
        if (at < 0 || imatrix_find(out, names.spec[at].name)) continue;
        for (int64_t k = 0; k < p->columns; k++)
            mean[k] = (float)(t->sums[p->at / 4 + k] / (double)t->rows);
        s = imatrix_add(out, names.spec[at].name, p->columns, 1, mean, err);
    }
    params_close(&names);
    mem_free(mean);
    return s;
}

ar_status importance_measure(imatrix **out, const ar_model *m,
                             const ar_tokenizer *tok, const char *text,
                             size_t n, const importance_options *opt,
                             ar_error *err) {
    const importance_options defaults = importance_options_default();
    meter t = {.m = m, .opt = opt ? opt : &defaults};
    imatrix *x = NULL;
    *out = NULL;
    ar_status s = read_ids(&t, tok, text, n, err);
    if (s == AR_OK) {
        set_window(&t);
        s = open_meter(&t, err);
    }
    if (s == AR_OK) s = run_all(&t, err);
    if (s == AR_OK) s = imatrix_new(&x, err);
    if (s == AR_OK) s = add_means(&t, x, err);
    close_meter(&t);
    if (s == AR_OK)
        *out = x;
    else
        imatrix_close(x);
    return s;
}
