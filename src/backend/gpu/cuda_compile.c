/* cuda_compile.c - from CUDA text to machine code, by the user's own NVRTC. */
#include <stdbool.h>
#include <stdio.h>

#include "backend/gpu/cuda_library.h"
#include "backend/gpu/gpu_text.h"
#include "base/error.h"
#include "base/mem.h"

/* From Hopper on the instructions that only one family has (wgmma, TMA) need
 * the suffix a. */
static const char *family_suffix(int capability) {
    return capability == 90 || capability >= 100 ? "a" : "";
}

/* The newest architecture that this NVRTC knows, at most the device's; the
 * list is missing before 11.2: then the device's own is tried. */
static int known_arch(const nvrtc_calls *rtc, int capability) {
    int n = 0, archs[64], best = 0;
    if (!rtc->n_archs || !rtc->archs || rtc->n_archs(&n) || n < 1 || n > 64 ||
        rtc->archs(archs))
        return capability;
    for (int i = 0; i < n; i++)
        if (archs[i] <= capability && archs[i] > best) best = archs[i];
    return best;
}

static ar_status first_complaint(const nvrtc_calls *rtc, void *program,
                                 const char *name, ar_error *err) {
    size_t size = 0;
    rtc->log_size(program, &size);
    char *log = mem_new(char, size + 1);
    if (!log) return error_set(err, AR_NOMEM, "no memory for a compiler log");
    if (size) rtc->log(program, log);
    const ar_status s = gpu_text_complaint(name, "CUDA", log, err);
    mem_free(log);
    return s;
}

static ar_status take(const nvrtc_calls *rtc, void *program, bool machine,
                      char **image, size_t *size, ar_error *err) {
    size_t n = 0;
    int rc =
        machine ? rtc->cubin_size(program, &n) : rtc->ptx_size(program, &n);
    char *data = rc || !n ? NULL : mem_new(char, n);
    if (!rc && n && !data)
        return error_set(err, AR_NOMEM, "no memory for a kernel");
    if (data)
        rc = machine ? rtc->cubin(program, data) : rtc->ptx(program, data);
    if (rc || !data) {
        mem_free(data);
        return error_set(err, AR_DEVICE, "NVRTC gave no code (error %d)", rc);
    }
    *image = data;
    *size = n;
    return AR_OK;
}

ar_status cuda_compile(const char *name, const char *source, int capability,
                       char **image, size_t *size, ar_error *err) {
    *image = NULL;
    const char *why;
    const nvrtc_calls *rtc = nvrtc_library(&why);
    if (!rtc) return error_set(err, AR_UNSUPPORTED, "%s", why);
    const int arch = known_arch(rtc, capability);
    if (!arch)
        return error_set(err, AR_UNSUPPORTED,
                         "this NVRTC knows no architecture as old as sm_%d",
                         capability);
    const bool machine = arch == capability && rtc->cubin;
    char option[48];
    snprintf(option, sizeof option, "--gpu-architecture=%s_%d%s",
             machine ? "sm" : "compute", arch,
             machine ? family_suffix(arch) : "");
    /* Results are to be the same with every NVRTC: no contraction but the
     * fma that the text asks for. */
    const char *const options[] = {option, "--std=c++14", "--fmad=false"};
    void *program = NULL;
    if (rtc->create(&program, source, name, 0, NULL, NULL))
        return error_set(err, AR_DEVICE, "%s: NVRTC takes no program", name);
    ar_status s = AR_OK;
    if (rtc->compile(program, 3, options))
        s = first_complaint(rtc, program, name, err);
    else
        s = take(rtc, program, machine, image, size, err);
    rtc->destroy(&program);
    return s;
}
