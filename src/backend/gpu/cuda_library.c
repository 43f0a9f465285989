/* cuda_library.c - libcuda and NVRTC, found at run time. */
#include "backend/gpu/cuda_library.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dynlib.h"

typedef struct call_name {
    const char *symbol;
    size_t offset;
    bool required;
} call_name;

static const call_name driver_names[] = {
#define CALL(name, symbol, required, ...)                                      \
    {symbol, offsetof(cuda_calls, name), required},
#define CUDA_DRIVER_CALLS
#include "backend/gpu/cuda_calls.def"
#undef CUDA_DRIVER_CALLS
#undef CALL
};

static const call_name compiler_names[] = {
#define CALL(name, symbol, required, ...)                                      \
    {symbol, offsetof(nvrtc_calls, name), required},
#define CUDA_COMPILER_CALLS
#include "backend/gpu/cuda_calls.def"
#undef CUDA_COMPILER_CALLS
#undef CALL
};

enum { WHY_SIZE = 160 };

/* One library: its calls once found, or why there are none. */
typedef struct found {
    const void *calls;
    char why[WHY_SIZE];
} found;

static void find(found *out, const char *const *files, const char *what,
                 const call_name *names, size_t n, void *calls) {
    dynlib *lib = dynlib_open(files);
    if (!lib) {
        snprintf(out->why, WHY_SIZE, "%s (%s) is not on this machine", what,
                 files[0]);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        void *const f = dynlib_symbol(lib, names[i].symbol);
        if (!f && names[i].required) {
            snprintf(out->why, WHY_SIZE, "%s is too old: it has no %s", what,
                     names[i].symbol);
            return;
        }
        memcpy((char *)calls + names[i].offset, &f, sizeof f);
    }
    out->calls = calls;
}

static cuda_calls driver;
static nvrtc_calls compiler;
static found driver_found, compiler_found;

static void find_driver(void) {
    const char *own = getenv("ARCANE_CUDA");
    const char *const files[] = {own ? own : "libcuda.so.1", NULL};
    find(&driver_found, files, "the NVIDIA driver", driver_names,
         sizeof driver_names / sizeof *driver_names, &driver);
}

static void find_compiler(void) {
    const char *own = getenv("ARCANE_NVRTC");
    const char *const files[] = {own ? own : "libnvrtc.so",
                                 "libnvrtc.so.13",
                                 "libnvrtc.so.12",
                                 "libnvrtc.so.11.2",
                                 "libnvrtc.so.10.2",
                                 "/usr/local/cuda/lib64/libnvrtc.so",
                                 NULL};
    const char *const only[] = {own, NULL};
    find(&compiler_found, own ? only : files, "the CUDA compiler NVRTC",
         compiler_names, sizeof compiler_names / sizeof *compiler_names,
         &compiler);
}

const cuda_calls *cuda_library(const char **why) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_driver);
    *why = driver_found.why;
    return driver_found.calls;
}

const nvrtc_calls *nvrtc_library(const char **why) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_compiler);
    *why = compiler_found.why;
    return compiler_found.calls;
}
