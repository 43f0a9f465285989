/* trainer.c - taking and releasing what a trainer needs. */
#include "train/trainer.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "train/trainer_int.h"

const model_config *trainer_config(const trainer *t) { return &t->config; }
const param_list *trainer_params(const trainer *t) { return &t->params; }
ar_type trainer_type(const trainer *t) { return t->shape.type; }
const optim_groups *trainer_groups(const trainer *t) {
    return &t->optim.groups;
}

static ar_type compute_type(int choice, ar_type type) {
    if (type == AR_F64) return AR_F64;
    return choice == COMPUTE_BF16  ? AR_BF16
           : choice == COMPUTE_F16 ? AR_F16
                                   : AR_F32;
}

static ar_status take_buffers(trainer *t, ar_error *err) {
    const size_t params = (size_t)t->params.size;
    const size_t sizes[TRAIN_SLOTS] = {
        [TRAIN_PARAMS] = params,
        [TRAIN_GRADS] = params,
        [TRAIN_STATES] = (size_t)t->optim.size,
        [TRAIN_EMA] = t->ema > 0 ? params : 0,
        [TRAIN_IN] = (size_t)t->at.in_size,
        [TRAIN_OUT] = (size_t)t->at.out_size,
        [TRAIN_HYPER] = (size_t)(t->optim.groups.n + 1) * HYPER_SIZE * 8,
    };
    for (int i = 0; i < TRAIN_SLOTS; i++)
        if (sizes[i]) TRY(train_alloc(&t->dev, sizes[i], &t->buffers[i], err));
    t->rows =
        mem_alloc(ar_type_size(t->shape.type, t->shape.rows * t->shape.tokens));
    if (!t->rows) return error_set(err, AR_NOMEM, "out of memory");
    return AR_OK;
}

static ar_status compile_all(trainer *t, ar_error *err) {
    const train_shape *s = &t->shape;
    graph g;
    train_graph_grad(&g, s, t->accumulate > 1);
    TRY(compiled_open(&t->grad, &t->dev, &g, err));
    if (t->accumulate > 1) {
        train_graph_zero(&g, s);
        TRY(compiled_open(&t->zero, &t->dev, &g, err));
    }
    train_graph_norm(&g, s);
    TRY(compiled_open(&t->norm, &t->dev, &g, err));
    train_graph_update(&g, s, &t->optim);
    TRY(compiled_open(&t->update, &t->dev, &g, err));
    if (t->ema > 0) {
        train_graph_average(&g, s, t->optim.groups.n);
        TRY(compiled_open(&t->average, &t->dev, &g, err));
    }
    train_graph_forward(&g, s);
    return compiled_open(&t->forward, &t->dev, &g, err);
}

static void copy_settings(trainer *t, const settings *s) {
    t->schedule = (schedule){(enum schedule_shape)s->shape, s->warmup, s->final,
                             s->warmdown};
    t->accumulate = s->accumulate;
    t->clip = s->clip;
    t->clip_eps = s->clip_eps;
    t->ema = s->ema;
    t->growth = s->growth;
    t->loss_scale = s->loss_scale;
    t->dynamic = s->loss_scale != 1;
}

static ar_status open_device(train_device *out, const settings *s,
                             ar_error *err) {
    const device_options opt = {
        .n_threads = (int)s->threads,
        .kernels = s->kernels[0] ? s->kernels : NULL,
        .blas = s->blas[0] ? s->blas : NULL,
    };
    return train_device_open(out, s->device, &opt, err);
}

ar_status trainer_check_device(const settings *s, ar_error *err) {
    train_device dev;
    TRY(open_device(&dev, s, err));
    train_device_close(&dev);
    return AR_OK;
}

static ar_status fill(trainer *t, const settings *s, ar_error *err) {
    if (s->seq < 1 || s->seq > t->config.n_ctx)
        return error_set(err, AR_RANGE,
                         "data.seq: rows of %" PRId64
                         " tokens do not fit a model with a context of "
                         "%" PRId64,
                         s->seq, t->config.n_ctx);
    if (s->rows * s->seq > INT32_MAX / 8)
        return error_set(err, AR_RANGE,
                         "data.batch: %" PRId64 " rows of %" PRId64
                         " tokens are too many for one step",
                         s->rows, s->seq);
    TRY(open_device(&t->dev, s, err));
    const ar_type type = t->dev.type;
    TRY(params_build(&t->params, &t->config, type, err));
    t->shape = (train_shape){
        .config = &t->config,
        .params = &t->params,
        .type = type,
        .compute = compute_type(s->compute, type),
        .rows = s->rows,
        .tokens = s->seq,
        .recompute = s->recompute,
    };
    t->at = train_places_of(&t->shape);
    TRY(optim_layout_open(&t->optim, &t->shape, s->groups, err));
    TRY(take_buffers(t, err));
    return compile_all(t, err);
}

ar_status trainer_open(trainer **out, const settings *s, const model_config *c,
                       ar_error *err) {
    *out = NULL;
    trainer *t = mem_new(trainer, 1);
    if (!t) return error_set(err, AR_NOMEM, "out of memory for the trainer");
    t->config = *c;
    copy_settings(t, s);
    const ar_status status = fill(t, s, err);
    if (status != AR_OK) {
        trainer_close(t);
        return status;
    }
    *out = t;
    return AR_OK;
}

