/* gguf_int.h - what the GGUF files share among themselves. */
#ifndef FORMAT_GGUF_INT_H
#define FORMAT_GGUF_INT_H

#include "base/arena.h"
#include "format/gguf.h"

enum {
    GGUF_MAX_TENSORS = 1000000,
    GGUF_MAX_VALUES = 65536,
    GGUF_MAX_NAME = 512,  /* bytes */
    GGUF_MAX_KEY = 65535, /* bytes */
    GGUF_MAX_DIMS = 4,
    GGUF_MAX_NESTING = 8,
    GGUF_MAX_ALIGNMENT = 1 << 20,
    GGUF_MAX_PARTS = 1000,
    GGUF_ALIGNMENT = 32, /* if the file does not say */
};

#define GGUF_ALIGNMENT_KEY "general.alignment"

/* Bytes of one value; 0 for strings, arrays and kinds there are not. */
size_t gguf_kind_size(unsigned kind);
ar_type gguf_type_of(uint32_t number); /* AR_NONE if it has no row */
int gguf_type_number(ar_type t);       /* -1 if the format lacks it */
bool gguf_alignment_ok(int64_t alignment);

/* One file: all its parts point into its bytes or into the arena. */
typedef struct gguf_part {
    file_map map;     /* empty for bytes in memory */
    const char *name; /* for errors */
    int version;
    int64_t n_values, n;
    gguf_value *values;        /* in file order */
    const gguf_value **sorted; /* by key */
    tensor_view *tensors;      /* in file order */
} gguf_part;

/* Fills all but map and name. */
ar_status gguf_read_part(gguf_part *p, arena *a, const void *data, size_t size,
                         ar_error *err);
const gguf_value *gguf_part_find(const gguf_part *p, const char *key);

#endif
