/* export.h - a model written as a GGUF file, or as a folder of safetensors.
 *
 * What the two disagree on is turned round: names, the order of the rows of q
 * and k, gemma's norms (GGUF has 1 + w), GPT-2's linear maps, frequencies that
 * GGUF files divide themselves.  Plain types are kept to the bit where nothing
 * is computed.  Files are written beside their place and renamed. */
#ifndef MODEL_EXPORT_H
#define MODEL_EXPORT_H

#include "model/params.h"

struct ar_model;

/* What a tensor of type t, a weight of the file that is written, is to be; what
 * it cannot be becomes f32. */
typedef ar_type export_choose(void *ctx, const param_spec *s, ar_type t);

typedef struct export_options {
    /* Type of matrices; AR_NONE = as they are, or f32 where that is no type of
     * the format.  Vectors are f32 in GGUF files. */
    ar_type type;
    export_choose *choose; /* instead of type; may be NULL */
    /* Of the columns of matrices that are written in blocks; may be NULL. */
    const struct imatrix *importance;
    struct pool *pool;                        /* NULL = the caller alone */
    void (*progress)(void *ctx, double done); /* may be NULL */
    void *ctx;
} export_options;

/* A GGUF file at path, opened again before it gets its name: it must be the
 * same model.  Errors: AR_UNSUPPORTED (an architecture that GGUF files are not
 * read as here, a window or rotation that they cannot say), AR_IO, AR_NOMEM. */
ar_status export_gguf(const struct ar_model *m, const char *path,
                      const export_options *o, ar_error *err);

/* model.safetensors and config.json in the folder, which is made.  Errors:
 * AR_IO, AR_NOMEM, AR_UNSUPPORTED. */
ar_status export_folder(const struct ar_model *m, const char *folder,
                        const export_options *o, ar_error *err);

#endif