void trainer_close(trainer *t) {
    if (!t) return;
    compiled *const programs[] = {&t->forward, &t->grad,   &t->zero,
                                  &t->norm,    &t->update, &t->average};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        compiled_close(programs[i], &t->dev);
    for (int i = 0; i < TRAIN_SLOTS; i++)
        if (t->buffers[i].size) t->dev.b->free(t->dev.d, &t->buffers[i]);
    optim_layout_close(&t->optim);
    params_close(&t->params);
    train_device_close(&t->dev);
    mem_free(t->rows);
    mem_free(t);
}

ar_status trainer_read(trainer *t, enum train_slot slot, int64_t at, void *dst,
                       size_t n, ar_error *err) {
    return t->dev.b->read(t->dev.d, &t->buffers[slot], (size_t)at, dst, n, err);
}

ar_status trainer_write(trainer *t, enum train_slot slot, int64_t at,
                        const void *src, size_t n, ar_error *err) {
    return t->dev.b->write(t->dev.d, &t->buffers[slot], (size_t)at, src, n,
                           err);
}

/* Moments zero, counters at their start, the average equal to the weights. */
static ar_status start_anew(trainer *t, ar_error *err) {
    t->n_updates = 0;
    t->n_good = 0;
    if (t->buffers[TRAIN_STATES].size)
        TRY(train_zero(&t->dev, &t->buffers[TRAIN_STATES], err));
    if (!t->buffers[TRAIN_EMA].size) return AR_OK;
    return t->dev.b->copy(t->dev.d, &t->buffers[TRAIN_EMA], 0,
                          &t->buffers[TRAIN_PARAMS], 0, (size_t)t->params.size,
                          err);
}

/* One tensor being filled, a share of PART elements at a time: a value depends
 * on its place alone, so any number of threads gives the same. */
enum { PART = 1 << 16 };

typedef struct drawing {
    const param_spec *spec;
    ar_type type;
    uint64_t seed;
    int64_t n; /* elements */
    unsigned char *data;
} drawing;

static void draw_part(void *ctx, int64_t share, int worker) {
    (void)worker;
    const drawing *d = ctx;
    const int64_t first = share * PART;
    const int64_t n = d->n - first < PART ? d->n - first : PART;
    params_init_part(d->spec, d->type, d->seed, first, n,
                     d->data + ar_type_size(d->type, first));
}

static ar_status draw_all(trainer *t, uint64_t seed, pool *threads,
                          unsigned char *data, ar_error *err) {
    for (int i = 0; i < t->params.n; i++) {
        const param_spec *p = &t->params.spec[i];
        drawing d = {p, t->shape.type, seed, shape_count(&p->shape), data};
        pool_run(threads, draw_part, &d, (d.n + PART - 1) / PART);
        TRY(trainer_write(t, TRAIN_PARAMS, p->offset, data,
                          ar_type_size(d.type, d.n), err));
    }
    return AR_OK;
}

ar_status trainer_init(trainer *t, uint64_t seed, ar_error *err) {
    size_t most = 0;
    for (int i = 0; i < t->params.n; i++) {
        const size_t n =
            ar_type_size(t->shape.type, shape_count(&t->params.spec[i].shape));
        if (n > most) most = n;
    }
    pool *threads = NULL;
    TRY(pool_open(&threads, 0, err));
    unsigned char *data = mem_block_alloc(most);
    ar_status status = data ? draw_all(t, seed, threads, data, err)
                            : error_set(err, AR_NOMEM, "out of memory");
    mem_block_free(data, most);
    pool_close(threads);
    return status == AR_OK ? start_anew(t, err) : status;
}

ar_status trainer_load(trainer *t, const weights *w, ar_error *err) {
    buffer *b = &t->buffers[TRAIN_PARAMS];
    if (b->host) {
        TRY(params_load(&t->params, t->shape.type, w, b->host, err));
        return start_anew(t, err);
    }
    void *data = mem_block_alloc(b->size);
    if (!data) return error_set(err, AR_NOMEM, "out of memory");
    ar_status status = params_load(&t->params, t->shape.type, w, data, err);
    if (status == AR_OK)
        status = trainer_write(t, TRAIN_PARAMS, 0, data, b->size, err);
    mem_block_free(data, b->size);
    return status == AR_OK ? start_anew(t, err) : status;
}

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

void trainer_memory_of(const trainer *t, trainer_memory *out) {
    const compiled *const programs[] = {&t->forward, &t->grad,   &t->zero,
                                        &t->norm,    &t->update, &t->average};
    memset(out, 0, sizeof *out);
    out->params = t->buffers[TRAIN_PARAMS].size;
    out->grads = t->buffers[TRAIN_GRADS].size;
    out->states = t->buffers[TRAIN_STATES].size;
    out->ema = t->buffers[TRAIN_EMA].size;
    out->buffers = t->buffers[TRAIN_IN].size + t->buffers[TRAIN_OUT].size +
                   t->buffers[TRAIN_HYPER].size;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (!programs[i]->p) continue;
        program_stats stats;
        t->dev.b->stats(programs[i]->p, &stats);
        out->activations += stats.block_size;
        out->constants += stats.const_size;
        out->scratch = max_size(out->scratch, stats.work_size);
        if (programs[i] == &t->grad)
            out->step_flops += stats.flops * (double)t->accumulate;
        else if (programs[i] != &t->forward)
            out->step_flops += stats.flops;
    }
    out->total = out->params + out->grads + out->states + out->ema +
                 out->activations + out->constants + out->scratch +
                 out->buffers;
}
