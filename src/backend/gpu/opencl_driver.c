/* opencl_driver.c - any device with OpenCL 2.0's shared virtual memory.
 *
 * Addresses are those of clSVMAlloc, so pointers into the middle of an
 * allocation are ordinary kernel arguments. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/gpu/gpu_driver.h"
#include "backend/gpu/gpu_text.h"
#include "base/dynlib.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

/* Numbers of cl.h. */
enum {
    CL_DEVICE_ALL = -1,
    CL_UNITS = 0x1002,
    CL_GROUP_MAX = 0x1004,
    CL_GLOBAL_SIZE = 0x101F,
    CL_SHARED_SIZE = 0x1023,
    CL_NAME = 0x102B,
    CL_DRIVER_VERSION = 0x102D,
    CL_DOUBLES = 0x1032,
    CL_UNIFIED = 0x1035,
    CL_SVM = 0x1053,
    CL_BUILD_LOG = 0x1183,
    CL_OUT_OF_MEMORY = -4, /* object allocation; -5 and -6 are resources */
    CL_OUT_OF_RESOURCES = -5,
    CL_OUT_OF_HOST_MEMORY = -6,
};

enum { MAX_PLATFORMS = 8, MAX_DEVICES = 32, SVM_ALIGNMENT = 128 };

typedef struct cl_calls {
#define CALL(result, name, symbol, ...) result (*name)(__VA_ARGS__);
#include "backend/gpu/opencl_calls.def"
#undef CALL
} cl_calls;

struct gpu_kernel {
    gpu_context *c;
    void *kernel;
    gpu_kernel *next;
};

struct gpu_module {
    gpu_context *c;
    void *program;
    char name[64];
    gpu_kernel *kernels;
    gpu_module *next;
};

struct gpu_context {
    void *device, *context, *queue;
    gpu_info info;
    gpu_module *modules;
};

static cl_calls cl;
static const char *missing = "OpenCL's loader (libOpenCL.so.1) is not on this "
                             "machine";
static void *found[MAX_DEVICES];
static int n_found;

static const struct {
    const char *symbol;
    size_t offset;
} names[] = {
#define CALL(result, name, symbol, ...) {symbol, offsetof(cl_calls, name)},
#include "backend/gpu/opencl_calls.def"
#undef CALL
};

/* ---- which devices there are ---- */

static void list_devices(void) {
    void *platforms[MAX_PLATFORMS], *devices[MAX_DEVICES];
    unsigned n = 0;
    if (cl.platforms(MAX_PLATFORMS, platforms, &n) || !n) return;
    if (n > MAX_PLATFORMS) n = MAX_PLATFORMS;
    for (unsigned i = 0; i < n; i++) {
        unsigned m = 0;
        if (cl.devices(platforms[i], (uint64_t)(uint32_t)CL_DEVICE_ALL,
                       MAX_DEVICES, devices, &m))
            continue;
        for (unsigned k = 0; k < m && k < MAX_DEVICES; k++) {
            uint64_t svm = 0;
            cl.device_info(devices[k], CL_SVM, sizeof svm, &svm, NULL);
            if ((svm & 1) && n_found < MAX_DEVICES)
                found[n_found++] = devices[k];
        }
    }
    missing = "no OpenCL device here has shared virtual memory";
}

static void load(void) {
    static const char *const files[] = {"libOpenCL.so.1", "libOpenCL.so", NULL};
    dynlib *lib = dynlib_open(files);
    if (!lib) return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *const f = dynlib_symbol(lib, names[i].symbol);
        if (!f) {
            missing = "this OpenCL is older than 2.0";
            return;
        }
        memcpy((char *)&cl + names[i].offset, &f, sizeof f);
    }
    list_devices();
}

static int cl_count(const char **why) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    *why = missing;
    return n_found;
}

static ar_status check(const gpu_context *c, int rc, const char *what,
                       ar_error *err) {
    if (!rc) return AR_OK;
    const bool memory = rc == CL_OUT_OF_MEMORY || rc == CL_OUT_OF_RESOURCES ||
                        rc == CL_OUT_OF_HOST_MEMORY;
    return error_set(err, memory ? AR_NOMEM : AR_DEVICE,
                     "%s: %s failed (OpenCL error %d)", c->info.name, what, rc);
}

/* ---- opening ---- */

