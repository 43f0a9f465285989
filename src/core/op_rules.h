/* op_rules.h - the shape rule and the gradient of every op, and what an op
 * does to the memory of its inputs. */
#ifndef CORE_OP_RULES_H
#define CORE_OP_RULES_H

#include "core/op.h"

/* Declare each function named in ops.def.  A NULL gradient means none: here
 * it is read as the name of a function that nobody defines. */
#pragma push_macro("NULL")
#undef NULL
#define NULL grad_none
#define OP(name, lo, hi, flags, infer, grad, text)                             \
    op_infer infer;                                                            \
    op_grad grad;
#include "core/ops.def"
#undef OP
#undef NULL
#pragma pop_macro("NULL")

/* May input i be 0? */
bool op_input_optional(enum op_id op, int i);

/* The input whose storage output 0 may take, -1 = none. */
int op_inplace_input(enum op_id op);

/* The input that output `out` of an OP_EFFECT op is the new version of; -1 of
 * an output with memory of its own. */
int op_state_input(enum op_id op, int out);

/* Bytes of the op's attributes that mean something; the rest are zeroed. */
size_t op_attr_size(enum op_id op);

#endif
