/* trainer_step.c - one step: gradients, their norm, the update. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "train/trainer_int.h"

/* A scale below this cannot be what makes gradients overflow. */
static const double min_loss_scale = 1.0 / 16777216;
static const double max_loss_scale = 1152921504606846976.0; /* 2^60 */

static int64_t micro_size(const trainer *t) {
    return t->shape.rows * t->shape.tokens;
}

static void put_row(trainer *t, int64_t i, double x) {
    if (t->shape.type == AR_F64)
        ((double *)t->rows)[i] = x;
    else
        ((float *)t->rows)[i] = (float)x;
}

static double get_row(const trainer *t, int64_t i) {
    return t->shape.type == AR_F64 ? ((const double *)t->rows)[i]
                                   : (double)((const float *)t->rows)[i];
}

static ar_status write_ids(trainer *t, const int32_t *inputs,
                           const int32_t *targets, ar_error *err) {
    const size_t size = (size_t)micro_size(t) * 4;
    TRY(trainer_write(t, TRAIN_IN, t->at.ids, inputs, size, err));
    return trainer_write(t, TRAIN_IN, t->at.targets, targets, size, err);
}

static ar_status run(trainer *t, compiled *c, ar_error *err) {
    return compiled_run(c, &t->dev, t->buffers, TRAIN_SLOTS, err);
}

/* log p of the last run into t->rows. */
static ar_status read_logp(trainer *t, ar_error *err) {
    return trainer_read(t, TRAIN_OUT, t->at.logp, t->rows,
                        ar_type_size(t->shape.type, micro_size(t)), err);
}

/* One micro-step; d log p of a row is `weight` where it has a target. */
static ar_status micro_step(trainer *t, const int32_t *inputs,
                            const int32_t *targets, double weight, double *nats,
                            ar_error *err) {
    const int64_t n = micro_size(t);
    TRY(write_ids(t, inputs, targets, err));
    for (int64_t i = 0; i < n; i++) put_row(t, i, targets[i] < 0 ? 0 : weight);
    TRY(trainer_write(t, TRAIN_IN, t->at.dlogp, t->rows,
                      ar_type_size(t->shape.type, n), err));
    TRY(run(t, &t->grad, err));
    TRY(read_logp(t, err));
    for (int64_t i = 0; i < n; i++)
        if (targets[i] >= 0) *nats -= get_row(t, i);
    return AR_OK;
}

ar_status trainer_gradient(trainer *t, const int32_t *inputs,
                           const int32_t *targets, double scale,
                           trainer_result *out, ar_error *err) {
    const int64_t n = micro_size(t);
    memset(out, 0, sizeof *out);
    for (int64_t i = 0; i < n * t->accumulate; i++)
        out->n_targets += targets[i] >= 0;
    if (!out->n_targets)
        return error_set(err, AR_RANGE, "the batch has no target");
    if (t->zero.p) TRY(run(t, &t->zero, err));
    const double weight = -scale / (double)out->n_targets;
    for (int64_t i = 0; i < t->accumulate; i++)
        TRY(micro_step(t, inputs + i * n, targets + i * n, weight, &out->nats,
                       err));
    out->loss = out->nats / (double)out->n_targets;
    TRY(run(t, &t->norm, err));
    double sum;
    TRY(trainer_read(t, TRAIN_OUT, t->at.sum, &sum, sizeof sum, err));
    out->grad_norm = sqrt(sum) / scale;
    out->loss_scale = scale;
    out->skipped = !isfinite(sum) || !isfinite(out->loss);
    return AR_OK;
}

/* The numbers of every group for this step, and the EMA's. */
static ar_status write_hyper(trainer *t, const run_clock *clock, double scale,
                             ar_error *err) {
    double h[MAX_GROUPS + 1][HYPER_SIZE];
    memset(h, 0, sizeof h);
    const optim_groups *groups = &t->optim.groups;
    const optim_moment m = {
        .clock = clock,
        .n_updates = t->n_updates,
        .rate = schedule_rate(&t->schedule, clock),
        .scale = scale,
    };
    for (int i = 0; i < groups->n; i++)
        optim_table[groups->group[i].kind].hyper(&groups->group[i], &m, h[i]);
    h[groups->n][0] = 1 - t->ema;
    return trainer_write(t, TRAIN_HYPER, 0, h,
                         (size_t)(groups->n + 1) * sizeof h[0], err);
}

void trainer_rates(const trainer *t, const run_clock *clock, double *lr) {
    const double rate = schedule_rate(&t->schedule, clock);
    for (int i = 0; i < t->optim.groups.n; i++)
        lr[i] =
            rate * ramp_at(&t->optim.groups.group[i].number[NUMBER_LR], clock);
}

/* The gradient overflowed: try the next step with half the scale. */
static ar_status lower_scale(trainer *t, const run_clock *clock,
                             const trainer_result *r, ar_error *err) {
    t->n_good = 0;
    t->loss_scale /= 2;
    if (t->dynamic && t->loss_scale >= min_loss_scale) return AR_OK;
    return error_set(err, AR_RANGE,
                     "step %" PRId64 ": the %s is not finite (loss %g); a "
                     "lower learning rate may help",
                     clock->step, isfinite(r->loss) ? "gradient" : "loss",
                     r->loss);
}

ar_status trainer_step(trainer *t, const int32_t *inputs,
                       const int32_t *targets, const run_clock *clock,
                       trainer_result *out, ar_error *err) {
    const double scale = t->loss_scale;
    TRY(trainer_gradient(t, inputs, targets, scale, out, err));
    if (out->skipped) return lower_scale(t, clock, out, err);
    double clip = 1;
    if (t->clip > 0 && t->clip < out->grad_norm + t->clip_eps)
        clip = t->clip / (out->grad_norm + t->clip_eps);
    TRY(write_hyper(t, clock, clip / scale, err));
    TRY(run(t, &t->update, err));
    if (t->average.p) TRY(run(t, &t->average, err));
    t->n_updates++;
    if (t->dynamic && ++t->n_good >= t->growth) {
        t->n_good = 0;
        if (t->loss_scale < max_loss_scale) t->loss_scale *= 2;
    }
    return AR_OK;
}

ar_status trainer_score(trainer *t, const int32_t *inputs,
                        const int32_t *targets, bool ema, double *logp,
                        ar_error *err) {
    TRY(write_ids(t, inputs, targets, err));
    buffer buffers[TRAIN_SLOTS];
    memcpy(buffers, t->buffers, sizeof buffers);
    if (ema && t->buffers[TRAIN_EMA].size)
        buffers[TRAIN_PARAMS] = t->buffers[TRAIN_EMA];
    TRY(compiled_run(&t->forward, &t->dev, buffers, TRAIN_SLOTS, err));
    TRY(read_logp(t, err));
    for (int64_t i = 0; i < micro_size(t); i++)
        logp[i] = targets[i] < 0 ? 0 : get_row(t, i);
    return AR_OK;
}