static void cl_close(gpu_context *c) {
    if (!c) return;
    if (c->queue) cl.finish(c->queue);
    for (gpu_module *m = c->modules, *next; m; m = next) {
        next = m->next;
        for (gpu_kernel *k = m->kernels, *after; k; k = after) {
            after = k->next;
            cl.kernel_close(k->kernel);
            mem_free(k);
        }
        cl.program_close(m->program);
        mem_free(m);
    }
    if (c->queue) cl.queue_close(c->queue);
    if (c->context) cl.context_close(c->context);
    mem_free(c);
}

static void fill_info(gpu_context *c) {
    gpu_info *i = &c->info;
    uint64_t memory = 0, shared = 0, doubles = 0;
    unsigned units = 0, unified = 0;
    size_t group = 0;
    void *d = c->device;
    cl.device_info(d, CL_NAME, sizeof i->name, i->name, NULL);
    cl.device_info(d, CL_GLOBAL_SIZE, sizeof memory, &memory, NULL);
    cl.device_info(d, CL_SHARED_SIZE, sizeof shared, &shared, NULL);
    cl.device_info(d, CL_DOUBLES, sizeof doubles, &doubles, NULL);
    cl.device_info(d, CL_UNITS, sizeof units, &units, NULL);
    cl.device_info(d, CL_UNIFIED, sizeof unified, &unified, NULL);
    cl.device_info(d, CL_GROUP_MAX, sizeof group, &group, NULL);
    snprintf(i->arch, sizeof i->arch, "opencl");
    i->memory = (size_t)memory;
    i->shared_size = (size_t)shared;
    i->lang = GPU_OPENCL;
    i->units = (int)units;
    i->group_max = (int)group;
    i->subgroup = 1;
    /* Coarse-grained memory must be mapped before the host may look at it, so
     * even a device that shares the host's memory is written and read. */
    i->unified = false;
    i->doubles = doubles != 0;
}

static ar_status cl_open(int index, gpu_context **out, ar_error *err) {
    *out = NULL;
    const char *why;
    const int n = cl_count(&why);
    if (!n) return error_set(err, AR_UNSUPPORTED, "no OpenCL device: %s", why);
    if (index < 0 || index >= n)
        return error_set(err, AR_RANGE, "opencl %d: there are %d", index, n);
    gpu_context *c = mem_new(gpu_context, 1);
    if (!c) return error_set(err, AR_NOMEM, "no memory for a device");
    c->device = found[index];
    fill_info(c);
    int rc = 0;
    c->context = cl.context_open(NULL, 1, &c->device, NULL, NULL, &rc);
    ar_status s = check(c, rc, "opening the device", err);
    if (s == AR_OK) {
        c->queue = cl.queue_open(c->context, c->device, 0, &rc);
        s = check(c, rc, "making a queue", err);
    }
    if (s != AR_OK)
        cl_close(c);
    else
        *out = c;
    return s;
}

static void cl_info(const gpu_context *c, gpu_info *out) { *out = c->info; }

/* ---- memory ---- */

static ar_status cl_alloc(gpu_context *c, size_t size, gpu_address *out,
                          ar_error *err) {
    void *p = cl.memory_alloc(c->context, 0 | 1 /* read and write */,
                              size ? size : 1, SVM_ALIGNMENT);
    *out = (gpu_address)(uintptr_t)p;
    if (p) return AR_OK;
    return error_set(err, AR_NOMEM, "%s: no room for %.1f MiB", c->info.name,
                     (double)size / 1048576.0);
}

static void cl_free(gpu_context *c, gpu_address a) {
    if (!a) return;
    cl.finish(c->queue);
    cl.memory_free(c->context, (void *)(uintptr_t)a);
}

static ar_status cl_import(gpu_context *c, const void *p, size_t size,
                           gpu_address *out, ar_error *err) {
    (void)p, (void)size;
    *out = 0;
    return error_set(err, AR_UNSUPPORTED, "%s: cannot use host memory in place",
                     c->info.name);
}

static ar_status move(gpu_context *c, void *dst, const void *src, size_t n,
                      bool wait, ar_error *err) {
    if (!n) return AR_OK;
    return check(c, cl.memory_copy(c->queue, wait, dst, src, n, 0, NULL, NULL),
                 "copying memory", err);
}

static ar_status cl_write(gpu_context *c, gpu_address dst, const void *src,
                          size_t n, ar_error *err) {
    return move(c, (void *)(uintptr_t)dst, src, n, true, err);
}

static ar_status cl_read(gpu_context *c, gpu_address src, void *dst, size_t n,
                         ar_error *err) {
    return move(c, dst, (const void *)(uintptr_t)src, n, true, err);
}

