/* gpu_driver.h - what a way to a GPU must provide: CUDA, OpenCL, Metal, host.
 *
 * A driver knows memory, kernels compiled from text, and launching them in
 * order.  It knows nothing of graphs: that is gpu_program.c's, the same for
 * all.  Memory is named by addresses: real ones of CUDA, OpenCL's shared
 * virtual memory and the host, made-up ones that the Metal driver turns into
 * buffer and offset.  Everything given to one context is done in order.
 *
 *   gpu_context *c;
 *   TRY(driver->open(0, &c, err));
 *   TRY(driver->build(c, &source, &module, err));
 *   TRY(driver->kernel(module, "copy_any", &k, err));
 *   TRY(driver->launch(c, &(gpu_launch){k, ...}, err));
 *   TRY(driver->wait(c, err));
 *
 * Errors: AR_DEVICE with the driver's own words; AR_NOMEM of device memory,
 * naming the size; AR_UNSUPPORTED where there is no such device. */
#ifndef GPU_DRIVER_H
#define GPU_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct gpu_context gpu_context;
typedef struct gpu_module gpu_module;
typedef struct gpu_kernel gpu_kernel;
typedef struct gpu_graph gpu_graph;
typedef uint64_t gpu_address; /* 0 = none */

enum gpu_lang { GPU_CUDA, GPU_OPENCL, GPU_METAL, GPU_HOST };

typedef struct gpu_info {
    enum gpu_lang lang;
    int capability;     /* CUDA: 10 * major + minor; else 0 */
    char name[96];      /* "NVIDIA H100 80GB HBM3" */
    char arch[32];      /* what kernels are compiled for: "sm_90a" */
    size_t memory;      /* bytes that are free; 0 = unknown */
    size_t shared_size; /* bytes of shared memory that a group may use */
    int units;          /* multiprocessors, cores */
    int group_max;      /* lanes a group */
    int subgroup; /* lanes that run together; 1 = no subgroup operations */
    bool unified; /* host memory is device memory: import copies nothing */
    bool doubles; /* kernels may compute in double */
} gpu_info;

/* Kernel text: the parts are compiled as if written one after the other (the
 * driver puts its prelude of lang/ first).  name: for messages and the cache
 * on disk, whose key is everything here and gpu_info.arch. */
typedef struct gpu_source {
    const char *name;
    const char *const *parts; /* NULL-terminated */
    const char *defines;      /* lines of #define, or NULL */
} gpu_source;

enum { GPU_MAX_POINTERS = 16, GPU_MAX_ARGS = 768 };

/* One launch: groups[0] * groups[1] * groups[2] groups of `lanes` lanes; the
 * kernel's argument structure (bytes), then its pointers in order. */
typedef struct gpu_launch {
    gpu_kernel *kernel;
    uint32_t groups[3];
    uint32_t lanes;       /* of a group; one dimension */
    uint32_t shared_size; /* bytes of dynamic shared memory */
    int n_pointers;
    gpu_address pointers[GPU_MAX_POINTERS];
    const void *args;
    size_t args_size;
} gpu_launch;

typedef struct gpu_driver {
    const char *name; /* "cuda" */
    enum gpu_lang lang;

    /* Devices present; 0, with a sentence in *why (static), where the library
     * or the device is missing or too old. */
    int (*count)(const char **why);
    ar_status (*open)(int index, gpu_context **out, ar_error *err);
    void (*close)(gpu_context *c); /* NULL is allowed */
    void (*info)(const gpu_context *c, gpu_info *out);

    /* Memory; size 0 is allowed.  alloc's is not cleared. */
    ar_status (*alloc)(gpu_context *c, size_t size, gpu_address *out,
                       ar_error *err);
    void (*free)(gpu_context *c, gpu_address a);
    /* unified: the device reads host memory where it is; it outlives `a`. */
    ar_status (*import)(gpu_context *c, const void *p, size_t size,
                        gpu_address *out, ar_error *err);
    /* write and copy are in order with launches; write has taken src when it
     * returns.  read waits for what was launched before. */
    ar_status (*write)(gpu_context *c, gpu_address dst, const void *src,
                       size_t n, ar_error *err);
    ar_status (*read)(gpu_context *c, gpu_address src, void *dst, size_t n,
                      ar_error *err);
    ar_status (*copy)(gpu_context *c, gpu_address dst, gpu_address src,
                      size_t n, ar_error *err);

    /* A module stays until the context is closed; so do its kernels. */
    ar_status (*build)(gpu_context *c, const gpu_source *s, gpu_module **out,
                       ar_error *err);
    ar_status (*kernel)(gpu_module *m, const char *name, gpu_kernel **out,
                        ar_error *err);
    ar_status (*launch)(gpu_context *c, const gpu_launch *l, ar_error *err);
    ar_status (*wait)(gpu_context *c, ar_error *err);

    /* Launches recorded once and sent as one; NULL where the driver has no
     * such thing.  Between begin and end launch records; begin fails where
     * something cannot be recorded. */
    ar_status (*graph_begin)(gpu_context *c, ar_error *err);
    ar_status (*graph_end)(gpu_context *c, gpu_graph **out, ar_error *err);
    ar_status (*graph_launch)(gpu_context *c, gpu_graph *g, ar_error *err);
    void (*graph_free)(gpu_context *c, gpu_graph *g);

    /* Seconds the device took between two marks; NULL: use the clock. */
    ar_status (*mark)(gpu_context *c, int i, ar_error *err); /* 0 or 1 */
    ar_status (*between)(gpu_context *c, double *seconds, ar_error *err);
} gpu_driver;

extern const gpu_driver gpu_cuda, gpu_opencl, gpu_metal, gpu_host;

#endif
