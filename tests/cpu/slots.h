/* slots.h - every slot of kernels.def against its formula in double.
 *
 * slot_NAME(r) calls the slot on r->n elements (rows, terms: what the slot
 * counts) and says what it wanted.  A slot without such a function does not
 * link. */
#ifndef TESTS_CPU_SLOTS_H
#define TESTS_CPU_SLOTS_H

#include "backend/cpu/kernels.h"
#include "tests/test.h"

typedef struct slot_run {
    const cpu_kernels *k;
    const char *name;
    int64_t n;
    int64_t size[10]; /* of the buffers in use */
    int buffers, wrong;
} slot_run;

enum { SLOT_MOST = 20000 }; /* floats in a buffer */

/* A new buffer of n floats in [-2, 2], not aligned; what lies around it must
 * not change. */
float *slot_floats(slot_run *r, int64_t n);

/* |got - wanted| must be within tolerance (1 + |wanted|), or both the same
 * infinity. */
void slot_want(slot_run *r, const char *what, int64_t i, double got,
               double wanted, double tolerance);

/* 1 if the slot of a table is wrong for any of some n, else 0. */
typedef void slot_case(slot_run *r);
int slot_check(const cpu_kernels *k, const char *name, slot_case *run);

#define SLOT(name, ret, args, text) void slot_##name(slot_run *r);
#include "backend/cpu/kernels.def"
#undef SLOT

#endif
