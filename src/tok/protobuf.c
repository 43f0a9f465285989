/* protobuf.c - reading messages of Protocol Buffers. */
#include "tok/protobuf.h"

#include <string.h>

#include "base/error.h"

static bool read_varint(proto_reader *r, uint64_t *out) {
    uint64_t v = 0;
    for (int shift = 0; shift < 70 && r->p < r->end; shift += 7) {
        const unsigned char c = *r->p++;
        if (shift == 63 && c > 1) return false; /* more than 64 bits */
        v |= (uint64_t)(c & 0x7F) << shift;
        if (c < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool read_fixed(proto_reader *r, int n, uint64_t *out) {
    if (r->end - r->p < n) return false;
    uint64_t v = 0;
    for (int i = 0; i < n; i++) v |= (uint64_t)r->p[i] << 8 * i;
    r->p += n;
    *out = v;
    return true;
}

static bool read_value(proto_reader *r, proto_field *f) {
    switch (f->type) {
    case PROTO_VARINT: return read_varint(r, &f->value);
    case PROTO_64: return read_fixed(r, 8, &f->value);
    case PROTO_32: return read_fixed(r, 4, &f->value);
    case PROTO_BYTES:
        if (!read_varint(r, &f->value) || f->value > (uint64_t)(r->end - r->p))
            return false;
        f->bytes = (const char *)r->p;
        f->size = (size_t)f->value;
        r->p += f->size;
        return true;
    }
    return false; /* groups, which nobody writes any more */
}

ar_status proto_next(proto_reader *r, proto_field *out, bool *found,
                     ar_error *err) {
    *out = (proto_field){0};
    *found = r->p < r->end;
    if (!*found) return AR_OK;
    uint64_t key;
    if (!read_varint(r, &key) || !(key >> 3) || key >> 3 > 0x1FFFFFFF)
        return error_set(err, AR_FORMAT, "a field without a number");
    out->number = (uint32_t)(key >> 3);
    out->type = (enum proto_type)(key & 7);
    if (read_value(r, out)) return AR_OK;
    return error_set(err, AR_FORMAT,
                     "field %u is cut short or of a type that "
                     "is not known",
                     out->number);
}

float proto_float(const proto_field *f) {
    const uint32_t bits = (uint32_t)f->value;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
