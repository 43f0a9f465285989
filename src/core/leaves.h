/* leaves.h - checking what a caller binds to the leaves of a program. */
#ifndef CORE_LEAVES_H
#define CORE_LEAVES_H

#include "core/backend.h"

/* Every leaf that is used must lie inside its buffer.  Errors: AR_RANGE with
 * the leaf's name. */
ar_status leaves_check(const plan *p, const buffer *buffers, int n_buffers,
                       ar_error *err);

#endif
