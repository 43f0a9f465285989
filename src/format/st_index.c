/* st_index.c - the types of the safetensors format, and tensors by name. */
#include "format/st_int.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"

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

/* The slot that holds `name`, or the empty one where it would go. */
static size_t find_slot(const st_index *x, const char *name) {
    size_t i = hash_bytes(name, strlen(name), 0) & x->mask;
    while (x->slots[i] && strcmp(x->tensors[x->slots[i] - 1].name, name))
        i = (i + 1) & x->mask;
    return i;
}

ar_status st_index_build(st_index *x, arena *a, const st_tensor *tensors,
                         int64_t n, ar_error *err) {
    size_t size = 8;
    while (size < 2 * (size_t)n) size *= 2;
    uint32_t *slots = arena_new(a, uint32_t, size);
    if (!slots) return error_set(err, AR_NOMEM, "out of memory for names");
    *x = (st_index){.tensors = tensors, .slots = slots, .mask = size - 1};
    for (int64_t i = 0; i < n; i++)
        slots[find_slot(x, tensors[i].name)] = (uint32_t)i + 1;
    return AR_OK;
}

const st_tensor *st_index_find(const st_index *x, const char *name) {
    if (!x->slots) return NULL;
    const uint32_t found = x->slots[find_slot(x, name)];
    return found ? &x->tensors[found - 1] : NULL;
}
