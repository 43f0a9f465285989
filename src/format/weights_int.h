/* weights_int.h - what the readers behind weights.h share. */
#ifndef FORMAT_WEIGHTS_INT_H
#define FORMAT_WEIGHTS_INT_H

#include "format/weights.h"

/* A file, or bytes that stand for one. */
typedef struct weights_source {
    const char *name; /* the path, or what to call the bytes in errors */
    const void *data; /* NULL for a file */
    size_t size;      /* bytes */
} weights_source;

struct weights {
    arena mem;
    enum weights_kind kind;
    int64_t n;
    const tensor_view *tensors; /* [n] */
    tensor_index index;
    const bool *turned;    /* [n], NULL = none is */
    weights_header header; /* of llm.c and Rustane files */
    file_map map;          /* of those; empty for bytes in memory */
    gguf *gguf;
    st_file **files;    /* safetensors: [n_files] */
    const char **names; /* of the files, in the folder; NULL for one file */
    int64_t n_files;
};

/* Fill what the kind needs, n and tensors, and call weights_index; after an
 * error weights_close frees what there is. */
#define WEIGHTS_FORMAT(name, text, is, open)                                   \
    ar_status open(weights *w, const weights_source *src, ar_error *err);
#include "format/formats.def"
#undef WEIGHTS_FORMAT

/* The path is a folder. */
ar_status weights_open_folder(weights *w, const char *path, ar_error *err);

/* The tensors by name. */
ar_status weights_index(weights *w, const char *path, ar_error *err);
ar_status weights_no_memory(const char *path, ar_error *err);

#endif
