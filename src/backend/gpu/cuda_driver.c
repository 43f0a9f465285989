/* cuda_driver.c - NVIDIA GPUs through libcuda: memory, kernels, graphs. */
#include <stdio.h>
#include <string.h>

#include "backend/gpu/cuda_library.h"
#include "backend/gpu/gpu_driver.h"
#include "backend/gpu/gpu_text.h"
#include "backend/gpu/kernel_cache.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

/* Numbers of cuda.h. */
enum {
    CU_NOMEM = 2,
    CU_GROUP_MAX = 1, /* attributes of a device */
    CU_WARP = 10,
    CU_UNITS = 16,
    CU_INTEGRATED = 18,
    CU_MAJOR = 75,
    CU_MINOR = 76,
    CU_SHARED_MAX = 97,
    CU_FUNCTION_SHARED = 8, /* attribute of a function */
    CU_STREAM_NONBLOCKING = 1,
    CU_CAPTURE_RELAXED = 2,
    CU_REGISTER_DEVICE = 2,
    CU_ATTRIBUTE_OLDEST = 53, /* Maxwell: the oldest with what is used here */
};

/* Kernels with more shared memory than this must ask for it. */
enum { SHARED_PLAIN = 48 << 10 };

/* Two halves of pinned memory, so that one is filled while the other goes. */
enum { STAGE_SIZE = 8 << 20 };

struct gpu_kernel {
    gpu_context *c;
    void *function;
    uint32_t shared_size; /* what it was allowed */
    gpu_kernel *next;
};

struct gpu_module {
    gpu_context *c;
    void *module;
    char name[64];
    gpu_kernel *kernels;
    gpu_module *next;
};

struct gpu_graph {
    void *exec;
};

/* Host memory made visible to the device by import. */
typedef struct pinned {
    void *host;
    gpu_address address;
    struct pinned *next;
} pinned;

struct gpu_context {
    const cuda_calls *cu;
    void *context, *stream, *events[2];
    void *stage[2], *stage_free[2]; /* pinned halves; when each is free again */
    int stage_next;
    int device;
    gpu_info info;
    gpu_module *modules;
    pinned *imports;
};

static ar_status check(const gpu_context *c, int rc, const char *what,
                       ar_error *err) {
    if (!rc) return AR_OK;
    const char *reason = NULL;
    c->cu->error_text(rc, &reason);
    return error_set(err, rc == CU_NOMEM ? AR_NOMEM : AR_DEVICE,
                     "%s: %s: %s (CUDA error %d)", c->info.name, what,
                     reason ? reason : "unknown", rc);
}

/* Any thread may call: the context is made current each time. */
static ar_status enter(const gpu_context *c, ar_error *err) {
    return check(c, c->cu->context_set(c->context), "using the device", err);
}

static int attribute(const gpu_context *c, int what) {
    int v = 0;
    c->cu->device_attribute(&v, what, c->device);
    return v;
}

/* ---- opening ---- */

static int cuda_count(const char **why) {
    const cuda_calls *cu = cuda_library(why);
    if (!cu) return 0;
    int n = 0;
    if (cu->init(0) || cu->device_count(&n) || !n) {
        *why = "the NVIDIA driver finds no GPU";
        return 0;
    }
    return n;
}

static void fill_info(gpu_context *c) {
    gpu_info *i = &c->info;
    size_t total = 0;
    c->cu->device_name(i->name, sizeof i->name, c->device);
    i->lang = GPU_CUDA;
    i->capability = 10 * attribute(c, CU_MAJOR) + attribute(c, CU_MINOR);
    snprintf(i->arch, sizeof i->arch, "sm_%d", c->info.capability);
    c->cu->memory_info(&i->memory, &total);
    i->shared_size = (size_t)attribute(c, CU_SHARED_MAX);
    i->units = attribute(c, CU_UNITS);
    i->group_max = attribute(c, CU_GROUP_MAX);
    i->subgroup = attribute(c, CU_WARP);
    i->unified = attribute(c, CU_INTEGRATED) != 0;
    i->doubles = true;
}

static void cuda_close(gpu_context *c) {
    if (!c) return;
    const cuda_calls *cu = c->cu;
    if (c->context) cu->context_set(c->context);
    if (c->stream) cu->stream_wait(c->stream);
    for (gpu_module *m = c->modules, *next; m; m = next) {
        next = m->next;
        for (gpu_kernel *k = m->kernels, *after; k; k = after)
            after = k->next, mem_free(k);
        cu->module_free(m->module);
        mem_free(m);
    }
    for (pinned *p = c->imports, *next; p; p = next) {
        next = p->next;
        cu->host_unregister(p->host);
        mem_free(p);
    }
    for (int i = 0; i < 2; i++) {
        if (c->events[i]) cu->event_close(c->events[i]);
        if (c->stage_free[i]) cu->event_close(c->stage_free[i]);
        if (c->stage[i]) cu->host_free(c->stage[i]);
    }
    if (c->stream) cu->stream_close(c->stream);
    if (c->context) cu->context_release(c->device);
    mem_free(c);
}

