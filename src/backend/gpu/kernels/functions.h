/* functions.h - the rows of unary.def and binary.def as device functions. */
#ifndef GPU_KERNELS_FUNCTIONS_H
#define GPU_KERNELS_FUNCTIONS_H

#define real F32

enum {
#define UNARY(name, ...) UNARY_##name,
#include "core/unary.def"
#undef UNARY
    UNARY_END
};

enum {
#define BINARY(name, ...) BINARY_##name,
#include "core/binary.def"
#undef BINARY
    BINARY_END
};

/* See backend/cpu/ref/ref_elementwise.c. */
FN F32 gelu_tanh_slope(F32 x) {
    const F32 c = 0.79788456080286535588f;
    const F32 t = R_TANH(c * (x + 0.044715f * x * x * x));
    const F32 du = c * (1 + 0.134145f * x * x);
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * du;
}

FN F32 unary_of(I32 kind, F32 x) {
    switch (kind) {
#define UNARY(name, text, value, slope)                                        \
    case UNARY_##name:                                                         \
        return value;
#include "core/unary.def"
#undef UNARY
    default: return 0;
    }
}

FN F32 unary_slope(I32 kind, F32 x) {
    const F32 y = unary_of(kind, x);
    switch (kind) {
#define UNARY(name, text, value, slope)                                        \
    case UNARY_##name:                                                         \
        return slope;
#include "core/unary.def"
#undef UNARY
    default: return y;
    }
}

FN F32 binary_of(I32 kind, F32 a, F32 b) {
    switch (kind) {
#define BINARY(name, text, value)                                              \
    case BINARY_##name:                                                        \
        return value;
#include "core/binary.def"
#undef BINARY
    default: return 0;
    }
}

#endif
