/* host_driver.c - a GPU that is this machine's processors, for tests.
 *
 * Kernels are compiled into the library through lang/host.h; building a module
 * only finds them.  Everything is done when launch returns. */
#include "backend/gpu/host_driver.h"

#include <stdio.h>
#include <string.h>

#include "backend/gpu/gpu_driver.h"
#include "backend/gpu/host_lanes.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"

struct gpu_kernel {
    const char *name;
    const host_kernel *run;
};

static const gpu_kernel kernels[] = {
#define KERNEL(name, ...) {#name, &gpu_host_##name},
#define CUDA_KERNEL(...)
#include "backend/gpu/gpu_kernels.def"
#undef KERNEL
};
#ifdef GPU_NARROW
static const gpu_kernel narrow_kernels[] = {
#define KERNEL(name, ...) {#name, &gpu_narrow_##name},
#define CUDA_KERNEL(...)
#include "backend/gpu/gpu_kernels.def"
#undef KERNEL
};
#else
static const gpu_kernel *const narrow_kernels = kernels;
#endif
enum { N_KERNELS = sizeof kernels / sizeof *kernels };

struct gpu_module {
    const gpu_kernel *kernels; /* [N_KERNELS] */
};

/* Memory that was given out. */
typedef struct piece {
    void *memory;
    size_t size;
    struct piece *next;
} piece;

struct gpu_context {
    host_lanes *lanes;
    piece *pieces;
    bool discrete;
    gpu_module module;
};

static int host_count(const char **why) {
    (void)why;
    return 1;
}

static void host_close(gpu_context *c) {
    if (!c) return;
    while (c->pieces) {
        piece *p = c->pieces;
        c->pieces = p->next;
        mem_block_free(p->memory, p->size);
        mem_free(p);
    }
    host_lanes_close(c->lanes);
    mem_free(c);
}

static ar_status host_open(int index, gpu_context **out, ar_error *err) {
    *out = NULL;
    if (index < 0 || index >= HOST_VARIANTS)
        return error_set(err, AR_RANGE, "gpu-host %d: there is no such device",
                         index);
    gpu_context *c = mem_new(gpu_context, 1);
    if (!c) return error_set(err, AR_NOMEM, "no memory for a device");
    c->discrete = index & HOST_DISCRETE;
    c->module.kernels = index & HOST_NARROW ? narrow_kernels : kernels;
    const ar_status s = host_lanes_open(&c->lanes, index & HOST_THREADS,
                                        index & HOST_BACKWARD, err);
    if (s != AR_OK)
        host_close(c);
    else
        *out = c;
    return s;
}

static void host_info(const gpu_context *c, gpu_info *out) {
    *out = (gpu_info){.lang = GPU_HOST,
                      .arch = "c11",
                      .memory = mem_available(),
                      .shared_size = HOST_SHARED_SIZE,
                      .units = pool_processors(),
                      .group_max = HOST_LANES_MAX,
                      .subgroup = 1,
                      .unified = !c->discrete,
                      .doubles = c->module.kernels == kernels};
    snprintf(out->name, sizeof out->name, "this machine's processors");
}

/* ---- memory: addresses are pointers ---- */

static ar_status host_alloc(gpu_context *c, size_t size, gpu_address *out,
                            ar_error *err) {
    *out = 0;
    piece *p = mem_new(piece, 1);
    if (p) p->memory = mem_block_alloc(size);
    if (!p || !p->memory) {
        mem_free(p);
        return error_set(err, AR_NOMEM, "no memory for %.1f MiB",
                         (double)size / 1048576.0);
    }
    p->size = size;
    p->next = c->pieces;
    c->pieces = p;
    *out = (gpu_address)(uintptr_t)p->memory;
    return AR_OK;
}

/* Imported memory is not among the pieces. */
static void host_free(gpu_context *c, gpu_address a) {
    for (piece **at = &c->pieces; *at; at = &(*at)->next) {
        piece *p = *at;
        if ((gpu_address)(uintptr_t)p->memory != a) continue;
        *at = p->next;
        mem_block_free(p->memory, p->size);
        mem_free(p);
        return;
    }
}

static void *pointer(gpu_address a) { return (void *)(uintptr_t)a; }

static ar_status host_import(gpu_context *c, const void *p, size_t size,
                             gpu_address *out, ar_error *err) {
    (void)size;
    if (c->discrete)
        return error_set(err, AR_UNSUPPORTED, "the device has its own memory");
    *out = (gpu_address)(uintptr_t)p;
    return AR_OK;
}

static ar_status host_write(gpu_context *c, gpu_address dst, const void *src,
                            size_t n, ar_error *err) {
    (void)c, (void)err;
    if (n) memcpy(pointer(dst), src, n);
    return AR_OK;
}

static ar_status host_read(gpu_context *c, gpu_address src, void *dst, size_t n,
                           ar_error *err) {
    (void)c, (void)err;
    if (n) memcpy(dst, pointer(src), n);
    return AR_OK;
}

static ar_status host_copy(gpu_context *c, gpu_address dst, gpu_address src,
                           size_t n, ar_error *err) {
    (void)c, (void)err;
    if (n) memmove(pointer(dst), pointer(src), n);
    return AR_OK;
}

/* ---- kernels ---- */

static ar_status host_build(gpu_context *c, const gpu_source *s,
                            gpu_module **out, ar_error *err) {
    (void)s, (void)err;
    *out = &c->module;
    return AR_OK;
}

static ar_status host_kernel_find(gpu_module *m, const char *name,
                                  gpu_kernel **out, ar_error *err) {
    for (int i = 0; i < N_KERNELS; i++)
        if (!strcmp(m->kernels[i].name, name)) {
            *out = (gpu_kernel *)(uintptr_t)&m->kernels[i];
            return AR_OK;
        }
    return error_set(err, AR_DEVICE, "no kernel \"%s\"", name);
}

static ar_status host_launch(gpu_context *c, const gpu_launch *l,
                             ar_error *err) {
    const host_kernel *k = l->kernel->run;
    void *pointers[GPU_MAX_POINTERS];
    if (l->n_pointers != k->n_pointers || l->lanes < 1 ||
        l->lanes > HOST_LANES_MAX)
        return error_set(err, AR_DEVICE, "%s: %d pointers, %u lanes",
                         l->kernel->name, l->n_pointers, l->lanes);
    for (int i = 0; i < l->n_pointers; i++)
        pointers[i] = pointer(l->pointers[i]);
    const host_job job = {k,
                          {l->groups[0], l->groups[1], l->groups[2]},
                          (int32_t)l->lanes,
                          l->args,
                          pointers};
    return host_lanes_run(c->lanes, &job, err);
}

static ar_status host_wait(gpu_context *c, ar_error *err) {
    (void)c, (void)err;
    return AR_OK;
}

const gpu_driver gpu_host = {
    .name = "gpu-host",
    .lang = GPU_HOST,
    .count = host_count,
    .open = host_open,
    .close = host_close,
    .info = host_info,
    .alloc = host_alloc,
    .free = host_free,
    .import = host_import,
    .write = host_write,
    .read = host_read,
    .copy = host_copy,
    .build = host_build,
    .kernel = host_kernel_find,
    .launch = host_launch,
    .wait = host_wait,
};
