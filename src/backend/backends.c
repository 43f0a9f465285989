/* backends.c - the list of devices. */
#include "backend/backends.h"

#include <string.h>

const backend *const backends[] = {&backend_cpu,
                                   &backend_cuda,
                                   &backend_opencl,
                                   &backend_gpu_host,
                                   &backend_null,
                                   NULL};

const backend *backend_find(const char *name) {
    for (const backend *const *b = backends; *b; b++)
        if (!strcmp((*b)->name, name)) return *b;
    return NULL;
}