static ar_status make_stream(gpu_context *c, ar_error *err) {
    TRY(check(c, c->cu->context_retain(&c->context, c->device),
              "opening the device", err));
    TRY(enter(c, err));
    TRY(check(c, c->cu->stream_open(&c->stream, CU_STREAM_NONBLOCKING),
              "making a stream", err));
    for (int i = 0; i < 2; i++) {
        TRY(check(c, c->cu->event_open(&c->events[i], 0), "making an event",
                  err));
        TRY(check(c, c->cu->event_open(&c->stage_free[i], 0), "making an event",
                  err));
        TRY(check(c, c->cu->host_alloc(&c->stage[i], STAGE_SIZE, 0),
                  "pinning memory", err));
    }
    return AR_OK;
}

static ar_status cuda_open(int index, gpu_context **out, ar_error *err) {
    *out = NULL;
    const char *why;
    const int n = cuda_count(&why);
    if (!n) return error_set(err, AR_UNSUPPORTED, "no CUDA device: %s", why);
    if (index < 0 || index >= n)
        return error_set(err, AR_RANGE, "cuda %d: there are %d", index, n);
    gpu_context *c = mem_new(gpu_context, 1);
    if (!c) return error_set(err, AR_NOMEM, "no memory for a device");
    c->cu = cuda_library(&why);
    snprintf(c->info.name, sizeof c->info.name, "cuda %d", index);
    ar_status s = check(c, c->cu->device_get(&c->device, index),
                        "finding the device", err);
    if (s == AR_OK) s = make_stream(c, err);
    if (s == AR_OK) {
        fill_info(c);
        if (c->info.capability < CU_ATTRIBUTE_OLDEST)
            s = error_set(err, AR_UNSUPPORTED, "%s: sm_%d is too old",
                          c->info.name, c->info.capability);
    }
    if (s != AR_OK)
        cuda_close(c);
    else
        *out = c;
    return s;
}

static void cuda_info(const gpu_context *c, gpu_info *out) {
    *out = c->info;
    size_t total = 0;
    if (!c->cu->context_set(c->context))
        c->cu->memory_info(&out->memory, &total);
}

/* ---- memory ---- */

static ar_status cuda_alloc(gpu_context *c, size_t size, gpu_address *out,
                            ar_error *err) {
    *out = 0;
    TRY(enter(c, err));
    const int rc = c->cu->memory_alloc(out, size ? size : 1);
    if (rc != CU_NOMEM) return check(c, rc, "taking memory", err);
    size_t free = 0, total = 0;
    c->cu->memory_info(&free, &total);
    return error_set(err, AR_NOMEM,
                     "%s: no room for %.1f MiB: %.1f of %.1f MiB are free",
                     c->info.name, (double)size / 1048576.0,
                     (double)free / 1048576.0, (double)total / 1048576.0);
}

static void cuda_free(gpu_context *c, gpu_address a) {
    if (!a || c->cu->context_set(c->context)) return;
    for (pinned **at = &c->imports; *at; at = &(*at)->next) {
        pinned *p = *at;
        if (p->address != a) continue;
        *at = p->next;
        c->cu->stream_wait(c->stream);
        c->cu->host_unregister(p->host);
        mem_free(p);
        return;
    }
    c->cu->memory_free(a);
}

static ar_status cuda_import(gpu_context *c, const void *p, size_t size,
                             gpu_address *out, ar_error *err) {
    *out = 0;
    TRY(enter(c, err));
    pinned *i = mem_new(pinned, 1);
    if (!i) return error_set(err, AR_NOMEM, "no memory for an import");
    i->host = (void *)p;
    ar_status s =
        check(c, c->cu->host_register(i->host, size, CU_REGISTER_DEVICE),
              "sharing host memory", err);
    if (s == AR_OK) {
        s = check(c, c->cu->host_address(&i->address, i->host, 0),
                  "sharing host memory", err);
        if (s != AR_OK) c->cu->host_unregister(i->host);
    }
    if (s != AR_OK) {
        mem_free(i);
        return s;
    }
    i->next = c->imports;
    c->imports = i;
    *out = i->address;
    return AR_OK;
}

