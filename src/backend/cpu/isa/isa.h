/* isa.h - what every file compiled once per instruction set includes.
 *
 * The build defines ISA (a name of isa.def), ISA_BASE (the table that it takes
 * the other slots from; its own name if it has all) and ISA_SIMD (the header
 * with its vectors).  A slot of kernels.def is a function called
 * ISA_NAME(slot), so add_avx2, add_neon...; all are declared here. */
#ifndef CPU_ISA_H
#define CPU_ISA_H

#include "backend/cpu/kernels.h"

#define ISA_JOIN_(a, b) a##_##b
#define ISA_JOIN(a, b) ISA_JOIN_(a, b)
#define ISA_NAME(name) ISA_JOIN(name, ISA)
#define ISA_BASE_NAME(name) ISA_JOIN(name, ISA_BASE)

#define SLOT(name, ret, args, text) ret ISA_NAME(name) args;
#include "backend/cpu/kernels.def"
#undef SLOT

/* MR_avx2, NR_avx2, KC_avx2, ... */
#define ISA_ROW(name, tier, mr, nr, kc, mc, nc)                                \
    enum {                                                                     \
        MR_##name = mr,                                                        \
        NR_##name = nr,                                                        \
        KC_##name = kc,                                                        \
        MC_##name = mc,                                                        \
        NC_##name = nc,                                                        \
    };
#include "backend/cpu/isa.def"
#undef ISA_ROW

#endif
