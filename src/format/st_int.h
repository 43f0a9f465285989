/* st_int.h - what the safetensors files share among themselves. */
#ifndef FORMAT_ST_INT_H
#define FORMAT_ST_INT_H

#include "base/arena.h"
#include "format/safetensors.h"

enum {
    ST_MAX_HEADER = 100 << 20, /* bytes */
    ST_MAX_TENSORS = 1000000,
    ST_MAX_NAME = 512, /* bytes */
};

/* A type of the format: its name there and our type for it, AR_NONE where we
 * have none. */
typedef struct st_type {
    const char *name;
    ar_type type;
} st_type;

/* NULL if the format has no such type. */
const st_type *st_type_named(const char *name);
const st_type *st_type_of(ar_type t);

#endif
