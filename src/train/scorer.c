/* scorer.c - a forward program and the weights it reads. */
#include "train/scorer.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "train/train_graphs.h"

struct scorer {
    train_device dev;
    param_list params;
    train_shape shape;
    train_places at;
    buffer buffers[TRAIN_SLOTS];
    compiled forward;
    void *rows; /* [B T] of the device's type */
};

static ar_status load(scorer *s, const model *m, ar_error *err) {
    const size_t size = (size_t)s->params.size;
    buffer *b = &s->buffers[TRAIN_PARAMS];
    TRY(train_alloc(&s->dev, size, b, err));
    if (b->host)
        return params_load(&s->params, s->shape.type, m->files, b->host, err);
    void *data = mem_block_alloc(size);
    if (!data) return error_set(err, AR_NOMEM, "out of memory for weights");
    ar_status status =
        params_load(&s->params, s->shape.type, m->files, data, err);
    if (status == AR_OK)
        status = s->dev.b->write(s->dev.d, b, 0, data, size, err);
    mem_block_free(data, size);
    return status;
}

static ar_status fill(scorer *s, const model *m, ar_error *err) {
    const int64_t n = s->shape.rows * s->shape.tokens;
    const ar_type type = s->dev.type;
    TRY(params_build(&s->params, &m->config, type, err));
    s->shape.config = &m->config;
    s->shape.params = &s->params;
    s->shape.type = type;
    s->shape.compute = type;
    s->at = train_places_of(&s->shape);
    TRY(train_alloc(&s->dev, (size_t)s->at.in_size, &s->buffers[TRAIN_IN],
                    err));
    TRY(train_alloc(&s->dev, (size_t)s->at.out_size, &s->buffers[TRAIN_OUT],
                    err));
    s->rows = mem_alloc(ar_type_size(type, n));
    if (!s->rows) return error_set(err, AR_NOMEM, "out of memory");
    TRY(load(s, m, err));
    graph g;
    train_graph_forward(&g, &s->shape);
    return compiled_open(&s->forward, &s->dev, &g, err);
}

ar_status scorer_open(scorer **out, const model *m, const char *device_name,
                      const device_options *opt, int64_t rows, int64_t tokens,
                      ar_error *err) {
    *out = NULL;
    if (tokens < 1 || tokens > m->config.n_ctx)
        return error_set(err, AR_RANGE,
                         "rows of %" PRId64 " tokens do not fit a model with "
                         "a context of %" PRId64,
                         tokens, m->config.n_ctx);
    if (rows < 1 || rows * tokens > INT32_MAX / 8)
        return error_set(err, AR_RANGE, "%" PRId64 " rows are too many", rows);
    scorer *s = mem_new(scorer, 1);
    if (!s) return error_set(err, AR_NOMEM, "out of memory");
    s->shape.rows = rows;
    s->shape.tokens = tokens;
    ar_status status = train_device_open(&s->dev, device_name, opt, err);
    if (status == AR_OK) status = fill(s, m, err);
    if (status != AR_OK) {
        scorer_close(s);
        return status;
    }
    *out = s;
    return AR_OK;
}

void scorer_close(scorer *s) {
    if (!s) return;
    compiled_close(&s->forward, &s->dev);
    for (int i = 0; i < TRAIN_SLOTS; i++)
        if (s->buffers[i].size) s->dev.b->free(s->dev.d, &s->buffers[i]);
    params_close(&s->params);
    train_device_close(&s->dev);
    mem_free(s->rows);
    mem_free(s);
}

ar_status scorer_run(scorer *s, const int32_t *inputs, const int32_t *targets,
                     double *logp, ar_error *err) {
    const int64_t n = s->shape.rows * s->shape.tokens;
    const backend *b = s->dev.b;
    TRY(b->write(s->dev.d, &s->buffers[TRAIN_IN], (size_t)s->at.ids, inputs,
                 (size_t)n * 4, err));
    TRY(b->write(s->dev.d, &s->buffers[TRAIN_IN], (size_t)s->at.targets,
                 targets, (size_t)n * 4, err));
    TRY(compiled_run(&s->forward, &s->dev, s->buffers, TRAIN_SLOTS, err));
    TRY(b->read(s->dev.d, &s->buffers[TRAIN_OUT], (size_t)s->at.logp, s->rows,
                ar_type_size(s->shape.type, n), err));
    for (int64_t i = 0; i < n; i++) {
        const double p = s->shape.type == AR_F64
                             ? ((const double *)s->rows)[i]
                             : (double)((const float *)s->rows)[i];
        logp[i] = targets[i] < 0 ? 0 : p;
    }
    return AR_OK;
}
