/* gpu_kernels.c - kernels by number: their text is compiled, file by file, when
 * one of them is first needed. */
#include <string.h>

#include "backend/gpu/backend_gpu.h"
#include "backend/gpu/gpu_text.h"
#include "base/error.h"
#include "base/text.h"

static const struct {
    const char *name, *file;
    int n_pointers;
} entries[GPU_KERNEL_COUNT] = {
#define KERNEL(name, file, n) {#name, file, n},
#include "backend/gpu/gpu_kernels.def"
#undef KERNEL
};

static ar_status build(device *d, const char *file, gpu_module **out,
                       ar_error *err) {
    text path = {0}, code = {0};
    text_addf(&path, "backend/gpu/kernels/%s", file);
    ar_status s = text_status(&path, err);
    if (s == AR_OK) s = gpu_text_expand(path.data, &code, err);
    if (s == AR_OK) s = text_status(&code, err);
    if (s == AR_OK) {
        const char *const parts[] = {code.data, NULL};
        const gpu_source source = {.name = file, .parts = parts};
        s = d->driver->build(d->context, &source, out, err);
    }
    text_close(&path);
    text_close(&code);
    return s;
}

static ar_status module_of(device *d, const char *file, gpu_module **out,
                           ar_error *err) {
    for (int i = 0; i < d->n_files; i++)
        if (!strcmp(d->files[i].name, file)) {
            *out = d->files[i].module;
            return AR_OK;
        }
    if (d->n_files == GPU_MAX_MODULES)
        return error_set(err, AR_DEVICE, "%s: more than %d files of kernels",
                         file, GPU_MAX_MODULES);
    TRY(build(d, file, out, err));
    d->files[d->n_files++] = (gpu_file){file, *out};
    return AR_OK;
}

ar_status gpu_kernel_get(device *d, enum gpu_kernel_id k, gpu_kernel **out,
                         ar_error *err) {
    if (!d->kernels[k]) {
        gpu_module *m = NULL;
        TRY(module_of(d, entries[k].file, &m, err));
        TRY(d->driver->kernel(m, entries[k].name, &d->kernels[k], err));
    }
    *out = d->kernels[k];
    return AR_OK;
}
