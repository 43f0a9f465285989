/* st_types.c - the types of the safetensors format. */
#include "format/st_int.h"

#include <string.h>

static const st_type types[] = {
#define ST_TYPE(name, type) {#name, AR_##type},
#include "format/st_types.def"
#undef ST_TYPE
};
enum { N_TYPES = sizeof types / sizeof *types };

const st_type *st_type_named(const char *name) {
    for (int i = 0; i < N_TYPES; i++)
        if (!strcmp(types[i].name, name)) return &types[i];
    return NULL;
}

const st_type *st_type_of(ar_type t) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].type == t && t != AR_NONE) return &types[i];
    return NULL;
}