/* One half of the stage at a time: waits until that half has gone. */
static ar_status write_part(gpu_context *c, gpu_address dst, const void *src,
                            size_t n, ar_error *err) {
    const int i = c->stage_next;
    c->stage_next = !i;
    TRY(check(c, c->cu->event_wait(c->stage_free[i]), "writing", err));
    memcpy(c->stage[i], src, n);
    TRY(check(c, c->cu->copy_in(dst, c->stage[i], n, c->stream), "writing",
              err));
    return check(c, c->cu->event_record(c->stage_free[i], c->stream), "writing",
                 err);
}

static ar_status cuda_write(gpu_context *c, gpu_address dst, const void *src,
                            size_t n, ar_error *err) {
    TRY(enter(c, err));
    for (size_t at = 0; at < n; at += STAGE_SIZE) {
        const size_t part = n - at < STAGE_SIZE ? n - at : STAGE_SIZE;
        TRY(write_part(c, dst + at, (const char *)src + at, part, err));
    }
    return AR_OK;
}

static ar_status cuda_read(gpu_context *c, gpu_address src, void *dst, size_t n,
                           ar_error *err) {
    TRY(enter(c, err));
    for (size_t at = 0; at < n; at += STAGE_SIZE) {
        const size_t part = n - at < STAGE_SIZE ? n - at : STAGE_SIZE;
        TRY(check(c, c->cu->copy_out(c->stage[0], src + at, part, c->stream),
                  "reading", err));
        TRY(check(c, c->cu->stream_wait(c->stream), "reading", err));
        memcpy((char *)dst + at, c->stage[0], part);
    }
    return check(c, c->cu->stream_wait(c->stream), "reading", err);
}

static ar_status cuda_copy(gpu_context *c, gpu_address dst, gpu_address src,
                           size_t n, ar_error *err) {
    TRY(enter(c, err));
    if (!n) return AR_OK;
    return check(c, c->cu->copy_in_device(dst, src, n, c->stream), "copying",
                 err);
}

/* ---- kernels ---- */

static void cache_key(const gpu_context *c, const char *source,
                      char key[SHA256_HEX]) {
    char versions[64];
    int driver = 0, major = 0, minor = 0;
    const char *why;
    const nvrtc_calls *rtc = nvrtc_library(&why);
    c->cu->driver_version(&driver);
    if (rtc) rtc->version(&major, &minor);
    snprintf(versions, sizeof versions, "%s driver %d nvrtc %d.%d",
             c->info.arch, driver, major, minor);
    const char *const texts[] = {versions, source, NULL};
    kernel_cache_key(key, texts);
}

/* Out of the cache if what is there loads, else compiled. */
static ar_status load_module(gpu_context *c, const char *name,
                             const char *source, void **module, ar_error *err) {
    char key[SHA256_HEX], *image = NULL;
    size_t size;
    cache_key(c, source, key);
    if (kernel_cache_get(key, &image, &size)) {
        const int rc = c->cu->module_load(module, image);
        mem_free(image);
        if (!rc) return AR_OK;
        kernel_cache_drop(key);
    }
    TRY(cuda_compile(name, source, c->info.capability, &image, &size, err));
    const ar_status s =
        check(c, c->cu->module_load(module, image), "loading kernels", err);
    if (s == AR_OK) kernel_cache_put(key, image, size);
    mem_free(image);
    return s;
}

static ar_status cuda_build(gpu_context *c, const gpu_source *source,
                            gpu_module **out, ar_error *err) {
    *out = NULL;
    TRY(enter(c, err));
    gpu_module *m = mem_new(gpu_module, 1);
    if (!m) return error_set(err, AR_NOMEM, "no memory for kernels");
    m->c = c;
    snprintf(m->name, sizeof m->name, "%s", source->name);
    text t = {0};
    ar_status s = gpu_text_of(source, "cuda", &t, err);
    if (s == AR_OK) s = load_module(c, source->name, t.data, &m->module, err);
    text_close(&t);
    if (s != AR_OK) {
        mem_free(m);
        return s;
    }
    m->next = c->modules;
    c->modules = m;
    *out = m;
    return AR_OK;
}

static ar_status cuda_kernel(gpu_module *m, const char *name, gpu_kernel **out,
                             ar_error *err) {
    *out = NULL;
    TRY(enter(m->c, err));
    gpu_kernel *k = mem_new(gpu_kernel, 1);
    if (!k) return error_set(err, AR_NOMEM, "no memory for a kernel");
    k->c = m->c;
    if (m->c->cu->module_function(&k->function, m->module, name)) {
        mem_free(k);
        return error_set(err, AR_DEVICE, "%s: has no kernel \"%s\"", m->name,
                         name);
    }
    k->next = m->kernels;
    m->kernels = k;
    *out = k;
    return AR_OK;
}

