/* fast.c - the list of fast kernels. */
#include "backend/cpu/cpu.h"

#define FAST(row) extern const cpu_fast row;
#include "backend/cpu/fast.def"
#undef FAST

const cpu_fast *const cpu_fast_ops[] = {
#define FAST(row) &row,
#include "backend/cpu/fast.def"
#undef FAST
    NULL,
};