static ar_status cl_copy(gpu_context *c, gpu_address dst, gpu_address src,
                         size_t n, ar_error *err) {
    return move(c, (void *)(uintptr_t)dst, (const void *)(uintptr_t)src, n,
                false, err);
}

/* ---- kernels ---- */

static ar_status complaint(gpu_context *c, void *program, const char *name,
                           ar_error *err) {
    size_t size = 0;
    cl.program_log(program, c->device, CL_BUILD_LOG, 0, NULL, &size);
    char *log = mem_new(char, size + 1);
    if (!log) return error_set(err, AR_NOMEM, "no memory for a compiler log");
    cl.program_log(program, c->device, CL_BUILD_LOG, size, log, NULL);
    const ar_status s = gpu_text_complaint(name, "OpenCL", log, err);
    mem_free(log);
    return s;
}

static ar_status make_program(gpu_context *c, const gpu_source *s, void **out,
                              ar_error *err) {
    text t = {0};
    ar_status status = gpu_text_of(s, "opencl", &t, err);
    if (status == AR_OK) {
        int rc = 0;
        const char *const parts[] = {t.data};
        *out = cl.program_open(c->context, 1, parts, NULL, &rc);
        status = check(c, rc, "taking kernels", err);
    }
    text_close(&t);
    return status;
}

static ar_status cl_build(gpu_context *c, const gpu_source *s, gpu_module **out,
                          ar_error *err) {
    *out = NULL;
    void *program = NULL;
    TRY(make_program(c, s, &program, err));
    if (cl.program_build(program, 1, &c->device, "-cl-std=CL1.2", NULL, NULL)) {
        const ar_status bad = complaint(c, program, s->name, err);
        cl.program_close(program);
        return bad;
    }
    gpu_module *m = mem_new(gpu_module, 1);
    if (!m) {
        cl.program_close(program);
        return error_set(err, AR_NOMEM, "no memory for kernels");
    }
    *m = (gpu_module){.c = c, .program = program, .next = c->modules};
    snprintf(m->name, sizeof m->name, "%s", s->name);
    c->modules = m;
    *out = m;
    return AR_OK;
}

static ar_status cl_kernel(gpu_module *m, const char *name, gpu_kernel **out,
                           ar_error *err) {
    *out = NULL;
    int rc = 0;
    void *kernel = cl.kernel_open(m->program, name, &rc);
    if (rc)
        return error_set(err, AR_DEVICE, "%s: has no kernel \"%s\"", m->name,
                         name);
    gpu_kernel *k = mem_new(gpu_kernel, 1);
    if (!k) {
        cl.kernel_close(kernel);
        return error_set(err, AR_NOMEM, "no memory for a kernel");
    }
    *k = (gpu_kernel){.c = m->c, .kernel = kernel, .next = m->kernels};
    m->kernels = k;
    *out = k;
    return AR_OK;
}

static ar_status cl_launch(gpu_context *c, const gpu_launch *l, ar_error *err) {
    void *const k = l->kernel->kernel;
    if (l->shared_size)
        return error_set(err, AR_UNSUPPORTED,
                         "%s: no shared memory of a size chosen at launch",
                         c->info.name);
    TRY(check(c, cl.set_value(k, 0, l->args_size, l->args),
              "setting an argument", err));
    for (int i = 0; i < l->n_pointers; i++)
        TRY(check(c,
                  cl.set_pointer(k, (unsigned)i + 1,
                                 (const void *)(uintptr_t)l->pointers[i]),
                  "setting an argument", err));
    const size_t local[3] = {l->lanes, 1, 1};
    const size_t global[3] = {(size_t)l->groups[0] * l->lanes, l->groups[1],
                              l->groups[2]};
    return check(c,
                 cl.launch(c->queue, k, 3, NULL, global, local, 0, NULL, NULL),
                 "starting a kernel", err);
}

static ar_status cl_wait(gpu_context *c, ar_error *err) {
    return check(c, cl.finish(c->queue), "running kernels", err);
}

const gpu_driver gpu_opencl = {
    .name = "opencl",
    .lang = GPU_OPENCL,
    .count = cl_count,
    .open = cl_open,
    .close = cl_close,
    .info = cl_info,
    .alloc = cl_alloc,
    .free = cl_free,
    .import = cl_import,
    .write = cl_write,
    .read = cl_read,
    .copy = cl_copy,
    .build = cl_build,
    .kernel = cl_kernel,
    .launch = cl_launch,
    .wait = cl_wait,
};
