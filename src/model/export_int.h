/* export_int.h - what the files of export share. */
#ifndef MODEL_EXPORT_INT_H
#define MODEL_EXPORT_INT_H

#include "model/model.h"
#include "model/params_parts.h"

/* How a weight's rows come from those of its tensor. */
enum export_form {
    EXPORT_SAME,
    EXPORT_TURNED,   /* [in, out] to [out, in] and back */
    EXPORT_PAIRED,   /* halves of each head to neighbours */
    EXPORT_UNPAIRED, /* and back */
    EXPORT_PARTS,    /* q, k, v of each head to q, k, v of all */
    EXPORT_BY_HEAD,  /* and back */
    EXPORT_JOINED,   /* of two tensors, K_B and V_B of latent attention */
    EXPORT_EXPERTS   /* of a stack that is turned, fused or packed */
};

typedef struct export_tensor {
    const param_spec *spec; /* of the file that is written */
    param_source from;
    const tensor_view *src;    /* the first tensor of the source */
    const tensor_view *second; /* EXPORT_JOINED: V_B */
    const param_spec *src_spec;
    const weights *files;
    ar_type type;
    enum export_form form;
    /* rows of a head, those before the ones that rotate, and these */
    int64_t head, unturned, turned;
    double (*map)(double); /* of each element; NULL = itself */
    double offset;         /* added to each element */
    int64_t step, first;   /* EXPORT_EXPERTS: outputs first, first + step ... */
} export_tensor;

typedef struct export_plan {
    model_config config; /* of the file that is written */
    param_list params;
    export_tensor *tensors; /* [params.n] */
} export_plan;

/* Fills out but for the types; pairs: q and k are permuted in GGUF files. */
ar_status export_plan_build(export_plan *out, const ar_model *m,
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

/* The same for EXPORT_EXPERTS. */
ar_status export_experts(const export_tensor *t, const export_options *o,
                         const export_sink *to, ar_error *err);
/* What the columns of a weight in blocks count, NULL where that is not known;
 * stack: its matrices.  Errors: AR_SHAPE (it is another model's). */
struct imatrix_entry;
ar_status export_importance(const export_tensor *t, const struct imatrix *all,
                            int64_t stack, int64_t columns,
                            const struct imatrix_entry **out, ar_error *err);

/* A GGUF architecture by ours; NULL if there is none. */
const char *export_gguf_arch(enum arch_id arch, bool *pairs);
/* Keys of a configuration. */
void export_gguf_config(gguf_writer *w, const model_config *c,
                        const char *arch);
/* Whether two configurations compute the same: NULL, or what differs. */
const char *export_difference(const model_config *a, const model_config *b);

#endif
