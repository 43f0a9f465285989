/* dialect_types.h - the number types of argument structures, for C. */
#ifndef GPU_DIALECT_TYPES_H
#define GPU_DIALECT_TYPES_H

#include <stdint.h>

typedef int64_t I64;
typedef int32_t I32;
typedef float F32;

#endif
