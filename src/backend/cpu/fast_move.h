/* fast_move.h - copying one view to another, in shares. */
#ifndef CPU_FAST_MOVE_H
#define CPU_FAST_MOVE_H

#include "backend/cpu/fast_rows.h"

/* Equal types; their elements are copied bit for bit, whatever the strides. */
bool move_fits(const tensor *dst, const tensor *src);
void move_run(const op_call *c, const tensor *dst, const tensor *src);

#endif
