/* tensor_view.h - a tensor as it lies in a file, and tensors by name. */
#ifndef FORMAT_TENSOR_VIEW_H
#define FORMAT_TENSOR_VIEW_H

#include <stdbool.h>

#include "base/arena.h"
#include "core/op.h"

typedef struct tensor_view {
    const char *name; /* NUL-terminated, owned by the file */
    ar_type type;
    shape shape;      /* row-major; the last dim is a multiple of the block */
    const void *data; /* in the mapping; not always aligned to the type */
    size_t size;      /* bytes */
} tensor_view;

/* Elements in a block of the type; 1 for plain types. */
int tensor_block(ar_type t);

/* The bytes of a tensor.  False if a dim is negative, a row is not whole
 * blocks, or the size does not fit 63 bits. */
bool tensor_size(ar_type t, const shape *s, size_t *out);

/* Tensors by name. */
typedef struct tensor_index {
    const tensor_view **sorted; /* [n], in the arena */
    int64_t n;
} tensor_index;

/* tensors[n], borrowed as long as the index is used.  Errors: AR_FORMAT (a
 * name twice), AR_NOMEM; the sentence starts with `file`. */
ar_status tensor_index_build(tensor_index *x, arena *a,
                             const tensor_view *tensors, int64_t n,
                             const char *file, ar_error *err);
const tensor_view *tensor_index_find(const tensor_index *x, const char *name);

#endif
