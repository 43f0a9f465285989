/* train_device.h - the device of a run, and graphs compiled for it. */
#ifndef TRAIN_DEVICE_H
#define TRAIN_DEVICE_H

#include "core/backend.h"

typedef struct train_device {
    const backend *b;
    device *d;
    device_caps caps;
    ar_type type; /* of weights and activations: F32 or F64 */
} train_device;

/* "cpu", "reference" (plain kernels), "reference-f64" (the same in double), or
 * the name of a backend.  Errors: AR_USAGE for an unknown name, and those of
 * opening the device. */
ar_status train_device_open(train_device *out, const char *name,
                            const device_options *opt, ar_error *err);
void train_device_close(train_device *d); /* after everything made on it */

/* Zeroed memory. */
ar_status train_alloc(train_device *d, size_t size, buffer *out, ar_error *err);
ar_status train_zero(train_device *d, buffer *b, ar_error *err);

/* A graph and its program. */
typedef struct compiled {
    graph g;
    program *p; /* NULL: none */
} compiled;

/* Rewrite and compile `built`, which is closed in any case. */
ar_status compiled_open(compiled *out, train_device *d, graph *built,
                        ar_error *err);
void compiled_close(compiled *c, train_device *d);
/* Run and wait. */
ar_status compiled_run(compiled *c, train_device *d, const buffer *buffers,
                       int n_buffers, ar_error *err);

#endif
