/* select.c - which kernel tables there are, and which this CPU can run. */
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "backend/cpu/kernels.h"

/* A table, and whether this CPU can run it; those to take first come first. */
typedef struct row {
    const cpu_kernels *table;
    bool (*runs)(void);
} row;

extern const cpu_kernels kernels_portable;

static bool always(void) { return true; }

#if defined(__x86_64__)

#include <cpuid.h>

extern const cpu_kernels kernels_avx2, kernels_avx2vnni, kernels_avx512,
    kernels_avx512vnni, kernels_amx;

/* The compiler's test also asks whether the system saves the registers. */
static bool runs_avx2(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool runs_avx2vnni(void) {
    unsigned a, b, c, d;
    return runs_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
           (a & 1u << 4);
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

#if defined(__linux__)

#include <sys/syscall.h>
#include <unistd.h>

/* Linux lets a process use tiles when it has asked for their state. */
static bool may_use_tiles(void) {
    enum { REQUEST = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

#else

static bool may_use_tiles(void) { return false; }

#endif

/* Leaf 7: bits 24 and 25 are tiles and their products of bytes. */
static bool runs_amx(void) {
    const unsigned tiles = 3u << 24;
    unsigned a, b, c, d;
    return runs_vnni() && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (d & tiles) == tiles && may_use_tiles();
}

/* AMX is not the first of those that have it: groups of 32 are too short for
 * its tiles (docs/performance/quant.md). */
static const row rows[] = {
    {&kernels_avx512vnni, runs_vnni}, {&kernels_amx, runs_amx},
    {&kernels_avx512, runs_avx512},   {&kernels_avx2vnni, runs_avx2vnni},
    {&kernels_avx2, runs_avx2},       {&kernels_portable, always}};

#elif defined(__aarch64__)

#if defined(__APPLE__)

#include <sys/sysctl.h>

static bool has(const char *name) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value;
}

static bool has_dot(void) { return has("hw.optional.arm.FEAT_DotProd"); }
static bool has_i8mm(void) { return has("hw.optional.arm.FEAT_I8MM"); }

#else

#include <sys/auxv.h>

/* Bits of arch/arm64/include/uapi/asm/hwcap.h. */
static bool has_dot(void) { return getauxval(AT_HWCAP) & 1ul << 20; }
static bool has_i8mm(void) { return getauxval(AT_HWCAP2) & 1ul << 13; }

#endif

extern const cpu_kernels kernels_neon, kernels_neondot, kernels_neoni8mm;

static bool runs_i8mm(void) { return has_dot() && has_i8mm(); }

#ifdef CPU_SVE

#include <sys/prctl.h>

extern const cpu_kernels kernels_sve256, kernels_sve512, kernels_sve256i8mm,
    kernels_sve512i8mm;

/* A table holds for one length of the vectors, in bytes. */
static bool has_sve(int length) {
    return (getauxval(AT_HWCAP) & HWCAP_SVE) &&
           (prctl(PR_SVE_GET_VL) & PR_SVE_VL_LEN_MASK) == length;
}

static bool has_sve_i8mm(void) { return getauxval(AT_HWCAP2) & 1ul << 9; }
static bool runs_sve256(void) { return has_sve(32); }
static bool runs_sve512(void) { return has_sve(64); }
static bool runs_sve256i8mm(void) { return has_sve(32) && has_sve_i8mm(); }
static bool runs_sve512i8mm(void) { return has_sve(64) && has_sve_i8mm(); }

/* NEON is part of every aarch64. */
static const row rows[] = {{&kernels_sve512i8mm, runs_sve512i8mm},
                           {&kernels_sve256i8mm, runs_sve256i8mm},
                           {&kernels_sve512, runs_sve512},
                           {&kernels_sve256, runs_sve256},
                           {&kernels_neoni8mm, runs_i8mm},
                           {&kernels_neondot, has_dot},
                           {&kernels_neon, always},
                           {&kernels_portable, always}};

#else

static const row rows[] = {{&kernels_neoni8mm, runs_i8mm},
                           {&kernels_neondot, has_dot},
                           {&kernels_neon, always},
                           {&kernels_portable, always}};

#endif

#else

static const row rows[] = {{&kernels_portable, always}};

#endif

enum { N_ROWS = sizeof rows / sizeof *rows };
static const cpu_kernels *tables[N_ROWS + 1], *usable[N_ROWS + 1];

static void ask(void) {
    int n = 0;
    for (int i = 0; i < N_ROWS; i++) {
        tables[i] = rows[i].table;
        if (rows[i].runs()) usable[n++] = rows[i].table;
    }
}

static void ask_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask);
}

const cpu_kernels *const *cpu_kernels_all(void) {
    ask_once();
    return tables;
}

const cpu_kernels *const *cpu_kernels_usable(void) {
    ask_once();
    return usable;
}

const cpu_kernels *cpu_kernels_find(const char *isa) {
    const cpu_kernels *const *list = cpu_kernels_usable();
    if (!isa) return *list;
    while (*list && strcmp((*list)->isa, isa)) list++;
    return *list;
}
