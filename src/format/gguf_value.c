/* gguf_value.c - the types of GGUF, and typed access to its metadata. */
#include <string.h>

#include "base/error.h"
#include "format/gguf_int.h"

static const struct {
    const char *name;
    size_t size;
} kinds[] = {
#define GGUF_KIND(name, bytes, text) {text, bytes},
#include "format/gguf_kinds.def"
#undef GGUF_KIND
};

static const struct {
    int number;
    ar_type type;
} types[] = {
#define GGUF_TYPE(number, type) {number, AR_##type},
#include "format/gguf_types.def"
#undef GGUF_TYPE
};
enum { N_TYPES = sizeof types / sizeof *types };

size_t gguf_kind_size(unsigned kind) {
    return kind < GGUF_KIND_COUNT ? kinds[kind].size : 0;
}

const char *gguf_kind_name(unsigned kind) {
    return kind < GGUF_KIND_COUNT ? kinds[kind].name : "unknown";
}

ar_type gguf_type_of(uint32_t number) {
    for (int i = 0; i < N_TYPES; i++)
        if ((uint32_t)types[i].number == number) return types[i].type;
    return AR_NONE;
}

int gguf_type_number(ar_type t) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].type == t) return types[i].number;
    return -1;
}

bool gguf_alignment_ok(int64_t alignment) {
    return alignment > 0 && alignment <= GGUF_MAX_ALIGNMENT &&
           !(alignment & (alignment - 1));
}

/* Element i, at most 8 bytes; false if there is none of fixed size. */
static bool element(const gguf_value *v, int64_t i, void *out) {
    if (!v || i < 0 || i >= v->count || !gguf_kind_size(v->kind)) return false;
    const size_t size = gguf_kind_size(v->kind);
    memcpy(out, v->data + (size_t)i * size, size);
    return true;
}

bool gguf_as_int(const gguf_value *v, int64_t i, int64_t *out) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } x;
    if (!element(v, i, &x)) return false;
    switch (v->kind) {
    case GGUF_U8: *out = x.u8; return true;
    case GGUF_I8: *out = x.i8; return true;
    case GGUF_U16: *out = x.u16; return true;
    case GGUF_I16: *out = x.i16; return true;
    case GGUF_U32: *out = x.u32; return true;
    case GGUF_I32: *out = x.i32; return true;
    case GGUF_I64: *out = x.i64; return true;
    case GGUF_U64:
        if (x.u64 > INT64_MAX) return false;
        *out = x.i64;
        return true;
    default: return false;
    }
}

bool gguf_as_real(const gguf_value *v, int64_t i, double *out) {
    union {
        float f32;
        double f64;
        uint64_t u64;
    } x;
    int64_t whole;
    if (!element(v, i, &x)) return false;
    if (v->kind == GGUF_F32)
        *out = (double)x.f32;
    else if (v->kind == GGUF_F64)
        *out = x.f64;
    else if (v->kind == GGUF_U64)
        *out = (double)x.u64;
    else if (gguf_as_int(v, i, &whole))
        *out = (double)whole;
    else
        return false;
    return true;
}

bool gguf_as_bool(const gguf_value *v, int64_t i, bool *out) {
    unsigned char x[8];
    if (!element(v, i, x) || v->kind != GGUF_BOOL) return false;
    *out = x[0] != 0;
    return true;
}

/* The string at p, which was checked when the file was opened. */
static const unsigned char *take_string(const unsigned char *p,
                                        gguf_string *out) {
    uint64_t size;
    memcpy(&size, p, sizeof size);
    *out = (gguf_string){(const char *)p + sizeof size, (size_t)size};
    return p + sizeof size + size;
}

bool gguf_as_string(const gguf_value *v, gguf_string *out) {
    if (!v || v->is_array || v->kind != GGUF_STRING) return false;
    take_string(v->data, out);
    return true;
}

bool gguf_as_strings(const gguf_value *v, gguf_string *out) {
    if (!v || !v->is_array || v->kind != GGUF_STRING) return false;
    const unsigned char *p = v->data;
    for (int64_t i = 0; i < v->count; i++) p = take_string(p, &out[i]);
    return true;
}
