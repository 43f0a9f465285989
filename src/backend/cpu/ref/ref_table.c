/* ref_table.c - the plain kernel of every op, by number.
 *
 * Made from ops.def, so an op without a kernel does not link. */
#include "backend/cpu/ref/ref.h"

cpu_op_fn *const REF_TABLE[OP_COUNT] = {
#define OP(name, lo, hi, flags, ...)                                           \
    [OP_##name] = (flags) & (OP_LEAF | OP_VIEW) ? NULL : REF(name),
#include "core/ops.def"
#undef OP
};
