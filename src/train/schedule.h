/* schedule.h - rates and other numbers that change in the course of a run.
 *
 * Everything is a function of the step and of the progress, the share of the
 * budget that is used up in [0, 1]; so a run that logs its progress can be
 * replayed, whatever its budget was counted in. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include <jansson.h>
#include <stdint.h>

#include "arcane/status.h"

/* ORDER: the choices of schedule.shape in settings.def. */
enum schedule_shape {
    SCHEDULE_AUTO,
    SCHEDULE_CONSTANT,
    SCHEDULE_COSINE,
    SCHEDULE_LINEAR,
    SCHEDULE_WARMDOWN,
};

typedef struct schedule {
    enum schedule_shape shape;
    int64_t warmup;  /* steps */
    double final;    /* share of the rate at progress 1 */
    double warmdown; /* WARMDOWN: share of the run over which the rate falls */
} schedule;

/* Where a run is. */
typedef struct run_clock {
    int64_t step;
    double progress;      /* of the whole run */
    double warm_progress; /* progress at the step where the warm-up ended */
} run_clock;

/* The factor on every learning rate.
 *   step < warmup   (step + 1) / warmup
 *   with q = (progress - warm_progress) / (1 - warm_progress):
 *   CONSTANT        1
 *   COSINE          final + (1 - final) (1 + cos(pi q)) / 2
 *   LINEAR          1 + (final - 1) q
 *   WARMDOWN        1 while progress < 1 - warmdown, then
 *                   r + (1 - r) final with r = (1 - progress) / warmdown
 *                   (karpathy/autoresearch, train.py) */
double schedule_rate(const schedule *s, const run_clock *c);

/* A number that goes in a straight line from `from` to `to`, over so many
 * steps, or over the whole run if steps is 0. */
typedef struct ramp {
    double from, to;
    int64_t steps;
} ramp;

double ramp_at(const ramp *r, const run_clock *c);
/* From a number, or {"from": a, "to": b, "steps": n} ("steps" may be left
 * out).  `name` is for the error.  Errors: AR_FORMAT. */
ar_status ramp_read(ramp *out, const json_t *json, const char *name,
                    ar_error *err);
/* A new reference; NULL on no memory. */
json_t *ramp_json(const ramp *r);

#endif
