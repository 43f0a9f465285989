/* imatrix.h - how much each column of each matrix matters: the mean square of
 * what it is multiplied with, over a text.
 *
 *   imatrix *x;
 *   TRY(imatrix_open(&x, "model.imatrix.gguf", err));
 *   const imatrix_entry *e = imatrix_find(x, "blk.0.attn_q.weight");
 *
 * Files of llama.cpp are read, both the GGUF kind (general.type "imatrix") and
 * the older one without a magic number.  Names are those of GGUF tensors. */
#ifndef FORMAT_IMATRIX_H
#define FORMAT_IMATRIX_H

#include "format/tensor_view.h"

typedef struct imatrix imatrix; /* opaque */

typedef struct imatrix_entry {
    const char *name;
    int64_t columns, matrices; /* matrices: experts of a stack, else 1 */
    const float *mean;         /* [matrices, columns], finite, not negative */
} imatrix_entry;

/* Whether a file begins as one of the two kinds does; a text does not. */
ar_status imatrix_is_file(bool *out, const char *path, ar_error *err);

/* Errors: AR_IO, AR_FORMAT, AR_NOMEM; the sentence names the file and entry. */
ar_status imatrix_open(imatrix **out, const char *path, ar_error *err);
ar_status imatrix_open_memory(imatrix **out, const void *data, size_t size,
                              const char *name, ar_error *err);
/* An empty one, to be filled; means [matrices, columns] are copied. */
ar_status imatrix_new(imatrix **out, ar_error *err);
ar_status imatrix_add(imatrix *x, const char *name, int64_t columns,
                      int64_t matrices, const float *mean, ar_error *err);
void imatrix_close(imatrix *x);

int64_t imatrix_count(const imatrix *x);
const imatrix_entry *imatrix_get(const imatrix *x, int64_t i);
const imatrix_entry *imatrix_find(const imatrix *x, const char *name);

#endif
