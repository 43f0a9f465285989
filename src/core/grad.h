/* grad.h - what the gradient rules share; private to core.
 *
 * The rules are named in ops.def.  A gradient has the shape of its value.  Its
 * type is the value's, except that gradients of 16-bit values are F32:
 * grad_type. */
#ifndef CORE_GRAD_H
#define CORE_GRAD_H

#include "core/graph.h"
#include "core/op_rules.h"

/* The type of gradients of values of type t. */
ar_type grad_type(ar_type t);
/* x as the type of dy, so that the two may meet in one op. */
ref grad_meet(graph *g, ref x, ref dy);
/* a x; x itself if a is 1. */
ref grad_scale(graph *g, ref x, double a);
/* Zeros of shape s: a view of one number. */
ref grad_zeros(graph *g, ar_type t, shape s);
/* The sum over leading dims of x [.., N], as [N]. */
ref grad_sum_rows(graph *g, ref x);

#endif
