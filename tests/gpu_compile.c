/* gpu_compile.c - kernels through compilers that need no device.
 *
 *   gpu_compile cuda sm_87     every file of kernels by NVRTC; exit code 77
 *                              where there is no NVRTC
 *   gpu_compile opencl DIR     every file with its prelude, to DIR, for another
 *                              compiler; also metal
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/gpu/gpu_text.h"
#include "base/dynlib.h"
#include "base/text.h"

enum { SKIPPED = 77 };

/* The prelude of a language and a file of kernels. */
static int whole_text(const char *lang, const char *name, text *out) {
    char prelude[64];
    ar_error err = {0};
    snprintf(prelude, sizeof prelude, "backend/gpu/lang/%s.h", lang);
    text_clear(out);
    if (gpu_text_expand(prelude, out, &err) == AR_OK &&
        gpu_text_expand(name, out, &err) == AR_OK &&
        text_status(out, &err) == AR_OK)
        return 0;
    fprintf(stderr, "%s: %s\n", name, err.message);
    return 1;
}

static const char *const libraries[] = {
    "libnvrtc.so.13",
    "libnvrtc.so.12",
    "libnvrtc.so.11.2",
    "libnvrtc.so",
    "/usr/local/cuda/lib64/libnvrtc.so",
    "/usr/local/cuda/lib64/libnvrtc.so.13",
    NULL,
};

typedef int create_fn(void **program, const char *text, const char *name, int n,
                      const char *const *headers, const char *const *names);
typedef int compile_fn(void *program, int n, const char *const *options);
typedef int log_size_fn(void *program, size_t *size);
typedef int log_fn(void *program, char *log);
typedef int destroy_fn(void **program);

typedef struct compiler {
    create_fn *create;
    compile_fn *compile;
    log_size_fn *log_size;
    log_fn *log;
    destroy_fn *destroy;
} compiler;

static int open_compiler(compiler *c) {
    dynlib *lib = dynlib_open(libraries);
    if (!lib) return SKIPPED;
    c->create = (create_fn *)dynlib_symbol(lib, "nvrtcCreateProgram");
    c->compile = (compile_fn *)dynlib_symbol(lib, "nvrtcCompileProgram");
    c->log_size = (log_size_fn *)dynlib_symbol(lib, "nvrtcGetProgramLogSize");
    c->log = (log_fn *)dynlib_symbol(lib, "nvrtcGetProgramLog");
    c->destroy = (destroy_fn *)dynlib_symbol(lib, "nvrtcDestroyProgram");
    const int whole =
        c->create && c->compile && c->log_size && c->log && c->destroy;
    return whole ? 0 : 1;
}

static int compile_one(const compiler *c, const char *arch, const char *name,
                       const char *code) {
    char option[64];
    snprintf(option, sizeof option, "--gpu-architecture=%s", arch);
    const char *const options[] = {option, "--fmad=false"};
    void *program = NULL;
    if (c->create(&program, code, name, 0, NULL, NULL)) return 1;
    const int failed = c->compile(program, 2, options) != 0;
    size_t size = 0;
    c->log_size(program, &size);
    char *log = malloc(size + 1);
    if (failed && log && c->log(program, log) == 0)
        fprintf(stderr, "%s, %s:\n%s\n", name, arch, log);
    free(log);
    c->destroy(&program);
    return failed;
}

static int write_file(const char *folder, const char *name, const text *code) {
    char path[1024];
    const char *base = strrchr(name, '/') + 1;
    snprintf(path, sizeof path, "%s/%s", folder, base);
    FILE *f = fopen(path, "w");
    if (!f) return 1;
    const int failed = fwrite(code->data, 1, code->size, f) != code->size;
    return fclose(f) || failed;
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: gpu_compile LANG ARG\n"), 2;
    compiler c = {0};
    const int cuda = !strcmp(argv[1], "cuda");
    const int opened = cuda ? open_compiler(&c) : 0;
    text code = {0};
    int failed = 0, n = 0;
    if (opened) return opened;
    for (const gpu_text *t = gpu_texts; t->name; t++) {
        const char *end = strrchr(t->name, '.');
        if (!end || (strcmp(end, ".cl") != 0 && !(cuda && !strcmp(end, ".cu"))))
            continue;
        n++;
        failed += whole_text(argv[1], t->name, &code) ||
                  (cuda ? compile_one(&c, argv[2], t->name, code.data)
                        : write_file(argv[2], t->name, &code));
    }
    text_close(&code);
    printf("%s %s: %d files, %d failed\n", argv[1], argv[2], n, failed);
    return failed || !n;
}
