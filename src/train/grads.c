/* grads.c - gradients of a model for `arcane debug grads` and the tests. */
#include "train/grads.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/params_parts.h"
#include "train/trainer.h"

static ar_status check_ids(const grads_batch *b, int64_t n_vocab,
                           ar_error *err) {
    for (int64_t i = 0; i < b->rows * b->tokens; i++)
        if (b->inputs[i] < 0 || b->inputs[i] >= n_vocab || b->targets[i] < -1 ||
            b->targets[i] >= n_vocab)
            return error_set(err, AR_RANGE,
                             "row %" PRId64 ", place %" PRId64
                             ": the id is not in the vocabulary of %" PRId64,
                             i / b->tokens, i % b->tokens, n_vocab);
    return AR_OK;
}

static ar_status write_grads(trainer *t, double loss, const char *path,
                             ar_error *err) {
    const param_list *params = trainer_params(t);
    const ar_type type = trainer_type(t);
    const size_t size = (size_t)params->size;
    char *grads = mem_block_alloc(size);
    if (!grads) return error_set(err, AR_NOMEM, "out of memory for gradients");
    st_writer *w = NULL;
    ar_status status = trainer_read(t, TRAIN_GRADS, 0, grads, size, err);
    if (status == AR_OK) status = st_create(&w, path, err);
    if (status == AR_OK) {
        const shape one = shape1(1);
        st_declare(w, "loss", AR_F64, &one);
        for (int i = 0; i < params->n; i++)
            params_declare(w, &params->spec[i], type);
        st_data(w, &loss, sizeof loss);
        for (int i = 0; i < params->n; i++)
            st_data(w, grads + params->spec[i].offset,
                    ar_type_size(type, shape_count(&params->spec[i].shape)));
        status = st_commit(w, err);
    }
    mem_block_free(grads, size);
    return status;
}

static ar_status run_batch(trainer *t, const ar_model *m, const grads_batch *b,
                           const char *path, double *loss, ar_error *err) {
    trainer_result r;
    TRY(trainer_load(t, m->files, err));
    TRY(trainer_gradient(t, b->inputs, b->targets, 1, &r, err));
    TRY(write_grads(t, r.loss, path, err));
    if (loss) *loss = r.loss;
    return AR_OK;
}

ar_status grads_run(const ar_model *m, const grads_batch *batch,
                    const char *device_name, const device_options *opt,
                    const char *path, double *loss, ar_error *err) {
    settings s;
    settings_default(&s);
    trainer *t = NULL;
    ar_status status = check_ids(batch, m->config.n_vocab, err);
    if (status == AR_OK)
        status = settings_set(&s, "device.name", device_name, err);
    if (status == AR_OK && opt && opt->kernels)
        status = settings_set(&s, "device.kernels", opt->kernels, err);
    s.threads = opt ? opt->n_threads : 0;
    s.rows = batch->rows;
    s.seq = batch->tokens;
    s.recipe = RECIPE_SGD;
    if (status == AR_OK) status = optim_resolve(&s, &m->config, err);
    if (status == AR_OK) status = trainer_open(&t, &s, &m->config, err);
    if (status == AR_OK) status = run_batch(t, m, batch, path, loss, err);
    trainer_close(t);
    settings_close(&s);
    return status;
}
