/* layout.h - quantised matrices that are several tensors of a file.
 *
 *     layout l = {.kind = LAYOUT_GPTQ, .rows = out, .columns = in, .bits = 4,
 *                 .group = 128, .weight = {p, size, AR_I32}, ...};
 *     TRY(layout_decode(&l, first, n, dst, err));
 *
 * The matrix is W [rows, columns] with rows the outputs, as it multiplies
 * y = W x, whatever the file's own order is.  Words are little-endian. */
#ifndef QUANT_LAYOUT_H
#define QUANT_LAYOUT_H

#include "quant/quant.h"

typedef enum layout_kind {
#define LAYOUT(NAME, name, text) LAYOUT_##NAME,
#include "quant/layouts.def"
#undef LAYOUT
    LAYOUT_COUNT
} layout_kind;

/* One tensor of the file, at any address; borrowed. */
typedef struct layout_part {
    const void *data;
    size_t size; /* bytes there are */
    ar_type type;
} layout_part;

/* The parts, with R rows, C columns, G = ceil(C / group) and b bits:
 *
 * FP8    weight [R, C] F8_E4M3, F8_E5M2 or I8; scale [ceil(R / tile_rows),
 *        ceil(C / tile_columns)] float.  w = weight * scale.  A scale for each
 *        row, or one for all, is a tile of that size.
 * MXFP4  weight [R, C/2] U8, element 2i in the low half of byte i; scale
 *        [R, C/32] U8.  w = e2m1 * 2^(scale - 127).  Group is 32.
 * NVFP4  weight as MXFP4; scale [R, C/16] F8_E4M3; scale_all.
 *        w = e2m1 * scale * scale_all.  Group is 16.
 * MLX    weight [R, C * b / 32] U32, element i of a row its bits i b to
 *        i b + b - 1 counted from the lowest of word 0, b of 2 3 4 5 6 8;
 *        scale, bias [R, G] float.  w = scale * q + bias.
 * INT    weight [R, C * b / 32] I32 as MLX, b of 4 8; scale [R, G] float.
 *        w = scale * (q - 2^(b - 1)).
 * GPTQ   weight [C * b / 32, R] I32, inputs from the low bits; zero
 *        [G, R * b / 32] I32, outputs from the low bits; scale [G, R] float;
 *        order [C] I32 the group of each input, or none: input / group.
 *        b of 2 4 8.  w = scale * (q - zero - zero_shift).
 * AWQ    weight [C, R/8] I32, zero [G, R/8] I32, their 4-bit parts from the low
 *        ones are outputs 0 2 4 6 1 3 5 7 of eight; scale [G, R] float.
 *        w = scale * (q - zero). */
typedef struct layout {
    layout_kind kind;
    int64_t rows, columns;
    int64_t tile_rows, tile_columns; /* FP8 */
    int64_t group;   /* MLX, INT, GPTQ, AWQ; others have theirs */
    int bits;        /* MLX, INT, GPTQ */
    int zero_shift;  /* GPTQ: 1 in version 1, 0 in version 2 */
    float scale_all; /* NVFP4 */
    layout_part weight, scale;
    layout_part zero;  /* GPTQ, AWQ: zeros; MLX: biases */
    layout_part order; /* GPTQ; data is NULL if there is none */
} layout;

const char *layout_text(layout_kind kind); /* "" if there is none such */
const char *layout_name(layout_kind kind); /* "gptq"; the same */

/* Whether sizes, types and group numbers fit together.  AR_SHAPE, AR_FORMAT,
 * or AR_UNSUPPORTED, with a sentence that names the part. */
ar_status layout_check(const layout *l, ar_error *err);

/* Rows first..first + n - 1 to dst [n, columns].  Checks all that
 * layout_check does, and AR_RANGE for rows there are not. */
ar_status layout_decode(const layout *l, int64_t first, int64_t n, float *dst,
                        ar_error *err);

/* ---- as blocks ---- */

/* The block type that has exactly the numbers of l and about its bytes; AR_NONE
 * where there is none: rows or groups that are not whole blocks of 32 (GPTQ
 * whose inputs are in any order are such), scales of GPTQ, AWQ and INT with
 * more than 15 digits, an l that layout_check refuses.  -0 counts as 0. */
ar_type layout_block_type(const layout *l);

/* The matrix to dst [rows, columns] of t = layout_block_type(l); else
 * AR_UNSUPPORTED. */
ar_status layout_to_blocks(const layout *l, ar_type t, void *dst,
                           ar_error *err);

/* 32 e2m1 floats, in pairs as MXFP4 has them, as a block of AR_MXFP4. */
void layout_mxfp4_block(const uint8_t *pairs, uint8_t scale, uint8_t *block);

#endif
