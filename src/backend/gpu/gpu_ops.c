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
                   AR_F8_E4M3 == 12 && AR_F8_E5M2 == 13 && AR_F8_E8M0 == 14 &&
                   AR_Q4_0 == 15 && AR_Q4_1 == 16 && AR_Q5_0 == 17 &&
                   AR_Q5_1 == 18 && AR_Q8_0 == 19 && AR_Q8_1 == 20 &&
                   AR_Q2_K == 21 && AR_Q3_K == 22 && AR_Q4_K == 23 &&
                   AR_Q5_K == 24 && AR_Q6_K == 25 && AR_Q8_K == 26 &&
                   AR_IQ1_S == 27 && AR_IQ1_M == 28 && AR_IQ2_XXS == 29 &&
                   AR_IQ2_XS == 30 && AR_IQ2_S == 31 && AR_IQ3_XXS == 32 &&
                   AR_IQ3_S == 33 && AR_IQ4_NL == 34 && AR_IQ4_XS == 35 &&
                   AR_TQ1_0 == 36 && AR_TQ2_0 == 37 && AR_MXFP4 == 38 &&
                   AR_NVFP4 == 39 && AR_A2_32 == 40 && AR_A2_64 == 46 &&
                   AR_E4M3_32 == 52 && AR_E4M3_64 == 55 && AR_F4_64 == 58 &&
                   AR_TYPE_COUNT == 59,
               "kernels/numbers.h has other numbers for these types");
