/* op_bench.h - how fast a device runs single ops: `arcane bench kernels`. */
#ifndef BACKEND_OP_BENCH_H
#define BACKEND_OP_BENCH_H

#include <stdbool.h>

#include "core/backend.h"

typedef struct op_bench_result {
    const char *name, *shape;
    double seconds;      /* median of one run */
    double flops, bytes; /* of one run */
} op_bench_result;

typedef void op_bench_show(void *ctx, const op_bench_result *r);

/* Does any row of op_bench.def have a name that contains `filter`? */
bool op_bench_has(const char *filter);
/* Run every row of op_bench.def whose name contains `filter` (NULL: all) for
 * about `seconds` each, and tell `show` of each. */
ar_status op_bench_run(const backend *b, device *d, const char *filter,
                       double seconds, op_bench_show *show, void *ctx,
                       ar_error *err);

#endif
