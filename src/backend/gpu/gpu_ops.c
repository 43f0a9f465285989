/* gpu_ops.c - the list of emitters, and what they and kernels agree on. */
#include "backend/gpu/gpu.h"

#define GPU_OP(name) extern const gpu_op gpu_##name;
#include "backend/gpu/gpu_ops.def"
#undef GPU_OP

const gpu_op *const gpu_ops[] = {
#define GPU_OP(name) &gpu_##name,
#include "backend/gpu/gpu_ops.def"
#undef GPU_OP
    NULL,
};

/* ORDER: the numbers of types in kernels/numbers.h */
_Static_assert(AR_F32 == 1 && AR_F64 == 2 && AR_F16 == 3 && AR_BF16 == 4 &&
                   AR_I8 == 5 && AR_I16 == 6 && AR_I32 == 7 && AR_I64 == 8 &&
                   AR_U8 == 9 && AR_BOOL == 10 && AR_U32 == 11 &&
                   AR_F8_E4M3 == 12 && AR_F8_E5M2 == 13 && AR_F8_E8M0 == 14,
               "kernels/numbers.h has other numbers for these types");
