/* numbers.h - single elements of any type, for kernels; values as in
 * quant/quant.h. */
#ifndef GPU_KERNELS_NUMBERS_H
#define GPU_KERNELS_NUMBERS_H

#include "backend/gpu/kernels/wide.h"

/* ORDER: ar_type, include/arcane/types.h; gpu_ops.c checks it */
enum {
    T_F32 = 1,
    T_F64 = 2,
    T_F16 = 3,
    T_BF16 = 4,
    T_I8 = 5,
    T_I16 = 6,
    T_I32 = 7,
    T_I64 = 8,
    T_U8 = 9,
    T_BOOL = 10,
    T_U32 = 11,
    T_F8_E4M3 = 12,
    T_F8_E5M2 = 13,
    T_F8_E8M0 = 14,
    T_Q4_0 = 15, /* the first in blocks */
    T_Q4_1,
    T_Q5_0,
    T_Q5_1,
    T_Q8_0,
    T_Q8_1,
    T_Q2_K,
    T_Q3_K,
    T_Q4_K,
    T_Q5_K,
    T_Q6_K,
    T_Q8_K,
    T_IQ1_S,
    T_IQ1_M,
    T_IQ2_XXS,
    T_IQ2_XS,
    T_IQ2_S,
    T_IQ3_XXS,
    T_IQ3_S,
    T_IQ4_NL,
    T_IQ4_XS,
    T_TQ1_0,
    T_TQ2_0,
    T_MXFP4,
    T_NVFP4,
    T_A2_32, /* those of folders, ORDER: quant/folder_blocks.def */
    T_A3_32,
    T_A4_32,
    T_A5_32,
    T_A6_32,
    T_A8_32,
    T_A2_64,
    T_A3_64,
    T_A4_64,
    T_A5_64,
    T_A6_64,
    T_A8_64,
    T_E4M3_32,
    T_E5M2_32,
    T_I8_32,
    T_E4M3_64,
    T_E5M2_64,
    T_I8_64,
    T_F4_64,
    T_END
};

FN F32 bf16_value(U32 h) { return as_f32(h << 16); }

