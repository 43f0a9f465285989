/* params_parts.h - how a weight lies in a file: as one tensor, or as several.
 *
 * A stack of matrices, one for each expert, may be one tensor, one for each of
 * them, or two: 4-bit numbers and their scales (MXFP4).  Norms of several
 * heads may be one tensor for each of them. */
#ifndef MODEL_PARAMS_PARTS_H
#define MODEL_PARAMS_PARTS_H

#include "format/weights.h"
#include "model/params.h"

enum param_source_kind {
    PARAM_MISSING,
    PARAM_WHOLE,
    PARAM_BY_EXPERT, /* n tensors, params_part */
    PARAM_MXFP4      /* [E, rows, columns / 32, 16] U8 and their scales */
};

typedef struct param_source {
    enum param_source_kind kind;
    int64_t n;                 /* tensors */
    const tensor_view *tensor; /* the whole, the first expert's, the blocks */
    const tensor_view *scales; /* MXFP4 */
    ar_type type; /* in which params_load_one gives it without a change */
} param_source;

/* PARAM_MISSING also where an expert's tensor is. */
param_source params_source(const param_spec *s, const weights *w);
/* The same, but matrices of several tensors as blocks, where they fit; what
 * params_load_one can give.  Looks through their scales. */
ar_type params_kept_type(const param_spec *s, const weights *w);
/* Tensor i of the source; NULL if the file does not have it. */
const tensor_view *params_part(const param_spec *s, const weights *w,
                               const param_source *from, int64_t i);
/* The shape and name that part i, a matrix of a stack or the norm of a head,
 * has where it lies alone; of a weight that may. */
shape params_part_shape(const param_spec *s);
const char *params_part_name(const param_spec *s, int64_t i,
                             char out[PARAM_NAME_SIZE + 16]);
/* Gives every name without a tensor to fn; how many there are. */
typedef void params_name_fn(void *ctx, const char *name);
int64_t params_missing(const param_list *p, const weights *w,
                       params_name_fn *fn, void *ctx);
/* The same for tensors of another shape than they should have. */
typedef void params_shape_fn(void *ctx, const tensor_view *t,
                             const shape *want);
int64_t params_misshapen(const param_list *p, const weights *w,
                         params_shape_fn *fn, void *ctx);
/* AR_SHAPE, AR_UNSUPPORTED (a type) naming the tensor; of a source that is
 * there. */
ar_status params_check_source(const param_spec *s, const weights *w,
                              ar_error *err);
/* Declares a weight in the form of folders: a stack is one tensor for each
 * expert where its scheme has names for them.  The bytes are the same. */
void params_declare(st_writer *w, const param_spec *s, ar_type t);
/* used [weights_count], zeroed: 1 = a tensor that a weight takes, 2 = one that
 * files may hold and the model does not need. */
void params_mark(const param_list *p, const weights *w, unsigned char *used);
/* The tensor of a weight that is one, in its own shape; else NULL. */
const tensor_view *params_whole(const param_spec *s, const weights *w);

#endif
