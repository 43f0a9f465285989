/* iq_tables.c - the grid points of the IQ types, as numbers of coordinates and
 * as levels with a plus sign (levels.h). */
#include "quant/iq_grids.def"
#include "quant/quant_block.h"

#define POINT(x) x,
const uint16_t iq1_grid[2048] = {IQ1_GRID(POINT)};
const uint16_t iq2xxs_grid[256] = {IQ2_XXS_GRID(POINT)};
const uint16_t iq2xs_grid[512] = {IQ2_XS_GRID(POINT)};
const uint16_t iq2s_grid[1024] = {IQ2_S_GRID(POINT)};
const uint16_t iq3xxs_grid[256] = {IQ3_XXS_GRID(POINT)};
const uint16_t iq3s_grid[512] = {IQ3_S_GRID(POINT)};

/* Coordinate i of a point of 8 or 4, and bytes made of f of each. */
#define OF8(x, i) ((x) >> 2 * (i)&3)
#define OF4(x, i) ((x) >> 4 * (i)&7)
#define BYTE8(f, x, i) (uint64_t) f(OF8(x, i)) << 8 * (i)
#define BYTES8(f, x)                                                           \
    (BYTE8(f, x, 0) | BYTE8(f, x, 1) | BYTE8(f, x, 2) | BYTE8(f, x, 3) |       \
     BYTE8(f, x, 4) | BYTE8(f, x, 5) | BYTE8(f, x, 6) | BYTE8(f, x, 7)),
#define BYTE4(f, x, i) (uint32_t) f(OF4(x, i)) << 8 * (i)
#define BYTES4(f, x)                                                           \
    (BYTE4(f, x, 0) | BYTE4(f, x, 1) | BYTE4(f, x, 2) | BYTE4(f, x, 3)),

/* Eighths of -1, 0 and 1 and one, moved by 8. */
#define LEVEL1(c) (8 * (c) + 2)
#define POINT1(x) BYTES8(LEVEL1, x)
const uint64_t iq1_levels[2048] = {IQ1_GRID(POINT1)};

/* Sizes 8, 25 and 43 at offset 43. */
#define LEVEL2(c) (51 + 17 * ((c)&1) + 35 * ((c) >> 1))
#define POINT2(x) BYTES8(LEVEL2, x)
const uint64_t iq2xxs_levels[256] = {IQ2_XXS_GRID(POINT2)};
const uint64_t iq2xs_levels[512] = {IQ2_XS_GRID(POINT2)};
const uint64_t iq2s_levels[1024] = {IQ2_S_GRID(POINT2)};

/* Sizes 4, 12 .. 52 and 62 at offset 62; 1, 3 .. 15 at 15. */
#define LEVEL3_XXS(c) (66 + 8 * (c) + 2 * ((c) == 7))
#define LEVEL3_S(c) (16 + 2 * (c))
#define POINT3_XXS(x) BYTES4(LEVEL3_XXS, x)
#define POINT3_S(x) BYTES4(LEVEL3_S, x)
const uint32_t iq3xxs_levels[256] = {IQ3_XXS_GRID(POINT3_XXS)};
const uint32_t iq3s_levels[512] = {IQ3_S_GRID(POINT3_S)};
