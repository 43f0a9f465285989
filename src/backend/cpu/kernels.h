/* kernels.h - the hot loops of the CPU backend, one table per instruction set.
 *
 * A kernel sees contiguous rows or panels, handles its own edges, allocates
 * nothing and knows nothing of threads.  The files of isa/ are portable vector
 * code (GCC vector types) compiled once per instruction set of isa.def with
 * that set's flags.
 * All pointers are float unless said; n counts elements.
 *
 * SLOT(name, return type, (arguments), "what it does") */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

/* Geometry of the packed GEMM micro-kernel: C tile of mr x nr. */
typedef struct gemm_geometry {
    int mr, nr;     /* rows and columns of a register tile */
    int kc, mc, nc; /* cache blocks, elements */
} gemm_geometry;

/* Operands of dot8: a panel as unpack8 writes it and activations as round8
 * does, whose rows are ld_x, ld_blocks and ld_groups elements apart. */
enum { PANEL8 = 16 }; /* rows of weights in a panel */
typedef struct dot8_args {
    int64_t k;
    int group, top; /* of the weights: quant_form */
    bool minima;
    const uint8_t *levels;        /* [k / 4][16][4] */
    const float *scale, *minimum; /* [k / group][16] */
    int64_t ld_x, ld_blocks, ld_groups;
    const int8_t *x;      /* [m][ld_x] */
    const float *x_scale; /* [m][ld_blocks] */
    const int32_t *start; /* [m][ld_groups] */
    const float *sums;    /* [m][ld_groups] */
} dot8_args;

/* Panels of pack_lanes: floats of a lane, whose distance is no power of two so
 * that lanes do not meet in the caches, and of a whole panel. */
enum { PANEL_LANES = 16 };
static inline int64_t panel_lane(int64_t k, int64_t width) {
    return (k + PANEL_LANES - 1) / PANEL_LANES * width + 16;
}
static inline int64_t panel_size(int64_t k, int64_t width) {
    return PANEL_LANES * panel_lane(k, width);
}

typedef struct cpu_kernels {
    const char *isa;  /* "portable", "avx2", "neon": a name of isa.def */
    const char *tier; /* "ci", "hardware", "never run" */
    gemm_geometry gemm;
#define SLOT(name, ret, args, text) ret(*name) args;
#include "backend/cpu/kernels.def"
#undef SLOT
} cpu_kernels;

/* Every table compiled in, best first; NULL-terminated.  `cpu_kernels_usable`
 * leaves out those this CPU cannot run; the last is always "portable". */
const cpu_kernels *const *cpu_kernels_all(void);
const cpu_kernels *const *cpu_kernels_usable(void);
/* By name, or the best usable if NULL; NULL if there
 * is none of that name or this CPU cannot run it. */
const cpu_kernels *cpu_kernels_find(const char *isa);

#endif
