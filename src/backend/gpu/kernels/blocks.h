/* blocks.h - single elements of block types, every row of quant/quants.def.
 *
 * An element is scale * level + minimum with a whole level, in which form
 * products with whole activations can use it; quant/levels.h says what is whole
 * in each type.  Layouts: quant/decode_*.c. */
#ifndef GPU_KERNELS_BLOCKS_H
#define GPU_KERNELS_BLOCKS_H

#include "backend/gpu/kernels/numbers.h"

#include "quant/iq_grids.def"
#define POINT(x) x,
CONSTANT U16 iq1_grid[2048] = {IQ1_GRID(POINT)};
CONSTANT U16 iq2xxs_grid[256] = {IQ2_XXS_GRID(POINT)};
CONSTANT U16 iq2xs_grid[512] = {IQ2_XS_GRID(POINT)};
CONSTANT U16 iq2s_grid[1024] = {IQ2_S_GRID(POINT)};
CONSTANT U16 iq3xxs_grid[256] = {IQ3_XXS_GRID(POINT)};
CONSTANT U16 iq3s_grid[512] = {IQ3_S_GRID(POINT)};
#undef POINT

typedef struct block_value {
    I32 level;
    F32 scale, minimum;
} block_value;

FN block_value block_of(I32 level, F32 scale, F32 minimum) {
    block_value v;
    v.level = level;
    v.scale = scale;
    v.minimum = minimum;
    return v;
}

FN I32 block_elements(I32 type) {
    switch (type) {
    case T_Q4_0:
    case T_Q4_1:
    case T_Q5_0:
    case T_Q5_1:
    case T_Q8_0:
    case T_Q8_1:
    case T_IQ4_NL:
    case T_MXFP4: return 32;
    case T_NVFP4: return 64;
    default:
        return type < T_A2_32                       ? 256
               : type < T_A2_64                     ? 32
               : type < T_E4M3_32 || type > T_I8_32 ? 64
                                                    : 32;
    }
}

/* ORDER: include/arcane/types.h */
CONSTANT U16 block_sizes[T_END - T_Q4_0] = {
    18, 20, 22, 24,  34, 36,  84, 110, 144, 176, 210, 292, 50, 56, 66,
    74, 82, 98, 110, 18, 136, 54, 66,  17,  36,  16,  20,  24, 28, 32,
    40, 24, 32, 40,  48, 56,  72, 36,  36,  36,  68,  68,  68, 40};

FN I32 block_bytes(I32 type) { return block_sizes[type - T_Q4_0]; }

FN U32 block_u16(GLOBAL const U8 *p) { return p[0] | (U32)p[1] << 8; }
FN U32 block_u32(GLOBAL const U8 *p) {
    return block_u16(p) | block_u16(p + 2) << 16;
}
FN F32 block_f16(GLOBAL const U8 *p) { return f16_value(block_u16(p)); }
FN I32 block_nibble(GLOBAL const U8 *p, I32 i) {
    return p[i / 2] >> 4 * (i & 1) & 15;
}

/* n bytes have n low halves, then n high ones. */
FN I32 half_of(GLOBAL const U8 *p, I32 i, I32 n) {
    return p[i % n] >> i / n * 4 & 15;
}

CONSTANT I8 fp4_levels[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                              0, -1, -2, -3, -4, -6, -8, -12};
CONSTANT I8 iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                              1,    13,   25,  38,  53,  69,  89,  113};

/* ---- one scale ---- */

FN block_value at_q5(GLOBAL const U8 *p, I32 i) { /* high bits, then halves */
    return block_of(half_of(p + 4, i, 16) | (I32)(block_u32(p) >> i & 1) << 4,
                    0, 0);
}

FN F32 mx_scale(U32 e) {
    return as_f32(e < 2 ? 0x200000u << e : (e - 1) << 23);
}

FN F32 nv_scale(U32 x) {
    if (x == 0x7f) return 0;
    return e4m3_value(x & 0x7f) * 0.5f;
}

FN I32 ternary_digit(U32 byte, I32 k) {
    U32 power = 1;
    for (I32 j = 0; j < k; j++) power *= 3;
    return (I32)((byte * power & 255) * 3 >> 8) - 1;
}

