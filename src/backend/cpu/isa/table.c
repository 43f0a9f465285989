/* table.c - the kernel table of one instruction set. */
#include "backend/cpu/isa/isa.h"

#define ISA_ROW(name, tier, mr, nr, kc, mc, nc)                                \
    static const char tier_##name[] __attribute__((unused)) = tier;
#include "backend/cpu/isa.def"
#undef ISA_ROW

/* Slots are packed for the geometry of the base. */
_Static_assert((int)ISA_NAME(MR) == (int)ISA_BASE_NAME(MR) &&
                   (int)ISA_NAME(NR) == (int)ISA_BASE_NAME(NR),
               "a table has the geometry of its base");

#define SLOT(name, ret, args, text) ret ISA_BASE_NAME(name) args;
#include "backend/cpu/kernels.def"
#undef SLOT

#define ISA_TEXT_(name) #name
#define ISA_TEXT(name) ISA_TEXT_(name)

extern const cpu_kernels ISA_NAME(kernels);
const cpu_kernels ISA_NAME(kernels) = {
    .isa = ISA_TEXT(ISA),
    .tier = ISA_NAME(tier),
    .gemm = {ISA_NAME(MR), ISA_NAME(NR), ISA_NAME(KC), ISA_NAME(MC),
             ISA_NAME(NC)},
#define SLOT(name, ret, args, text) .name = ISA_BASE_NAME(name),
#define SLOT_CELL(name, ret, args, text) .name = ISA_NAME(name),
#include "backend/cpu/kernels.def"
#undef SLOT
};
