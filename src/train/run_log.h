/* run_log.h - log.jsonl, one JSON object a line, appended as a run goes.
 *
 *   {"step":12,"loss":5.1,"grad_norm":1.3,"lr":[0.001],"tokens":53248, ...}
 *   {"step":100,"val_loss":4.2,"val_bits_per_byte":1.9}
 *   {"step":200,"val_loss":4.1,"val_bits_per_byte":1.8,"whole":true}
 *
 * A line of a step stands for the loss before that step's update, a line with
 * val_loss for what the weights were after `step` updates; "whole": on all
 * held-out tokens, at the end. */
#ifndef TRAIN_RUN_LOG_H
#define TRAIN_RUN_LOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct run_log run_log;

/* Open for appending.  Lines of updates from `step` on, and what is after a
 * damaged line, are dropped first: 0 starts anew.  The evaluation of all
 * held-out tokens after `step` is kept only if `ended`: else it is made again.
 * Errors: AR_IO. */
ar_status run_log_open(run_log **out, const char *path, int64_t step,
                       bool ended, ar_error *err);
/* One line, with its newline; in the file when the call returns. */
ar_status run_log_add(run_log *l, const char *line, size_t size, ar_error *err);
void run_log_close(run_log *l); /* NULL is fine */

/* Calls fn with every line of a log, in order, until it fails.  A damaged last
 * line is left out.  Errors: AR_IO, AR_FORMAT naming the line, those of fn. */
typedef ar_status run_log_fn(void *ctx, const json_t *line, ar_error *err);
ar_status run_log_read(const char *path, run_log_fn *fn, void *ctx,
                       ar_error *err);

#endif
