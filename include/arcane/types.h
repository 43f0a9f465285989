/* types.h - element types of tensors, in memory and in files. */
#ifndef AR_TYPES_H
#define AR_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* The one list: TYPE(NAME, "name", elements a block, bytes a block).
 * Plain types have blocks of one element.  Those from A2_32 on are in no file:
 * quantised matrices of folders become them in memory. */
#define AR_TYPE_LIST(TYPE)                                                     \
    TYPE(NONE, "none", 1, 0)                                                   \
    TYPE(F32, "f32", 1, 4)                                                     \
    TYPE(F64, "f64", 1, 8)                                                     \
    TYPE(F16, "f16", 1, 2)                                                     \
    TYPE(BF16, "bf16", 1, 2)                                                   \
    TYPE(I8, "i8", 1, 1)                                                       \
    TYPE(I16, "i16", 1, 2)                                                     \
    TYPE(I32, "i32", 1, 4)                                                     \
    TYPE(I64, "i64", 1, 8)                                                     \
    TYPE(U8, "u8", 1, 1)                                                       \
    TYPE(BOOL, "bool", 1, 1)                                                   \
    TYPE(U32, "u32", 1, 4)                                                     \
    TYPE(F8_E4M3, "f8_e4m3", 1, 1)                                             \
    TYPE(F8_E5M2, "f8_e5m2", 1, 1)                                             \
    TYPE(F8_E8M0, "f8_e8m0", 1, 1)                                             \
    TYPE(Q4_0, "q4_0", 32, 18)                                                 \
    TYPE(Q4_1, "q4_1", 32, 20)                                                 \
    TYPE(Q5_0, "q5_0", 32, 22)                                                 \
    TYPE(Q5_1, "q5_1", 32, 24)                                                 \
    TYPE(Q8_0, "q8_0", 32, 34)                                                 \
    TYPE(Q8_1, "q8_1", 32, 36)                                                 \
    TYPE(Q2_K, "q2_k", 256, 84)                                                \
    TYPE(Q3_K, "q3_k", 256, 110)                                               \
    TYPE(Q4_K, "q4_k", 256, 144)                                               \
    TYPE(Q5_K, "q5_k", 256, 176)                                               \
    TYPE(Q6_K, "q6_k", 256, 210)                                               \
    TYPE(Q8_K, "q8_k", 256, 292)                                               \
    TYPE(IQ1_S, "iq1_s", 256, 50)                                              \
    TYPE(IQ1_M, "iq1_m", 256, 56)                                              \
    TYPE(IQ2_XXS, "iq2_xxs", 256, 66)                                          \
    TYPE(IQ2_XS, "iq2_xs", 256, 74)                                            \
    TYPE(IQ2_S, "iq2_s", 256, 82)                                              \
    TYPE(IQ3_XXS, "iq3_xxs", 256, 98)                                          \
    TYPE(IQ3_S, "iq3_s", 256, 110)                                             \
    TYPE(IQ4_NL, "iq4_nl", 32, 18)                                             \
    TYPE(IQ4_XS, "iq4_xs", 256, 136)                                           \
    TYPE(TQ1_0, "tq1_0", 256, 54)                                              \
    TYPE(TQ2_0, "tq2_0", 256, 66)                                              \
    TYPE(MXFP4, "mxfp4", 32, 17)                                               \
    TYPE(NVFP4, "nvfp4", 64, 36)                                               \
    TYPE(A2_32, "a2_32", 32, 16)                                               \
    TYPE(A3_32, "a3_32", 32, 20)                                               \
    TYPE(A4_32, "a4_32", 32, 24)                                               \
    TYPE(A5_32, "a5_32", 32, 28)                                               \
    TYPE(A6_32, "a6_32", 32, 32)                                               \
    TYPE(A8_32, "a8_32", 32, 40)                                               \
    TYPE(A2_64, "a2_64", 64, 24)                                               \
    TYPE(A3_64, "a3_64", 64, 32)                                               \
    TYPE(A4_64, "a4_64", 64, 40)                                               \
    TYPE(A5_64, "a5_64", 64, 48)                                               \
    TYPE(A6_64, "a6_64", 64, 56)                                               \
    TYPE(A8_64, "a8_64", 64, 72)                                               \
    TYPE(E4M3_32, "e4m3_32", 32, 36)                                           \
    TYPE(E5M2_32, "e5m2_32", 32, 36)                                           \
    TYPE(I8_32, "i8_32", 32, 36)                                               \
    TYPE(E4M3_64, "e4m3_64", 64, 68)                                           \
    TYPE(E5M2_64, "e5m2_64", 64, 68)                                           \
    TYPE(I8_64, "i8_64", 64, 68)                                               \
    TYPE(F4_64, "f4_64", 64, 40)

typedef enum ar_type {
#define TYPE(name, text, elements, bytes) AR_##name,
    AR_TYPE_LIST(TYPE)
#undef TYPE
        AR_TYPE_COUNT
} ar_type;

const char *ar_type_name(ar_type t);      /* "f32"; never NULL */
ar_type ar_type_from_name(const char *s); /* AR_NONE if unknown */

/* Bytes of n elements; n is a multiple of the block. */
size_t ar_type_size(ar_type t, int64_t n);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
