/* tensor_view.h - a tensor as it lies in a file, and tensors by name. */
#ifndef FORMAT_TENSOR_VIEW_H
#define FORMAT_TENSOR_VIEW_H

#include <stdbool.h>

#include "base/arena.h"
#include "core/op.h"
#include "quant/layout.h"

typedef struct tensor_view {
    const char *name; /* NUL-terminated, owned by the file */
    ar_type type;
    shape shape;      /* row-major; the last dim is a multiple of the block */
    const void *data; /* in the mapping; not always aligned to the type */
    size_t size;      /* bytes */
    /* Not NULL for a matrix that is several tensors of the file: then type is
     * AR_NONE, data is NULL, and only tensor_read_* reads it. */
    const layout *packed;
} tensor_view;

/* Elements first .. first + n - 1 as dst [n]: of a packed tensor whole rows, of
 * a block type whole blocks.  Errors: AR_RANGE, AR_UNSUPPORTED (a type that is
 * no number), AR_NOMEM. */
ar_status tensor_read_f32(const tensor_view *t, int64_t first, int64_t n,
                          float *dst, ar_error *err);
ar_status tensor_read_f64(const tensor_view *t, int64_t first, int64_t n,
                          double *dst, ar_error *err);
/* "q4_k", of packed ones "gptq 4-bit"; into text[TENSOR_TYPE_TEXT]. */
enum { TENSOR_TYPE_TEXT = 32 };
const char *tensor_type_text(const tensor_view *t, char *text);
/* Whether tensor_read_* can. */
bool tensor_is_number(const tensor_view *t);

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