static ar_status allow_shared(gpu_kernel *k, uint32_t size, ar_error *err) {
    if (size <= SHARED_PLAIN || size <= k->shared_size) return AR_OK;
    TRY(check(
        k->c,
        k->c->cu->function_set(k->function, CU_FUNCTION_SHARED, (int)size),
        "asking for shared memory", err));
    k->shared_size = size;
    return AR_OK;
}

static ar_status cuda_launch(gpu_context *c, const gpu_launch *l,
                             ar_error *err) {
    TRY(enter(c, err));
    TRY(allow_shared(l->kernel, l->shared_size, err));
    gpu_address pointers[GPU_MAX_POINTERS];
    void *params[GPU_MAX_POINTERS + 1];
    params[0] = (void *)l->args;
    for (int i = 0; i < l->n_pointers; i++) {
        pointers[i] = l->pointers[i];
        params[i + 1] = &pointers[i];
    }
    return check(c,
                 c->cu->launch(l->kernel->function, l->groups[0], l->groups[1],
                               l->groups[2], l->lanes, 1, 1, l->shared_size,
                               c->stream, params, NULL),
                 "starting a kernel", err);
}

static ar_status cuda_wait(gpu_context *c, ar_error *err) {
    TRY(enter(c, err));
    return check(c, c->cu->stream_wait(c->stream), "running kernels", err);
}

/* ---- graphs ---- */

static ar_status cuda_graph_begin(gpu_context *c, ar_error *err) {
    TRY(enter(c, err));
    if (!c->cu->graph_make)
        return error_set(err, AR_UNSUPPORTED,
                         "this driver is too old to record launches");
    return check(c, c->cu->capture_begin(c->stream, CU_CAPTURE_RELAXED),
                 "recording launches", err);
}

static ar_status cuda_graph_end(gpu_context *c, gpu_graph **out,
                                ar_error *err) {
    *out = NULL;
    TRY(enter(c, err));
    void *graph = NULL;
    TRY(check(c, c->cu->capture_end(c->stream, &graph), "recording launches",
              err));
    gpu_graph *g = mem_new(gpu_graph, 1);
    ar_status s =
        g ? check(c, c->cu->graph_make(&g->exec, graph, 0),
                  "making a graph of launches", err)
          : error_set(err, AR_NOMEM, "no memory for a graph of launches");
    c->cu->graph_free(graph);
    if (s == AR_OK)
        *out = g;
    else
        mem_free(g);
    return s;
}

static ar_status cuda_graph_launch(gpu_context *c, gpu_graph *g,
                                   ar_error *err) {
    TRY(enter(c, err));
    return check(c, c->cu->graph_launch(g->exec, c->stream),
                 "starting a graph of launches", err);
}

static void cuda_graph_free(gpu_context *c, gpu_graph *g) {
    if (!g) return;
    if (!c->cu->context_set(c->context)) {
        c->cu->stream_wait(c->stream);
        c->cu->graph_exec_free(g->exec);
    }
    mem_free(g);
}

static ar_status cuda_mark(gpu_context *c, int i, ar_error *err) {
    TRY(enter(c, err));
    return check(c, c->cu->event_record(c->events[i], c->stream), "timing",
                 err);
}

static ar_status cuda_between(gpu_context *c, double *seconds, ar_error *err) {
    float ms = 0;
    TRY(enter(c, err));
    TRY(check(c, c->cu->event_wait(c->events[1]), "timing", err));
    TRY(check(c, c->cu->event_between(&ms, c->events[0], c->events[1]),
              "timing", err));
    *seconds = ms / 1e3;
    return AR_OK;
}

const gpu_driver gpu_cuda = {
    .name = "cuda",
    .lang = GPU_CUDA,
    .count = cuda_count,
    .open = cuda_open,
    .close = cuda_close,
    .info = cuda_info,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .import = cuda_import,
    .write = cuda_write,
    .read = cuda_read,
    .copy = cuda_copy,
    .build = cuda_build,
    .kernel = cuda_kernel,
    .launch = cuda_launch,
    .wait = cuda_wait,
    .graph_begin = cuda_graph_begin,
    .graph_end = cuda_graph_end,
    .graph_launch = cuda_graph_launch,
    .graph_free = cuda_graph_free,
    .mark = cuda_mark,
    .between = cuda_between,
};
