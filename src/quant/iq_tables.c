/* iq_tables.c - the grid points of the IQ types as tables. */
#include "quant/quant_block.h"

#define IQ_GRID(name, n, ...) const uint16_t name[n] = {__VA_ARGS__};
#include "quant/iq_grids.def"
#undef IQ_GRID
