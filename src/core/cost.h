/* cost.h - how long a graph will take on a device that was measured.
 *
 * docs/performance/model.md explains the model and holds it against clocks. */
#ifndef CORE_COST_H
#define CORE_COST_H

#include "core/graph.h"

/* What a device can do at best, all its threads together. */
typedef struct device_speed {
    double flops;      /* f32 operations a second, a multiply-add counted two */
    double levels;     /* the same of products of 8-bit levels */
    double bandwidth;  /* bytes a second read from memory */
    double cached;     /* and from the caches */
    double cache_size; /* bytes; what is larger does not stay in them */
    double dispatch;   /* seconds to start all threads and to wait for them */
} device_speed;

/* One run of a program. */
typedef struct cost_run {
    const device_speed *speed;
    double block_size; /* bytes of the program's own values */
    double keys;       /* that a row of ATTENTION_PAGED sees on average;
                          0: as many as its pages hold */
} cost_run;

double graph_seconds(const graph *g, const cost_run *r);

/* ---- flops.c ---- */

/* Bytes of the elements that a view touches: repeated ones are read once. */
double value_bytes(const value *v);
/* Bytes that n reads of its input k; is that the same as an earlier one? */
double node_input_bytes(const graph *g, const node *n, int k);
bool node_input_repeated(const node *n, int k);

#endif
