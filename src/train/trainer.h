/* trainer.h - one model being trained: memory, programs, one step at a time.
 *
 * The trainer knows nothing of files of text, of budgets or of folders; the
 * loop (train.h) does.  All memory is taken by trainer_open; no step
 * allocates.  Weights start at zero: call trainer_init or trainer_load. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "format/weights.h"
#include "train/settings.h"
#include "train/train_device.h"
#include "train/train_graphs.h"

typedef struct trainer trainer;

/* Batch, sequence, accumulation, precision, device, optimiser and EMA come
 * from the settings, which must be resolved (optim_resolve) with data.seq
 * set.  Both are copied.  Errors: AR_RANGE (a sequence longer than the model's
 * context), AR_NOMEM, AR_UNSUPPORTED, AR_USAGE, AR_DEVICE. */
ar_status trainer_open(trainer **out, const settings *s, const model_config *c,
                       ar_error *err);
void trainer_close(trainer *t);
/* Can the device of the settings be opened, with its kernels and threads?
 * Errors: AR_USAGE, AR_UNSUPPORTED, AR_DEVICE, AR_NOMEM. */
ar_status trainer_check_device(const settings *s, ar_error *err);

const model_config *trainer_config(const trainer *t);
const param_list *trainer_params(const trainer *t);
ar_type trainer_type(const trainer *t);
const optim_groups *trainer_groups(const trainer *t);

/* First values from a seed. */
ar_status trainer_init(trainer *t, uint64_t seed, ar_error *err);
/* Weights from a file; moments and counters start anew. */
ar_status trainer_load(trainer *t, const weights *w, ar_error *err);

typedef struct trainer_result {
    double loss; /* mean of -log p over targets >= 0, nats */
    double nats; /* its sum */
    int64_t n_targets;
    double grad_norm;  /* of the mean loss, before clipping */
    double loss_scale; /* that the step was made with */
    bool skipped;      /* the gradient was not finite: nothing was changed */
} trainer_result;

/* One update from `accumulate` micro-batches: inputs and targets I32
 * [accumulate, B, T].  Errors: AR_RANGE if the loss or the gradient is not
 * finite and there is no loss scale left to lower. */
ar_status trainer_step(trainer *t, const int32_t *inputs,
                       const int32_t *targets, const run_clock *clock,
                       trainer_result *out, ar_error *err);

/* Only the gradient, times scale; for inspection.  It stays in TRAIN_GRADS. */
ar_status trainer_gradient(trainer *t, const int32_t *inputs,
                           const int32_t *targets, double scale,
                           trainer_result *out, ar_error *err);

/* log p of each target, [B T], 0 where it is -1; of the averaged weights if
 * `ema`. */
ar_status trainer_score(trainer *t, const int32_t *inputs,
                        const int32_t *targets, bool ema, double *logp,
                        ar_error *err);

/* Learning rates at a moment, by group, after the schedule. */
void trainer_rates(const trainer *t, const run_clock *clock, double *lr);

/* Bytes of a slot.  The host's view is valid until the next call. */
ar_status trainer_read(trainer *t, enum train_slot slot, int64_t at, void *dst,
                       size_t n, ar_error *err);
ar_status trainer_write(trainer *t, enum train_slot slot, int64_t at,
                        const void *src, size_t n, ar_error *err);

/* ---- saving and restoring; see trainer_state.c ---- */

/* What a checkpoint holds of a trainer. */
ar_status trainer_save(trainer *t, const char *run, int64_t step,
                       const json_t *state, const char *const *extra, int keep,
                       ar_error *err);
/* From a checkpoint folder and its state; bit for bit. */
ar_status trainer_restore(trainer *t, const char *folder, const json_t *state,
                          ar_error *err);

/* ---- what it will need ---- */
typedef struct trainer_memory {
    size_t params, grads, states, ema; /* bytes */
    size_t activations;                /* of all programs */
    size_t constants, scratch, buffers;
    size_t total;
    double step_flops; /* of one update, all micro-steps */
} trainer_memory;
void trainer_memory_of(const trainer *t, trainer_memory *out);
/* Seconds of one update on a machine of that speed. */
double trainer_predict(const trainer *t, const device_speed *speed);

#endif
