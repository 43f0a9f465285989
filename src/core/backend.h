/* backend.h - what a device must provide; core owns it, backends implement it.
 *
 * The whole contract is compile-then-run: a backend turns a graph (already
 * rewritten) into a program once and runs it many times.  On a CPU a program
 * is a list of kernel calls, on a GPU a recorded command list, on the Neural
 * Engine a compiled MIL model.  `struct device` and `struct program` are
 * defined privately by each backend. */
#ifndef CORE_BACKEND_H
#define CORE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cost.h"
#include "core/graph.h"
#include "core/plan.h"

typedef struct device device;
typedef struct program program;
typedef uint64_t ticket;

typedef struct buffer {
    void *host;      /* the bytes, where the host can see them, else NULL */
    uint64_t handle; /* private to the backend; 0 where host is enough */
    size_t size;     /* bytes */
} buffer;

typedef struct device_options {
    int n_threads;       /* 0 = as many as the process may use */
    const char *kernels; /* a kernel table by name; NULL = what ARCANE_CPU says,
                            else the best for this CPU */
    const char *blas;    /* "openblas", "accelerate"; NULL = own kernels */
} device_options;

typedef struct device_caps {
    char name[96];
    size_t memory;    /* bytes that are free; 0 = unknown */
    bool host_memory; /* buffers are host memory: import copies nothing */
    bool reference;   /* F64 programs run (the plain kernels) */
} device_caps;

typedef struct program_stats {
    size_t block_size, const_size, work_size; /* bytes */
    uint32_t n_steps;
    double flops, bytes; /* of one run */
} program_stats;

/* Time spent in one op over all runs. */
typedef struct op_time {
    double seconds, flops, bytes;
    int64_t calls;
} op_time;

typedef struct backend {
    const char *name; /* "cpu", "null", ... */

    int (*count)(void); /* devices present; 0 is not an error */
    ar_status (*open)(int index, const device_options *opt, device **out,
                      ar_error *err);
    void (*close)(device *d);
    void (*caps)(const device *d, device_caps *out);

    /* Can the device run this node?  If not, *reason says why. */
    bool (*supports)(const device *d, const graph *g, const node *n,
                     const char **reason);

    /* What the device can do at best, measured in about half a second. */
    ar_status (*measure)(device *d, device_speed *out, ar_error *err);

    ar_status (*alloc)(device *d, size_t size, buffer *out, ar_error *err);
    /* A read-only buffer over host memory that outlives it. */
    ar_status (*import)(device *d, const void *p, size_t size, buffer *out,
                        ar_error *err);
    void (*free)(device *d, buffer *b); /* of alloc or import */
    ar_status (*write)(device *d, buffer *dst, size_t at, const void *src,
                       size_t n, ar_error *err);
    ar_status (*read)(device *d, const buffer *src, size_t at, void *dst,
                      size_t n, ar_error *err);
    ar_status (*copy)(device *d, buffer *dst, size_t dst_at, const buffer *src,
                      size_t src_at, size_t n, ar_error *err);

    /* The graph is borrowed until release.  Checks that every node is
     * supported; plans; allocates all the program will ever need. */
    ar_status (*compile)(device *d, const graph *g, program **out,
                         ar_error *err);
    /* Start a run over buffers[slot].  Errors: AR_RANGE if a leaf lies outside
     * its buffer, AR_DEVICE.  Runs of one device are done in order. */
    ar_status (*run)(program *p, const buffer *buffers, int n_buffers,
                     ticket *out, ar_error *err);
    ar_status (*wait)(device *d, ticket t, ar_error *err);
    void (*stats)(const program *p, program_stats *out);
    /* Time by op since `profile(d, true)`; times[OP_COUNT] may be NULL. */
    void (*profile)(device *d, bool on, op_time *times);
    void (*release)(program *p);
} backend;

/* Backends built into this library, in order of preference; NULL-terminated.
 * Defined in backend/backends.c. */
extern const backend *const backends[];
const backend *backend_find(const char *name); /* NULL if unknown */
/* Of "cuda" or "cuda:1", the index of the device being 0 in the first. */
const backend *backend_find_device(const char *name, int *index);

#endif
