/* build.h - what the builders share; not for use outside core. */
#ifndef CORE_BUILD_H
#define CORE_BUILD_H

#include "core/graph.h"

/* Infer, check and append a node whose op, attributes and inputs are filled
 * (of leaves: out[0].type and shape too).  Returns its output 0, or 0. */
ref graph_append(graph *g, node *n);

/* The ref behind any views: the version of a state that r looks at. */
ref graph_version(const graph *g, ref r);

/* The shape that all of x[0..n) broadcast to; false and an error if they do
 * not.  0s are skipped. */
bool graph_common_shape(graph *g, enum op_id op, const ref *x, int n,
                        shape *out);

#endif