FN block_value at_tq1_0(GLOBAL const U8 *p, I32 i) {
    I32 level;
    if (i < 160)
        level = ternary_digit(p[i % 32], i / 32);
    else if (i < 240)
        level = ternary_digit(p[32 + (i - 160) % 16], (i - 160) / 16);
    else
        level = ternary_digit(p[48 + (i - 240) % 4], (i - 240) / 4);
    return block_of(level, block_f16(p + 52), 0);
}

FN block_value at_simple(I32 type, GLOBAL const U8 *p, I32 i) {
    block_value v;
    switch (type) {
    case T_Q4_0: return block_of(half_of(p + 2, i, 16) - 8, block_f16(p), 0);
    case T_Q4_1:
        return block_of(half_of(p + 4, i, 16), block_f16(p), block_f16(p + 2));
    case T_Q5_0:
        v = at_q5(p + 2, i);
        return block_of(v.level - 16, block_f16(p), 0);
    case T_Q5_1:
        v = at_q5(p + 4, i);
        return block_of(v.level, block_f16(p), block_f16(p + 2));
    case T_Q8_0: return block_of((I8)p[2 + i], block_f16(p), 0);
    case T_Q8_1: return block_of((I8)p[4 + i], block_f16(p), 0);
    case T_Q8_K: return block_of((I8)p[4 + i], as_f32(block_u32(p)), 0);
    case T_TQ1_0: return at_tq1_0(p, i);
    case T_TQ2_0:
        return block_of((p[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3) - 1,
                        block_f16(p + 64), 0);
    case T_IQ4_NL:
        return block_of(iq4_values[half_of(p + 2, i, 16)], block_f16(p), 0);
    case T_MXFP4:
        return block_of(fp4_levels[half_of(p + 1, i, 16)], mx_scale(p[0]), 0);
    default: /* NVFP4 */
        return block_of(fp4_levels[half_of(p + 4 + i / 16 * 8, i % 16, 8)],
                        nv_scale(p[i / 16]), 0);
    }
}

/* ---- 256 elements whose parts have small scales ---- */

FN block_value at_q3_k(GLOBAL const U8 *p, I32 i) {
    const I32 j = i / 16;
    const I32 low = p[96 + j % 8] >> j / 8 * 4 & 15;
    const I32 high = p[104 + j % 4] >> j / 4 * 2 & 3;
    const I32 level = p[32 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
    return block_of((level | (p[i % 32] >> i / 32 & 1) << 2) - 4,
                    block_f16(p + 108) * (F32)((low | high << 4) - 32), 0);
}

/* Scale and minimum of part j of Q4_K and Q5_K; the level is not theirs. */
FN block_value k_part(GLOBAL const U8 *p, I32 j) {
    GLOBAL const U8 *s = p + 4;
    I32 scale, minimum;
    if (j < 4) {
        scale = s[j] & 63;
        minimum = s[j + 4] & 63;
    } else {
        scale = (s[j + 4] & 15) | (s[j - 4] >> 2 & 0x30);
        minimum = s[j + 4] >> 4 | (s[j] >> 2 & 0x30);
    }
    return block_of(0, block_f16(p) * (F32)scale,
                    -(block_f16(p + 2) * (F32)minimum));
}

FN block_value at_q4_k(GLOBAL const U8 *p, I32 i) {
    block_value v = k_part(p, i / 32);
    v.level = p[16 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
    return v;
}

FN block_value at_q5_k(GLOBAL const U8 *p, I32 i) {
    block_value v = k_part(p, i / 32);
    const I32 low = p[48 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
    v.level = low | (p[16 + i % 32] >> i / 32 & 1) << 4;
    return v;
}

FN block_value at_q6_k(GLOBAL const U8 *p, I32 i) {
    const I32 part = i / 128, run = i / 32 % 4;
    const I32 low = p[part * 64 + i % 64] >> run / 2 * 4 & 15;
    const I32 high = p[128 + part * 32 + i % 32] >> 2 * run & 3;
    return block_of((low | high << 4) - 32,
                    block_f16(p + 208) * (F32)(I8)p[192 + i / 16], 0);
}

FN block_value at_iq4_xs(GLOBAL const U8 *p, I32 i) {
    const I32 j = i / 32;
    const I32 s = block_nibble(p + 4, j) | (I32)(block_u16(p + 2) >> 2 * j & 3)
                                               << 4;
    return block_of(iq4_values[half_of(p + 8 + 16 * j, i % 32, 16)],
                    block_f16(p) * (F32)(s - 32), 0);
}

FN block_value at_k(I32 type, GLOBAL const U8 *p, I32 i) {
    switch (type) {
    case T_Q2_K:
        return block_of(p[16 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3,
                        block_f16(p + 80) * (F32)(p[i / 16] & 15),
                        -(block_f16(p + 82) * (F32)(p[i / 16] >> 4)));
    case T_Q3_K: return at_q3_k(p, i);
    case T_Q4_K: return at_q4_k(p, i);
    case T_Q5_K: return at_q5_k(p, i);
    case T_Q6_K: return at_q6_k(p, i);
    default: return at_iq4_xs(p, i);
    }
}

/* ---- points of a grid ---- */

CONSTANT I8 iq2_sizes[4] = {8, 25, 43, 0};
CONSTANT I8 iq3_sizes[8] = {4, 12, 20, 28, 36, 44, 52, 62};

FN I32 signed_by(I32 size, U32 negative) { return negative & 1 ? -size : size; }

/* 7 bits give the signs of 8: the number of minus signs is even. */
FN U32 all_signs(U32 s) {
    U32 parity = s ^ s >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return s | (parity & 1) << 7;
}

FN I32 point2_level(U32 point, U32 signs, I32 i) {
    return signed_by(iq2_sizes[point >> 2 * i & 3], signs >> i);
}

FN block_value at_iq2(I32 type, GLOBAL const U8 *p, I32 i) {
    const F32 d = block_f16(p);
    const I32 k = i / 8;
    U32 word, high;
    switch (type) {
    case T_IQ2_XXS:
        word = block_u32(p + 6 + 8 * (i / 32));
        return block_of(point2_level(iq2xxs_grid[p[2 + 8 * (i / 32) + k % 4]],
                                     all_signs(word >> 7 * (k % 4) & 127),
                                     i % 8),
                        d * (0.5f + (F32)(word >> 28)) * 0.25f, 0);
    case T_IQ2_XS:
        word = block_u16(p + 2 + 2 * k);
        return block_of(
            point2_level(iq2xs_grid[word & 511], all_signs(word >> 9), i % 8),
            d * (0.5f + (F32)block_nibble(p + 66, k / 2)) * 0.25f, 0);
    default: /* IQ2_S */
        high = (U32)p[66 + k / 4] >> 2 * (k % 4) & 3;
        return block_of(
            point2_level(iq2s_grid[p[2 + k] | high << 8], p[34 + k], i % 8),
            d * (0.5f + (F32)block_nibble(p + 74, k / 2)) * 0.25f, 0);
    }
}

FN block_value at_iq3_xxs(GLOBAL const U8 *p, I32 i) {
    const U32 rest = block_u32(p + 66 + 4 * (i / 32));
    const U32 point = iq3xxs_grid[p[2 + i / 4]];
    const U32 signs = all_signs(rest >> 7 * (i / 8 % 4) & 127);
    return block_of(
        signed_by(iq3_sizes[point >> 4 * (i % 4) & 7], signs >> i % 8),
        block_f16(p) * (0.5f + (F32)(rest >> 28)) * 0.5f, 0);
}

FN block_value at_iq3_s(GLOBAL const U8 *p, I32 i) {
    const I32 k = i / 4;
    const U32 high = (U32)p[66 + k / 8] >> k % 8 & 1;
    const U32 point = iq3s_grid[p[2 + k] | high << 8];
    const I32 size = 1 + 2 * (I32)(point >> 4 * (i % 4) & 7);
    return block_of(signed_by(size, (U32)block_nibble(p + 74, k) >> i % 4),
                    block_f16(p) * (F32)(1 + 2 * block_nibble(p + 106, k / 8)),
                    0);
}

/* Eighths of -1, 0 and 1, moved by one. */
FN I32 point1_level(U32 point, I32 i, U32 minus) {
    return 8 * ((I32)(point >> 2 * i & 3) - 1) + (minus ? -1 : 1);
}

FN block_value at_iq1_s(GLOBAL const U8 *p, I32 i) {
    const I32 k = i / 8;
    const U32 word = block_u16(p + 34 + k / 4 * 2);
    const U32 high = word >> 3 * (k % 4) & 7;
    return block_of(
        point1_level(iq1_grid[p[2 + k] | high << 8], i % 8, word & 0x8000),
        block_f16(p) * (F32)(2 * (word >> 12 & 7) + 1) * 0.125f, 0);
}

FN block_value at_iq1_m(GLOBAL const U8 *p, I32 i) {
    const I32 k = i / 8;
    const U32 high = (U32)block_nibble(p + 32, k);
    const U32 size = block_u16(p + 48 + k / 8 * 2) >> 3 * (k / 2 % 4) & 7;
    U32 bits = 0;
    for (I32 j = 0; j < 4; j++)
        bits |= block_u16(p + 48 + 2 * j) >> 12 << 4 * j;
    return block_of(
        point1_level(iq1_grid[p[k] | (high & 7) << 8], i % 8, high & 8),
        f16_value(bits) * (F32)(2 * size + 1) * 0.125f, 0);
}

/* Element i of the block at p. */
FN block_value block_at(I32 type, GLOBAL const U8 *p, I32 i) {
    switch (type) {
    case T_Q2_K:
    case T_Q3_K:
    case T_Q4_K:
    case T_Q5_K:
    case T_Q6_K:
    case T_IQ4_XS: return at_k(type, p, i);
    case T_IQ1_S: return at_iq1_s(p, i);
    case T_IQ1_M: return at_iq1_m(p, i);
    case T_IQ2_XXS:
    case T_IQ2_XS:
    case T_IQ2_S: return at_iq2(type, p, i);
    case T_IQ3_XXS: return at_iq3_xxs(p, i);
    case T_IQ3_S: return at_iq3_s(p, i);
    default: return at_simple(type, p, i);
    }
}

/* Element i of a tensor of a block type. */
FN block_value load_block(GLOBAL const U8 *p, I32 type, I64 i) {
    const I32 n = block_elements(type);
    return block_at(type, p + i / n * block_bytes(type), (I32)(i % n));
}

/* ---- blocks of folders: a number, not a level (quant/decode_folder.c) ---- */

CONSTANT U8 affine_bits[6] = {2, 3, 4, 5, 6, 8};

/* Codes are split at the binary digits of `bits`; a plane of w bits has element
 * i in byte i % size from bit i / size * w on. */
FN I32 affine_code(GLOBAL const U8 *p, I32 bits, I32 n, I32 i) {
    I32 code = 0, at = 0;
    for (I32 width = 8; width; width /= 2) {
        const I32 size = n * width / 8;
        if (!(bits & width)) continue;
        code |= (p[i % size] >> i / size * width & ((1 << width) - 1)) << at;
        p += size;
        at += width;
    }
    return code;
}

FN F32 scaled_code(I32 kind, U32 code) {
    return kind == 0   ? e4m3_value(code)
           : kind == 1 ? f16_value(code << 8)
                       : (F32)(I8)code;
}

FN F32 folder_value(GLOBAL const U8 *p, I32 type, I32 i) {
    const F32 scale = as_f32(block_u32(p));
    if (type == T_F4_64) {
        const I32 code = block_nibble(p + 8, i);
        return (F32)fp4_levels[code] * 0.5f * e4m3_value(p[4 + i / 16]) * scale;
    }
    if (type >= T_E4M3_32)
        return scaled_code((type - T_E4M3_32) % 3, p[4 + i]) * scale;
    const I32 bits = affine_bits[(type - T_A2_32) % 6];
    return scale * (F32)affine_code(p + 8, bits, block_elements(type), i) +
           as_f32(block_u32(p + 4));
}

FN F32 load_any(GLOBAL const U8 *p, I32 type, I64 i) {
    if (type < T_Q4_0) return load_f(p, type, i);
    if (type >= T_A2_32) {
        const I32 n = block_elements(type);
        return folder_value(p + i / n * block_bytes(type), type, (I32)(i % n));
    }
    const block_value v = load_block(p, type, i);
    return v.scale * (F32)v.level + v.minimum;
}

#endif
