/* backends.c - the list of devices. */
#include "backend/backends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const backend *const backends[] = {&backend_cpu,    &backend_cuda,
                                   &backend_opencl, &backend_gpu_host,
                                   &backend_null,   NULL};

const backend *backend_find(const char *name) {
    for (const backend *const *b = backends; *b; b++)
        if (!strcmp((*b)->name, name)) return *b;
    return NULL;
}

const backend *backend_find_device(const char *name, int *index) {
    enum { NAME_SIZE = 32, MOST = 1 << 16 };
    char base[NAME_SIZE], *end;
    const char *colon = strchr(name, ':');
    *index = 0;
    if (!colon) return backend_find(name);
    const long i = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || i < 0 || i > MOST) return NULL;
    if (colon - name >= NAME_SIZE) return NULL;
    snprintf(base, sizeof base, "%.*s", (int)(colon - name), name);
    *index = (int)i;
    return backend_find(base);
}
