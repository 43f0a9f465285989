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
 * Plain types have blocks of one element. */
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
    TYPE(BOOL, "bool", 1, 1)

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
