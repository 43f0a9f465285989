/* select.c - which kernel tables there are, and which this CPU can run. */
#include <stddef.h>
#include <string.h>

#include "backend/cpu/kernels.h"

extern const cpu_kernels kernels_portable;

#if defined(__x86_64__)

#include <cpuid.h>

extern const cpu_kernels kernels_avx2, kernels_avx512, kernels_avx512vnni;

/* The compiler's test also asks whether the system saves the registers. */
static bool runs_avx2(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static bool runs_vnni(void) {
    return runs_avx512() && __builtin_cpu_supports("avx512vnni");
}

static const cpu_kernels *const tables[] = {&kernels_avx512vnni,
                                            &kernels_avx512, &kernels_avx2,
                                            &kernels_portable, NULL};

/* In falling order: a CPU that runs one table runs those behind it. */
static const cpu_kernels *const *usable_tables(void) {
    return tables + (runs_vnni() ? 0 : runs_avx512() ? 1 : runs_avx2() ? 2 : 3);
}

#elif defined(__aarch64__)

#ifdef CPU_SVE

#include <sys/auxv.h>
#include <sys/prctl.h>

extern const cpu_kernels kernels_neon, kernels_sve256, kernels_sve512;

static const cpu_kernels *const tables[] = {
    &kernels_sve512, &kernels_sve256, &kernels_neon, &kernels_portable, NULL};

/* A table holds for one length of the vectors: at 512 bits that of 256 cannot
 * run. */
static const cpu_kernels *const at_512[] = {&kernels_sve512, &kernels_neon,
                                            &kernels_portable, NULL};

static const cpu_kernels *const *usable_tables(void) {
    if (!(getauxval(AT_HWCAP) & HWCAP_SVE)) return tables + 2;
    const int length = prctl(PR_SVE_GET_VL) & PR_SVE_VL_LEN_MASK; /* bytes */
    return length == 64 ? at_512 : length == 32 ? tables + 1 : tables + 2;
}

#else

extern const cpu_kernels kernels_neon;

static const cpu_kernels *const tables[] = {&kernels_neon, &kernels_portable,
                                            NULL};

/* NEON is part of every aarch64. */
static const cpu_kernels *const *usable_tables(void) { return tables; }

#endif

#else

static const cpu_kernels *const tables[] = {&kernels_portable, NULL};

static const cpu_kernels *const *usable_tables(void) { return tables; }

#endif

const cpu_kernels *const *cpu_kernels_all(void) { return tables; }

const cpu_kernels *const *cpu_kernels_usable(void) { return usable_tables(); }

const cpu_kernels *cpu_kernels_find(const char *isa) {
    const cpu_kernels *const *list = cpu_kernels_usable();
    if (!isa) return *list;
    while (*list && strcmp((*list)->isa, isa)) list++;
    return *list;
}
