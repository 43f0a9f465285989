/* shim.c - preloaded under bochscpu-python: another CPU model, and two names of
 * the C library that its wheel expects and older systems lack.
 *
 * The wheel always asks for the model corei3_cnl, which has no VNNI or BF16;
 * taking its place here gives the model named by EMU_CPU instead. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned long long __isoc23_strtoull(const char *s, char **end, int base);
unsigned long long __isoc23_strtoull(const char *s, char **end, int base) {
    return strtoull(s, end, base);
}

int __isoc23_sscanf(const char *s, const char *format, ...);
int __isoc23_sscanf(const char *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int n = vsscanf(s, format, args);
    va_end(args);
    return n;
}

/* bx_cpuid_t *create_corei3_cnl_cpuid(BX_CPU_C *) of Bochs. */
void *create_model(void *cpu) __asm__("_Z23create_corei3_cnl_cpuidP8BX_CPU_C");
void *create_model(void *cpu) {
    const char *library = getenv("EMU_SO"), *model = getenv("EMU_CPU");
    char name[96], symbol[128];
    snprintf(name, sizeof name, "create_%s_cpuid",
             model ? model : "sapphire_rapids");
    snprintf(symbol, sizeof symbol, "_Z%zu%sP8BX_CPU_C", strlen(name), name);
    void *handle = library ? dlopen(library, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    void *(*create)(void *) = NULL;
    if (handle) *(void **)&create = dlsym(handle, symbol);
    if (!create || create == create_model) {
        fprintf(stderr, "shim: EMU_SO has no CPU model %s\n", name);
        _Exit(1);
    }
    return create(cpu);
}
