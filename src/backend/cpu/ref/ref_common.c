/* ref_common.c - single elements of any type, for the plain kernels. */
#include "backend/cpu/ref/ref.h"

int64_t REF(load_int)(const tensor *t, int64_t offset) {
    const char *p = at(t, offset);
    double x = 0;
    int64_t n = 0;
    switch (t->type) {
    case AR_I8: return *(const int8_t *)p;
    case AR_I16: return *(const int16_t *)p;
    case AR_I32: return *(const int32_t *)p;
    case AR_I64: return *(const int64_t *)p;
    case AR_U8:
    case AR_BOOL: return *(const uint8_t *)p;
    default:
        type_decode_f64(t->type, p, &x, 1);
        type_encode_f64(AR_I64, &x, &n, 1);
        return n;
    }
}

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
    return x < low ? low : x > high ? high : x;
}

void REF(store_int)(const tensor *t, int64_t offset, int64_t x) {
    char *p = at(t, offset);
    switch (t->type) {
    case AR_I8: *(int8_t *)p = (int8_t)clamp(x, INT8_MIN, INT8_MAX); break;
    case AR_I16: *(int16_t *)p = (int16_t)clamp(x, INT16_MIN, INT16_MAX); break;
    case AR_I32: *(int32_t *)p = (int32_t)clamp(x, INT32_MIN, INT32_MAX); break;
    case AR_I64: *(int64_t *)p = x; break;
    case AR_U8: *(uint8_t *)p = (uint8_t)clamp(x, 0, UINT8_MAX); break;
    case AR_BOOL: *(uint8_t *)p = x != 0; break;
    default: store(t, offset, (real)x);
    }
}

void REF(copy_element)(const tensor *dst, int64_t to, const tensor *src,
                       int64_t from) {
    if (dst->type == src->type) {
        memmove(at(dst, to), at(src, from), ar_type_size(src->type, 1));
        return;
    }
    if (!type_is_float(dst->type) && !type_is_float(src->type)) {
        REF(store_int)(dst, to, REF(load_int)(src, from));
        return;
    }
    double x = 0;
    type_decode_f64(src->type, at(src, from), &x, 1);
    type_encode_f64(dst->type, &x, at(dst, to), 1);
}

void REF(read_row)(const tensor *t, int64_t offset, int64_t n, real *y,
                   int64_t stride) {
    enum { PIECE = 256 }; /* whole blocks of every type */
    float x[PIECE] = {0};
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        const char *p = t->data;
        p += ar_type_size(t->type, offset + i);
        quant_decode(t->type, p, x, m);
        for (int64_t k = 0; k < m; k++) y[(i + k) * stride] = x[k];
    }
}

const real *REF(read)(const tensor *t, int64_t offset, int64_t stride,
                      int64_t n, real *scratch) {
    if (t->type == REAL_TYPE && stride == 1)
        return (const real *)t->data + offset;
    for (int64_t i = 0; i < n; i++) scratch[i] = load(t, offset + i * stride);
    return scratch;
}
