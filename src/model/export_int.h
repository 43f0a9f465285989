/* export_int.h - what the files of export share. */
#ifndef MODEL_EXPORT_INT_H
#define MODEL_EXPORT_INT_H

#include "model/model.h"

/* How a weight's rows come from those of its tensor. */
enum export_form {
    EXPORT_SAME,
    EXPORT_TURNED,  /* [in, out] to [out, in] and back */
    EXPORT_PAIRED,  /* halves of each head to neighbours */
    EXPORT_UNPAIRED /* and back */
};

typedef struct export_tensor {
    const param_spec *spec; /* of the file that is written */
    const tensor_view *src;
    ar_type type;
    enum export_form form;
    int64_t head, turned; /* rows of a head, and those that rotate */
    double offset;        /* added to each element */
} export_tensor;

typedef struct export_plan {
    model_config config; /* of the file that is written */
    param_list params;
    export_tensor *tensors; /* [params.n] */
} export_plan;

/* Fills out but for the types; pairs: q and k are permuted in GGUF files. */
ar_status export_plan_build(export_plan *out, const model *m,
                            const model_config *to, bool pairs, ar_error *err);
void export_plan_close(export_plan *p);

/* Gives the bytes of one tensor to `put`, in order.  Errors: AR_NOMEM,
 * AR_UNSUPPORTED. */
typedef void export_put(void *file, const void *p, size_t size);
typedef struct export_sink {
    export_put *put;
    void *file;
} export_sink;
ar_status export_rows(const export_tensor *t, const export_options *o,
                      const export_sink *to, ar_error *err);

/* A GGUF architecture by ours; NULL if there is none. */
const char *export_gguf_arch(enum arch_id arch, bool *pairs);
/* Keys of a configuration. */
void export_gguf_config(gguf_writer *w, const model_config *c,
                        const char *arch);
/* Whether two configurations compute the same: NULL, or what differs. */
const char *export_difference(const model_config *a, const model_config *b);

#endif