FN U32 bf16_bits(F32 f) {
    const U32 bits = as_u32(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 64;
    return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

FN F32 f16_value(U32 h) {
    const U32 magnitude = h & 0x7fffu, sign = (h & 0x8000u) << 16;
    if (magnitude >= 0x7c00u)
        return as_f32(sign | 0x7f800000u | magnitude << 13);
    if (magnitude < 0x400u) { /* subnormal: whole steps of 2^-24 */
        const F32 f = (F32)magnitude * 5.9604644775390625e-8f;
        return as_f32(as_u32(f) | sign);
    }
    return as_f32(sign | ((magnitude << 13) + (112u << 23)));
}

FN U32 round_shift(U32 m, I32 shift) {
    const U32 low = m & ((1u << shift) - 1), middle = 1u << (shift - 1);
    return (m >> shift) + (low > middle || (low == middle && (m >> shift & 1)));
}

FN U32 f16_bits(F32 f) {
    const U32 all = as_u32(f), sign = all >> 16 & 0x8000u;
    const U32 bits = all & 0x7fffffffu;
    const I32 exponent = (I32)(bits >> 23) - 112;
    if (bits > 0x7f800000u) return sign | 0x7e00u;
    if (bits >= 0x47800000u) return sign | 0x7c00u;
    if (exponent > 0) return sign | round_shift(bits - (112u << 23), 13);
    if (exponent < -10) return sign;
    return sign | round_shift((bits & 0x7fffffu) | 0x800000u, 14 - exponent);
}

/* A small float of `fraction` bits, from a positive f32 that does not pass its
 * largest. */
FN U32 f8_shorten(U32 bits, I32 bias, I32 fraction) {
    const I32 exponent = (I32)(bits >> 23) - 127 + bias, cut = 23 - fraction;
    if (exponent > 0) return round_shift(bits - ((U32)(127 - bias) << 23), cut);
    if (cut + 1 - exponent > 24) return 0;
    return round_shift((bits & 0x7fffffu) | 0x800000u, cut + 1 - exponent);
}

FN F32 e4m3_value(U32 x) {
    const U32 magnitude = x & 0x7f, sign = (x & 0x80) << 24;
    F32 f = (F32)(magnitude & 7) * 0.001953125f; /* 2^-9 */
    if (magnitude >= 8) f = as_f32((magnitude << 20) + (120u << 23));
    if (magnitude == 0x7f) f = as_f32(0x7fc00000u);
    return as_f32(as_u32(f) | sign);
}

FN U32 e4m3_bits(F32 f) {
    const U32 bits = as_u32(f) & 0x7fffffffu, sign = as_u32(f) >> 24 & 0x80;
    if (bits >= 0x43f00000u) return sign | 0x7f;
    return sign | f8_shorten(bits, 7, 3);
}

FN U32 e5m2_bits(F32 f) {
    const U32 bits = as_u32(f) & 0x7fffffffu, sign = as_u32(f) >> 24 & 0x80;
    if (bits > 0x7f800000u) return sign | 0x7f;
    if (bits >= 0x47800000u) return sign | 0x7c;
    return sign | f8_shorten(bits, 15, 2);
}

FN F32 e8m0_value(U32 x) {
    if (x == 255) return as_f32(0x7fc00000u);
    return as_f32(x ? x << 23 : 0x400000u);
}

FN U32 e8m0_bits(F32 f) {
    const U32 bits = as_u32(f) & 0x7fffffffu;
    if (bits >= 0x7f800000u) return 255;
    if (bits < 0x600000u) return 0;
    return (bits >> 23) + (bits < 0x800000u ? 1 : bits >> 22 & 1);
}

FN I32 type_bytes(I32 type) {
    switch (type) {
    case T_F64:
    case T_I64: return 8;
    case T_F32:
    case T_I32:
    case T_U32: return 4;
    case T_F16:
    case T_BF16:
    case T_I16: return 2;
    default: return 1;
    }
}

FN I32 type_is_float(I32 type) { return type >= T_F32 && type <= T_BF16; }

/* Whole numbers; of floats, nothing. */
FN I64 load_whole(GLOBAL const U8 *p, I32 type, I64 i) {
    switch (type) {
    case T_I8: return ((GLOBAL const I8 *)p)[i];
    case T_I16: return ((GLOBAL const I16 *)p)[i];
    case T_I32: return ((GLOBAL const I32 *)p)[i];
    case T_I64: return ((GLOBAL const I64 *)p)[i];
    case T_U32: return (I64)((GLOBAL const U32 *)p)[i];
    case T_U8:
    case T_BOOL: return p[i];
    default: return 0;
    }
}

FN F32 load_f(GLOBAL const U8 *p, I32 type, I64 i) {
    switch (type) {
    case T_F32: return ((GLOBAL const F32 *)p)[i];
    case T_F16: return f16_value(((GLOBAL const U16 *)p)[i]);
    case T_BF16: return bf16_value(((GLOBAL const U16 *)p)[i]);
    case T_F64: return wide_f32(wide_load(p, i));
    case T_F8_E4M3: return e4m3_value(p[i]);
    case T_F8_E5M2: return f16_value((U32)p[i] << 8);
    case T_F8_E8M0: return e8m0_value(p[i]);
    default: return (F32)load_whole(p, type, i);
    }
}

/* A number without loss, but for whole ones beyond 2^53. */
FN wide load_wide(GLOBAL const U8 *p, I32 type, I64 i) {
    if (type == T_F64) return wide_load(p, i);
    if (type >= T_I8 && type <= T_U32)
        return wide_of_whole(load_whole(p, type, i));
    return wide_of(load_f(p, type, i));
}

/* The nearest whole number, ties to even, of any type; NaN is the lowest. */
FN I64 load_nearest(GLOBAL const U8 *p, I32 type, I64 i) {
    if (type >= T_I8 && type <= T_U32) return load_whole(p, type, i);
    return wide_nearest(load_wide(p, type, i));
}

FN I64 clamp_whole(I64 x, I64 low, I64 high) {
    return x < low ? low : x > high ? high : x;
}

/* Clamped to the range of the type. */
FN void store_whole(GLOBAL U8 *p, I32 type, I64 i, I64 x) {
    switch (type) {
    case T_I8: ((GLOBAL I8 *)p)[i] = (I8)clamp_whole(x, -128, 127); break;
    case T_I16:
        ((GLOBAL I16 *)p)[i] = (I16)clamp_whole(x, -32768, 32767);
        break;
    case T_I32:
        ((GLOBAL I32 *)p)[i] = (I32)clamp_whole(x, -2147483647 - 1, 2147483647);
        break;
    case T_I64: ((GLOBAL I64 *)p)[i] = x; break;
    case T_U32:
        ((GLOBAL U32 *)p)[i] = (U32)clamp_whole(x, 0, (I64)4294967295u);
        break;
    case T_U8: p[i] = (U8)clamp_whole(x, 0, 255); break;
    case T_BOOL: p[i] = (U8)(x != 0); break;
    default: break;
    }
}

FN void store_f(GLOBAL U8 *p, I32 type, I64 i, F32 x) {
    switch (type) {
    case T_F32: ((GLOBAL F32 *)p)[i] = x; break;
    case T_F16: ((GLOBAL U16 *)p)[i] = (U16)f16_bits(x); break;
    case T_BF16: ((GLOBAL U16 *)p)[i] = (U16)bf16_bits(x); break;
    case T_F64: wide_store(p, i, wide_of(x)); break;
    case T_F8_E4M3: p[i] = (U8)e4m3_bits(x); break;
    case T_F8_E5M2: p[i] = (U8)e5m2_bits(x); break;
    case T_F8_E8M0: p[i] = (U8)e8m0_bits(x); break;
    case T_BOOL: p[i] = (U8)(x != 0); break;
    default: store_whole(p, type, i, wide_nearest(wide_of(x)));
    }
}

FN void store_wide(GLOBAL U8 *p, I32 type, I64 i, wide x) {
    if (type == T_F64)
        wide_store(p, i, x);
    else if (type == T_F32)
        ((GLOBAL F32 *)p)[i] = wide_f32(x);
    else if (type == T_BOOL)
        p[i] = (U8)(wide_odd(x) != 0);
    else if (type >= T_I8 && type <= T_U32)
        store_whole(p, type, i, wide_nearest(x));
    else
        store_f(p, type, i, wide_odd(x));
}

/* Bit for bit between equal types, else converted. */
FN void copy_element(GLOBAL U8 *y, I32 y_type, I64 to, GLOBAL const U8 *x,
                     I32 x_type, I64 from) {
    if (y_type != x_type) {
        if (y_type >= T_I8 && y_type <= T_U32 && x_type >= T_I8 &&
            x_type <= T_U32)
            store_whole(y, y_type, to, load_whole(x, x_type, from));
        else
            store_wide(y, y_type, to, load_wide(x, x_type, from));
        return;
    }
    switch (type_bytes(x_type)) {
    case 8: ((GLOBAL U64 *)y)[to] = ((GLOBAL const U64 *)x)[from]; break;
    case 4: ((GLOBAL U32 *)y)[to] = ((GLOBAL const U32 *)x)[from]; break;
    case 2: ((GLOBAL U16 *)y)[to] = ((GLOBAL const U16 *)x)[from]; break;
    default: y[to] = x[from];
    }
}

/* x as an operand of a product done in `type`. */
FN F32 rounded_to(I32 type, F32 x) {
    if (type == T_BF16) return bf16_value(bf16_bits(x));
    if (type == T_F16) return f16_value(f16_bits(x));
    return x;
}

#endif
